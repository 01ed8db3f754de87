/* Resampling weights: which source samples make each output sample of one axis, and how much of each. */
#ifndef IMGCORE_WEIGHTS_H
#define IMGCORE_WEIGHTS_H

#include "kernels/kernels.h"
#include "mem.h"

/* One axis of one plane. Real-valued: outputs divide [x0, x1) evenly, wherever that interval begins and ends, and it
 * may reach beyond the source. Taps outside of the source are dropped and the rest renormalised. */
struct ic_axis {
    uint32_t src_n, dst_n; /* samples, >= 1 */
    double x0, x1;         /* in source samples: sample k covers [k, k + 1); x0 < x1 */
    int kernel;            /* enum ic_kernel */
    double span;           /* samples that the image fills, the last one perhaps in part; 0: all */
};

/* What one output is made of, exactly: source samples [lo, hi), whose weights sum to 1. */
struct ic_window {
    int64_t lo, hi;
    double *w; /* the caller's, room for ic_window_most() of the axis */
};

struct ic_weights {
    struct ic_axis axis;
    struct ic_taps taps; /* first counts from lo */
    const uint32_t *len; /* taps of each output's window, >= 1; what follows up to stride is zero */
    uint32_t max_len;
    uint32_t lo, hi;         /* source samples [lo, hi) are used at all */
    bool copy;               /* output i is source sample lo + i */
    struct ic_weights *next; /* of the cache */
};

/* Computed weights by geometry, most recently used first. Zeroed: empty. */
struct ic_weights_cache {
    struct ic_mem *mem; /* borrowed */
    struct ic_weights *head;
};

/* The weights of an axis, from the cache or computed; owned by the cache and valid until ic_weights_trim().
 * NULL: beyond the memory budget. */
const struct ic_weights *ic_weights_get(struct ic_weights_cache *c, const struct ic_axis *axis);

/* Fills the window of output i, 0 .. dst_n - 1; lo does not fall as i grows. Pure. */
void ic_window_of(const struct ic_axis *a, uint32_t i, struct ic_window *out);
uint32_t ic_window_most(const struct ic_axis *a); /* the most samples that a window of it has */

/* Frees the least recently used until at most `keep` bytes are left. */
void ic_weights_trim(struct ic_weights_cache *c, size_t keep);

#endif
