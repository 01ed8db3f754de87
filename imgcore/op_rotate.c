/* Free rotation, by going from each pixel of the result back to where it was; frame.c calls it.
 *
 * Colour is premultiplied meanwhile, and samples beyond the picture repeat its edge: what lies beside it comes in by
 * coverage alone, so that bg never rings into the picture. Positions and weights are whole numbers, which makes results
 * the same everywhere. */
#include "op_rotate.h"

#include "colour.h"
#include "cpu.h"

#include <math.h>

#define PHASES      256
#define WEIGHT_BITS 14
#define FIXED_ONE   4294967296.0 /* positions have 32 bits of fraction */

struct rotor {
    const struct ic_view *from, *to;
    int16_t w[PHASES][4];
    uint32_t bg[IC_PLANES]; /* premultiplied */
    bool alpha;             /* in the last plane */
};

void ic_sincos(double degrees, double *s, double *c)
{
    double x = degrees * (3.14159265358979323846 / 180.0), u = x * x, term = 1.0;

    *s = *c = 0.0;
    for (int k = 0; k < 24; k += 2) { /* Taylor: x to the 24th over 24! is below 1e-26 */
        *c += term;
        *s += term * x / (k + 1);
        term *= -u / ((k + 1) * (k + 2));
    }
}

/* The weights of four neighbours by phase; they sum to one exactly. */
static void rotor_weights(struct rotor *r)
{
    for (int i = 0; i < PHASES; i++) {
        double t = (double)i / PHASES, one = 1 << WEIGHT_BITS;
        int16_t *w = r->w[i];

        w[0] = (int16_t)floor(((-0.5 * t + 1.0) * t - 0.5) * t * one + 0.5);
        w[2] = (int16_t)floor(((-1.5 * t + 2.0) * t + 0.5) * t * one + 0.5);
        w[3] = (int16_t)floor((0.5 * t - 0.5) * t * t * one + 0.5);
        w[1] = (int16_t)((1 << WEIGHT_BITS) - w[0] - w[2] - w[3]);
    }
}

static void rotor_premultiply(const struct rotor *r)
{
    const struct ic_view *v = r->from;
    const struct ic_view_plane *alpha = &v->plane[v->n - 1];

    for (int i = 0; i < v->n - 1; i++)
        for (uint32_t y = 0; y < v->height; y++)
            for (uint32_t x = 0; x < v->width; x++) {
                uint8_t *p = v->plane[i].p + v->plane[i].stride * y + x;

                *p = (uint8_t)((*p * alpha->p[alpha->stride * y + x] + 127) / 255);
            }
}

/* How much of a pixel whose centre is at `at` lies in [0, n): 0 .. 256. A pixel as wide as the picture's own. */
static uint32_t rotor_cover(int64_t at, uint32_t n)
{
    int64_t end = (int64_t)n << 32, inside = at < end - at ? at : end - at;
    int64_t cover = (inside + (INT64_C(1) << 31)) >> 24;

    return cover < 0 ? 0 : cover > 256 ? 256 : (uint32_t)cover;
}

/* Four neighbours of one axis, kept within it, and their weights. */
static const int16_t *rotor_taps(const struct rotor *r, int64_t at, uint32_t n, uint32_t tap[4])
{
    int64_t left = at - (INT64_C(1) << 31), first = (left >> 32) - 1;

    for (int k = 0; k < 4; k++) {
        int64_t i = first + k;

        tap[k] = i < 0 ? 0 : i >= n ? n - 1 : (uint32_t)i;
    }
    return r->w[(uint64_t)left >> 24 & (PHASES - 1)];
}

static int32_t rotor_sample(const struct ic_view_plane *p, const uint32_t xs[4], const uint32_t ys[4],
                            const int16_t *wx, const int16_t *wy)
{
    int32_t sum = 0;

    for (int j = 0; j < 4; j++) {
        const uint8_t *row = p->p + p->stride * ys[j];
        int32_t across = row[xs[0]] * wx[0] + row[xs[1]] * wx[1] + row[xs[2]] * wx[2] + row[xs[3]] * wx[3];

        sum += ((across + 64) >> 7) * wy[j];
    }
    return (sum + (1 << 20)) >> 21;
}

/* The same where all neighbours exist, which is nearly everywhere: x and y are those of the first. */
static int32_t rotor_sample_inside(const struct ic_view_plane *p, uint32_t x, uint32_t y, const int16_t *wx,
                                   const int16_t *wy)
{
    const uint8_t *row = p->p + p->stride * y + x;
    int32_t sum = 0;

    for (int j = 0; j < 4; j++, row += p->stride) {
        int32_t across = row[0] * wx[0] + row[1] * wx[1] + row[2] * wx[2] + row[3] * wx[3];

        sum += ((across + 64) >> 7) * wy[j];
    }
    return (sum + (1 << 20)) >> 21;
}

