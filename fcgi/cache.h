/* The result cache: what GET of images made once, in files below cache_dir that any number of processes share.
 *
 *     cache.c        finding and keeping entries       cache_files.c   where they lie, and writing files whole
 *     cache_sweep.c  what has to go                    cache_keeper.c  the thread that sweeps now and then */
#ifndef CACHE_H
#define CACHE_H

#include <stdatomic.h>

#include "config.h"
#include "job.h"

struct cache; /* one per gateway; any thread may use it */

/* What a result depends on, and where it may lie. */
struct cache_key {
    const char *etag; /* names the entry: another source, option or version is another one */
    bool keep;        /* false: is not to be stored */
};

/* An entry that was found: n bytes of an image in a file of our own. */
struct cache_hit {
    int fd;                 /* the caller's */
    int64_t at;             /* where the image begins */
    struct job_output told; /* format, sizes, length, warnings; all else 0 */
};

/* Starts the thread that sweeps. NULL: errno. c is borrowed. */
struct cache *cache_create(const struct config *c);
void cache_free(struct cache *k); /* accepts NULL */

/* false: it is not there. k may be NULL. */
bool cache_find(struct cache *k, const struct cache_key *key, struct cache_hit *out);

/* Keeps o->length bytes. What can't be kept is logged once for each kind of trouble, and else nobody's concern. k may
 * be NULL. */
void cache_keep(struct cache *k, const struct cache_key *key, const struct job_output *o, const uint8_t *image);

enum cache_why {
    CACHE_OLD,   /* not asked for in cache_ttl */
    CACHE_LARGE, /* asked for longest ago, while all together were too large */
    CACHE_TORN,  /* left behind by a process that died while it wrote */
    CACHE_WHYS
};
struct cache_swept {
    int64_t entries, bytes; /* what is left */
    int64_t gone[CACHE_WHYS];
};
/* One sweep, by any process that has the configuration. stop (NULL: never) ends it early, which does no harm.
 * 0, EAGAIN: somebody else is at it, or the errno of cache_dir. out is set with 0. */
int cache_sweep(const struct config *c, const atomic_bool *stop, struct cache_swept *out);

#endif
