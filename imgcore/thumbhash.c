/* ThumbHash: the lowest cosine components of luminance, two differences of colours, and alpha, four bits each. Called
 * by facts.c. Sums run in the order of the reference implementation, so that both round alike. */
#include "placeholder.h"

#include <math.h>
#include <string.h>

enum { L, P, Q, A, CHANNELS };

#define PARTS_MAX 7 /* a side */

struct channel {
    int nx, ny;
    double dc, scale; /* the largest of ac before it was scaled */
    int n;
    double ac[PARTS_MAX * PARTS_MAX];
};

struct picture {
    uint32_t width, height;
    double *plane[CHANNELS]; /* in one block, owned by the first */
    double *cosines;         /* a row; in it as well */
    bool alpha;
};

static uint32_t half_up(double v)
{
    return (uint32_t)floor(v + 0.5);
}

static void average(struct ic_pixels src, double mean[4])
{
    memset(mean, 0, 4 * sizeof *mean);
    for (uint32_t y = 0; y < src.height; y++)
        for (uint32_t x = 0; x < src.width; x++) {
            const uint8_t *p = src.p + src.stride * y + 4 * (size_t)x;
            double alpha = p[3] / 255.0;

            for (int c = 0; c < 3; c++)
                mean[c] += alpha / 255 * p[c];
            mean[3] += alpha;
        }
    for (int c = 0; c < 3 && mean[3] > 0; c++)
        mean[c] /= mean[3];
}

/* On the average colour where it is transparent. */
static void convert(struct picture *t, struct ic_pixels src, const double mean[4])
{
    for (uint32_t y = 0; y < src.height; y++)
        for (uint32_t x = 0; x < src.width; x++) {
            const uint8_t *p = src.p + src.stride * y + 4 * (size_t)x;
            size_t at = (size_t)y * src.width + x;
            double alpha = p[3] / 255.0, c[3];

            for (int i = 0; i < 3; i++)
                c[i] = mean[i] * (1 - alpha) + alpha / 255 * p[i];
            t->plane[L][at] = (c[0] + c[1] + c[2]) / 3;
            t->plane[P][at] = (c[0] + c[1]) / 2 - c[2];
            t->plane[Q][at] = c[0] - c[1];
            t->plane[A][at] = alpha;
        }
}

static double component(const struct picture *t, const double *plane, int cx, int cy)
{
    double f = 0;

    for (uint32_t x = 0; x < t->width; x++)
        t->cosines[x] = cos(M_PI / t->width * cx * (x + 0.5));
    for (uint32_t y = 0; y < t->height; y++) {
        double fy = cos(M_PI / t->height * cy * (y + 0.5));

        for (uint32_t x = 0; x < t->width; x++)
            f += *plane++ * t->cosines[x] * fy;
    }
    return f / (t->width * t->height);
}

static void transform(const struct picture *t, int plane, struct channel *c)
{
    for (int cy = 0; cy < c->ny; cy++)
        for (int cx = 0; cx * c->ny < c->nx * (c->ny - cy); cx++) {
            double f = component(t, t->plane[plane], cx, cy);

            if (cx == 0 && cy == 0) {
                c->dc = f;
                continue;
            }
            c->ac[c->n++] = f;
            c->scale = fmax(c->scale, fabs(f));
        }
    for (int i = 0; i < c->n && c->scale > 0; i++)
        c->ac[i] = 0.5 + 0.5 / c->scale * c->ac[i];
}

static int largest(int a, int b)
{
    return a > b ? a : b;
}

static uint8_t encode(const struct picture *t, uint8_t *out)
{
    double limit = t->alpha ? 5 : 7, side = fmax(t->width, t->height);
    int lx = largest(1, (int)half_up(limit * t->width / side)), ly = largest(1, (int)half_up(limit * t->height / side));
    struct channel c[CHANNELS] = {
        { .nx = largest(3, lx), .ny = largest(3, ly) }, { .nx = 3, .ny = 3 }, { .nx = 3, .ny = 3 }, { .nx = 5, .ny = 5 }
    };
    int channels = t->alpha ? CHANNELS : A, n = t->alpha ? 6 : 5, nibble = 0;
    bool wide = t->width > t->height;

    for (int i = 0; i < channels; i++)
        transform(t, i, &c[i]);
    uint32_t head = half_up(63 * c[L].dc) | half_up(31.5 + 31.5 * c[P].dc) << 6 | half_up(31.5 + 31.5 * c[Q].dc) << 12 |
                    half_up(31 * c[L].scale) << 18 | (uint32_t)t->alpha << 23;
    uint32_t tail = (uint32_t)(wide ? ly : lx) | half_up(63 * c[P].scale) << 3 | half_up(63 * c[Q].scale) << 9 |
                    (uint32_t)wide << 15;

    memset(out, 0, IC_THUMBHASH);
    out[0] = (uint8_t)head;
    out[1] = (uint8_t)(head >> 8);
    out[2] = (uint8_t)(head >> 16);
    out[3] = (uint8_t)tail;
    out[4] = (uint8_t)(tail >> 8);
    if (t->alpha)
        out[5] = (uint8_t)(half_up(15 * c[A].dc) | half_up(15 * c[A].scale) << 4);
    for (int i = 0; i < channels; i++)
        for (int k = 0; k < c[i].n; k++, nibble++)
            out[n + nibble / 2] |= (uint8_t)(half_up(15 * c[i].ac[k]) << (nibble % 2 * 4));
    return (uint8_t)(n + (nibble + 1) / 2);
}

enum ic_code ic_thumbhash(struct ic_pixels src, struct ic_mem *mem, uint8_t out[IC_THUMBHASH], uint8_t *n,
                          struct ic_error *e)
{
    size_t pixels = (size_t)src.width * src.height;
    struct picture t = { .width = src.width, .height = src.height };
    double mean[4];

    if (src.width > IC_THUMBHASH_SIDE || src.height > IC_THUMBHASH_SIDE)
        return ic_fail(e, IC_E_PARAM, "%ux%u pixels are too many for a thumbhash", src.width, src.height);
    t.plane[0] = ic_alloc(mem, (CHANNELS * pixels + src.width) * sizeof(double));
    if (!t.plane[0])
        return ic_fail(e, IC_E_MEMORY, "no memory for a thumbhash");
    for (int i = 1; i < CHANNELS; i++)
        t.plane[i] = t.plane[i - 1] + pixels;
    t.cosines = t.plane[CHANNELS - 1] + pixels;
    average(src, mean);
    t.alpha = mean[3] < (double)pixels;
    convert(&t, src, mean);
    *n = encode(&t, out);
    ic_free(mem, t.plane[0]);
    return IC_OK;
}
