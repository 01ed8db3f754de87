/* Sweeping the cache: what nobody has asked for in cache_ttl goes, and then the longest unused until the rest fits.
 *
 *     1st walk  removes what is old or torn, and counts the bytes of the rest by age
 *     2nd walk  where they are too many: removes what is older than the age at which they fit
 *
 * Two walks and a table of ages instead of a sorted list of entries: a cache may hold millions, and a sweep of it must
 * not need memory for each. Removing is safe at any moment: whoever reads an entry holds its file open. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"

#define TORN_S  600 /* nobody takes so long to write a file */
#define FINE    64  /* ages in seconds below this have a class each, */
#define STEPS   32  /* then there are so many to every doubling */
#define CLASSES (FINE + STEPS * 26)

struct sweep {
    const struct config *c;
    int64_t now_s, most;    /* bytes that may stay */
    int64_t early_s;        /* before its time, where nobody looks again in time */
    bool sources;           /* are where they can be looked at */
    struct timespec linked; /* when the way to them last became another */
    int64_t since_s;        /* named ones that are older were made by other rules */
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

static void drop(struct sweep *s, const struct cache_file *f, int64_t bytes, enum cache_why why)
{
    if (unlinkat(f->dir, f->last, 0) != 0)
        return;
    s->swept.gone[why]++;
    if (s->second) {
        s->swept.entries -= f->kind == CACHE_ENTRY;
        s->swept.bytes -= bytes;
    }
}

/* What has to go however small the cache is. What stands under a name goes before its time is over, because a web
 * server would go on with it until the next sweep. */
static bool outdated(const struct sweep *s, const struct cache_file *f, enum cache_why *why)
{
    int64_t unused_s = s->now_s - f->st->st_mtim.tv_sec; /* of a named one: since it was made */
    if (f->kind == CACHE_TEMPORARY) {
        *why = CACHE_TORN;
        return unused_s >= TORN_S;
    }
    if (f->kind == CACHE_NAMED && f->st->st_size == 0) { /* the power went between its name and its bytes */
        *why = CACHE_TORN;
        return true;
    }
    *why = CACHE_OLD;
    if (unused_s >= s->c->cache_ttl_s - (f->kind == CACHE_NAMED ? s->early_s : 0))
        return true;
    *why = CACHE_STALE;
    if (f->kind != CACHE_NAMED)
        return false;
    if (f->st->st_mtim.tv_sec < s->since_s)
        return true;
    return s->sources && (cache_after(s->linked, f->st->st_mtim) || cache_named_stale(s->c, f->name, f->st->st_mtim));
}

static int64_t last_use_s(const struct cache_file *f)
{
    const struct stat *st = f->st;
    return f->kind == CACHE_NAMED && st->st_atim.tv_sec > st->st_mtim.tv_sec ? st->st_atim.tv_sec : st->st_mtim.tv_sec;
}

static void judge(void *ctx, const struct cache_file *f)
{
    struct sweep *s = ctx;
    enum cache_why why;
    int64_t bytes = cache_disk_bytes(f->st->st_size);
    int class = age_class(s->now_s - last_use_s(f));
    if (!s->second && outdated(s, f, &why)) {
        drop(s, f, bytes, why);
    } else if (f->kind == CACHE_TEMPORARY) {
        return;
    } else if (!s->second) {
        s->bytes[class] += bytes;
        s->swept.bytes += bytes;
        s->swept.entries += f->kind == CACHE_ENTRY;
    } else if (class > s->cut || (class == s->cut && s->cut_bytes > 0)) {
        s->cut_bytes -= class == s->cut ? bytes : 0;
        drop(s, f, bytes, CACHE_LARGE);
    }
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

/* For cache_content. */
static void tell(int lock, const struct cache_swept *swept)
{
    int64_t left[2] = { swept->entries, swept->bytes };
    ssize_t told = pwrite(lock, left, sizeof left, 0);
    (void)told; /* otherwise older numbers stand there */
}

void cache_content(const struct cache *k, int64_t *entries, int64_t *bytes)
{
    char path[CACHE_PATH];
    int64_t left[2] = { 0 };
    cache_path(k->cfg, "sweep", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, left, sizeof left, 0) != (ssize_t)sizeof left)
        left[0] = left[1] = 0;
    if (fd >= 0)
        close(fd);
    *entries = left[0];
    *bytes = left[1] + cache_grown(k->cfg);
}

/* The keeper comes twice in that time, or its thread is late. */
static int64_t early_s(const struct config *c)
{
    int64_t twice = 2 * cache_interval_s(c), quarter = c->cache_ttl_s / 4;
    return twice < quarter ? twice : quarter;
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
    int64_t grown = cache_grown(c);
    if (s) {
        *s = (struct sweep){ .c = c,
                             .now_s = time(NULL),
                             .most = c->cache_size / 8 * 7,
                             .early_s = stop ? early_s(c) : 0,
                             .since_s = cache_mark_since_s(c),
                             .linked = cache_root_linked(c),
                             .sources = *c->image_root && access(c->image_root, R_OK | X_OK) == 0 };
        forget_growth(c);
        err = cache_walk(c, stop, judge, s);
        if (!err && find_cut(s)) {
            s->second = true;
            err = cache_walk(c, stop, judge, s);
        }
        *out = s->swept;
    }
    free(s);
    if (!err && !(stop && *stop)) {
        tell(lock, out);
        futimens(lock, NULL);
    } else if (grown > 0) { /* nothing was counted: the next one has it all before it */
        cache_grow(c, grown);
    }
    close(lock);
    return err;
}
