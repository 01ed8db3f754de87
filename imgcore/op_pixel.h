/* Squares of one colour; frame.c calls it. */
#ifndef IMGCORE_OP_PIXEL_H
#define IMGCORE_OP_PIXEL_H

#include "view.h"

/* Makes squares of `side` pixels, counted from the top left corner, of one colour each: the mean of the pixels in it,
 * rounded half up; of what is left of a square at the right and bottom edge. A transparent pixel's colour counts by its
 * alpha. A subsampled chroma sample belongs to the square in which its centre lies. side is 1 .. 512. */
void ic_op_pixel(const struct ic_view *v, uint32_t side);

#endif
