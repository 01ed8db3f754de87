/* Sharpening: luma is pushed away from its blurred self, by a curve over the distance; frame.c calls it.
 *
 * Only luma is looked at, in planes and in RGB alike, so that both give the same picture and colour noise is not raised
 * with the edges. In RGB the push is added to each channel, which leaves chroma as it is. */
#include "op_sharp.h"

#include "blur.h"
#include "colour.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* sharp's defaults, from levels of L* (100) to ours (255): a slope of 1 up to x1, 2 beyond, and an end on each side. */
#define SHARP_FLAT   1.0
#define SHARP_JAGGED 2.0
#define SHARP_X1     (2.0 * 2.55)
#define SHARP_Y2     (10.0 * 2.55)
#define SHARP_Y3     (20.0 * 2.55)

/* The push by distance, -255 .. 255 levels, rounded. */
struct curve {
    int16_t push[511];
    int low, high; /* luma's range */
};

static double curve_range(const struct ic_view *v)
{
    return v->layout == IC_YCBCR && v->limited ? 219 / 255.0 : 1;
}

static void curve_init(struct curve *c, const struct ic_view *v)
{
    bool limited = v->layout == IC_YCBCR && v->limited;

    c->low = limited ? 16 : 0;
    c->high = limited ? 235 : 255;
}

static void curve_sharp(struct curve *c, const struct ic_view *v)
{
    double levels = curve_range(v);

    curve_init(c, v);
    for (int i = 0; i < 511; i++) {
        double d = (i - 255) / levels, size = fabs(d);
        double push = size < SHARP_X1 ? SHARP_FLAT * size : SHARP_FLAT * SHARP_X1 + SHARP_JAGGED * (size - SHARP_X1);

        push = d > 0 ? fmin(push, SHARP_Y2) : -fmin(push, SHARP_Y3);
        c->push[i] = (int16_t)lround(push * levels);
    }
}

static void curve_usm(struct curve *c, const struct ic_view *v, double share, double threshold)
{
    curve_init(c, v);
    for (int i = 0; i < 511; i++)
        c->push[i] = (int16_t)(abs(i - 255) < threshold * curve_range(v) ? 0 : lround((i - 255) * share));
}

/* Luma. */

static void luma_row(const struct ic_view *v, uint32_t y, uint8_t *to)
{
    const struct ic_affine luma = { .m = { { 19595, 38470, 7471 } }, .off = { 32768 }, .shift = 16, .max = 255 };
    const uint8_t *src[3];

    if (v->n < 3 || v->layout == IC_YCBCR) {
        memcpy(to, v->plane[0].p + v->plane[0].stride * y, v->width);
        return;
    }
    for (int i = 0; i < 3; i++)
        src[i] = v->plane[i].p + v->plane[i].stride * y;
    ic_kernels()->affine1(to, src, &luma, v->width);
}

static enum ic_code luma_plane(const struct ic_view *v, struct ic_view_plane *to, struct ic_mem *mem)
{
    *to = (struct ic_view_plane){ .stride = ic_stride(v->width), .width = v->width, .height = v->height };
    if (!(to->p = ic_alloc(mem, to->stride * to->height)))
        return IC_E_MEMORY;
    for (uint32_t y = 0; y < v->height; y++)
        luma_row(v, y, to->p + to->stride * y);
    return IC_OK;
}

/* Pushing. */

static void push_row(const struct curve *c, uint8_t *px, const uint8_t *luma, const uint8_t *blurred, size_t n)
{
    for (size_t x = 0; x < n; x++) {
        int v = px[x] + c->push[255 + luma[x] - blurred[x]];

        px[x] = (uint8_t)(v < c->low ? c->low : v > c->high ? c->high : v);
    }
}

/* Premultiplied colour stays below alpha. */
static void push_cap(uint8_t *px, const uint8_t *alpha, size_t n)
{
    for (size_t x = 0; x < n; x++)
        px[x] = px[x] < alpha[x] ? px[x] : alpha[x];
}

static void sharp_push(const struct ic_view *v, const struct curve *c, const struct ic_view_plane *blurred,
                       uint8_t *luma)
{
    bool alpha = ic_layout_alpha(v->layout);
    int colours = v->layout == IC_YCBCR ? 1 : v->n - alpha;

    for (uint32_t y = 0; y < v->height; y++) {
        luma_row(v, y, luma);
        for (int i = 0; i < colours; i++) {
            uint8_t *px = v->plane[i].p + v->plane[i].stride * y;

            push_row(c, px, luma, blurred->p + blurred->stride * y, v->width);
            if (alpha)
                push_cap(px, v->plane[v->n - 1].p + v->plane[v->n - 1].stride * y, v->width);
        }
    }
}

/* sigma 0: the mean of 3x3. */
static enum ic_code sharp_run(const struct ic_view *v, const struct curve *c, double sigma, struct ic_mem *mem,
                              struct ic_error *e)
{
    static const struct ic_fir thirds = { .radius = 1, .w = { 5461, 5462, 5461 } };
    struct ic_view_plane blurred = { 0 };
    uint8_t *luma = ic_alloc(mem, v->width);
    enum ic_code rc;

    if (ic_layout_alpha(v->layout))
        ic_view_premultiply(v);
    rc = luma ? luma_plane(v, &blurred, mem) : IC_E_MEMORY;
    if (rc != IC_OK)
        ic_fail(e, rc, "no memory to sharpen %ux%u pixels", v->width, v->height);
    else
        rc = sigma > 0 ? ic_blur_plane(&blurred, sigma, sigma, mem, e) : ic_fir_plane(&blurred, &thirds, mem, e);
    if (rc == IC_OK)
        sharp_push(v, c, &blurred, luma);
    if (ic_layout_alpha(v->layout))
        ic_view_unpremultiply(v);
    ic_free(mem, blurred.p);
    ic_free(mem, luma);
    return rc;
}

enum ic_code ic_op_sharp(const struct ic_view *v, double sigma, struct ic_mem *mem, struct ic_error *e)
{
    struct curve c;

    curve_sharp(&c, v);
    return sharp_run(v, &c, sigma, mem, e);
}

/* -1 around, 32 in the middle, divided by 24: nine 24ths of the distance from the mean of all nine. */
enum ic_code ic_op_sharp_mild(const struct ic_view *v, struct ic_mem *mem, struct ic_error *e)
{
    struct curve c;

    curve_usm(&c, v, 9 / 24.0, 0);
    return sharp_run(v, &c, 0, mem, e);
}

enum ic_code ic_op_usm(const struct ic_view *v, const struct ic_usm *usm, struct ic_mem *mem, struct ic_error *e)
{
    struct curve c;

    curve_usm(&c, v, usm->amount / 100, usm->threshold);
    return sharp_run(v, &c, usm->radius, mem, e);
}
