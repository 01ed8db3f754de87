/* From packed RGBA to a layer in the samples of one result. Called by mark_cache.c, once for each look of a mark.
 *
 * Chroma is the average of the pixels that a sample covers, weighted by their alpha, and its alpha their average alpha:
 * so that a transparent pixel's colour, which is anything, plays no part. The sums are of RGB, since the conversion is
 * linear. */
#include "layer.h"

#include "colour.h"

#include <string.h>

/* JFIF's conversion (BT.601) in 16 bits of fraction. */
#define Y_R  19595
#define Y_G  38470
#define Y_B  7471
#define CB_R (-11058)
#define CB_G (-21710)
#define CR_G (-27439)
#define CR_B (-5329)
#define HALF 32768

/* What one sample covers: sums of its pixels. */
struct patch {
    uint32_t a, r, g, b, pixels; /* colours weighted by alpha */
};

/* The pixels of one sample of a plane, which covers fx x fy of them from column x and row y on, both perhaps negative:
 * chroma samples begin before the layer does. */
static struct patch layer_patch(const struct ic_layer *l, const uint8_t *px, const int64_t at[2], const uint8_t f[2])
{
    struct patch s = { 0 };

    for (int64_t y = at[1]; y < at[1] + f[1]; y++)
        for (int64_t x = at[0]; x < at[0] + f[0]; x++) {
            const uint8_t *p;

            if ((l->shape.end_x && x >= l->shape.end_x) || (l->shape.end_y && y >= l->shape.end_y))
                continue; /* no pixel of the result */
            s.pixels++;
            if (x < 0 || y < 0 || x >= l->width || y >= l->height)
                continue;
            p = px + ((size_t)y * l->width + (size_t)x) * 4;
            s.a += p[3];
            s.r += (uint32_t)p[0] * p[3];
            s.g += (uint32_t)p[1] * p[3];
            s.b += (uint32_t)p[2] * p[3];
        }
    return s;
}

static uint8_t layer_share(uint32_t sum, uint32_t of)
{
    return (uint8_t)((sum + of / 2) / of);
}

static uint8_t layer_clamp(int32_t v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Colour i of the layout for r, g, b. */
static uint8_t layer_colour(const struct ic_layer_shape *s, int i, const int32_t c[3])
{
    int32_t y = Y_R * c[0] + Y_G * c[1] + Y_B * c[2];

    if (s->layout == IC_RGB || s->layout == IC_RGBA)
        return (uint8_t)c[i];
    if (i == 1)
        return layer_clamp((CB_R * c[0] + CB_G * c[1] + HALF * c[2] + HALF + (128 << 16)) >> 16);
    if (i == 2)
        return layer_clamp((HALF * c[0] + CR_G * c[1] + CR_B * c[2] + HALF + (128 << 16)) >> 16);
    return layer_clamp((y + HALF) >> 16);
}

static void layer_sample(const struct ic_layer *l, int i, const struct patch *s, uint8_t alpha, size_t at)
{
    const int32_t c[3] = { s->a ? layer_share(s->r, s->a) : 0, s->a ? layer_share(s->g, s->a) : 0,
                           s->a ? layer_share(s->b, s->a) : 0 };

    l->plane[i].v[at] = layer_colour(&l->shape, i, c);
    l->plane[i].a[at] = s->pixels ? layer_share(s->a * alpha, s->pixels * 255) : 0;
}

static void layer_fill(struct ic_layer *l, int i, const uint8_t *px, uint8_t alpha)
{
    const struct ic_layer_plane *p = &l->plane[i];
    bool chroma = i > 0 && l->shape.layout == IC_YCBCR;
    const uint8_t f[2] = { chroma ? l->shape.fx : 1, chroma ? l->shape.fy : 1 };

    for (uint32_t y = 0; y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++) {
            const int64_t at[2] = { (int64_t)x * f[0] - (chroma ? l->shape.px : 0),
                                    (int64_t)y * f[1] - (chroma ? l->shape.py : 0) };
            struct patch s = layer_patch(l, px, at, f);

            layer_sample(l, i, &s, alpha, (size_t)y * p->width + x);
        }
    if (l->shape.limited)
        ic_colour_range(p->v, (size_t)p->width * p->height, i, true);
}

/* Sizes of the planes; the bytes of all together, or false on overflow. */
static bool layer_measure(struct ic_layer *l, size_t *bytes)
{
    *bytes = 0;
    for (int i = 0; i < l->n; i++) {
        bool chroma = i > 0 && l->shape.layout == IC_YCBCR;
        size_t one;

        l->plane[i].width = chroma ? (l->shape.px + l->width + l->shape.fx - 1) / l->shape.fx : l->width;
        l->plane[i].height = chroma ? (l->shape.py + l->height + l->shape.fy - 1) / l->shape.fy : l->height;
        if (!ic_mul(l->plane[i].width, l->plane[i].height, &one) || !ic_mul(one, 2, &one) ||
            __builtin_add_overflow(*bytes, one, bytes))
            return false;
    }
    return true;
}

struct ic_layer *ic_layer_make(struct ic_mem *mem, const uint8_t *px, uint32_t w, uint32_t h, uint8_t alpha,
                               const struct ic_layer_shape *shape)
{
    struct ic_layer *l = ic_calloc(mem, sizeof(*l));
    size_t bytes, at = 0;

    if (!l)
        return NULL;
    *l = (struct ic_layer){ .mem = mem, .shape = *shape, .width = w, .height = h };
    l->n = shape->layout == IC_GREY || shape->layout == IC_GREYA ? 1 : 3;
    if (!layer_measure(l, &bytes) || !(l->p = ic_alloc(mem, bytes))) {
        ic_layer_free(l);
        return NULL;
    }
    for (int i = 0; i < l->n; i++) {
        size_t n = (size_t)l->plane[i].width * l->plane[i].height;

        l->plane[i].v = l->p + at;
        l->plane[i].a = l->p + at + n;
        at += 2 * n;
        layer_fill(l, i, px, alpha);
    }
    return l;
}

void ic_layer_free(struct ic_layer *l)
{
    if (!l)
        return;
    ic_free(l->mem, l->p);
    ic_free(l->mem, l);
}
