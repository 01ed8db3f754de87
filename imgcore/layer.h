/* Something to be laid over a result - a watermark, a text - in the very samples of that result: converted once, then
 * only blended. */
#ifndef IMGCORE_LAYER_H
#define IMGCORE_LAYER_H

#include "codec.h"

/* What of a result a layer depends on. */
struct ic_layer_shape {
    enum ic_layout layout; /* GREY, GREYA, RGB, RGBA or YCBCR */
    bool limited;          /* YCBCR only, as in struct ic_planes */
    uint8_t fx, fy;        /* pixels a chroma sample covers; 1 where there is no chroma of its own size */
    uint8_t px, py;        /* the layer's first pixel is that many into its chroma sample: 0 .. fx - 1, fy - 1 */
    uint32_t end_x, end_y; /* so many of its columns and rows lie before the result's odd end, where a chroma sample
                              covers one pixel alone; 0: it need not know */
};

struct ic_layer {
    struct ic_mem *mem; /* borrowed; what p and the layer itself are from */
    struct ic_layer_shape shape;
    uint32_t width, height; /* pixels */
    int n;                  /* colours: 1 or 3 */
    struct ic_layer_plane {
        uint32_t width, height; /* samples */
        uint8_t *v, *a;         /* colour, not premultiplied, and how much of it: rows of `width` bytes */
    } plane[3];
    uint8_t *p; /* owned: all planes */
};

/* Converts w x h packed pixels of RGBA, not premultiplied.
 *
 * alpha  0 .. 255, multiplies theirs
 * mem    what the layer comes from; it keeps nothing of px
 *
 * NULL: beyond mem's budget. */
struct ic_layer *ic_layer_make(struct ic_mem *mem, const uint8_t *px, uint32_t w, uint32_t h, uint8_t alpha,
                               const struct ic_layer_shape *shape);
void ic_layer_free(struct ic_layer *l); /* accepts NULL */

#endif
