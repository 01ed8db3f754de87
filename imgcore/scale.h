/* Streaming resampling of one plane: rows of the source in, rows of the result out as soon as they can be made, mostly
 * two at a time. */
#ifndef IMGCORE_SCALE_H
#define IMGCORE_SCALE_H

#include "codec.h"
#include "weights.h"

struct ic_scale {
    const struct ic_kernels *k;     /* borrowed, as are h and v */
    const struct ic_weights *h, *v; /* columns, rows */
    struct ic_mem *mem;
    int channels;              /* of the source plane; each becomes a row of its own */
    bool premultiply;          /* the last of 2 or 4 channels is alpha: colour is multiplied by it first */
    uint32_t pushed, made;     /* source rows seen, output rows made */
    uint32_t cap;              /* rows of the ring */
    size_t row_bytes;          /* of each */
    uint8_t **ring;            /* source row y is ring[y % cap] */
    const uint8_t **window;    /* the rows of one output row, or of two made together, in order */
    int16_t *pair[2];          /* weights of two made together, for the rows of both */
    uint8_t *vrow[2];          /* output rows, still at the source's width */
    bool held;                 /* the next one is vrow[1], made together with the one before */
    uint8_t *split[IC_PLANES]; /* one of them, a row a channel */
};

/* h and v: the two axes of the plane, borrowed while s lives. s may be anything before and needs ic_scale_free() after,
 * also where this fails (IC_E_MEMORY). */
enum ic_code ic_scale_init(struct ic_scale *s, struct ic_mem *mem, const struct ic_weights *h,
                           const struct ic_weights *v, int channels);

/* The next row of the source plane, all of its width; copied as far as it is needed. */
enum ic_code ic_scale_push(struct ic_scale *s, const uint8_t *row, struct ic_error *e);

/* The next output row, one buffer of h->axis.dst_n bytes a channel. False: it needs more source rows, or it was the
 * last. Rows that are not pulled wait in the ring, which grows. */
bool ic_scale_pull(struct ic_scale *s, uint8_t *const *out);

void ic_scale_free(struct ic_scale *s); /* accepts a zeroed or half-made one */

#endif
