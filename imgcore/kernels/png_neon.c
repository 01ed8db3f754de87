/* PNG's filters for NEON.
 *
 * As for AVX2: written 16 samples at once; read pixel by pixel, since each waits for the one before it, but Sub's in
 * prefix sums. Ends of rows, and what is rare (Average and Paeth of grey), are left to the reference. */
#include "kernels.h"

#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Reading. */

/* Adds to each pixel those before it in the register: 16 samples, or 12 where pixels have 3. */
INLINE uint8x16_t prefix_sum(uint8x16_t x, size_t bpp)
{
    const uint8x16_t zero = vdupq_n_u8(0);

    if (bpp == 1)
        x = vaddq_u8(x, vextq_u8(zero, x, 16 - 1));
    if (bpp <= 2)
        x = vaddq_u8(x, vextq_u8(zero, x, 16 - 2));
    if (bpp == 3) {
        x = vaddq_u8(x, vextq_u8(zero, x, 16 - 3));
        return vaddq_u8(x, vextq_u8(zero, x, 16 - 6));
    }
    x = vaddq_u8(x, vextq_u8(zero, x, 16 - 4));
    return vaddq_u8(x, vextq_u8(zero, x, 16 - 8));
}

INLINE void unsub(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp)
{
    size_t step = bpp == 3 ? 12 : 16, i = 0;
    uint8_t left[16] = { 0 }, last[16];

    memcpy(left + step - bpp, dst - bpp, bpp);
    for (size_t s = 0; s < 16; s++)
        last[s] = (uint8_t)(step - bpp + s % bpp);
    const uint8x16_t repeat_last = vld1q_u8(last);
    uint8x16_t x = vld1q_u8(left);
    for (; i + 16 <= n; i += step) {
        x = vaddq_u8(prefix_sum(vld1q_u8(src + i), bpp), vqtbl1q_u8(x, repeat_last));
        vst1q_u8(dst + i, x);
    }
    ic_png_unsub_c(dst + i, src + i, n - i, bpp);
}

static void png_unsub_neon(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp)
{
    if (bpp == 4)
        unsub(dst, src, n, 4);
    else if (bpp == 3)
        unsub(dst, src, n, 3);
    else if (bpp == 2)
        unsub(dst, src, n, 2);
    else
        unsub(dst, src, n, 1);
}

static void png_unup_neon(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        vst1q_u8(dst + i, vaddq_u8(vld1q_u8(src + i), vld1q_u8(above + i)));
    ic_png_unup_c(dst + i, src + i, above + i, n - i);
}

/* Two pixels, of two rows. */
INLINE uint8x8_t load_pixels(const uint8_t *low, const uint8_t *high)
{
    uint32_t v[2];

    memcpy(&v[0], low, sizeof(v[0]));
    memcpy(&v[1], high, sizeof(v[1]));
    return vreinterpret_u8_u32(vset_lane_u32(v[1], vdup_n_u32(v[0]), 1));
}

INLINE uint8x8_t load_pixel(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return vreinterpret_u8_u32(vdup_n_u32(v));
}

/* Of a pixel of 3 one byte more than it has, which the next pixel overwrites. */
INLINE void store_pixel(uint8_t *p, uint8x8_t x)
{
    uint32_t v = vget_lane_u32(vreinterpret_u32_u8(x), 0);

    memcpy(p, &v, sizeof(v));
}

INLINE uint8x8_t left_pixel(const uint8_t *dst, size_t bpp)
{
    uint32_t v = 0;

    memcpy(&v, dst - bpp, bpp);
    return vreinterpret_u8_u32(vdup_n_u32(v));
}

/* NEON halves sums rounding down, as Average does: two instructions from pixel to pixel. */
INLINE void unaverage(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    uint8x8_t a = left_pixel(dst, bpp);
    size_t i = 0;

    for (; i + 4 <= n; i += bpp) {
        a = vadd_u8(vhadd_u8(a, load_pixel(above + i)), load_pixel(src + i));
        store_pixel(dst + i, a);
    }
    ic_png_unaverage_c(dst + i, src + i, above + i, n - i, bpp);
}

static void png_unaverage_neon(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    if (bpp == 4)
        unaverage(dst, src, above, n, 4);
    else if (bpp == 3)
        unaverage(dst, src, above, n, 3);
    else
        ic_png_unaverage_c(dst, src, above, n, bpp);
}

INLINE int16x8_t words(uint8x8_t x)
{
    return vreinterpretq_s16_u16(vmovl_u8(x));
}

INLINE uint8x8_t bytes(int16x8_t x)
{
    return vmovn_u16(vreinterpretq_u16_s16(x));
}

/* Bytes are added, not words: what is above them stays 0. */
INLINE int16x8_t add_bytes(int16x8_t x, int16x8_t y)
{
    return vreinterpretq_s16_u8(vaddq_u8(vreinterpretq_u8_s16(x), vreinterpretq_u8_s16(y)));
}

