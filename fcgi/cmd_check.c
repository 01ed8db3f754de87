/* pixpool check: what would go wrong at `pixpool serve` with this configuration on this machine, before it does.
 *
 * Called by main.c. Loading reports what a look at the keys alone can tell; the checks here ask the machine. Each says
 * in one line what is wrong and what to do about it; all of them run, so that one call finds everything. A running
 * pixpool is not disturbed: its socket is connected to, never taken. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "cmd.h"
#include "dispatch.h"
#include "engine.h"
#include "process.h"
#include "query.h"
#include "slots.h"

static int problems;

void check_tell(const char *kind, const char *fmt, ...)
{
    va_list ap;

    printf("%-8s ", kind);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    problems += strcmp(kind, "PROBLEM") == 0;
}

static void check_environment(void)
{
    char text[200];

    if (config_env_unknown(text, sizeof text))
        check_tell("PROBLEM", "environment: %s", text);
}

static void check_image_root(const struct config *c)
{
    if (!*c->image_root)
        check_tell("note", "image_root is not set: GET /img/ answers 404, uploads work");
}

/* Whether somebody accepts connections on the unix socket at path. */
static bool answers(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    bool yes = fd >= 0 && strlen(path) < sizeof a.sun_path &&
               (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return yes;
}

/* Whether fd listens on all addresses, however that was written. */
static bool everywhere(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t n = sizeof a;

    if (getsockname(fd, &a.any, &n) < 0)
        return false;
    return (a.any.sa_family == AF_INET && a.v4.sin_addr.s_addr == htonl(INADDR_ANY)) ||
           (a.any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr));
}

static void check_reachable(const struct config *c, int fd)
{
    if (everywhere(fd))
        check_tell(
            "note",
            "listen = %s is open to all networks, and FastCGI has no passwords: who reaches it may claim to come "
            "from any address, those of admin_allow too. Listen on 127.0.0.1 or a private address, or have a "
            "firewall let in the web server alone",
            c->listen);
    else if (strncmp(c->listen, "unix:", 5) == 0)
        check_reach(c, c->listen + 5);
}

static void check_listen(const struct config *c)
{
    char err[300];

    if (strncmp(c->listen, "fd:", 3) == 0) {
        check_tell("note", "listen = %s is known only when it is handed over", c->listen);
        return;
    }
    if (strncmp(c->listen, "unix:", 5) == 0 && answers(c->listen + 5)) {
        check_tell("note", "listen = %s: a process answers there already; it must end before another starts",
                   c->listen);
        check_reach(c, c->listen + 5);
        return;
    }
    int fd = listen_open(c, err, sizeof err);
    if (fd >= 0)
        check_tell("ok", "listen = %s is free", c->listen);
    else
        check_tell("PROBLEM", "%s: %s, or set listen", err,
                   strstr(err, strerror(EADDRINUSE)) ? "end what uses it"
                                                     : "make its directory and give it write permission");
    if (fd >= 0)
        check_reachable(c, fd);
    listen_remove();
    if (fd >= 0)
        close(fd);
}

static void check_backlog(const struct config *c)
{
    long long most = 0;
    FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");

    if (f && fscanf(f, "%lld", &most) == 1 && most < c->backlog)
        check_tell("note", "backlog = %lld, but the kernel stops at net.core.somaxconn = %lld", (long long)c->backlog,
                   most);
    if (f)
        fclose(f);
}

static void check_memory(const struct config *c)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    long long have = pages > 0 && page > 0 ? (long long)pages * page >> 20 : 0, want = c->memory_limit >> 20;

    if (have && want > have)
        check_tell("PROBLEM",
                   "memory_limit = %lldM, but the machine has %lldM: lower workers (%lld), worker_memory or "
                   "memory_limit",
                   want, have, (long long)c->workers);
    else
        check_tell("ok", "memory: %lld workers of %lldM, %lldM in all", (long long)c->workers,
                   (long long)(c->worker_memory >> 20), want);
}

static void check_descriptors(const struct config *c)
{
    struct rlimit r;
    unsigned long need = dispatch_descriptors(c);

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_max < need)
        check_tell("PROBLEM",
                   "%lu descriptors are allowed, %d threads and %lld workers need %lu: raise ulimit -Hn "
                   "(systemd: LimitNOFILE), or lower queue or threads",
                   (unsigned long)r.rlim_max, config_threads(c), (long long)c->workers, need);
    else
        check_tell("ok", "descriptors: %lu are needed at most times", need);
}

