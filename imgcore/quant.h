/* Few colours for many: a palette for an image, and each pixel's place in it.
 *
 *     histogram (quant_hist.c) -> boxes (quant_boxes.c) -> means (quant_means.c) -> palette
 *     palette -> indices, dithered or not (quant_map.c)
 *
 * Integers only, so that the result is the same on every machine. */
#ifndef IMGCORE_QUANT_H
#define IMGCORE_QUANT_H

#include "mem.h"

#define IC_COLOURS 256

struct ic_palette {
    int n;
    struct ic_colour colour[IC_COLOURS]; /* those with alpha below 255 first, then by lightness */
    uint32_t share[IC_COLOURS];          /* of the pixels, in millionths */
    bool exact;                          /* every pixel's colour is in it */
};

/* A picture of packed RGBA, straight. Borrowed. */
struct ic_pixels {
    const uint8_t *p;
    size_t stride;
    uint32_t width, height;
};

/* The best palette of at most `colours` (1 .. 256) for src; exact where it has no more than those. All transparent
 * pixels count as one colour. rounds: of refinement at most, 0 and more. Work memory: 8 MB at most, less for small
 * pictures. IC_E_MEMORY. */
enum ic_code ic_quant_palette(struct ic_pixels src, int colours, int rounds, struct ic_mem *mem, struct ic_palette *out,
                              struct ic_error *e);

/* Each pixel's index, width * height bytes, rows without a gap. dither spreads what a pixel is off over its
 * neighbours; it does nothing where p is exact. IC_E_MEMORY. */
enum ic_code ic_quant_map(struct ic_pixels src, const struct ic_palette *p, bool dither, struct ic_mem *mem,
                          uint8_t *out, struct ic_error *e);

#endif
