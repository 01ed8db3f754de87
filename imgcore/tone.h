/* The pointwise filters of one result, worked out once and applied to rows: brightness, contrast, saturation, hue,
 * gamma, greyscale, sepia, negate, duotone, tint. docs/filters.md has their formulas and order. */
#ifndef IMGCORE_TONE_H
#define IMGCORE_TONE_H

#include "cpu.h"
#include "view.h"

/* Gamma's table has this many steps a level, for what comes out of a matrix before it. */
#define IC_TONE_STEPS 16

#define IC_TONE_CLIPS 256 /* a flag above a byte */

struct ic_tone {
    const struct ic_kernels *k; /* borrowed */

    /* RGB: first, then gamma where `bend` is set and second behind it. Where `mono` is set, the last of them gives luma
     * in its first row, and the result is map[channel][luma]. */
    struct ic_affine first, second;
    bool bend, mono, curve; /* curve: gamma is all there is */
    uint8_t gamma[255 * IC_TONE_STEPS + 1];
    uint8_t map[3][256];

    /* Grey to grey, or to R, G and B. */
    uint8_t grey[3][256];

    /* YCbCr planes, from the source's range to the sink's. Where `mono` is set chroma follows from luma. */
    struct {
        uint8_t cb[256], cr[256];
        uint16_t luma[256];  /* the new luma, and IC_TONE_CLIPS where it leaves the range and RGB decides */
        int32_t raised[256]; /* the new luma of the full range in 64ths of a level, unclamped */
        int32_t turn[2][2];  /* chroma's matrix to the full range, in 64ths of a level and 10 bits of fraction */
        int32_t luma_share;  /* levels of the sink's range a 64th of a level, 16 bits of fraction */
        int32_t chroma_share;
        int32_t origin; /* where luma begins in the sink's range, in levels */
    } plane;
};

/* Whether the filters have a tone at all; whether it needs RGB rather than YCbCr planes; whether it makes greys of
 * colours, colours of greys. */
bool ic_tone_any(const struct ic_filters *f);
bool ic_tone_rgb(const struct ic_filters *f);
bool ic_tone_greys(const struct ic_filters *f);
bool ic_tone_colours(const struct ic_filters *f);

/* limited_in, limited_out: the ranges of planes before and after. */
void ic_tone_init(struct ic_tone *t, const struct ic_filters *f, bool limited_in, bool limited_out);

/* n pixels, one row a channel, not premultiplied. from is `in` = 1 (grey) or 3 rows, to is `out` rows, which may be
 * those of from. 3 to 1 only where the tone makes greys. */
void ic_tone_row(const struct ic_tone *t, uint8_t *const *to, int out, const uint8_t *const *from, int in, size_t n);

/* A view of YCBCR in place: a strip or a whole picture. */
void ic_tone_planes(const struct ic_tone *t, const struct ic_view *v);

#endif
