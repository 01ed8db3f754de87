/* Blur of a frame; frame.c calls it. */
#ifndef IMGCORE_OP_BLUR_H
#define IMGCORE_OP_BLUR_H

#include "view.h"

/* Gaussian blur, sigma 0.3 .. 250 pixels: every plane by its share of sigma, colours by alpha's weight. IC_E_MEMORY. */
enum ic_code ic_op_blur(const struct ic_view *v, double sigma, struct ic_mem *mem, struct ic_error *e);

#endif
