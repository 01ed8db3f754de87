/* Where to crop, by what a small picture shows. Pure, whole numbers, the same on every machine. */
#ifndef IMGCORE_SALIENCY_H
#define IMGCORE_SALIENCY_H

#include "imgcore.h"

/* A part of a small picture: packed RGBA, not premultiplied; transparent counts as black. */
struct ic_look {
    const uint8_t *rgba; /* its first pixel; borrowed */
    size_t stride;       /* bytes */
    uint32_t width, height;
};

/* Pixels on each side that ic_attention() makes of a picture, the better for a better filter if it has so many. */
#define IC_ATTENTION_CELLS 32

/* The point that draws the eye: skin, saturated colour and edges, as libvips' "attention" weighs them, which has it
 * from smartcrop.js. width and height: the size of the crop as a share of the picture, 0 .. 1. *x and *y are shares,
 * too. */
void ic_attention(const struct ic_look *p, double width, double height, double *x, double *y);

/* Where a crop of that size begins so that what is cut off has the least entropy: strips of an eighth of the excess are
 * taken from whichever side holds less, as in libvips. */
void ic_entropy(const struct ic_look *p, double width, double height, double *x, double *y);

/* The 256 levels of sRGB as light, 0 .. 65535 (IEC 61966-2-1). */
void ic_light(uint16_t light[256]);

#endif
