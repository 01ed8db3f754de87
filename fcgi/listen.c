/* The listening socket: made once by main.c before anything is forked, shared by every generation of gateways.
 *
 * A socket that somebody hands over goes first (systemd, spawn-fcgi, mod_fcgid): whoever started us that way means that
 * socket, whatever the file says. A unix socket left behind by a dead process is replaced, a live one is an error; the
 * directory is locked meanwhile, so that of two starters only one finds it stale. Taking a live one's place by unlink
 * and bind, as many daemons do at a restart, lost 143 requests when it was measured. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_SYSTEMD_FD 3 /* sd_listen_fds(3): SD_LISTEN_FDS_START */

struct listen_why {
    char *text;
    size_t size;
};

/* The unix socket that this process made, for listen_remove. */
static struct {
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    dev_t device;
    ino_t inode;
} listen_made;

__attribute__((format(printf, 2, 3))) static int listen_fail(const struct listen_why *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, why->size, fmt, ap);
    va_end(ap);
    return -1;
}

/* Sockets that are handed over. */

static bool listen_is_listening(int fd)
{
    int yes = 0;
    socklen_t n = sizeof yes;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes;
}

/* Out of the way of stdio, where a library that prints would write into it; /dev/null takes its place. */
static int listen_move_up(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (up >= 0 && null >= 0)
        dup2(null, fd);
    if (null >= 0)
        close(null);
    return up;
}

static int listen_adopt(int fd, const char *whose, const struct listen_why *why)
{
    if (!listen_is_listening(fd))
        return listen_fail(why, "%s: descriptor %d is not a listening socket", whose, fd);
    fd = listen_move_up(fd);
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return listen_fail(why, "%s: %s", whose, strerror(errno));
    return fd;
}

static bool listen_number(const char *text, long *n)
{
    char *end;
    errno = 0;
    *n = text ? strtol(text, &end, 10) : -1;
    return text && *text && !*end && !errno && *n >= 0 && *n <= INT32_MAX;
}

/* 0: systemd hands over nothing to this process. The variables are removed, so that no child takes them for its own. */
static int listen_systemd(const struct listen_why *why)
{
    long pid, count;
    bool ours = listen_number(getenv("LISTEN_PID"), &pid) && pid == getpid();
    bool some = listen_number(getenv("LISTEN_FDS"), &count) && count > 0;
    if (!ours || !some)
        return 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count != 1)
        return listen_fail(why, "LISTEN_FDS: %ld sockets, one is expected", count);
    return listen_adopt(LISTEN_SYSTEMD_FD, "LISTEN_FDS", why);
}

/* Unix sockets. */

enum listen_path { LISTEN_FREE, LISTEN_STALE, LISTEN_LIVE, LISTEN_FOREIGN };

/* Who answers at an address? Only a refusal proves that nobody does: a full backlog is EAGAIN. */
static enum listen_path listen_probe(const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(a->sun_path, &st) < 0)
        return LISTEN_FREE;
    if (!S_ISSOCK(st.st_mode))
        return LISTEN_FOREIGN;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return LISTEN_LIVE;
    bool refused = connect(fd, (const struct sockaddr *)a, sizeof *a) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused ? LISTEN_STALE : LISTEN_LIVE;
}

