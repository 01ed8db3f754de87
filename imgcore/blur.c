/* Blurring, separable: rows, then columns, both by the resampler's vertical kernel, which weighs any rows and so also
 * one row against itself, shifted.
 *
 * A wide Gaussian is first halved to where its sigma is 3.5 to 7 samples, blurred there and enlarged by Catmull-Rom
 * interpolation: after such a blur nothing is left that a coarser grid could not hold, and the work gets less with
 * sigma rather than more. What halving itself blurs (a box's variance) is taken off sigma. Edges are carried along as
 * lines of their own, because beyond them the plane goes on with the sample at the edge and not with the mean of its
 * neighbours. Three boxes were rejected (2.5 levels off at a step), and so was the recursive Gaussian (serial along
 * rows, and every CPU would need the same order of its roundings). */
#include "blur.h"

#include "halve.h"
#include "scale.h"

#include <math.h>
#include <string.h>

#define COARSE_SIGMA 7.0 /* from here on a plane is halved */
#define REACH        3.5 /* weights end at so many sigmas */
#define MARGIN       2u  /* samples beyond each edge that interpolation looks at */

enum part { MIDDLE, LEFT, RIGHT, TOP, BOTTOM, PARTS };

/* A plane at some halving, with its edges one sample wide and its corners. */
struct level {
    struct ic_view_plane part[PARTS];
    uint8_t corner[2][2]; /* bottom, right */
    uint8_t *owned[PARTS];
    int halvings;
};

/* Rows after the horizontal pass: one above the plane, its own, one below. */
struct rows {
    uint8_t *p, *line; /* owned; line: a padded row of the source, or one of the result */
    size_t stride;
    uint32_t width, margin; /* margin: samples beyond each edge that are wanted as well */
};

/* Weights. */

static void fir_gauss(struct ic_fir *f, double sigma)
{
    double sum = 0, g[IC_FIR_RADIUS + 1];
    int rest = 1 << IC_WEIGHT_BITS;

    f->radius = (uint32_t)fmin(fmax(ceil(REACH * sigma), 1), IC_FIR_RADIUS);
    for (uint32_t i = 0; i <= f->radius; i++) {
        g[i] = exp(-(double)(i * i) / (2 * sigma * sigma));
        sum += i ? 2 * g[i] : g[i];
    }
    for (uint32_t i = f->radius; i > 0; i--) {
        f->w[f->radius + i] = f->w[f->radius - i] = (int16_t)lround(g[i] / sum * (1 << IC_WEIGHT_BITS));
        rest -= 2 * f->w[f->radius + i];
    }
    f->w[f->radius] = (int16_t)rest;
}

/* Halving. */

static struct ic_view_plane plane_part(const struct ic_view_plane *p, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    return (struct ic_view_plane){ .p = p->p + p->stride * y + x, .stride = p->stride, .width = w, .height = h };
}

/* The row below the last one: what the plane goes on with. */
static const uint8_t *level_below(const struct level *l, int part, const uint8_t *last)
{
    return part == MIDDLE ? l->part[BOTTOM].p : part == LEFT || part == RIGHT ? &l->corner[1][part == RIGHT] : last;
}

/* What stands right of row y. */
static uint8_t level_right(const struct level *l, int part, uint32_t y, const uint8_t *row)
{
    const struct ic_view_plane *edge = &l->part[RIGHT];

    if (part == MIDDLE)
        return y < edge->height ? edge->p[edge->stride * y] : l->corner[1][1];
    return part == TOP || part == BOTTOM ? l->corner[part == BOTTOM][1] : row[0];
}

/* Of the halved row y from rows a and b, where they are odd. */
static uint8_t level_last(const struct level *l, int part, uint32_t y, const uint8_t *a, const uint8_t *b)
{
    uint32_t last = l->part[part].width - 1, right = level_right(l, part, 2 * y, a);

    return (uint8_t)((a[last] + b[last] + right + level_right(l, part, 2 * y + 1, b) + 1 + (y & 1)) / 4);
}

