/* Putting results into the cache, called by requests that had to make one.
 *
 * With cache_layout = path the image lies bare under its name, and an entry beside all others tells that name and the
 * image's inode: so pixpool finds by its tag what a web server finds by its name, with all headers, and an image that
 * took the other's place meanwhile is not mistaken for it. Extended attributes would need one file less, but many file
 * systems have none for users. What has no name, or needs a header that no web server would send, is kept whole. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"
#include "libc.h"
#include "log.h"
#include "source.h"

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

/* Whether a web server can say about this result all that there is to say. */
static bool nameable(const struct cache_key *key, const struct job_output *o)
{
    return key->name && !o->warnings && cache_name_format(key->name) == (enum ic_format)o->format;
}

/* Whether the source is still what it was: a job that took long must not lay its result over that of a newer one. */
static bool source_same(const struct config *c, const struct cache_key *key)
{
    struct source s = { .fd = -1 };
    bool same = source_open(c->image_root, key->path, &s) == 0 && s.size == key->size &&
                s.mtime.tv_sec == key->mtime.tv_sec && s.mtime.tv_nsec == key->mtime.tv_nsec;
    source_close(&s);
    return same;
}

/* Gives the image at tmp its name, and the head its inode. */
static int name_it(struct cache *k, const struct cache_key *key, const char *tmp, const struct stat *st,
                   struct cache_head *h)
{
    if (!source_same(k->cfg, key)) {
        unlink(tmp);
        return ESTALE;
    }
    int err = cache_named_publish(k, tmp, key->name);
    if (err)
        return err;
    h->inode = st->st_ino;
    h->made_s = st->st_mtim.tv_sec;
    h->made_ns = st->st_mtim.tv_nsec;
    return 0;
}

static int keep_named(struct cache *k, const struct cache_key *key, struct cache_head *h, struct iovec image)
{
    char tmp[CACHE_PATH];
    struct stat st;
    int err = cache_write(k->cfg, (struct iovec){ NULL, 0 }, image, tmp, &st);
    return err ? err : name_it(k, key, tmp, &st, h);
}

/* Such as a file where another URL's directory would have to be, or a newer configuration's mark: nothing that anybody
 * could mend. */
static bool name_is_to_blame(int err)
{
    return err == ECANCELED || err == ENOTDIR || err == EISDIR || err == ENAMETOOLONG || err == ELOOP || err == EEXIST;
}

static struct cache_head head_of(const struct job_output *o)
{
    struct cache_head h = { .format = o->format,
                            .source_format = o->source_format,
                            .width = o->width,
                            .height = o->height,
                            .source_width = o->source_width,
                            .source_height = o->source_height,
                            .warnings = o->warnings,
                            .length = o->length };
    memcpy(h.magic, CACHE_MAGIC, sizeof h.magic);
    return h;
}

/* The entry: a head, and behind it the image, or its name where the head tells an inode. */
static int keep_entry(struct cache *k, const struct cache_key *key, const char *entry, struct cache_head *h,
                      struct iovec image)
{
    char tmp[CACHE_PATH];
    if (h->inode)
        image = (struct iovec){ (void *)key->name, strlen(key->name) };
    int err = cache_write(k->cfg, (struct iovec){ h, sizeof *h }, image, tmp, NULL);
    return err ? err : cache_publish(k->cfg, tmp, entry);
}

static int keep(struct cache *k, const struct cache_key *key, const char *entry, const struct job_output *o,
                struct iovec image)
{
    struct cache_head h = head_of(o);
    int err = nameable(key, o) ? keep_named(k, key, &h, image) : 0;
    if (err && !name_is_to_blame(err))
        return err;
    return keep_entry(k, key, entry, &h, image);
}

/* The tag's file, where the result is to be kept: one that would push out an eighth of the others is not worth it. */
static bool find_entry(const struct cache *k, const struct cache_key *key, const struct job_output *o,
                       char entry[CACHE_TAG + 4])
{
    return key->keep && cache_tag_path(key->etag, entry) && (int64_t)o->length <= k->cfg->cache_size / 8;
}

static void conclude(struct cache *k, const struct job_output *o, int err)
{
    if (err == ESTALE) /* source_same: no trouble at all */
        return;
    report(k, err);
    if (!err)
        cache_keeper_tell(
            k, cache_grow(k->cfg, cache_disk_bytes((int64_t)o->length + (int64_t)sizeof(struct cache_head))));
}

void cache_keep(struct cache *k, const struct cache_key *key, const struct job_output *o, const uint8_t *image)
{
    char entry[CACHE_TAG + 4];
    if (k && find_entry(k, key, o, entry))
        conclude(k, o, keep(k, key, entry, o, (struct iovec){ (void *)image, o->length }));
}

void cache_keep_name(struct cache *k, const struct cache_key *key, const struct cache_hit *hit)
{
    char entry[CACHE_TAG + 4], tmp[CACHE_PATH];
    struct cache_head h = head_of(&hit->told);
    struct stat st;
    if (!nameable(key, &hit->told) || !find_entry(k, key, &hit->told, entry))
        return;
    int err = cache_mark_claim(k); /* in vain for an older configuration, at each hit */
    if (!err)
        err = cache_copy(k->cfg, hit->fd, hit->at, hit->told.length, tmp, &st);
    if (!err)
        err = name_it(k, key, tmp, &st, &h);
    if (!err)
        err = keep_entry(k, key, entry, &h, (struct iovec){ NULL, 0 });
    if (!name_is_to_blame(err)) /* else the entry stays what it is */
        conclude(k, &hit->told, err);
}
