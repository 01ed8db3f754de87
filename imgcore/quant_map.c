/* The quantiser's door, and from pixels to indices.
 *
 * Dithering is Floyd and Steinberg's error diffusion in serpentine rows, in the points' coordinates, so that colour
 * under low alpha spreads little. Errors are cut at what a palette of few colours leaves between neighbours: without
 * that, a colour far outside of the palette smears across the picture. */
#include "quant_private.h"

#include <stdlib.h>
#include <string.h>

#define BUSY      48 /* differences of a pixel's neighbours, summed over channels, from which on nothing is spread */
#define SPREAD    14 /* sixteenths of an error at most: a rest that dies away makes less noise of the same evenness */
#define ERROR_MAX 64 /* of a coordinate; the sum of all that meets in one fits in 16 bits */

static int light(struct ic_colour c)
{
    return 2 * c.r + 5 * c.g + c.b;
}

/* Transparency first, so that tRNS is short; then by lightness. */
static bool before(const struct ic_palette *p, int a, int b)
{
    bool clear_a = p->colour[a].a < 255, clear_b = p->colour[b].a < 255;

    return clear_a != clear_b ? clear_a : light(p->colour[a]) < light(p->colour[b]);
}

static void sort(struct ic_palette *p)
{
    for (int i = 1; i < p->n; i++)
        for (int at = i; at > 0 && before(p, at, at - 1); at--) {
            struct ic_colour c = p->colour[at];
            uint32_t share = p->share[at];

            p->colour[at] = p->colour[at - 1];
            p->share[at] = p->share[at - 1];
            p->colour[at - 1] = c;
            p->share[at - 1] = share;
        }
}

/* The colours there are; the histogram's weights are exact, too, unless there are very many pixels. */
static void take_all(struct ic_palette *p, const struct quant_histogram *h, uint64_t *weight)
{
    p->exact = true;
    p->n = (int)h->n;
    for (int i = 0; i < p->n; i++) {
        p->colour[i] = quant_unload(h->entry[i].colour);
        weight[i] = h->entry[i].weight;
    }
}

static void choose(struct ic_palette *p, struct quant_histogram *h, int colours, int rounds, uint64_t *weight)
{
    struct quant_point point[IC_COLOURS];

    p->n = quant_boxes(h, colours, point);
    quant_means(h, point, p->n, rounds, weight);
    for (int i = 0; i < p->n; i++)
        p->colour[i] = quant_colour_of(point[i]);
}

enum ic_code ic_quant_palette(struct ic_pixels src, int colours, int rounds, struct ic_mem *mem, struct ic_palette *out,
                              struct ic_error *e)
{
    struct quant_histogram h;
    uint64_t weight[IC_COLOURS], all = 0;
    enum ic_code rc = quant_histogram_make(&h, src, mem, e);

    if (rc == IC_OK) {
        *out = (struct ic_palette){ .n = 0 };
        if (h.exact && h.n <= (uint32_t)colours)
            take_all(out, &h, weight);
        else
            choose(out, &h, colours, rounds, weight);
        for (int i = 0; i < out->n; i++)
            all += weight[i];
        for (int i = 0; i < out->n; i++)
            out->share[i] = (uint32_t)(weight[i] * 1000000 / all);
        sort(out);
    }
    quant_histogram_free(&h);
    return rc;
}

/* Pixels. */

#define CACHE_BITS 12

struct map {
    const struct ic_palette *palette;     /* borrowed */
    struct quant_point point[IC_COLOURS]; /* of the palette, in its order */
    struct quant_set set;
    int near;                        /* place in the set of the pixel before */
    uint64_t seen[1 << CACHE_BITS];  /* colours, plus SEEN */
    uint8_t index[1 << CACHE_BITS];  /* theirs */
    int16_t (*error[2])[QUANT_DIMS]; /* owned by the first: of this row and the next, in sixteenths, a pixel more at
                                        either end; NULL: no dithering */
};

#define SEEN (UINT64_C(1) << 32)

static uint8_t map_point(struct map *m, const int16_t f[QUANT_DIMS])
{
    m->near = quant_nearest(&m->set, f, m->near);
    return m->set.name[m->near];
}

/* Of an exact palette, the very colour: others may have the same point where alpha is low. */
static uint8_t map_search(struct map *m, uint32_t v)
{
    const struct ic_palette *p = m->palette;
    struct ic_colour c = quant_unload(v);

    for (int i = 0; i < p->n && p->exact; i++)
        if (memcmp(&p->colour[i], &c, sizeof c) == 0)
            return (uint8_t)i;
    return map_point(m, quant_point_of(c).f);
}

static uint8_t map_colour(struct map *m, uint32_t v)
{
    uint32_t slot = v * UINT32_C(2654435761) >> (32 - CACHE_BITS);

    if (m->seen[slot] != (v | SEEN)) {
        m->index[slot] = map_search(m, v);
        m->seen[slot] = v | SEEN;
    }
    return m->index[slot];
}

