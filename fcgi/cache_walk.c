/* Every file of the cache, one after the other, for the sweep. Called by cache_sweep.c alone.
 *
 * Below cache_dir itself only what looks like an image of ours is looked at, and only where cache_named.c has found the
 * directory empty once; names with a dot in front (.htaccess) are nobody's business. Directories that held images and
 * hold none any more go as well. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"

#define DEPTH 64

struct walk {
    const atomic_bool *stop;
    cache_judge *judge;
    void *ctx;
    char name[CACHE_NAME]; /* below cache_dir, of what is looked at */
};

static bool stopped(const struct walk *w)
{
    return w->stop && *w->stop;
}

static DIR *read_from(int fd)
{
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d && fd >= 0)
        close(fd);
    return d;
}

static DIR *open_below(int at, const char *name)
{
    return read_from(openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/* Regular files of one of our own directories. */
static void walk_own(struct walk *w, int home, const char *name, enum cache_kind kind)
{
    DIR *d = open_below(home, name);
    struct dirent *e;
    struct stat st;
    while (d && !stopped(w) && (e = readdir(d)))
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            w->judge(w->ctx, &(struct cache_file){ kind, dirfd(d), e->d_name, e->d_name, &st });
    if (d)
        closedir(d);
}

static void walk_named(struct walk *w, int at, const char *directory, size_t n, int depth);

/* One name in a directory whose own name is the first n bytes of w->name. */
static void look_at(struct walk *w, int dir, const char *last, size_t n, int depth)
{
    struct stat st;
    int k = snprintf(w->name + n, sizeof w->name - n, "%s%s", n ? "/" : "", last);
    if (k < 0 || (size_t)k >= sizeof w->name - n || fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (S_ISDIR(st.st_mode) && depth < DEPTH)
        walk_named(w, dir, last, n + (size_t)k, depth + 1);
    else if (S_ISREG(st.st_mode) && cache_name_format(last) != IC_FORMAT_ORIGIN)
        w->judge(w->ctx, &(struct cache_file){ CACHE_NAMED, dir, last, w->name, &st });
}

static void walk_names(struct walk *w, DIR *d, size_t n, int depth)
{
    struct dirent *e;
    while (!stopped(w) && (e = readdir(d))) {
        if (e->d_name[0] != '.' && (n > 0 || strcmp(e->d_name, CACHE_OF_DISK) != 0))
            look_at(w, dirfd(d), e->d_name, n, depth);
        w->name[n] = '\0';
    }
    closedir(d);
}

static void walk_named(struct walk *w, int at, const char *directory, size_t n, int depth)
{
    DIR *d = open_below(at, directory);
    if (!d)
        return;
    walk_names(w, d, n, depth);
    unlinkat(at, directory, AT_REMOVEDIR); /* unless there is something in it */
}

int cache_walk(const struct config *c, const atomic_bool *stop, cache_judge *judge, void *ctx)
{
    struct walk w = { .stop = stop, .judge = judge, .ctx = ctx };
    char path[CACHE_PATH];
    cache_path(c, "", path);
    DIR *home = opendir(path);
    struct dirent *e;
    if (!home)
        return errno;
    while (!stopped(&w) && (e = readdir(home)))
        if (strlen(e->d_name) == 2 && e->d_name[0] != '.')
            walk_own(&w, dirfd(home), e->d_name, CACHE_ENTRY);
    walk_own(&w, dirfd(home), "tmp", CACHE_TEMPORARY);
    closedir(home);
    if (!cache_named_ours(c))
        return 0;
    DIR *top = read_from(open(c->cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); /* which may well be a link */
    if (!top)
        return errno;
    walk_names(&w, top, 0, 0);
    return 0;
}
