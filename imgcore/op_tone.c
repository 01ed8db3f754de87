/* Tones on pixels; output.c calls it for strips, frame.c for planes that were turned.
 *
 * On planes, luma and chroma are changed each for itself until one of them leaves its range: there RGB would clip, each
 * channel for itself, and the clipped planes would show other colours. So a block that clips, and only such a one, goes
 * through RGB: the pixels that share a chroma sample, and that sample. */
#include "tone.h"

#include <stdlib.h>

#define CHROMA_MAX (128 * 64) /* of the full range, in 64ths of a level from grey */

/* Rows. */

static void tone_look_up(uint8_t *to, const uint8_t *from, const uint8_t table[256], size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = table[from[i]];
}

static int32_t tone_weigh(const struct ic_affine *a, int i, const int32_t v[3])
{
    int32_t sum = (a->m[i][0] * v[0] + a->m[i][1] * v[1] + a->m[i][2] * v[2] + a->off[i]) >> a->shift;

    return sum < 0 ? 0 : sum > a->max ? a->max : sum;
}

static void tone_bend(const struct ic_tone *t, uint8_t *const *to, const uint8_t *const *from, size_t n)
{
    for (size_t x = 0; x < n; x++) {
        int32_t v[3] = { from[0][x], from[1][x], from[2][x] }, bent[3];

        for (int i = 0; i < 3; i++)
            bent[i] = t->gamma[tone_weigh(&t->first, i, v)];
        to[0][x] = (uint8_t)tone_weigh(&t->second, 0, bent);
        for (int i = 1; i < 3 && !t->mono; i++)
            to[i][x] = (uint8_t)tone_weigh(&t->second, i, bent);
    }
}

static void tone_curve(const struct ic_tone *t, uint8_t *const *to, const uint8_t *const *from, size_t n)
{
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = t->gamma[v * IC_TONE_STEPS];
    for (int i = 0; i < 3; i++)
        tone_look_up(to[i], from[i], table, n);
}

void ic_tone_row(const struct ic_tone *t, uint8_t *const *to, int out, const uint8_t *const *from, int in, size_t n)
{
    if (in == 1) {
        for (int i = out - 1; i >= 0; i--) /* the row that may be read again comes last */
            tone_look_up(to[i], from[0], t->grey[i], n);
        return;
    }
    if (t->curve)
        tone_curve(t, to, from, n);
    else if (t->bend)
        tone_bend(t, to, from, n);
    else if (t->mono)
        t->k->affine1(to[0], from, &t->first, n);
    else
        t->k->affine3(to, from, &t->first, n);
    for (int i = out - 1; i >= 0 && t->mono; i--)
        tone_look_up(to[i], to[0], t->map[i], n);
}

/* Planes. */

/* The pixels that share one chroma sample: w x h of them, 2 x 2 at most. Sizes are passed along, so that the compiler
 * can unroll the usual ones. */
struct block {
    uint8_t *luma[2];
};

static inline uint32_t block_mean(const struct block *b, uint32_t w, uint32_t h)
{
    uint32_t sum = 0, n = w * h;

    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            sum += b->luma[y][x];
    return (sum + n / 2) / n;
}

/* False: one of them clips, and nothing was done. */
static inline bool block_look_up(const struct ic_tone *t, const struct block *b, uint32_t w, uint32_t h, bool always)
{
    uint16_t to[4], all = 0;

    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            all |= to[y * 2 + x] = t->plane.luma[b->luma[y][x]];
    if (all >= IC_TONE_CLIPS && !always)
        return false;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            b->luma[y][x] = (uint8_t)to[y * 2 + x];
    return true;
}

