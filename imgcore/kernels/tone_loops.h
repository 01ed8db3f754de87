/* A matrix on rows of pixels, compiled once for each ISA: the loops are plain enough for the compiler to vectorise, so
 * that every version computes the same by construction. */
#ifndef IMGCORE_KERNELS_TONE_LOOPS_H
#define IMGCORE_KERNELS_TONE_LOOPS_H

#include "kernels.h"

#include <string.h>

/* Pixels a round: copied first, since rows may be changed in place and the compiler must know that they are not. */
#define TONE_BLOCK 64

struct tone_block {
    int32_t v[3][TONE_BLOCK];
};

static inline void tone_load(struct tone_block *b, const uint8_t *const *src, size_t at, size_t n)
{
    for (int c = 0; c < 3; c++) {
        const uint8_t *from = src[c] + at;

        if (n == TONE_BLOCK)
            for (int x = 0; x < TONE_BLOCK; x++)
                b->v[c][x] = from[x];
        else
            for (size_t x = 0; x < n; x++)
                b->v[c][x] = from[x];
    }
}

static inline void tone_weigh_row(uint8_t *dst, const struct tone_block *b, const struct ic_affine *a, int i, size_t n)
{
    const int32_t m0 = a->m[i][0], m1 = a->m[i][1], m2 = a->m[i][2], off = a->off[i];
    const int shift = a->shift;
    uint8_t out[TONE_BLOCK];

    for (int x = 0; x < TONE_BLOCK; x++) {
        int32_t v = (m0 * b->v[0][x] + m1 * b->v[1][x] + m2 * b->v[2][x] + off) >> shift;

        v = v < 0 ? 0 : v;
        out[x] = (uint8_t)(v > 255 ? 255 : v);
    }
    memcpy(dst, out, n);
}

static inline void tone_rows(uint8_t *const *dst, int rows, const uint8_t *const *src, const struct ic_affine *a,
                             size_t n)
{
    struct tone_block b = { 0 };

    for (size_t at = 0; at < n; at += TONE_BLOCK) {
        size_t some = n - at < TONE_BLOCK ? n - at : TONE_BLOCK;

        tone_load(&b, src, at, some);
        for (int i = 0; i < rows; i++)
            tone_weigh_row(dst[i] + at, &b, a, i, some);
    }
}

#endif
