/* Blending a layer onto rows of a result, whole or in strips as they pass. Called by overlay.c.
 *
 * Nothing is allocated and nothing can fail: all conversion is behind us (layer.c). */
#include "op_mark.h"

#include "colour.h"

/* The samples of one plane that a layer covers: n columns and rows from `to` in the view and `from` in the layer. */
struct cover {
    uint32_t to_x, to_y, from_x, from_y, w, h;
};

/* One axis: a layer of `n` samples whose first is number `at` of a view of `size` samples. */
static uint32_t cover_axis(int64_t at, uint32_t n, uint32_t size, uint32_t *to, uint32_t *from)
{
    int64_t begin = at < 0 ? 0 : at, end = at + n < size ? at + n : size;

    if (begin >= end)
        return 0;
    *to = (uint32_t)begin;
    *from = (uint32_t)(begin - at);
    return (uint32_t)(end - begin);
}

/* at[0], at[1]: where the layer's plane begins in the view's. */
static bool cover_plane(const struct ic_view_plane *v, const struct ic_layer_plane *l, const int64_t at[2],
                        struct cover *c)
{
    c->w = cover_axis(at[0], l->width, v->width, &c->to_x, &c->from_x);
    c->h = cover_axis(at[1], l->height, v->height, &c->to_y, &c->from_y);
    return c->w > 0 && c->h > 0;
}

/* n / 255 to nearest, for n up to 255 * 255. */
static uint32_t mark_div255(uint32_t n)
{
    n += 128;
    return (n + (n >> 8)) >> 8;
}

static void mark_row(uint8_t *to, const uint8_t *v, const uint8_t *a, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = (uint8_t)mark_div255((uint32_t)v[i] * a[i] + (uint32_t)to[i] * (255u - a[i]));
}

static void mark_plane(const struct ic_view_plane *v, const struct ic_layer_plane *l, const int64_t at[2])
{
    struct cover c;

    if (!cover_plane(v, l, at, &c))
        return;
    for (uint32_t y = 0; y < c.h; y++) {
        size_t from = (size_t)(c.from_y + y) * l->width + c.from_x;

        mark_row(v->p + v->stride * (c.to_y + y) + c.to_x, l->v + from, l->a + from, c.w);
    }
}

/* One row of colours and their alpha, which is that of the whole. */
static void mark_row_over(uint8_t *const *to, uint8_t *alpha, const struct ic_layer *l, size_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t a = l->plane[0].a[from + i], below = alpha[i] * (255u - a), sum = a * 255 + below;

        if (a == 0)
            continue;
        for (int c = 0; c < l->n; c++)
            to[c][i] = (uint8_t)((l->plane[c].v[from + i] * a * 255 + to[c][i] * below + sum / 2) / sum);
        alpha[i] = (uint8_t)mark_div255(sum);
    }
}

static void mark_over(const struct ic_view *v, const struct ic_layer *l, const int64_t at[2])
{
    const struct ic_view_plane *alpha = &v->plane[v->n - 1];
    struct cover c;

    if (!cover_plane(&v->plane[0], &l->plane[0], at, &c))
        return;
    for (uint32_t y = 0; y < c.h; y++) {
        size_t row = c.to_y + y, from = (size_t)(c.from_y + y) * l->width + c.from_x;
        uint8_t *to[3];

        for (int i = 0; i < l->n; i++)
            to[i] = v->plane[i].p + v->plane[i].stride * row + c.to_x;
        mark_row_over(to, alpha->p + alpha->stride * row + c.to_x, l, from, c.w);
    }
}

void ic_op_mark(const struct ic_view *v, const struct ic_layer *l, int64_t x, int64_t y, uint32_t y0)
{
    const int64_t luma[2] = { x, y - y0 };
    const int64_t chroma[2] = { (x - l->shape.px) / l->shape.fx, (y - l->shape.py) / l->shape.fy - y0 / l->shape.fy };

    if (x >= v->width || y >= (int64_t)y0 + v->height)
        return; /* a chroma sample may lie half inside */
    if (ic_layout_alpha(v->layout) && v->plane[v->n - 1].stride > 0) {
        mark_over(v, l, luma);
        return;
    }
    for (int i = 0; i < l->n; i++)
        mark_plane(&v->plane[i], &l->plane[i], i > 0 && v->layout == IC_YCBCR ? chroma : luma);
}
