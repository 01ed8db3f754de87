/* Pixelation: the mean of each square. frame.c calls it.
 *
 * Sums are whole numbers, so the mean is exact and the same everywhere. */
#include "op_pixel.h"

#include "colour.h"

#include <string.h>

struct square {
    uint32_t x0, x1, y0, y1; /* samples; may be empty where samples cover more than a square */
};

/* The first sample whose centre lies in square k or behind it. */
static uint32_t pixel_edge(uint32_t k, uint32_t side, uint32_t factor, uint32_t n)
{
    uint64_t at = k ? ((uint64_t)k * side + factor - 1 - factor / 2) / factor : 0;

    return at < n ? (uint32_t)at : n;
}

static uint32_t pixel_mean(const struct ic_view_plane *p, const struct square *s)
{
    uint32_t sum = 0, n = (s->x1 - s->x0) * (s->y1 - s->y0);

    for (uint32_t y = s->y0; y < s->y1; y++)
        for (uint32_t x = s->x0; x < s->x1; x++)
            sum += p->p[p->stride * y + x];
    return (sum + n / 2) / n;
}

/* The mean colour that the square shows: 0 where it shows none. */
static uint32_t pixel_mean_alpha(const struct ic_view_plane *p, const struct ic_view_plane *alpha,
                                 const struct square *s)
{
    uint64_t sum = 0, weight = 0;

    for (uint32_t y = s->y0; y < s->y1; y++)
        for (uint32_t x = s->x0; x < s->x1; x++) {
            uint32_t a = alpha->p[alpha->stride * y + x];

            sum += (uint64_t)p->p[p->stride * y + x] * a;
            weight += a;
        }
    return weight ? (uint32_t)((sum + weight / 2) / weight) : 0;
}

static void pixel_plane(const struct ic_view *v, int plane, const struct ic_view_plane *alpha, uint32_t side)
{
    const struct ic_view_plane *p = &v->plane[plane];
    uint32_t fx = ic_view_factor_x(v, plane), fy = ic_view_factor_y(v, plane);
    struct square s;

    for (uint32_t j = 0; (s.y0 = pixel_edge(j, side, fy, p->height)) < p->height; j++)
        for (uint32_t i = 0; (s.x0 = pixel_edge(i, side, fx, p->width)) < p->width; i++) {
            s.x1 = pixel_edge(i + 1, side, fx, p->width);
            s.y1 = pixel_edge(j + 1, side, fy, p->height);
            if (s.x0 == s.x1 || s.y0 == s.y1)
                continue;
            uint32_t mean = alpha ? pixel_mean_alpha(p, alpha, &s) : pixel_mean(p, &s);
            for (uint32_t y = s.y0; y < s.y1; y++)
                memset(p->p + p->stride * y + s.x0, (int)mean, s.x1 - s.x0);
        }
}

void ic_op_pixel(const struct ic_view *v, uint32_t side)
{
    const struct ic_view_plane *alpha = ic_layout_alpha(v->layout) ? &v->plane[v->n - 1] : NULL;

    /* Alpha comes last: the colours before it are weighed by it as it was. */
    for (int i = 0; i < v->n; i++)
        pixel_plane(v, i, alpha && i < v->n - 1 ? alpha : NULL, side);
}
