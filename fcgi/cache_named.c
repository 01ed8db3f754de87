/* Images under the names of their URLs, for web servers that answer from them (cache_layout = path). Called by cache.c,
 * cache_keep.c and the sweep.
 *
 * Directories are entered one by one and never through a link, so that no name leads out of cache_dir whatever was put
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"
#include "query.h"
#include "source.h"

/* Readable for the web server, whatever the umask. */
static int enter(int at, const char *part, bool make)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, part, flags);
    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (mkdirat(at, part, 0755) != 0 && errno != EEXIST)
        return -1;
    if ((fd = openat(at, part, flags)) >= 0)
        fchmod(fd, 0755);
    return fd;
}

/* The directory that name lies in, -1 with errno; *last: what is behind its last slash. */
static int open_directory(const struct config *c, const char *name, bool make, const char **last)
{
    char part[NAME_MAX + 1];
    int dir = open(c->cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *slash; dir >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        int next = enter(dir, part, make), err = errno;
        close(dir);
        errno = err;
        dir = next;
    }
    *last = name;
    return dir;
}

int cache_named_open(const struct config *c, const char *name)
{
    const char *last;
    int dir = open_directory(c, name, false, &last);
    if (dir < 0)
        return -1;
    int fd = openat(dir, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close(dir);
    return fd;
}

int cache_named_publish(const struct cache *k, const char *tmp, const char *name)
{
    const char *last;
    int err = cache_mark_claim(k);
    for (int tries = 0; !err && tries < 2; tries++) { /* a sweep may have removed the directory as an empty one */
        int dir = open_directory(k->cfg, name, true, &last);
        if (dir < 0) {
            err = errno;
            break;
        }
        bool done = renameat(AT_FDCWD, tmp, dir, last) == 0;
        int why = done ? 0 : errno;
        close(dir);
        if (done)
            return 0;
        err = why == ENOENT && tries == 0 ? 0 : why;
    }
    unlink(tmp);
    return err;
}

static ino_t inode_of(const struct config *c, const char *name)
{
    const char *last;
    struct stat st;
    int dir = open_directory(c, name, false, &last);
    if (dir < 0)
        return 0;
    bool there = fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) == 0;
    close(dir);
    return there ? st.st_ino : 0;
}

bool cache_named_link(const struct cache *k, const char *from, const char *to)
{
    const char *last;
    char tmp[CACHE_PATH];
    if (inode_of(k->cfg, from) == inode_of(k->cfg, to))
        return false;
    int dir = open_directory(k->cfg, from, false, &last);
    if (dir < 0)
        return false;
    cache_temporary(k->cfg, tmp);
    bool linked = linkat(dir, last, AT_FDCWD, tmp, 0) == 0;
    close(dir);
    if (!linked || cache_named_publish(k, tmp, to) != 0)
        return false;
    unlink(tmp); /* where both became the same file meanwhile, renaming leaves it */
    return true;
}

/* Staleness. */

bool cache_after(struct timespec a, struct timespec b)
{
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

/* Whether the file at path is there; *changed: when it or its name last became another. */
static bool source_time(const struct config *c, const char *path, struct timespec *changed)
{
    struct source s;
    struct stat st;
    if (source_open(c->image_root, path, &s) != 0)
        return false;
    bool there = fstat(s.fd, &st) == 0;
    source_close(&s);
    *changed = cache_after(st.st_mtim, st.st_ctim) ? st.st_mtim : st.st_ctim;
    return there;
}

struct timespec cache_root_linked(const struct config *c)
{
    struct timespec last = { 0 };
    struct stat st;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", c->image_root);
    for (char *p = path, end; *p; *p = end) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        end = *p;
        *p = '\0';
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && cache_after(st.st_ctim, last))
            last = st.st_ctim;
    }
    return last;
}

bool cache_named_stale(const struct config *c, const char *name, struct timespec made)
{
    char path[CACHE_NAME];
    struct timespec changed;
    size_t options = strcspn(name, "/");
    snprintf(path, sizeof path, "%s", name + (query_is_options(name, options) ? options + 1 : 0));
    char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (source_time(c, path, &changed))
        return cache_after(changed, made);
    if (!dot || dot < slash) /* a second extension is the format */
        return true;
    *dot = '\0';
    return !source_time(c, path, &changed) || cache_after(changed, made);
}
