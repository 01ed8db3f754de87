/* Entries of the result cache, found by requests; cache_keep.c puts them there.
 *
 * An entry is named by its result's entity tag, which is a hash of all that the result depends on, the source's size
 * and time among it: so every hit is checked against the source, a changed source is another entry, and the old one
 * goes when nobody asks for it any more. Nothing is remembered in memory: processes share the cache through its files,
 * and the kernel keeps hot ones in memory anyway. */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"

#define TOUCH_S    60   /* an entry's time of use is that exact */
#define LINK_BYTES 8192 /* of one more name: a directory, and its place in another */

struct cache *cache_create(const struct config *c)
{
    struct cache *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->cfg = c;
    cache_rules(c, k->rules);
    k->due = c->cache_layout == LAYOUT_PATH && cache_mark_renew(k);
    int err = cache_keeper_start(k);
    if (!err)
        return k;
    free(k);
    errno = err;
    return NULL;
}

void cache_free(struct cache *k)
{
    if (!k)
        return;
    cache_keeper_stop(k);
    free(k);
}

/* Finding. */

static bool head_sound(const struct cache_head *h, int64_t file_size, int64_t max)
{
    if (memcmp(h->magic, CACHE_MAGIC, sizeof h->magic) || h->format <= IC_FORMAT_ORIGIN || h->format >= IC_FORMATS ||
        h->source_format <= IC_FORMAT_ORIGIN || h->source_format >= IC_FORMATS || h->length > (uint64_t)max)
        return false;
    int64_t rest = file_size - (int64_t)sizeof *h;
    return h->inode ? rest > 0 && rest < CACHE_NAME : rest == (int64_t)h->length;
}

static struct job_output head_told(const struct cache_head *h)
{
    return (struct job_output){ .format = h->format,
                                .source_format = h->source_format,
                                .width = h->width,
                                .height = h->height,
                                .source_width = h->source_width,
                                .source_height = h->source_height,
                                .warnings = h->warnings,
                                .length = h->length };
}

/* The time of the last use is an entry's own, because many file systems are mounted so that they note no reading. An
 * image under a name keeps the time at which it was made; web servers tell it, and the sweep goes by it. */
static void touch(const struct cache *k, int fd, const struct stat *st, bool named)
{
    const struct timespec used[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = named ? UTIME_OMIT : UTIME_NOW } };
    int64_t every = k->cfg->cache_ttl_s / 4 < TOUCH_S ? k->cfg->cache_ttl_s / 4 : TOUCH_S;
    if (time(NULL) - (named ? st->st_atim : st->st_mtim).tv_sec >= every)
        futimens(fd, used); /* where it can't be, the entry is made anew one day */
}

static bool is_that_of(const struct cache_head *h, const struct stat *st)
{
    return st->st_ino == h->inode && (uint64_t)st->st_size == h->length && st->st_mtim.tv_sec == h->made_s &&
           st->st_mtim.tv_nsec == h->made_ns;
}

/* The image of a head that is followed by a name; its descriptor, or -1. */
static int open_named(const struct cache *k, int fd, const struct cache_head *h, char name[CACHE_NAME])
{
    struct stat st;
    ssize_t n = pread(fd, name, CACHE_NAME - 1, sizeof *h);
    if (n <= 0)
        return -1;
    name[n] = '\0';
    int image = cache_named_open(k->cfg, name);
    if (image >= 0 && fstat(image, &st) == 0 && is_that_of(h, &st)) {
        touch(k, image, &st, true);
        return image;
    }
    if (image >= 0)
        close(image);
    return -1;
}

/* A web server that asked us did not find the image by itself: it shall the next time. */
static void lend_name(struct cache *k, const struct cache_key *key, const struct cache_hit *hit, const char *has)
{
    if (!*has)
        cache_keep_name(k, key, hit);
    else if (strcmp(has, key->name) && cache_named_link(k, has, key->name))
        cache_keeper_tell(k, cache_grow(k->cfg, LINK_BYTES));
}

static bool find(struct cache *k, const struct cache_key *key, int fd, struct cache_hit *out)
{
    struct cache_head h;
    struct stat st;
    char name[CACHE_NAME] = "";
    if (fstat(fd, &st) != 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
        !head_sound(&h, st.st_size, k->cfg->max_result))
        return false;
    int image = h.inode ? open_named(k, fd, &h, name) : fd;
    if (image < 0)
        return false;
    *out = (struct cache_hit){ .fd = image, .at = h.inode ? 0 : sizeof h, .told = head_told(&h) };
    touch(k, fd, &st, false);
    if (key->name)
        lend_name(k, key, out, name);
    return true;
}

bool cache_find(struct cache *k, const struct cache_key *key, struct cache_hit *out)
{
    char name[CACHE_TAG + 4], path[CACHE_PATH];
    if (!k || !cache_tag_path(key->etag, name))
        return false;
    cache_path(k->cfg, name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = find(k, key, fd, out);
    if (!found || out->fd != fd)
        close(fd);
    return found;
}