/* The predictor in words, of one row or of two at once. What does not need a is ahead of the chain. */
INLINE int16x8_t paeth_words(int16x8_t a, int16x8_t b, int16x8_t c)
{
    int16x8_t ahead = vsubq_s16(vmulq_n_s16(c, 3), b), threshold = vsubq_s16(ahead, a);
    int16x8_t low = vminq_s16(a, b), high = vmaxq_s16(a, b);
    int16x8_t below = vbslq_s16(vcgtq_s16(high, threshold), c, low);

    return vbslq_s16(vcgtq_s16(threshold, low), below, high);
}

INLINE void unpaeth(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    int16x8_t a = words(left_pixel(dst, bpp)), c = words(left_pixel(above, bpp));
    size_t i = 0;

    for (; i + 4 <= n; i += bpp) {
        int16x8_t b = words(load_pixel(above + i));

        a = add_bytes(words(load_pixel(src + i)), paeth_words(a, b, c));
        c = b;
        store_pixel(dst + i, bytes(a));
    }
    ic_png_unpaeth_c(dst + i, src + i, above + i, n - i, bpp);
}

INLINE int16x8_t halves(int16x8_t low, int16x8_t high)
{
    return vcombine_s16(vget_low_s16(low), vget_low_s16(high));
}

/* The second row follows two pixels behind the first, in the upper half of the same registers: one chain for both. */
INLINE void unpaeth2(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    const size_t lag = 2 * bpp;
    const uint8_t *src2 = src + n + 1;
    uint8_t *dst2 = dst + stride;
    size_t i = lag < n ? lag : n;

    ic_png_unpaeth_c(dst, src, above, i, bpp);
    int16x8_t a = halves(words(left_pixel(dst + i, bpp)), words(left_pixel(dst2, bpp)));
    int16x8_t c = halves(words(left_pixel(above + i, bpp)), words(left_pixel(dst, bpp)));
    int16x8_t before = words(left_pixel(dst + (i < lag ? 0 : bpp), bpp));

    for (; i + 4 <= n; i += bpp) {
        int16x8_t b = halves(words(load_pixel(above + i)), before);

        before = a;
        a = add_bytes(words(load_pixels(src + i, src2 + i - lag)), paeth_words(a, b, c));
        c = b;
        uint8x8_t pair = bytes(a);
        store_pixel(dst + i, pair);
        store_pixel(dst2 + i - lag, vext_u8(pair, pair, 4));
    }
    size_t behind = i < lag ? 0 : i - lag;
    ic_png_unpaeth_c(dst + i, src + i, above + i, n - i, bpp);
    ic_png_unpaeth_c(dst2 + behind, src2 + behind, dst + behind, n - behind, bpp);
}

static void png_unpaeth_neon(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    if (bpp == 4)
        unpaeth(dst, src, above, n, 4);
    else if (bpp == 3)
        unpaeth(dst, src, above, n, 3);
    else
        ic_png_unpaeth_c(dst, src, above, n, bpp);
}

static void png_unpaeth2_neon(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n,
                              size_t bpp)
{
    if (bpp == 4)
        unpaeth2(dst, stride, src, above, n, 4);
    else if (bpp == 3)
        unpaeth2(dst, stride, src, above, n, 3);
    else
        ic_png_unpaeth2_c(dst, stride, src, above, n, bpp);
}

/* Writing. */

/* By distances, which fit in bytes: where a and b lie on one side of c, c is never the nearest, and where they do not,
 * its distance is the difference of theirs. */
INLINE uint8x16_t paeth(uint8x16_t a, uint8x16_t b, uint8x16_t c)
{
    uint8x16_t pa = vabdq_u8(b, c), pb = vabdq_u8(a, c);
    uint8x16_t one_side = vceqq_u8(vcgeq_u8(a, c), vcgeq_u8(b, c));
    uint8x16_t pc = vorrq_u8(vabdq_u8(pa, pb), one_side);
    uint8x16_t b_or_c = vbslq_u8(vcleq_u8(pb, pc), b, c);

    return vbslq_u8(vandq_u8(vcleq_u8(pa, pb), vcleq_u8(pa, pc)), a, b_or_c);
}

struct around {
    uint8x16_t x, a, b, c;
};

INLINE struct around load_around(const struct ic_png_row *r, size_t i)
{
    return (struct around){ vld1q_u8(r->px + i), vld1q_u8(r->px - r->bpp + i), vld1q_u8(r->above + i),
                            vld1q_u8(r->above - r->bpp + i) };
}