/* The part at half its size, rounded up; an odd one is continued by one sample. */
static bool level_halve(struct level *l, int part, struct ic_mem *mem)
{
    struct ic_view_plane *p = &l->part[part], q = { .width = (p->width + 1) / 2, .height = (p->height + 1) / 2 };

    q.stride = ic_stride(q.width);
    if (!(q.p = ic_alloc(mem, q.stride * q.height)))
        return false;
    for (uint32_t y = 0; y < q.height; y++) {
        const uint8_t *a = p->p + p->stride * (2 * y);
        const uint8_t *b = 2 * y + 1 < p->height ? a + p->stride : level_below(l, part, a);
        uint8_t *to = q.p + q.stride * y;

        ic_kernels()->halve_u8(to, a, b, p->width / 2);
        if (p->width % 2)
            to[q.width - 1] = level_last(l, part, y, a, b);
    }
    ic_free(mem, l->owned[part]);
    l->owned[part] = q.p;
    *p = q;
    return true;
}

static enum ic_code level_init(struct level *l, const struct ic_view_plane *p, int halvings, struct ic_mem *mem)
{
    uint32_t right = p->width - 1, bottom = p->height - 1;

    *l = (struct level){ .halvings = halvings };
    l->part[MIDDLE] = *p;
    l->part[LEFT] = plane_part(p, 0, 0, 1, p->height);
    l->part[RIGHT] = plane_part(p, right, 0, 1, p->height);
    l->part[TOP] = plane_part(p, 0, 0, p->width, 1);
    l->part[BOTTOM] = plane_part(p, 0, bottom, p->width, 1);
    for (int i = 0; i < 4; i++)
        l->corner[i / 2][i % 2] = p->p[p->stride * (i / 2 ? bottom : 0) + (i % 2 ? right : 0)];
    for (int i = 0; i < halvings; i++)
        for (int part = 0; part < PARTS; part++) /* the middle first: it looks at the edges as they are */
            if (!level_halve(l, part, mem))
                return IC_E_MEMORY;
    return IC_OK;
}

static void level_free(struct level *l, struct ic_mem *mem)
{
    for (int part = 0; part < PARTS; part++)
        ic_free(mem, l->owned[part]);
}

/* Passes. */

static enum ic_code rows_init(struct rows *r, const struct level *l, uint32_t radius, struct ic_mem *mem)
{
    uint32_t margin = l->halvings ? MARGIN : 0, width = l->part[MIDDLE].width + 2 * margin;

    /* Kernels go on to a multiple of 32. */
    *r = (struct rows){ .width = width, .margin = margin, .stride = ic_stride(width) };
    r->p = ic_alloc(mem, r->stride * (l->part[MIDDLE].height + 2));
    r->line = ic_alloc(mem, r->stride + 2 * radius + 64);
    return r->p && r->line ? IC_OK : IC_E_MEMORY;
}

static void rows_free(struct rows *r, struct ic_mem *mem)
{
    ic_free(mem, r->p);
    ic_free(mem, r->line);
}

/* One row of the source, with what lies beyond its ends, to row `at` of r. */
static void rows_horizontal(const struct rows *r, uint32_t at, const uint8_t *src, uint32_t n, const uint8_t ends[2],
                            const struct ic_fir *f)
{
    const uint8_t *shifted[2 * IC_FIR_RADIUS + 1];
    uint32_t pad = f->radius + r->margin, taps = 2 * f->radius + 1;

    memset(r->line, ends[0], pad);
    memcpy(r->line + pad, src, n);
    memset(r->line + pad + n, ends[1], pad);
    for (uint32_t t = 0; t < taps; t++)
        shifted[t] = r->line + t;
    ic_kernels()->vscale_u8(r->p + r->stride * at, shifted, f->w, taps, r->width);
}

static void rows_fill(const struct rows *r, const struct level *l, const struct ic_fir *f)
{
    const struct ic_view_plane *p = l->part, *left = &p[LEFT], *right = &p[RIGHT];
    uint32_t n = p[MIDDLE].width, last = p[MIDDLE].height + 1;

    rows_horizontal(r, 0, p[TOP].p, n, l->corner[0], f);
    for (uint32_t y = 0; y < p[MIDDLE].height; y++) {
        const uint8_t ends[2] = { left->p[left->stride * y], right->p[right->stride * y] };

        rows_horizontal(r, y + 1, p[MIDDLE].p + p[MIDDLE].stride * y, n, ends, f);
    }
    rows_horizontal(r, last, p[BOTTOM].p, n, l->corner[1], f);
}

