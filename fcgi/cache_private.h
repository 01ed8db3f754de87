/* clang-format off */
/* What the files of the cache share. Nobody else includes this.
 *
 *     cache_dir/.pixpool/     nothing for others: a name with a dot in front is served by no web server
 *         tmp/                files that are being written
 *         ab/abcdef...        entries by the tag of their result: a head, and the image or its name
 *         sweep               is locked by whoever sweeps; its time is that of the last sweep, and it tells what
 *                             was left
 *         turns               each of its bytes is locked by whoever makes a result of such a tag
 *         grown               its size tells how much was written since
 *         named               what lies beside .pixpool is ours as well, and by which rules it was made
 *     cache_dir/w=300/a.jpg   an image under its name */
/* clang-format on */
#ifndef CACHE_PRIVATE_H
#define CACHE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "cache.h"

#define CACHE_HOME    ".pixpool"
#define CACHE_OF_DISK "lost+found" /* may lie in cache_dir, and is not ours */
#define CACHE_PATH    4352         /* cache_dir and the longest of our own names */
#define CACHE_TAG     22           /* characters of an entity tag without its quotes */

#define CACHE_RULES_BYTES 16
#define CACHE_RULES       (2 * CACHE_RULES_BYTES + 1) /* characters of their hash, its NUL included */

/* In front of an image, or of its name. Read by the machine that wrote it, or one of its kind: another one takes it for
 * rubbish. */
struct cache_head {
    char magic[8];
    int32_t format, source_format;
    uint32_t width, height, source_width, source_height;
    uint32_t warnings, unused; /* keeps the next one in its place */
    uint64_t length;           /* of the image */
    /* 0: the image follows; else a name follows, and the image is the file there if it is still this one, of this time:
     * inodes are used again. */
    uint64_t inode;
    int64_t made_s, made_ns;
};
#define CACHE_MAGIC "pixpool2"

struct cache {
    const struct config *cfg;
    char rules[CACHE_RULES]; /* of cfg: cache_rules */
    atomic_int trouble;      /* errno that was logged; 0: all is well */
    /* the keeper */
    pthread_t thread;
    atomic_bool stop;     /* a sweep looks at it as well */
    pthread_mutex_t lock; /* guards due */
    pthread_cond_t wake;
    bool due;
    int sweep_trouble; /* errno that was logged; the thread's alone */
};

/* cache_keep.c: puts an image that was kept by its tag alone under its name, where that may be. */
void cache_keep_name(struct cache *k, const struct cache_key *key, const struct cache_hit *hit);

/* cache_files.c. All return 0 or an errno. */

/* cache_dir/.pixpool/NAME, or that directory itself where name is "". */
void cache_path(const struct config *c, const char *name, char out[CACHE_PATH]);
/* ab/abcdef... of an entity tag. false: it is none of ours. */
bool cache_tag_path(const char *etag, char out[CACHE_TAG + 4]);
/* A path for a new file that nobody sees. */
void cache_temporary(const struct config *c, char tmp[CACHE_PATH]);
/* Writes head and image into such a file, and tells its path. st (or NULL): everybody may read it, and this is it. */
int cache_write(const struct config *c, struct iovec head, struct iovec image, char tmp[CACHE_PATH], struct stat *st);
/* The same for n bytes of another file, from `at` on. */
int cache_copy(const struct config *c, int from, int64_t at, uint64_t n, char tmp[CACHE_PATH], struct stat *st);
/* Gives it its name; removes it where that fails. */
int cache_publish(const struct config *c, const char *tmp, const char *name);
int cache_make_home(const struct config *c); /* .pixpool */
/* Notes that an entry of n bytes was written. Returns all that was written since the last sweep. */
int64_t cache_grow(const struct config *c, int64_t n);
int64_t cache_grown(const struct config *c); /* the same, without writing */
int64_t cache_disk_bytes(int64_t size);      /* what a file of this size takes */

/* cache_mark.c: what cache_dir has to do with us, where images have names. */
bool cache_named_ours(const struct config *c);                   /* all that lies below it was put there by us */
void cache_rules(const struct config *c, char out[CACHE_RULES]); /* a hash of what decides how images look */
/* Before each image. 0, or an errno: ENOTEMPTY, it is not ours; ECANCELED, it is another configuration's meanwhile. */
int cache_mark_claim(const struct cache *k);
bool cache_mark_renew(const struct cache *k);       /* true: this configuration makes other images than the last one */
int64_t cache_mark_since_s(const struct config *c); /* what was made before may be as the last one would have it */

/* cache_named.c: images under names. */

int cache_named_open(const struct config *c, const char *name); /* a descriptor, or -1 */
/* As cache_publish; the errno may be one of cache_mark_claim. */
int cache_named_publish(const struct cache *k, const char *tmp, const char *name);
/* The same image under one more name. false: it has that already, or can't have it. */
bool cache_named_link(const struct cache *k, const char *from, const char *to);

/* cache_walk.c. */
enum cache_kind { CACHE_ENTRY, CACHE_TEMPORARY, CACHE_NAMED };
struct cache_file {
    enum cache_kind kind;
    int dir;                 /* where it lies, */
    const char *last, *name; /* under which name; and that below cache_dir where it is a named one */
    const struct stat *st;
};
typedef void cache_judge(void *ctx, const struct cache_file *f);
/* Calls judge, which may remove what it is shown, with every file until *stop (or NULL). 0, or an errno. */
int cache_walk(const struct config *c, const atomic_bool *stop, cache_judge *judge, void *ctx);

bool cache_after(struct timespec a, struct timespec b); /* cache_named.c: whether a is later */
/* cache_named.c: when a link in the path of image_root last became another; a deploy may switch one, and what is behind
 * it is of any age. 0: there is none. */
struct timespec cache_root_linked(const struct config *c);
/* cache_named.c: whether the source of an image under this name is another one since made, or none any more. */
bool cache_named_stale(const struct config *c, const char *name, struct timespec made);

/* cache_keeper.c. */
int cache_keeper_start(struct cache *k); /* 0, or an errno */
void cache_keeper_stop(struct cache *k);
/* So many bytes were written since the last sweep: perhaps it is time for one. */
void cache_keeper_tell(struct cache *k, int64_t grown);

/* How often to sweep. */
int64_t cache_interval_s(const struct config *c);

#endif
