/* Rotation by any angle, of what is left after quarter turns; frame.c calls it. */
#ifndef IMGCORE_OP_ROTATE_H
#define IMGCORE_OP_ROTATE_H

#include "view.h"

struct ic_rotation {
    double angle;              /* degrees clockwise, -45 .. 45 */
    double centre_x, centre_y; /* of the picture in the result, pixels */
    struct ic_colour bg;       /* beside it */
};

/* Draws `from`, rotated round its centre, into `to`, which is filled with bg and has the same layout; YCBCR is not
 * taken. Cubic interpolation (Keys 1981, a = -0.5) at 1/256 of a pixel; edges are antialiased by the share of a pixel
 * that they leave covered, so they show neither steps nor halos. What `from` holds afterwards is undefined. */
void ic_op_rotate(const struct ic_view *from, const struct ic_view *to, const struct ic_rotation *r);

/* Sine and cosine of -45 .. 45 degrees, the same on every machine: libm's differ with the CPU. Error below 1e-15. */
void ic_sincos(double degrees, double *s, double *c);

#endif