static void map_row(struct map *m, const uint8_t *src, uint32_t width, uint8_t *out)
{
    for (uint32_t x = 0; x < width; x++)
        out[x] = map_colour(m, quant_load(src + 4 * (size_t)x));
}

/* Dithering. */

static int clamp(int v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* What a pixel should be, its neighbours' errors included; inside of what colours there are. */
static struct quant_point dither_want(struct quant_point p, const int16_t error[QUANT_DIMS])
{
    p.f[3] = (int16_t)clamp(p.f[3] + (error[3] + 8) / 16, 0, 255);
    for (int k = 0; k < 3; k++)
        p.f[k] = (int16_t)clamp(p.f[k] + (error[k] + 8) / 16, -p.f[3], p.f[3]);
    return p;
}

static int dither_differ(const uint8_t *a, const uint8_t *b)
{
    int d = 0;

    for (int c = 0; c < 4; c++)
        d += abs(a[c] - b[c]);
    return d;
}

/* How much of a pixel's error is spread, in sixteenths: nearly all of it where the picture is smooth, and bands would
 * show; nothing where it is busy, which hides bands, and where the error would only be noise. */
static int dither_strength(struct ic_pixels src, uint32_t x, uint32_t y)
{
    const uint8_t *p = src.p + src.stride * y + 4 * (size_t)x;
    int busy = 0;

    if (x > 0 && x + 1 < src.width)
        busy += dither_differ(p - 4, p + 4);
    if (y > 0 && y + 1 < src.height)
        busy += dither_differ(p - src.stride, p + src.stride);
    return clamp((BUSY - busy) * 32 / BUSY, 0, SPREAD);
}

static void dither_spread(struct map *m, uint32_t at, int step, const struct quant_point *want,
                          const struct quant_point *got, int strength)
{
    int16_t *ahead = m->error[0][(int64_t)at + step], *below = m->error[1][at];
    int16_t *behind = m->error[1][(int64_t)at - step], *beyond = m->error[1][(int64_t)at + step];

    for (int k = 0; k < QUANT_DIMS; k++) {
        int e = clamp(want->f[k] - got->f[k], -ERROR_MAX, ERROR_MAX) * strength / 16;

        ahead[k] = (int16_t)(ahead[k] + 7 * e);
        behind[k] = (int16_t)(behind[k] + 3 * e);
        below[k] = (int16_t)(below[k] + 5 * e);
        beyond[k] = (int16_t)(beyond[k] + e);
    }
}

static void dither_row(struct map *m, struct ic_pixels src, uint32_t y, uint8_t *out)
{
    bool back = y & 1;
    int step = back ? -1 : 1;

    for (uint32_t n = 0, x = back ? src.width - 1 : 0; n < src.width; n++, x = (uint32_t)((int64_t)x + step)) {
        uint32_t v = quant_load(src.p + src.stride * y + 4 * (size_t)x);
        struct quant_point want;

        if (!v) { /* nothing shows there */
            out[x] = map_colour(m, v);
            continue;
        }
        want = dither_want(quant_point_of(quant_unload(v)), m->error[0][x + 1]);
        out[x] = map_point(m, want.f);
        dither_spread(m, x + 1, step, &want, &m->point[out[x]], dither_strength(src, x, y));
    }
}

static void dither_next(struct map *m, uint32_t width)
{
    int16_t(*done)[QUANT_DIMS] = m->error[0];

    m->error[0] = m->error[1];
    m->error[1] = done;
    memset(done, 0, (width + (size_t)2) * sizeof *done);
}

/* The door. */

static struct map *map_make(const struct ic_palette *p, uint32_t width, bool dither, struct ic_mem *mem)
{
    size_t row = dither ? (width + (size_t)2) * sizeof(int16_t[QUANT_DIMS]) : 0;
    struct map *m = ic_calloc(mem, sizeof *m + 2 * row);

    if (!m)
        return NULL;
    m->palette = p;
    for (int i = 0; i < p->n; i++)
        m->point[i] = quant_point_of(p->colour[i]);
    quant_set_make(&m->set, m->point, p->n);
    for (int i = 0; i < 2 && dither; i++)
        m->error[i] = (int16_t(*)[QUANT_DIMS])((uint8_t *)(m + 1) + row * (size_t)i);
    return m;
}

enum ic_code ic_quant_map(struct ic_pixels src, const struct ic_palette *p, bool dither, struct ic_mem *mem,
                          uint8_t *out, struct ic_error *e)
{
    struct map *m = map_make(p, src.width, dither && !p->exact, mem);

    if (!m)
        return ic_fail(e, IC_E_MEMORY, "no memory to map pixels to a palette");
    for (uint32_t y = 0; y < src.height; y++, out += src.width) {
        if (!m->error[0]) {
            map_row(m, src.p + src.stride * y, src.width, out);
            continue;
        }
        dither_row(m, src, y, out);
        dither_next(m, src.width);
    }
    ic_free(mem, m);
    return IC_OK;
}