static int64_t tone_limit(int64_t v, int64_t max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

/* v is in its range, or all but. */
static uint8_t tone_chroma(const struct ic_tone *t, int32_t v)
{
    int32_t stored = 128 + ((v * t->plane.chroma_share + 32768) >> 16);

    return (uint8_t)(stored < 0 ? 0 : stored > 255 ? 255 : stored);
}

/* Chroma of the full range, in 64ths of a level from grey. */
static void tone_turn(const struct ic_tone *t, int32_t c[2], uint8_t cb, uint8_t cr)
{
    for (int i = 0; i < 2; i++)
        c[i] = (t->plane.turn[i][0] * (cb - 128) + t->plane.turn[i][1] * (cr - 128) + 512) >> 10;
}

/* Through RGB, as JFIF 1.02 converts it, in 64ths of a level and weights of 14 bits; then the mean of chroma. */
static void block_clip(const struct ic_tone *t, const struct block *b, uint32_t w, uint32_t h, int32_t c[2])
{
    const int64_t max = 255 * 64, to_r = (22970 * (int64_t)c[1]) >> 14, to_b = (29032 * (int64_t)c[0]) >> 14;
    const int64_t to_g = (5638 * (int64_t)c[0] + 11700 * (int64_t)c[1]) >> 14, n = w * h;
    int64_t blue = 0, red = 0;

    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            int64_t v = t->plane.raised[b->luma[y][x]];
            int64_t cr = tone_limit(v + to_r, max), cg = tone_limit(v - to_g, max), cb = tone_limit(v + to_b, max);

            v = (4899 * cr + 9617 * cg + 1868 * cb) >> 14;
            b->luma[y][x] = (uint8_t)(t->plane.origin + ((v * t->plane.luma_share + 32768) >> 16));
            blue += cb - v;
            red += cr - v;
        }
    c[0] = (int32_t)((blue / n * 9246) >> 14);
    c[1] = (int32_t)((red / n * 11686) >> 14);
}

static inline void tone_block(const struct ic_tone *t, const struct block *b, uint32_t w, uint32_t h, uint8_t *cb,
                              uint8_t *cr)
{
    int32_t c[2];

    if (t->mono) {
        uint32_t mean = block_mean(b, w, h);

        block_look_up(t, b, w, h, true);
        *cb = t->plane.cb[mean];
        *cr = t->plane.cr[mean];
        return;
    }
    tone_turn(t, c, *cb, *cr);
    if (abs(c[0]) > CHROMA_MAX || abs(c[1]) > CHROMA_MAX || !block_look_up(t, b, w, h, false))
        block_clip(t, b, w, h, c);
    *cb = tone_chroma(t, c[0]);
    *cr = tone_chroma(t, c[1]);
}

/* n blocks side by side. */
static inline void tone_blocks(const struct ic_tone *t, struct block b, uint32_t w, uint32_t h, uint8_t *cb,
                               uint8_t *cr, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        tone_block(t, &b, w, h, cb + i, cr + i);
        b.luma[0] += w;
        b.luma[1] += w;
    }
}

void ic_tone_planes(const struct ic_tone *t, const struct ic_view *v)
{
    const struct ic_view_plane *luma = &v->plane[0], *chroma = &v->plane[1];
    uint32_t fx = ic_view_factor_x(v, 1), fy = ic_view_factor_y(v, 1), whole = luma->width / fx;

    for (uint32_t j = 0; j < chroma->height; j++) {
        uint32_t h = luma->height - j * fy < fy ? luma->height - j * fy : fy;
        uint8_t *row = luma->p + luma->stride * (j * fy), *below = h > 1 ? row + luma->stride : row;
        uint8_t *cb = chroma->p + chroma->stride * j, *cr = v->plane[2].p + v->plane[2].stride * j;

        if (fx == 2 && h == 2)
            tone_blocks(t, (struct block){ { row, below } }, 2, 2, cb, cr, whole);
        else
            tone_blocks(t, (struct block){ { row, below } }, fx, h, cb, cr, whole);
        if (whole < chroma->width)
            tone_blocks(t, (struct block){ { row + whole * fx, below + whole * fx } }, 1, h, cb + whole, cr + whole, 1);
    }
}
