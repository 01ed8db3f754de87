/* Checks of `pixpool check` that ask the machine: process limits, a container's memory, directories, and whether the
 * web server will reach the socket. Called by cmd_check.c.
 *
 * What is certain to fail is a PROBLEM; what depends on who the web server runs as, which nobody tells us, is a note.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "check.h"
#include "config_key.h"

/* Limits */

static void check_processes(const struct config *c)
{
    struct rlimit r;
    unsigned long need = (unsigned long)c->workers + (unsigned long)config_threads(c) + 8;

    /* Root is not bound by it. */
    if (geteuid() == 0 || getrlimit(RLIMIT_NPROC, &r) < 0 || r.rlim_max >= need)
        return;
    check_tell(
        "PROBLEM",
        "%lu processes and threads are allowed to user %u, %lld workers and %d threads need %lu: raise ulimit -Hu "
        "(systemd: LimitNPROC), or lower queue or threads",
        (unsigned long)r.rlim_max, (unsigned)geteuid(), (long long)c->workers, config_threads(c), need);
}

static void check_address_space(const struct config *c)
{
    struct rlimit r;
    unsigned long long need = (unsigned long long)(c->worker_memory + c->max_body + c->max_result) + (256ull << 20);

    if (getrlimit(RLIMIT_AS, &r) < 0 || r.rlim_cur >= need)
        return;
    check_tell(
        "PROBLEM",
        "a process may have %lluM of address space, a worker needs %lluM: raise ulimit -v (systemd: LimitAS), or "
        "lower worker_memory, max_body or max_result",
        (unsigned long long)r.rlim_cur >> 20, need >> 20);
}

/* Bytes that the control group may use, or 0 where nothing limits it. */
static unsigned long long group_memory(void)
{
    static const char *const files[] = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
    unsigned long long bytes = 0;

    for (size_t i = 0; i < sizeof files / sizeof *files && bytes == 0; i++) {
        FILE *f = fopen(files[i], "re");
        if (f && fscanf(f, "%llu", &bytes) != 1)
            bytes = 0;
        if (f)
            fclose(f);
    }
    return bytes;
}

static void check_container(const struct config *c)
{
    unsigned long long have = group_memory();

    if (have > 0 && have < (unsigned long long)c->memory_limit)
        check_tell(
            "PROBLEM",
            "memory_limit = %lldM, but this container may use %lluM, beyond which the kernel kills workers: raise "
            "its limit (systemd: MemoryMax), or lower workers, worker_memory or memory_limit",
            (long long)(c->memory_limit >> 20), have >> 20);
}

void check_limits(const struct config *c)
{
    check_processes(c);
    check_address_space(c);
    check_container(c);
}

/* Directories */

static void check_directory(const char *key, const char *path, bool write)
{
    struct stat st;
    int mode = write ? R_OK | W_OK | X_OK : R_OK | X_OK;

    if (stat(path, &st) < 0)
        check_tell("PROBLEM", "%s %s: %s: make the directory, or set %s", key, path, strerror(errno), key);
    else if (!S_ISDIR(st.st_mode))
        check_tell("PROBLEM", "%s %s: %s: set %s", key, path, strerror(ENOTDIR), key);
    else if (access(path, mode) < 0)
        check_tell("PROBLEM", "%s %s: %s for user %u: chown or chmod it, or run pixpool as another user", key, path,
                   strerror(errno), (unsigned)geteuid());
    else
        check_tell("ok", "%s %s is a directory that can be %s", key, path, write ? "written" : "read");
}

/* Root can read and write all of it, whoever's it is. */
static void check_cache_owner(const struct config *c)
{
    uid_t owner, we = geteuid();
    if (*c->cache_dir && we != 0 && cache_owner(c, &owner) && owner != we)
        check_tell("PROBLEM",
                   "cache_dir %s is user %u's, and only that user can use what is kept there: run pixpool as that "
                   "user, not as %u, or give this one a directory of its own",
                   c->cache_dir, (unsigned)owner, (unsigned)we);
}

static void check_cache_names(const struct config *c)
{
    if (*c->cache_dir && c->cache_layout == LAYOUT_PATH && access(c->cache_dir, R_OK | W_OK) == 0 &&
        !cache_named_may(c))
        check_tell(
            "PROBLEM",
            "cache_dir %s holds what pixpool did not put there, and cache_layout = path would have it removed one "
            "day: give it an empty directory",
            c->cache_dir);
}

