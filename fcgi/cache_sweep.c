/* Sweeping the cache: what nobody has asked for in cache_ttl goes, and then the longest unused until the rest fits.
 *
 *     1st walk  removes what is old or torn, and counts the bytes of the rest by age
 *     2nd walk  where they are too many: removes what is older than the age at which they fit
 *
 * Two walks and a table of ages instead of a sorted list of entries: a cache may hold millions, and a sweep of it must
 * not need memory for each. Removing is safe at any moment: whoever reads an entry holds its file open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"

#define TORN_S  600 /* nobody takes so long to write a file */
#define FINE    64  /* ages in seconds below this have a class each, */
#define STEPS   32  /* then there are so many to every doubling */
#define CLASSES (FINE + STEPS * 26)

struct sweep {
    const struct config *c;
    const atomic_bool *stop;
    int64_t now_s, most; /* bytes that may stay */
    bool second;
    int64_t bytes[CLASSES]; /* by age */
    int cut;                /* class in which the last of what has to go lies; all above go too */
    int64_t cut_bytes;      /* how much of that class */
    struct cache_swept swept;
};

static int age_class(int64_t age_s)
{
    if (age_s < FINE)
        return age_s < 0 ? 0 : (int)age_s;
    int log2 = 63 - __builtin_clzll((uint64_t)age_s); /* FINE is 1 << 6 */
    int at = FINE + (log2 - 6) * STEPS + (int)((age_s >> (log2 - 5)) & (STEPS - 1));
    return at < CLASSES ? at : CLASSES - 1;
}

static void drop(struct sweep *s, int dir, const char *name, int64_t bytes, enum cache_why why)
{
    if (unlinkat(dir, name, 0) != 0)
        return;
    s->swept.gone[why]++;
    if (s->second) {
        s->swept.entries--;
        s->swept.bytes -= bytes;
    }
}

static void judge_entry(struct sweep *s, int dir, const char *name, const struct stat *st)
{
    int64_t age = s->now_s - st->st_mtim.tv_sec, bytes = cache_disk_bytes(st->st_size);
    int class = age_class(age);
    if (!s->second && age >= s->c->cache_ttl_s) {
        drop(s, dir, name, bytes, CACHE_OLD);
    } else if (!s->second) {
        s->bytes[class] += bytes;
        s->swept.bytes += bytes;
        s->swept.entries++;
    } else if (class > s->cut || (class == s->cut && s->cut_bytes > 0)) {
        s->cut_bytes -= class == s->cut ? bytes : 0;
        drop(s, dir, name, bytes, CACHE_LARGE);
    }
}

static void judge_temporary(struct sweep *s, int dir, const char *name, const struct stat *st)
{
    if (s->now_s - st->st_mtim.tv_sec >= TORN_S)
        drop(s, dir, name, 0, CACHE_TORN);
}

/* Every regular file of one of our own directories. */
static void walk_files(struct sweep *s, int home, const char *name,
                       void (*judge)(struct sweep *s, int dir, const char *name, const struct stat *st))
{
    int fd = openat(home, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    struct stat st;
    while (d && (e = readdir(d)) && !(s->stop && *s->stop))
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            judge(s, fd, e->d_name, &st);
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

static int walk(struct sweep *s)
{
    char path[CACHE_PATH];
    cache_path(s->c, "", path);
    DIR *home = opendir(path);
    struct dirent *e;
    if (!home)
        return errno;
    while ((e = readdir(home)) && !(s->stop && *s->stop))
        if (strlen(e->d_name) == 2 && e->d_name[0] != '.')
            walk_files(s, dirfd(home), e->d_name, judge_entry);
    if (!s->second)
        walk_files(s, dirfd(home), "tmp", judge_temporary);
    closedir(home);
    return 0;
}

/* Where the cut has to be. false: all fits. */
static bool find_cut(struct sweep *s)
{
    int64_t left = s->swept.bytes - s->most;
    if (left <= 0)
        return false;
    s->cut = CLASSES - 1;
    while (s->cut > 0 && s->bytes[s->cut] < left)
        left -= s->bytes[s->cut--];
    s->cut_bytes = left;
    return true;
}

/* The lock that makes one sweep of many; its descriptor, or -1 with errno. */
static int begin(const struct config *c)
{
    char path[CACHE_PATH];
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    cache_path(c, "sweep", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &l) == 0)
        return fd;
    int err = errno == EACCES ? EAGAIN : errno;
    close(fd);
    errno = err;
    return -1;
}

/* What is written from here on counts for the next one. */
static void forget_growth(const struct config *c)
{
    char path[CACHE_PATH];
    cache_path(c, "grown", path);
    if (truncate(path, 0) != 0 && errno != ENOENT)
        unlink(path);
}

int cache_sweep(const struct config *c, const atomic_bool *stop, struct cache_swept *out)
{
    struct stat st;
    int lock = begin(c);
    if (lock < 0 && errno == ENOENT && stat(c->cache_dir, &st) == 0) { /* nothing was ever kept here */
        *out = (struct cache_swept){ 0 };
        return 0;
    }
    if (lock < 0)
        return errno;
    struct sweep *s = calloc(1, sizeof *s);
    int err = s ? 0 : ENOMEM;
    if (s) {
        *s = (struct sweep){ .c = c, .stop = stop, .now_s = time(NULL), .most = c->cache_size / 8 * 7 };
        forget_growth(c);
        err = walk(s);
        if (!err && find_cut(s)) {
            s->second = true;
            err = walk(s);
        }
        *out = s->swept;
    }
    free(s);
    futimens(lock, NULL);
    close(lock);
    return err;
}
