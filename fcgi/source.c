/* Opening sources below image_root without a way out of it. Called by api_img.
 *
 * openat2 lets the kernel resolve the path beneath the root's descriptor, free of races with whoever renames
 * directories meanwhile. realpath and a comparison of prefixes was rejected for just that race. Where openat2 is
 * missing, a walk opens one component at a time, never follows a link by itself, and keeps the descriptors of the
 * directories it came through, so that ".." in a link's target goes back to one of them and never above the root. */
#include "libc.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
#define WALK_DEPTH 48
#define WALK_LINKS 16
#define RACE_TRIES 8

void source_close(struct source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static bool name_allowed(const char *path)
{
    for (const char *p = path;; p++) {
        if (*p == '\0' || *p == '/' || *p == '.')
            return false;
        p += strcspn(p, "/");
        if (*p == '\0')
            return true;
    }
}

/* What the client learns: everything that its path can cause is "no such file". */
static int public_error(int err)
{
    switch (err) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case EAGAIN:
        return err;
    default:
        return ENOENT;
    }
}

/* Takes over fd. */
static int accept_file(int fd, struct source *s)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return ENOENT;
    }
    *s = (struct source){ fd, st.st_size, st.st_mtim };
    return 0;
}

static int open_root(const char *root)
{
    return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int source_open(const char *root, const char *path, struct source *s)
{
    struct open_how how = { .flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    if (!name_allowed(path))
        return ENOENT;
    int dir = open_root(root);
    if (dir < 0)
        return public_error(errno);
    int fd, err, tries = 0;
    do { /* EAGAIN: a directory on the way was renamed while ".." was resolved */
        fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
        err = errno;
    } while (fd < 0 && (err == EAGAIN || err == EINTR) && ++tries < RACE_TRIES);
    close(dir);
    if (fd >= 0)
        return accept_file(fd, s);
    return err == ENOSYS || err == EPERM ? source_walk(root, path, s) : public_error(err);
}

struct walk {
    int dir[WALK_DEPTH]; /* dir[0] is the root, dir[depth] where we are */
    int depth, links;
    char rest[PATH_MAX]; /* still to be resolved */
};

/* Puts a link's target in front of what is left. */
static int walk_link(struct walk *w, int link)
{
    char target[PATH_MAX], joined[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof target - 1);
    if (n <= 0 || ++w->links > WALK_LINKS)
        return ELOOP;
    target[n] = '\0';
    int length = snprintf(joined, sizeof joined, "%s%s%s", target, *w->rest ? "/" : "", w->rest);
    if (target[0] == '/' || length < 0 || (size_t)length >= sizeof joined)
        return EXDEV;
    strcpy(w->rest, joined);
    return 0;
}

static int walk_up(struct walk *w)
{
    if (w->depth == 0)
        return EXDEV;
    close(w->dir[w->depth--]);
    return 0;
}

/* Enters or opens one component. *file is set once the file is reached. */
static int walk_into(struct walk *w, const char *name, int *file)
{
    struct stat st;
    int at = w->dir[w->depth];
    int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = fstat(fd, &st) != 0 ? errno : 0;
    if (!err && S_ISDIR(st.st_mode)) {
        if (w->depth + 1 < WALK_DEPTH) {
            w->dir[++w->depth] = fd;
            return 0;
        }
        err = ELOOP;
    } else if (!err && S_ISLNK(st.st_mode)) {
        err = walk_link(w, fd);
    } else if (!err && !*w->rest && S_ISREG(st.st_mode)) {
        *file = openat(at, name, OPEN_FLAGS | O_NOFOLLOW);
        err = *file < 0 ? errno : 0;
    } else if (!err) {
        err = ENOTDIR;
    }
    close(fd);
    return err;
}

/* Cuts the first component off w->rest. */
static int walk_next(struct walk *w, char name[NAME_MAX + 1])
{
    size_t n = strcspn(w->rest, "/");
    if (n > NAME_MAX)
        return ENAMETOOLONG;
    memcpy(name, w->rest, n);
    name[n] = '\0';
    n += strspn(w->rest + n, "/");
    memmove(w->rest, w->rest + n, strlen(w->rest + n) + 1);
    return 0;
}

int source_walk(const char *root, const char *path, struct source *s)
{
    struct walk w = { .depth = 0 };
    char name[NAME_MAX + 1];
    int file = -1, err = 0;
    if (!name_allowed(path) || strlen(path) >= sizeof w.rest)
        return ENOENT;
    strcpy(w.rest, path);
    if ((w.dir[0] = open_root(root)) < 0)
        return public_error(errno);
    while (!err && file < 0 && *w.rest) {
        err = walk_next(&w, name);
        if (!err && !strcmp(name, ".."))
            err = walk_up(&w);
        else if (!err && *name && strcmp(name, "."))
            err = walk_into(&w, name, &file);
    }
    while (w.depth >= 0)
        close(w.dir[w.depth--]);
    if (file >= 0)
        return accept_file(file, s);
    return public_error(err ? err : ENOENT);
}
