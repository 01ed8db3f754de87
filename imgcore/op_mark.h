/* Laying a layer over a result. */
#ifndef IMGCORE_OP_MARK_H
#define IMGCORE_OP_MARK_H

#include "layer.h"
#include "view.h"

/* Blends l with its first pixel at column x and row y of a result of which v holds all columns, and the rows from y0
 * on: all of them, or one strip that begins on the chroma grid. Only what l covers of v is touched; x and y may lie
 * outside, and must agree with l's shape (px, py). An alpha plane of stride 0 is opaque and stays so.
 *
 * Opaque targets: v = l * a + v * (1 - a), each plane with alpha of its own size. Others: Porter and Duff's "over" on
 * colours that are not premultiplied. Rounded to nearest. */
void ic_op_mark(const struct ic_view *v, const struct ic_layer *l, int64_t x, int64_t y, uint32_t y0);

#endif
