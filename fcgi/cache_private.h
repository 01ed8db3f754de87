/* What the files of the cache share. Nobody else includes this.
 *
 *     cache_dir/.pixpool/     nothing for others: a name with a dot in front is served by no web server
 *         tmp/                files that are being written
 *         ab/abcdef...        entries by the tag of their result: a head, and the image
 *         sweep               is locked by whoever sweeps; its time is that of the last sweep
 *         grown               its size tells how much was written since */
#ifndef CACHE_PRIVATE_H
#define CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "cache.h"

#define CACHE_HOME ".pixpool"
#define CACHE_PATH 4352 /* cache_dir and the longest of our own names */
#define CACHE_TAG  22   /* characters of an entity tag without its quotes */

/* In front of an image. Read by the machine that wrote it, or one of its kind: another one takes it for rubbish. */
struct cache_head {
    char magic[8];
    int32_t format, source_format;
    uint32_t width, height, source_width, source_height;
    uint32_t warnings, exceeded;
    uint64_t length;
};
#define CACHE_MAGIC "pixpool1"

struct cache {
    const struct config *cfg;
    atomic_int trouble; /* errno that was logged; 0: all is well */
    /* the keeper */
    pthread_t thread;
    atomic_bool stop;     /* a sweep looks at it as well */
    pthread_mutex_t lock; /* guards due */
    pthread_cond_t wake;
    bool due;
};

/* cache_files.c. All return 0 or an errno. */

/* cache_dir/.pixpool/NAME, or that directory itself where name is "". */
void cache_path(const struct config *c, const char *name, char out[CACHE_PATH]);
/* ab/abcdef... of an entity tag. false: it is none of ours. */
bool cache_tag_path(const char *etag, char out[CACHE_TAG + 4]);
/* Writes head and image into a file that nobody sees, and tells its path. */
int cache_write(const struct config *c, const void *head, size_t head_n, const void *image, size_t n,
                char tmp[CACHE_PATH]);
/* Gives it its name; removes it where that fails. */
int cache_publish(const struct config *c, const char *tmp, const char *name);
/* Notes that an entry of n bytes was written. Returns all that was written since the last sweep. */
int64_t cache_grow(const struct config *c, int64_t n);
int64_t cache_disk_bytes(int64_t size); /* what a file of this size takes */

/* cache_keeper.c. */
int cache_keeper_start(struct cache *k); /* 0, or an errno */
void cache_keeper_stop(struct cache *k);
/* So many bytes were written since the last sweep: perhaps it is time for one. */
void cache_keeper_tell(struct cache *k, int64_t grown);

/* How often to sweep. */
int64_t cache_interval_s(const struct config *c);

#endif