/* A pixel of an opaque picture, well inside of it. False: it is none. */
static bool rotor_inside(const struct rotor *r, int64_t sx, int64_t sy, uint32_t x, uint32_t y)
{
    int64_t left = sx - (INT64_C(1) << 31), top = sy - (INT64_C(1) << 31), i = (left >> 32) - 1, j = (top >> 32) - 1;
    const struct ic_view *from = r->from, *to = r->to;

    if (r->alpha || i < 0 || j < 0 || i + 4 > from->width || j + 4 > from->height)
        return false;
    for (int k = 0; k < from->n; k++) {
        int32_t v = rotor_sample_inside(&from->plane[k], (uint32_t)i, (uint32_t)j, r->w[left >> 24 & (PHASES - 1)],
                                        r->w[top >> 24 & (PHASES - 1)]);

        to->plane[k].p[to->plane[k].stride * y + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
    return true;
}

/* The picture's value over bg's, both premultiplied. Where alpha overshoots, colour does in proportion. */
static uint32_t rotor_over(const struct rotor *r, int plane, int32_t v, int32_t alpha, uint32_t cover)
{
    int32_t most = alpha < 255 ? alpha : 255, fair = alpha > 255 ? (v * 255 + alpha / 2) / alpha : v;
    uint32_t in = fair < 0 ? 0 : fair > most ? (uint32_t)most : (uint32_t)fair;

    return (in * cover + r->bg[plane] * (65536 - cover) + 32768) >> 16;
}

static void rotor_pixel(const struct rotor *r, int64_t sx, int64_t sy, uint32_t x, uint32_t y)
{
    const struct ic_view *from = r->from, *to = r->to;
    uint32_t cover = rotor_cover(sx, from->width) * rotor_cover(sy, from->height), xs[4], ys[4], a = 255;
    int last = from->n - 1;
    int32_t alpha = 255;

    if (cover == 0)
        return;
    const int16_t *wx = rotor_taps(r, sx, from->width, xs), *wy = rotor_taps(r, sy, from->height, ys);
    if (r->alpha) {
        alpha = rotor_sample(&from->plane[last], xs, ys, wx, wy);
        alpha = alpha < 0 ? 0 : alpha;
        a = rotor_over(r, last, alpha, 255, cover);
        to->plane[last].p[to->plane[last].stride * y + x] = (uint8_t)a;
    }
    for (int i = 0; i < from->n - r->alpha; i++) {
        uint32_t v = rotor_over(r, i, rotor_sample(&from->plane[i], xs, ys, wx, wy), alpha, cover);

        if (r->alpha)
            v = a ? (v * 255 + a / 2) / a : 0;
        to->plane[i].p[to->plane[i].stride * y + x] = (uint8_t)(v > 255 ? 255 : v);
    }
}

void ic_op_rotate(const struct ic_view *from, const struct ic_view *to, const struct ic_rotation *rot)
{
    struct rotor r = { .from = from, .to = to, .alpha = ic_layout_alpha(from->layout) };
    double s, c;

    ic_sincos(rot->angle, &s, &c);
    rotor_weights(&r);
    for (int i = 0; i < from->n; i++) {
        r.bg[i] = ic_colour_channel(from->layout, i, rot->bg);
        if (r.alpha && i < from->n - 1)
            r.bg[i] = (r.bg[i] * rot->bg.a + 127) / 255;
    }
    if (r.alpha)
        rotor_premultiply(&r);
    int64_t step_x = (int64_t)floor(c * FIXED_ONE + 0.5), step_y = (int64_t)floor(-s * FIXED_ONE + 0.5);
    for (uint32_t y = 0; y < to->height; y++) {
        double dx = 0.5 - rot->centre_x, dy = y + 0.5 - rot->centre_y;
        int64_t sx = (int64_t)floor((dx * c + dy * s + from->width / 2.0) * FIXED_ONE);
        int64_t sy = (int64_t)floor((dy * c - dx * s + from->height / 2.0) * FIXED_ONE);

        for (uint32_t x = 0; x < to->width; x++, sx += step_x, sy += step_y)
            if (!rotor_inside(&r, sx, sy, x, y))
                rotor_pixel(&r, sx, sy, x, y);
    }
}
