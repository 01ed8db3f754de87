/* Gaussian blur of one plane, in time that does not grow with sigma; op_blur.c and op_sharp.c build on it. */
#ifndef IMGCORE_BLUR_H
#define IMGCORE_BLUR_H

#include "view.h"

/* The widest a blur goes without shrinking the plane first. */
#define IC_FIR_RADIUS 52

/* A symmetric filter of odd length whose weights sum to 1 << IC_WEIGHT_BITS. */
struct ic_fir {
    uint32_t radius;
    int16_t w[2 * IC_FIR_RADIUS + 1];
};

/* Blurs p in place by a Gaussian of sigma_x, sigma_y samples, 0 .. 250 each and at most a factor of 2 apart; below 0.2
 * nothing happens. Beyond its edges a plane continues with the sample at the edge. IC_E_MEMORY. */
enum ic_code ic_blur_plane(const struct ic_view_plane *p, double sigma_x, double sigma_y, struct ic_mem *mem,
                           struct ic_error *e);

/* Filters p in place by one fir on both axes, with edges as above. */
enum ic_code ic_fir_plane(const struct ic_view_plane *p, const struct ic_fir *fir, struct ic_mem *mem,
                          struct ic_error *e);

/* Bytes that blurring a plane of w x h samples takes at most. */
uint64_t ic_blur_memory(uint32_t w, uint32_t h);

#endif
