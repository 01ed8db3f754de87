/* What is drawn on a canvas around a picture; frame.c calls it. */
#ifndef IMGCORE_OP_CANVAS_H
#define IMGCORE_OP_CANVAS_H

#include "view.h"

/* Draws the border of s along the edges of v, then rounds its corners: with s->radius outside, and inside of the border
 * by what that leaves. bg shows where corners were, and through a border that is not opaque. YCBCR is not taken. */
void ic_op_surround(const struct ic_view *v, const struct ic_surround *s, struct ic_colour bg);

#endif
