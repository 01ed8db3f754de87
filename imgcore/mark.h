/* Watermarks: from what a recipe says about one to a layer and its place. */
#ifndef IMGCORE_MARK_H
#define IMGCORE_MARK_H

#include "imgcore.h"
#include "layer.h"

#define IC_MARK_CACHE (8u << 20) /* bytes of layers that an engine keeps between runs */

struct ic_engine;

/* One look of one mark. */
struct ic_mark_key {
    uint8_t hash[IC_MARK_HASH];
    uint32_t width, height; /* of the layer */
    double rotate;
    uint8_t alpha;
    struct ic_layer_shape shape;
};

struct ic_mark_entry {
    struct ic_mark_key key;
    struct ic_layer *layer; /* owned */
    struct ic_mem *mem;     /* borrowed; what the entry itself is from */
    int users;              /* it is not dropped while it has any */
    bool kept;              /* in the cache; otherwise it ends with its last user */
    struct ic_mark_entry *next;
};

/* Most recently used first. Its memory is not that of jobs: what one job left here can't make another one fail. */
struct ic_mark_cache {
    struct ic_mem mem;
    struct ic_mark_entry *head;
};

/* A layer on its way to a result. */
struct ic_mark_place {
    struct ic_mark_entry *entry;
    int64_t x, y;            /* of its first pixel; perhaps outside */
    uint32_t step_x, step_y; /* between repetitions to the right and below; 0: there is one alone */
};

/* The layer for a mark of `plan` on a result of this shape, and its place. To be given back by ic_mark_give(). */
enum ic_code ic_mark_take(struct ic_engine *g, const struct ic_plan *plan, const struct ic_mark *m,
                          const struct ic_planes *shape, struct ic_mark_place *out, struct ic_error *e);
void ic_mark_give(struct ic_mark_entry *entry); /* accepts NULL */

/* Where something of w x h pixels lies: pos is an enum ic_gravity, or IC_MARK_TILE, where x and y are those of the
 * first of a grid that covers the result. */
struct ic_mark_spot {
    int pos;
    double pad;     /* pixels to the edges that pos names; between tiles */
    double x, y;    /* the same for one axis, instead of pad; NAN: not given */
    uint8_t fx, fy; /* steps of tiles are multiples of these */
};
void ic_mark_spot_place(const struct ic_mark_spot *s, const struct ic_plan *plan, uint32_t w, uint32_t h,
                        struct ic_mark_place *out);

/* The shape of a layer that begins at place: plan and shape are the result's. */
struct ic_layer_shape ic_mark_layer_shape(const struct ic_plan *plan, const struct ic_planes *shape,
                                          const struct ic_mark_place *at, uint32_t w, uint32_t h);

/* A cached entry with one more user, or NULL. */
struct ic_mark_entry *ic_mark_find(struct ic_mark_cache *c, const struct ic_mark_key *k);
/* Makes an entry of packed RGBA, in the cache where it fits there, else from mem. It has one user. NULL: no memory. */
struct ic_mark_entry *ic_mark_make(struct ic_mark_cache *c, struct ic_mem *mem, const struct ic_mark_key *k,
                                   const uint8_t *px);
/* The same, never in the cache. */
struct ic_mark_entry *ic_mark_make_alone(struct ic_mem *mem, const struct ic_mark_key *k, const uint8_t *px);
void ic_mark_cache_clear(struct ic_mark_cache *c); /* nothing of it is in use */

#endif
