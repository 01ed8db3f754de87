/* The result cache: what GET of images made once, in files below cache_dir that any number of processes share.
 *
 *     cache.c        finding results                   cache_keep.c    keeping them
 *     cache_files.c  where they lie, writing whole     cache_keeper.c  the thread that sweeps now and then
 *     cache_turn.c   one job for many processes
 *     cache_name.c   names for web servers             cache_named.c   and files under them, cache_mark.c
 *     cache_sweep.c  what has to go                    cache_walk.c    all files, for it */
#ifndef CACHE_H
#define CACHE_H

#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "config.h"
#include "job.h"

struct cache; /* one per gateway; any thread may use it */

#define CACHE_NAME 1024 /* bytes of a name, its NUL included */

/* What a result depends on, and where it may lie. Texts are borrowed. */
struct cache_key {
    const char *etag; /* names the entry: another source, option or version is another one */
    const char *name; /* where a web server may find the image by itself; NULL: it may not */
    bool keep;        /* false: is not to be stored */
    /* the source, for a last look before an image gets a name */
    const char *path;
    int64_t size;
    struct timespec mtime;
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

/* cache_turn.c: of processes that want the same result, one makes it and the others wait until it is there. */
enum cache_turn {
    CACHE_MINE,  /* make it, keep it, then cache_turn_give */
    CACHE_FOUND, /* hit is set */
    CACHE_GONE,  /* the client left */
    CACHE_LATE   /* the deadline passed */
};
/* Blocks until deadline_ms (clock_ms) or until client (-1: none) hangs up. *turn is for cache_turn_give, and may be -1.
 * k may be NULL: then it is ours. */
enum cache_turn cache_turn_take(struct cache *k, const struct cache_key *key, int client, int64_t deadline_ms,
                                int *turn, struct cache_hit *hit);
void cache_turn_give(int turn); /* accepts -1 */

/* Whose it is: nobody else can read or write what is kept. false: nothing was kept yet. */
bool cache_owner(const struct config *c, uid_t *owner);

/* The name of what a URL means: path is what stands behind /img/, and query its query, both still encoded. false: it
 * has none. */
bool cache_name(const char *path, const char *query, char out[CACHE_NAME]);
/* What a web server takes a file of this name for; IC_FORMAT_ORIGIN: for no image of ours. */
enum ic_format cache_name_format(const char *name);
/* Whether images may be put below cache_dir under their names: it is empty, or all there is is ours. */
bool cache_named_may(const struct config *c);

enum cache_why {
    CACHE_OLD,   /* not asked for in cache_ttl; or made as long ago, where a web server answers without asking */
    CACHE_STALE, /* under a name, and its source or the configuration changed */
    CACHE_LARGE, /* asked for longest ago, while all together were too large */
    CACHE_TORN,  /* left behind by a process that died while it wrote */
    CACHE_WHYS
};
struct cache_swept {
    int64_t entries, bytes; /* what is left */
    int64_t gone[CACHE_WHYS];
};
/* What is in the cache as far as the last sweep and what was written since tell. */
void cache_content(const struct cache *k, int64_t *entries, int64_t *bytes);

/* One sweep, by any process that has the configuration. stop (NULL: never) ends it early, which does no harm.
 * 0, EAGAIN: somebody else is at it, or the errno of cache_dir. out is set with 0. */
int cache_sweep(const struct config *c, const atomic_bool *stop, struct cache_swept *out);

#endif