INLINE uint8x16_t residual(struct around v, int filter)
{
    if (filter == IC_PNG_SUB)
        return vsubq_u8(v.x, v.a);
    if (filter == IC_PNG_UP)
        return vsubq_u8(v.x, v.b);
    if (filter == IC_PNG_AVERAGE)
        return vsubq_u8(v.x, vhaddq_u8(v.a, v.b));
    return vsubq_u8(v.x, paeth(v.a, v.b, v.c));
}

INLINE struct ic_png_row rest(const struct ic_png_row *r, size_t i)
{
    return (struct ic_png_row){ r->px + i, r->above + i, r->n - i, r->bpp };
}

INLINE void filter_row(uint8_t *dst, const struct ic_png_row *r, int filter)
{
    size_t i = 0;

    for (; i + 16 <= r->n; i += 16)
        vst1q_u8(dst + i, residual(load_around(r, i), filter));
    struct ic_png_row end = rest(r, i);
    ic_png_filter_c(dst + i, &end, filter);
}

static void png_filter_neon(uint8_t *dst, const struct ic_png_row *r, int filter)
{
    if (filter == IC_PNG_SUB)
        filter_row(dst, r, IC_PNG_SUB);
    else if (filter == IC_PNG_UP)
        filter_row(dst, r, IC_PNG_UP);
    else if (filter == IC_PNG_AVERAGE)
        filter_row(dst, r, IC_PNG_AVERAGE);
    else if (filter == IC_PNG_PAETH)
        filter_row(dst, r, IC_PNG_PAETH);
    else
        ic_png_filter_c(dst, r, filter);
}

/* 1 at the first sample of each pixel that equals its left neighbour as a whole, else 0; of pixels of 3, five. */
INLINE uint8x16_t whole_pixels(struct around v, size_t bpp)
{
    static const uint8_t thirds[16] = { 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1 };
    uint8x16_t same = vceqq_u8(v.x, v.a);

    if (bpp == 4)
        return vreinterpretq_u8_u32(vshrq_n_u32(vceqq_u32(vreinterpretq_u32_u8(v.x), vreinterpretq_u32_u8(v.a)), 31));
    if (bpp == 2)
        return vreinterpretq_u8_u16(vshrq_n_u16(vceqq_u16(vreinterpretq_u16_u8(v.x), vreinterpretq_u16_u8(v.a)), 15));
    if (bpp == 1)
        return vshrq_n_u8(same, 7);
    uint8x16_t all = vandq_u8(same, vandq_u8(vextq_u8(same, same, 1), vextq_u8(same, same, 2)));
    return vandq_u8(all, vld1q_u8(thirds));
}

INLINE uint64x2_t add_all(uint64x2_t sum, uint8x16_t x)
{
    return vpadalq_u32(sum, vpaddlq_u16(vpaddlq_u8(x)));
}

/* 16 samples a step, or the 15 that are whole pixels of 3. */
INLINE void weigh_row(uint64_t *sums, const struct ic_png_row *r, size_t bpp)
{
    const size_t step = bpp == 3 ? 15 : 16;
    const uint8x16_t all = vdupq_n_u8(255), take = bpp == 3 ? vsetq_lane_u8(0, all, 15) : all;
    const uint64x2_t zero = vdupq_n_u64(0);
    uint64x2_t sum[IC_PNG_PAETH + 1] = { zero, zero, zero, zero, zero };
    size_t i = 0;

    for (; i + 16 <= r->n; i += step) {
        struct around v = load_around(r, i);

        for (int f = IC_PNG_SUB; f <= IC_PNG_PAETH; f++) {
            uint8x16_t size = vreinterpretq_u8_s8(vabsq_s8(vreinterpretq_s8_u8(residual(v, f))));

            sum[f] = add_all(sum[f], vandq_u8(size, take));
        }
        sum[IC_PNG_NONE] = add_all(sum[IC_PNG_NONE], whole_pixels(v, bpp));
    }
    for (int f = IC_PNG_NONE; f <= IC_PNG_PAETH; f++)
        sums[f] += vaddvq_u64(sum[f]);
    struct ic_png_row end = rest(r, i);
    ic_png_weigh_c(sums, &end);
}

static void png_weigh_neon(uint64_t *sums, const struct ic_png_row *r)
{
    if (r->bpp == 4)
        weigh_row(sums, r, 4);
    else if (r->bpp == 3)
        weigh_row(sums, r, 3);
    else if (r->bpp == 2)
        weigh_row(sums, r, 2);
    else
        weigh_row(sums, r, 1);
}

void ic_kernels_png_neon(struct ic_kernels *k)
{
    k->png_unsub = png_unsub_neon;
    k->png_unup = png_unup_neon;
    k->png_unaverage = png_unaverage_neon;
    k->png_unpaeth = png_unpaeth_neon;
    k->png_unpaeth2 = png_unpaeth2_neon;
    k->png_filter = png_filter_neon;
    k->png_weigh = png_weigh_neon;
}
