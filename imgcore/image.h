/* A small finished image as planes, for results that can't stream: turned ones and those on a canvas. */
#ifndef IMGCORE_IMAGE_H
#define IMGCORE_IMAGE_H

#include "codec.h"

struct ic_image {
    struct ic_mem *mem; /* borrowed */
    int n;
    struct {
        uint32_t width, height;
        size_t stride;
        uint8_t *p; /* owned */
    } plane[IC_PLANES];
};

/* Where rows go: turned as a block of width x height pixels (before the turn), then placed at x, y of the plane. */
struct ic_spot {
    unsigned turn; /* bits of enum ic_turn */
    uint32_t width, height, x, y;
};

/* Adds a plane filled with one value. IC_E_MEMORY beyond the budget. A zeroed image with mem set is empty. */
enum ic_code ic_image_add(struct ic_image *img, uint32_t width, uint32_t height, uint8_t fill, struct ic_error *e);

/* Puts rows [y, y + n) of the block into a plane. The turned block lies inside of the plane. */
void ic_image_put(struct ic_image *img, int plane, const struct ic_spot *spot, const struct ic_rows *rows, uint32_t y);

void ic_image_free(struct ic_image *img); /* accepts a zeroed one */

/* a, then b, as one turn. */
unsigned ic_turn_then(unsigned a, unsigned b);
/* How EXIF orientation 1 .. 8 is undone: stored to shown. */
unsigned ic_turn_of_exif(int orientation);
/* Clockwise; degrees is 0, 90, 180 or 270. */
unsigned ic_turn_of_rotation(int degrees);

#endif