static void check_log(const struct config *c)
{
    char directory[4200];
    const char *slash = strrchr(c->log, '/');

    if (strcmp(c->log, "-") == 0)
        return;
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - c->log) + 1 : 1, slash ? c->log : ".");
    bool there = access(c->log, F_OK) == 0;
    if (access(there ? c->log : directory, W_OK) == 0)
        check_tell("ok", "log %s can be written", c->log);
    else
        check_tell("PROBLEM", "log %s: %s: make its directory and give it write permission, or set log", c->log,
                   strerror(errno));
}

static void check_files(struct config *c)
{
    char why[600];

    if (!config_files_read(c, why, sizeof why))
        check_tell("PROBLEM", "%s", why);
    else if (c->marks || c->fonts)
        check_tell("ok", "watermarks and fonts can be read");
    if (*c->mark_root && access(c->mark_root, R_OK | X_OK) != 0)
        check_tell("PROBLEM", "mark_root %s: %s", c->mark_root, strerror(errno));
}

static void check_presets(const struct config *c)
{
    for (const struct config_preset *p = c->presets; p; p = p->next) {
        char why[600];
        if (cmd_preset_ok(c, p, why, sizeof why))
            check_tell("ok", "preset %s", p->name);
        else
            check_tell("PROBLEM", "%s", why);
    }
}

static void check_renditions(const struct config *c)
{
    char why[600];
    int n = 0;
    for (const struct config_preset *r = c->renditions; r; r = r->next)
        n++;
    if (cmd_renditions_ok(c, why, sizeof why))
        check_tell("ok", "%d renditions", n);
    else
        check_tell("PROBLEM", "%s", why);
}

static void check_allowed(const struct config *c)
{
    char why[300];

    if (!query_allow_valid(c, why, sizeof why))
        check_tell("PROBLEM", "%s", why);
    else if (*c->allowed_options || *c->allowed_sizes || c->only_presets)
        check_tell("ok", "requests are restricted: allowed_options, allowed_sizes, only_presets");
}

static void check_engine(const struct config *c)
{
    char why[300];
    struct ic_engine *g = engine_create(c, why, sizeof why);

    if (!g)
        check_tell("PROBLEM", "%s", why);
    else if (c->cmyk.bytes)
        check_tell("ok", "cmyk_profile %s", c->cmyk_profile);
    ic_engine_free(g);
}

/* In place of a socket. */
static void check_slots(const struct config *c)
{
    struct slots s;
    char why[600];

    if (c->workers == 0)
        check_tell("PROBLEM", "workers = 0 is for debugging one process: fcgid needs at least 1");
    if (!slots_init(&s, c, why, sizeof why)) {
        check_tell("PROBLEM", "%s", why);
        return;
    }
    check_tell("ok", "slot_file %s: %lld workers and a queue of %lld in all processes together", s.file,
               (long long)c->workers, (long long)c->queue);
    slots_free(&s);
}

/* Moves --nginx FILE and --fcgid behind the other words, because keys may not be called so; none is lost, for the words
 * belong to main.c. Returns how many others there are. */
static int take_words(int argc, char **argv, const char **file, bool *fcgid)
{
    int n = 0;

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--nginx") == 0 && i + 1 < argc) {
            *file = argv[++i];
        } else if (strncmp(argv[i], "--nginx=", 8) == 0) {
            *file = argv[i] + 8;
        } else if (strcmp(argv[i], "--fcgid") == 0) {
            *fcgid = true;
        } else {
            char *other = argv[i];
            argv[i] = argv[n];
            argv[n++] = other;
        }
    return n;
}

int cmd_check(int argc, char **argv)
{
    struct cmd_words words = { .keys = 0 };
    struct config c;
    enum cmd_status status;
    const char *nginx = NULL;

    argc = take_words(argc, argv, &nginx, &words.shared);
    if ((status = cmd_words_only(&words, argc, argv)) != CMD_OK || (status = cmd_configure(&c, &words)) != CMD_OK)
        return status;
    check_environment();
    check_image_root(&c);
    check_directories(&c);
    check_files(&c);
    if (c.shared) {
        check_slots(&c);
    } else {
        check_listen(&c);
        check_backlog(&c);
    }
    check_memory(&c);
    check_descriptors(&c);
    check_limits(&c);
    check_log(&c);
    check_engine(&c);
    check_presets(&c);
    check_renditions(&c);
    check_allowed(&c);
    if (nginx)
        check_nginx(&c, nginx);
    config_free(&c);
    if (problems == 0)
        puts("pixpool can serve");
    return problems == 0 ? CMD_OK : CMD_FAILED;
}