/* Row y of the result, which may lie beyond an edge, to r->line. */
static void rows_vertical(const struct rows *r, int64_t y, int64_t height, const struct ic_fir *f)
{
    const uint8_t *rows[2 * IC_FIR_RADIUS + 1];
    uint32_t taps = 2 * f->radius + 1;

    for (uint32_t t = 0; t < taps; t++) {
        int64_t at = y + t - f->radius + 1;

        rows[t] = r->p + r->stride * (size_t)(at < 0 ? 0 : at > height ? height + 1 : at);
    }
    ic_kernels()->vscale_u8(r->line, rows, f->w, taps, r->width);
}

/* Back to the plane. */

static struct ic_axis enlarge_axis(uint32_t n, uint32_t coarse, int halvings)
{
    return (struct ic_axis){ .src_n = coarse + 2 * MARGIN,
                             .dst_n = n,
                             .x0 = MARGIN,
                             .x1 = MARGIN + n / (double)(1u << halvings),
                             .kernel = IC_KERNEL_CATROM };
}

static enum ic_code blur_enlarge(const struct rows *r, const struct level *l, const struct ic_view_plane *to,
                                 const struct ic_fir *f, struct ic_mem *mem, struct ic_error *e)
{
    struct ic_weights_cache cache = { .mem = mem };
    struct ic_axis x = enlarge_axis(to->width, l->part[MIDDLE].width, l->halvings);
    struct ic_axis y = enlarge_axis(to->height, l->part[MIDDLE].height, l->halvings);
    const struct ic_weights *h = ic_weights_get(&cache, &x), *v = ic_weights_get(&cache, &y);
    int64_t height = l->part[MIDDLE].height;
    struct ic_scale s = { 0 };
    enum ic_code rc = h && v ? ic_scale_init(&s, mem, h, v, 1) : IC_E_MEMORY;
    uint8_t *out = to->p;

    for (int64_t at = -(int64_t)MARGIN; at < height + MARGIN && rc == IC_OK; at++) {
        rows_vertical(r, at, height, f);
        rc = ic_scale_push(&s, r->line, e);
        while (rc == IC_OK && ic_scale_pull(&s, &out))
            out += to->stride;
    }
    ic_scale_free(&s);
    ic_weights_trim(&cache, 0);
    return rc;
}

static enum ic_code blur_run(const struct ic_view_plane *p, int halvings, const struct ic_fir *x,
                             const struct ic_fir *y, struct ic_mem *mem, struct ic_error *e)
{
    struct level l;
    struct rows r = { 0 };
    enum ic_code rc = level_init(&l, p, halvings, mem);

    if (rc != IC_OK || (rc = rows_init(&r, &l, x->radius, mem)) != IC_OK)
        goto out;
    rows_fill(&r, &l, x);
    if (halvings)
        rc = blur_enlarge(&r, &l, p, y, mem, e);
    for (uint32_t i = 0; i < p->height && !halvings; i++) {
        rows_vertical(&r, i, p->height, y);
        memcpy(p->p + p->stride * i, r.line, p->width);
    }
out:
    rows_free(&r, mem);
    level_free(&l, mem);
    return rc == IC_OK ? IC_OK : ic_fail(e, rc, "no memory to blur %ux%u samples", p->width, p->height);
}

enum ic_code ic_blur_plane(const struct ic_view_plane *p, double sigma_x, double sigma_y, struct ic_mem *mem,
                           struct ic_error *e)
{
    struct ic_fir x, y;
    int halvings = 0;
    double box, scale;

    if (sigma_x < 0.2 && sigma_y < 0.2)
        return IC_OK;
    while (ldexp(fmin(sigma_x, sigma_y), -halvings) >= COARSE_SIGMA)
        halvings++;
    scale = ldexp(1, -halvings);
    box = (1 - scale * scale) / 12;
    fir_gauss(&x, sqrt(sigma_x * sigma_x * scale * scale - box));
    fir_gauss(&y, sqrt(sigma_y * sigma_y * scale * scale - box));
    return blur_run(p, halvings, &x, &y, mem, e);
}

enum ic_code ic_fir_plane(const struct ic_view_plane *p, const struct ic_fir *fir, struct ic_mem *mem,
                          struct ic_error *e)
{
    return blur_run(p, 0, fir, fir, mem, e);
}

uint64_t ic_blur_memory(uint32_t w, uint32_t h)
{
    return ((uint64_t)w + 320) * ((uint64_t)h + 40);
}
