/* The transfer function of sRGB (IEC 61966-2-1), in doubles: for tables, not for pixels. */
#ifndef IMGCORE_SRGB_H
#define IMGCORE_SRGB_H

#include <math.h>

/* Light of a level, both 0..1. */
static inline double srgb_light(double level)
{
    return level <= 0.04045 ? level / 12.92 : pow((level + 0.055) / 1.055, 2.4);
}

/* The other way. */
static inline double srgb_level(double light)
{
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

#endif
