/* Resampling of 16-bit samples, plain and exact. Only deep*.c includes it. */
#ifndef IMGCORE_DEEP_SCALE_H
#define IMGCORE_DEEP_SCALE_H

#include "weights.h"

#define DEEP_FRACTION 10                                /* bits below a 16-bit level */
#define DEEP_ONE      (INT32_C(65535) << DEEP_FRACTION) /* white, opaque */

struct deep_axis {
    uint32_t n, most; /* outputs; samples of the longest window */
    uint32_t lo, hi;  /* source samples [lo, hi) are used at all */
    bool copy;        /* output i is source sample lo + i */
    int32_t *w;       /* owned, as are: n windows of most weights; a window's sum to 2^30 */
    uint32_t *first, *len;
};

/* Rows in, rows out: horizontal first, so that the ring holds rows of the result's width. */
struct deep_scale {
    struct ic_mem *mem; /* borrowed */
    int channels;       /* interleaved */
    struct deep_axis h, v;
    int32_t *ring; /* owned, as is sum: source row y at y % v.most */
    int64_t *sum;
    uint32_t pushed, made; /* source rows, result rows */
};

/* axes: across, down. */
enum ic_code deep_scale_open(struct deep_scale *s, struct ic_mem *mem, const struct ic_axis axes[2], int channels,
                             struct ic_error *e);
void deep_scale_close(struct deep_scale *s); /* accepts a zeroed one */

bool deep_scale_wants(const struct deep_scale *s); /* whether the next source row is used at all */
/* The next source row, of which only samples [h.lo, h.hi) count: px is the first of these. A row that is not wanted is
 * not looked at. */
void deep_scale_push(struct deep_scale *s, const int32_t *px);

/* The next result row into out, h.n pixels; false where it needs more source rows, or there is none left. */
bool deep_scale_pull(struct deep_scale *s, int32_t *out);

#endif
