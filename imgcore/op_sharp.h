/* Sharpening of a frame; frame.c calls it. */
#ifndef IMGCORE_OP_SHARP_H
#define IMGCORE_OP_SHARP_H

#include "view.h"

/* All of them change luma alone: luma's plane, or R, G and B by the same number of levels. IC_E_MEMORY. */

/* sharp's sharpen(sigma): 0.3 .. 10 pixels. */
enum ic_code ic_op_sharp(const struct ic_view *v, double sigma, struct ic_mem *mem, struct ic_error *e);

/* sharp's sharpen() without a sigma: a 3x3 kernel, mild. */
enum ic_code ic_op_sharp_mild(const struct ic_view *v, struct ic_mem *mem, struct ic_error *e);

/* Unsharp mask: amount in percent, radius (a sigma) in pixels, threshold in levels. */
enum ic_code ic_op_usm(const struct ic_view *v, const struct ic_usm *usm, struct ic_mem *mem, struct ic_error *e);

#endif