/* Its directory, locked; -1 where it can't be, which costs only the protection against a simultaneous start. */
static int listen_lock_directory(const char *path)
{
    char directory[sizeof listen_made.path];
    const char *slash = strrchr(path, '/');
    int n = slash == path ? 1 : slash ? (int)(slash - path) : 0;
    snprintf(directory, sizeof directory, "%.*s", n ? n : 1, n ? path : ".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

static bool listen_permit(const struct config *c, const char *path, const struct listen_why *why)
{
    if (*c->socket_group) {
        const struct group *g = getgrnam(c->socket_group);
        if (!g || chown(path, (uid_t)-1, g->gr_gid) < 0) {
            listen_fail(why, "socket_group: %s: %s", c->socket_group, g ? strerror(errno) : "there is no such group");
            return false;
        }
    }
    if (chmod(path, (mode_t)strtoul(c->socket_mode, NULL, 8)) == 0)
        return true;
    listen_fail(why, "%s: mode %s: %s", path, c->socket_mode, strerror(errno));
    return false;
}

static void listen_remember(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return;
    snprintf(listen_made.path, sizeof listen_made.path, "%s", path);
    listen_made.device = st.st_dev;
    listen_made.inode = st.st_ino;
}

/* Bound with no rights at all, then given those of the configuration, then listening: nobody gets in between. */
static int listen_bind_unix(const struct config *c, const struct sockaddr_un *a, const struct listen_why *why)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_fail(why, "socket: %s", strerror(errno));
    mode_t old = umask(0777);
    bool bound = bind(fd, (const struct sockaddr *)a, sizeof *a) == 0;
    umask(old);
    if (bound) {
        listen_remember(a->sun_path);
        if (listen_permit(c, a->sun_path, why)) {
            if (listen(fd, (int)c->backlog) == 0)
                return fd;
            listen_fail(why, "%s: listen: %s", a->sun_path, strerror(errno));
        }
        listen_remove();
    } else {
        listen_fail(why, "%s: %s%s", a->sun_path, strerror(errno), errno == ENOENT ? ": make its directory first" : "");
    }
    close(fd);
    return -1;
}

static int listen_unix(const struct config *c, const char *path, const struct listen_why *why)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (!*path || strlen(path) >= sizeof a.sun_path)
        return listen_fail(why, "listen: a unix socket's path has 1 to %zu bytes", sizeof a.sun_path - 1);
    strcpy(a.sun_path, path);
    int lock = listen_lock_directory(path), fd = -1;
    enum listen_path found = listen_probe(&a);
    if (found == LISTEN_LIVE)
        listen_fail(why, "%s is in use by a running process", path);
    else if (found == LISTEN_FOREIGN)
        listen_fail(why, "%s exists and is not a socket", path);
    else if (found == LISTEN_STALE && unlink(path) < 0)
        listen_fail(why, "%s: a dead process left it, removing: %s", path, strerror(errno));
    else
        fd = listen_bind_unix(c, &a, why);
    if (lock >= 0)
        close(lock);
    return fd;
}

void listen_remove(void)
{
    struct stat st;
    if (*listen_made.path && lstat(listen_made.path, &st) == 0 && st.st_dev == listen_made.device &&
        st.st_ino == listen_made.inode)
        unlink(listen_made.path);
    *listen_made.path = '\0';
}

/* TCP sockets. */

static int listen_bind_tcp(const struct addrinfo *a, int backlog)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* accepted sockets inherit it */
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, backlog) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int listen_tcp(const struct config *c, const struct listen_why *why)
{
    char host[256];
    const char *colon = strrchr(c->listen, ':');
    size_t n = colon ? (size_t)(colon - c->listen) : 0;
    const char *begin = c->listen;
    if (n >= 2 && begin[0] == '[' && begin[n - 1] == ']')
        begin++, n -= 2;
    if (!colon || !colon[1] || n >= sizeof host || (begin == c->listen && memchr(begin, ':', n)))
        return listen_fail(why, "listen: %s is not unix:/path, host:port, [v6]:port or fd:N", c->listen);
    snprintf(host, sizeof host, "%.*s", (int)n, begin);

    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *list;
    bool any = !*host || strcmp(host, "*") == 0;
    int rc = getaddrinfo(any ? NULL : host, colon + 1, &hints, &list);
    if (rc != 0)
        return listen_fail(why, "listen: %s: %s", c->listen, gai_strerror(rc));
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = listen_bind_tcp(a, (int)c->backlog);
    if (fd < 0)
        listen_fail(why, "listen: %s: %s", c->listen, strerror(errno));
    freeaddrinfo(list);
    return fd;
}

/* Whether fd is bound to this path, rather than handed over by somebody who will remove it himself. */
static bool listen_is_at(int fd, const char *path)
{
    struct sockaddr_un a = { 0 };
    socklen_t n = sizeof a;
    return getsockname(fd, (struct sockaddr *)&a, &n) == 0 && a.sun_family == AF_UNIX && strcmp(a.sun_path, path) == 0;
}

int listen_open(const struct config *c, char *err, size_t errsize)
{
    const struct listen_why why = { err, errsize };
    int fd = upgrade_listen_fd();
    if (fd >= 0) {
        if (strncmp(c->listen, "unix:", 5) == 0 && listen_is_at(fd, c->listen + 5))
            listen_remember(c->listen + 5);
        return listen_adopt(fd, "upgrade", &why);
    }
    fd = listen_systemd(&why);
    if (fd != 0)
        return fd;
    if (listen_is_listening(STDIN_FILENO))
        return listen_adopt(STDIN_FILENO, "standard input", &why);
    if (strncmp(c->listen, "unix:", 5) == 0)
        return listen_unix(c, c->listen + 5, &why);
    if (strncmp(c->listen, "fd:", 3) == 0) {
        long n;
        if (!listen_number(c->listen + 3, &n))
            return listen_fail(&why, "listen: %s is not a descriptor's number", c->listen);
        return listen_adopt((int)n, c->listen, &why);
    }
    return listen_tcp(c, &why);
}