void check_directories(const struct config *c)
{
    static const struct {
        const char *key;
        bool write;
        bool token; /* is asked for where one is set */
    } directories[] = { { "image_root", false, false },
                        { "mark_root", false, false },
                        { "store_dir", true, true },
                        { "spool_dir", true, true },
                        { "cache_dir", true, false } };
    char path[4200];

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        const char *name = directories[i].key;
        const struct config_key *k = config_key_find(name, strlen(name));
        if (!k || !*config_value_text(c, k, path, sizeof path))
            continue;
        check_directory(name, path, directories[i].write);
        if (directories[i].token && !*c->api_token)
            check_tell("note", "%s without api_token serves requests of this machine itself only", name);
    }
    check_cache_owner(c);
    check_cache_names(c);
    const char *tmp = getenv("TMPDIR");
    check_directory("TMPDIR", tmp && *tmp ? tmp : "/tmp", true);
}

/* The socket */

/* The first directory on the way to path that neither others nor group gid may pass; "" where there is none. */
static const char *closed_directory(const char *path, gid_t gid, char *out, size_t n)
{
    struct stat st;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(out, n, "%.*s", (int)(slash - path), path);
        bool open = stat(out, &st) < 0 || (st.st_mode & S_IXOTH) || ((st.st_mode & S_IXGRP) && st.st_gid == gid);
        if (!open)
            return out;
    }
    out[0] = '\0';
    return out;
}

/* Owner, group and rights of the socket at path: as it is, or as pixpool would make it. */
static void socket_rights(const struct config *c, const char *path, struct stat *st)
{
    const struct group *g = *c->socket_group ? getgrnam(c->socket_group) : NULL;

    if (stat(path, st) == 0 && S_ISSOCK(st->st_mode))
        return;
    *st = (struct stat){ .st_uid = geteuid(), .st_gid = g ? g->gr_gid : getegid() };
    st->st_mode = (mode_t)strtoul(c->socket_mode, NULL, 8);
}

void check_reach(const struct config *c, const char *path)
{
    struct stat st;
    char closed[200];

    socket_rights(c, path, &st);
    const struct group *g = getgrgid(st.st_gid);
    const char *group = g ? g->gr_name : c->socket_group;
    if (st.st_mode & 02)
        check_tell("note", "socket_mode = %s: every user of this machine may use pixpool", c->socket_mode);
    else if (st.st_mode & 020)
        check_tell("note", "the web server must run as user %u or in group %s to use the socket: or set socket_group",
                   (unsigned)st.st_uid, group);
    else
        check_tell("note",
                   "only user %u may use the socket: set socket_mode = 0660 and socket_group for the web server",
                   (unsigned)st.st_uid);
    if (*closed_directory(path, st.st_gid, closed, sizeof closed))
        check_tell("note",
                   "%s lets nobody else pass: a web server of another user needs chmod o+x, or chgrp %s and g+x",
                   closed, group);
}

/* Whether the user has one of the rights (as for others: 1 to search, 2 to write) on what st describes. */
static bool user_may(const struct stat *st, const struct passwd *user, mode_t right)
{
    gid_t groups[256];
    int n = sizeof groups / sizeof *groups;

    if (user->pw_uid == 0)
        return true;
    if (user->pw_uid == st->st_uid)
        return st->st_mode & right << 6;
    if (getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
        n = sizeof groups / sizeof *groups;
    for (int i = 0; i < n; i++)
        if (groups[i] == st->st_gid)
            return st->st_mode & right << 3;
    return st->st_mode & right;
}

void check_reach_as(const struct config *c, const char *path, const struct passwd *user)
{
    struct stat st;
    char directory[200];

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
        if (stat(directory, &st) == 0 && !user_may(&st, user, 1)) {
            check_tell("PROBLEM",
                       "%s is closed to user %s, as whom the web server runs: chmod o+x it, or chgrp and g+x",
                       directory, user->pw_name);
            return;
        }
    }
    socket_rights(c, path, &st);
    if (user_may(&st, user, 2))
        check_tell("ok", "user %s, as whom the web server runs, may use the socket", user->pw_name);
    else
        check_tell("PROBLEM",
                   "the socket is closed to user %s, as whom the web server runs: set socket_group to a group of that "
                   "user and socket_mode = 0660 (systemd: SocketGroup, SocketMode)",
                   user->pw_name);
}
