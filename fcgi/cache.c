/* Entries of the result cache, found and kept by requests.
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
#include "log.h"

#define TOUCH_S 60 /* an entry's time of use is that exact */

struct cache *cache_create(const struct config *c)
{
    struct cache *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->cfg = c;
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
    return !memcmp(h->magic, CACHE_MAGIC, sizeof h->magic) && h->format > IC_FORMAT_ORIGIN && h->format < IC_FORMATS &&
           h->source_format > IC_FORMAT_ORIGIN && h->source_format < IC_FORMATS && h->length <= (uint64_t)max &&
           (int64_t)h->length + (int64_t)sizeof *h == file_size;
}

/* The time of the last use is the file's: many file systems are mounted so that they note no reading. */
static void touch(const struct cache *k, int fd, const struct stat *st)
{
    int64_t every = k->cfg->cache_ttl_s / 4 < TOUCH_S ? k->cfg->cache_ttl_s / 4 : TOUCH_S;
    if (time(NULL) - st->st_mtim.tv_sec >= every)
        futimens(fd, NULL); /* where it can't be, the entry is made anew one day */
}

static bool read_head(const struct cache *k, int fd, struct cache_hit *out)
{
    struct cache_head h;
    struct stat st;
    if (fstat(fd, &st) != 0 || pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
        !head_sound(&h, st.st_size, k->cfg->max_result))
        return false;
    *out = (struct cache_hit){ .fd = fd,
                               .at = sizeof h,
                               .told = { .format = h.format,
                                         .source_format = h.source_format,
                                         .width = h.width,
                                         .height = h.height,
                                         .source_width = h.source_width,
                                         .source_height = h.source_height,
                                         .warnings = h.warnings,
                                         .exceeded = h.exceeded,
                                         .length = h.length } };
    touch(k, fd, &st);
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
    if (read_head(k, fd, out))
        return true;
    close(fd);
    return false;
}

/* Keeping. */

/* Once for each kind of trouble, and once when it is over. */
static void report(struct cache *k, int err)
{
    if (atomic_exchange(&k->trouble, err) == err)
        return;
    if (err)
        log_line(LOG_LV_ERROR, "event=cache error=%s text=\"nothing can be kept below cache_dir, requests are served\"",
                 strerrorname_np(err));
    else
        log_line(LOG_LV_INFO, "event=cache text=\"results are kept again\"");
}

void cache_keep(struct cache *k, const struct cache_key *key, const struct job_output *o, const uint8_t *image)
{
    char name[CACHE_TAG + 4], tmp[CACHE_PATH];
    /* One that would push out an eighth of the others is not worth it. */
    if (!k || !key->keep || !cache_tag_path(key->etag, name) || (int64_t)o->length > k->cfg->cache_size / 8)
        return;
    struct cache_head h = { .magic = CACHE_MAGIC, /* no room for a NUL, none needed */
                            .format = o->format,
                            .source_format = o->source_format,
                            .width = o->width,
                            .height = o->height,
                            .source_width = o->source_width,
                            .source_height = o->source_height,
                            .warnings = o->warnings,
                            .exceeded = o->exceeded,
                            .length = o->length };
    int err = cache_write(k->cfg, &h, sizeof h, image, o->length, tmp);
    if (!err)
        err = cache_publish(k->cfg, tmp, name);
    report(k, err);
    if (!err)
        cache_keeper_tell(k, cache_grow(k->cfg, cache_disk_bytes((int64_t)(o->length + sizeof h))));
}
