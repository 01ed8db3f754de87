/* A picture in memory for an operation (op_*.c) to change in place: a rectangle of one or more planes. */
#ifndef IMGCORE_VIEW_H
#define IMGCORE_VIEW_H

#include "codec.h"

/* Borrows its planes from a frame. Alpha is not premultiplied. */
struct ic_view {
    enum ic_layout layout;  /* GREY, GREYA, RGB, RGBA or YCBCR */
    bool limited;           /* YCBCR only, as in struct ic_planes */
    uint32_t width, height; /* in pixels of the result, at least 1 */
    int n;                  /* planes, one a channel */
    struct ic_view_plane {
        uint8_t *p;
        size_t stride;
        uint32_t width, height; /* samples; chroma is rounded up, its last sample may cover less than its share */
    } plane[IC_PLANES];
};

/* How many pixels a sample of a plane covers on each axis: 1, or 2 where chroma is subsampled and the view
 * is wider or higher than one pixel. */
static inline uint32_t ic_view_factor_x(const struct ic_view *v, int plane)
{
    return (v->width + v->plane[plane].width - 1) / v->plane[plane].width;
}

static inline uint32_t ic_view_factor_y(const struct ic_view *v, int plane)
{
    return (v->height + v->plane[plane].height - 1) / v->plane[plane].height;
}

/* The w x h pixels of v at x, y, which lie inside of it; x and y are multiples of every plane's factors. */
static inline struct ic_view ic_view_part(const struct ic_view *v, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    struct ic_view part = *v;

    part.width = w;
    part.height = h;
    for (int i = 0; i < v->n; i++) {
        uint32_t fx = ic_view_factor_x(v, i), fy = ic_view_factor_y(v, i);

        part.plane[i].p += v->plane[i].stride * (y / fy) + x / fx;
        part.plane[i].width = (w + fx - 1) / fx;
        part.plane[i].height = (h + fy - 1) / fy;
    }
    return part;
}

/* Of GREYA and RGBA in place: colour times alpha, rounded, and back. Colour under alpha 0 becomes black. */
void ic_view_premultiply(const struct ic_view *v);
void ic_view_unpremultiply(const struct ic_view *v);

#endif
