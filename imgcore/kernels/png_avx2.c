/* PNG's filters for AVX2.
 *
 * Writing, all neighbours are known, so 32 samples are done at once. Reading, each pixel waits for the one before it:
 * there the length of the chain decides, not the width of a register, and pixels go one by one, Sub's in prefix sums.
 * Ends of rows, and what is rare (Average and Paeth of grey), are left to the reference. */
#include "kernels.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE __m128i load16(const uint8_t *p)
{
    return _mm_loadu_si128((const void *)p);
}

INLINE __m256i load32(const uint8_t *p)
{
    return _mm256_loadu_si256((const void *)p);
}

/* Reading. */

/* Adds to each pixel those before it in the register: 16 samples, or 12 where pixels have 3. */
INLINE __m128i prefix_sum(__m128i x, size_t bpp)
{
    if (bpp == 1)
        x = _mm_add_epi8(x, _mm_slli_si128(x, 1));
    if (bpp <= 2)
        x = _mm_add_epi8(x, _mm_slli_si128(x, 2));
    if (bpp == 3) {
        x = _mm_add_epi8(x, _mm_slli_si128(x, 3));
        return _mm_add_epi8(x, _mm_slli_si128(x, 6));
    }
    x = _mm_add_epi8(x, _mm_slli_si128(x, 4));
    return _mm_add_epi8(x, _mm_slli_si128(x, 8));
}

INLINE void unsub(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp, __m128i repeat_last)
{
    size_t step = bpp == 3 ? 12 : 16, i = 0;
    uint8_t left[16] = { 0 };

    memcpy(left + step - bpp, dst - bpp, bpp);
    __m128i x = load16(left);
    for (; i + 16 <= n; i += step) {
        x = _mm_add_epi8(prefix_sum(load16(src + i), bpp), _mm_shuffle_epi8(x, repeat_last));
        _mm_storeu_si128((void *)(dst + i), x);
    }
    ic_png_unsub_c(dst + i, src + i, n - i, bpp);
}

static void png_unsub_avx2(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp)
{
    if (bpp == 4)
        unsub(dst, src, n, 4, _mm_set1_epi32(0x0f0e0d0c));
    else if (bpp == 3)
        unsub(dst, src, n, 3, _mm_setr_epi8(9, 10, 11, 9, 10, 11, 9, 10, 11, 9, 10, 11, 9, 10, 11, 9));
    else if (bpp == 2)
        unsub(dst, src, n, 2, _mm_set1_epi16(0x0f0e));
    else
        unsub(dst, src, n, 1, _mm_set1_epi8(15));
}

static void png_unup_avx2(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n)
{
    size_t i = 0;

    for (; i + 32 <= n; i += 32)
        _mm256_storeu_si256((void *)(dst + i), _mm256_add_epi8(load32(src + i), load32(above + i)));
    ic_png_unup_c(dst + i, src + i, above + i, n - i);
}

INLINE __m128i load_pixel(const uint8_t *p)
{
    int v;

    memcpy(&v, p, sizeof(v));
    return _mm_cvtsi32_si128(v);
}

/* Of a pixel of 3 one byte more than it has, which the next pixel overwrites. */
INLINE void store_pixel(uint8_t *p, __m128i x)
{
    int v = _mm_cvtsi128_si32(x);

    memcpy(p, &v, sizeof(v));
}

INLINE __m128i left_pixel(const uint8_t *dst, size_t bpp)
{
    int v = 0;

    memcpy(&v, dst - bpp, bpp);
    return _mm_cvtsi32_si128(v);
}

/* On complements, because pavgb rounds up: with ~a and ~b it yields the complement of their average rounded down, and
 * that minus x is the complement of the sum. Two instructions from pixel to pixel. */
INLINE void unaverage(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    const __m128i ones = _mm_set1_epi8(-1);
    __m128i a = _mm_xor_si128(left_pixel(dst, bpp), ones);
    size_t i = 0;

    for (; i + 4 <= n; i += bpp) {
        __m128i b = _mm_xor_si128(load_pixel(above + i), ones);

        a = _mm_sub_epi8(_mm_avg_epu8(a, b), load_pixel(src + i));
        store_pixel(dst + i, _mm_xor_si128(a, ones));
    }
    ic_png_unaverage_c(dst + i, src + i, above + i, n - i, bpp);
}

static void png_unaverage_avx2(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    if (bpp == 4)
        unaverage(dst, src, above, n, 4);
    else if (bpp == 3)
        unaverage(dst, src, above, n, 3);
    else
        ic_png_unaverage_c(dst, src, above, n, bpp);
}

/* The predictor in words, of one row or of two at once. What does not need a is kept ahead of the chain: the barrier
 * stops gcc from adding a and b first. */
INLINE __m128i paeth_words(__m128i a, __m128i b, __m128i c)
{
    __m128i ahead = _mm_sub_epi16(_mm_add_epi16(c, _mm_add_epi16(c, c)), b);

    __asm__("" : "+x"(ahead));
    __m128i threshold = _mm_sub_epi16(ahead, a), low = _mm_min_epi16(a, b), high = _mm_max_epi16(a, b);
    __m128i below = _mm_blendv_epi8(low, c, _mm_cmpgt_epi16(high, threshold));

    return _mm_blendv_epi8(high, below, _mm_cmpgt_epi16(threshold, low));
}

INLINE void unpaeth(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    __m128i a = _mm_cvtepu8_epi16(left_pixel(dst, bpp)), c = _mm_cvtepu8_epi16(left_pixel(above, bpp));
    size_t i = 0;

    for (; i + 4 <= n; i += bpp) {
        __m128i b = _mm_cvtepu8_epi16(load_pixel(above + i)), x = _mm_cvtepu8_epi16(load_pixel(src + i));

        a = _mm_add_epi8(x, paeth_words(a, b, c));
        c = b;
        store_pixel(dst + i, _mm_packus_epi16(a, a));
    }
    ic_png_unpaeth_c(dst + i, src + i, above + i, n - i, bpp);
}

INLINE __m128i load_words(const uint8_t *low, const uint8_t *high)
{
    return _mm_cvtepu8_epi16(_mm_unpacklo_epi32(load_pixel(low), load_pixel(high)));
}

/* The second row follows two pixels behind the first, in the upper half of the same registers: one chain for both. */
INLINE void unpaeth2(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    const size_t lag = 2 * bpp;
    const uint8_t *src2 = src + n + 1;
    uint8_t *dst2 = dst + stride;
    size_t i = lag < n ? lag : n;

    ic_png_unpaeth_c(dst, src, above, i, bpp);
    __m128i a =
        _mm_unpacklo_epi64(_mm_cvtepu8_epi16(left_pixel(dst + i, bpp)), _mm_cvtepu8_epi16(left_pixel(dst2, bpp)));
    __m128i c =
        _mm_unpacklo_epi64(_mm_cvtepu8_epi16(left_pixel(above + i, bpp)), _mm_cvtepu8_epi16(left_pixel(dst, bpp)));
    __m128i before = _mm_cvtepu8_epi16(left_pixel(dst + (i < lag ? 0 : bpp), bpp));

    for (; i + 4 <= n; i += bpp) {
        __m128i b = _mm_unpacklo_epi64(_mm_cvtepu8_epi16(load_pixel(above + i)), before);

        before = a;
        a = _mm_add_epi8(load_words(src + i, src2 + i - lag), paeth_words(a, b, c));
        c = b;
        __m128i pair = _mm_packus_epi16(a, a);
        store_pixel(dst + i, pair);
        store_pixel(dst2 + i - lag, _mm_srli_epi64(pair, 32));
    }
    size_t behind = i < lag ? 0 : i - lag;
    ic_png_unpaeth_c(dst + i, src + i, above + i, n - i, bpp);
    ic_png_unpaeth_c(dst2 + behind, src2 + behind, dst + behind, n - behind, bpp);
}

static void png_unpaeth_avx2(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    if (bpp == 4)
        unpaeth(dst, src, above, n, 4);
    else if (bpp == 3)
        unpaeth(dst, src, above, n, 3);
    else
        ic_png_unpaeth_c(dst, src, above, n, bpp);
}

static void png_unpaeth2_avx2(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n,
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

INLINE __m256i distance(__m256i a, __m256i b)
{
    return _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
}

INLINE __m256i not_below(__m256i a, __m256i b)
{
    return _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a);
}

INLINE __m256i average(__m256i a, __m256i b)
{
    __m256i up = _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_set1_epi8(1));

    return _mm256_sub_epi8(_mm256_avg_epu8(a, b), up);
}

/* By distances, which fit in bytes: where a and b lie on one side of c, c is never the nearest, and where they do not,
 * its distance is the difference of theirs. */
INLINE __m256i paeth(__m256i a, __m256i b, __m256i c)
{
    __m256i pa = distance(b, c), pb = distance(a, c);
    __m256i one_side = _mm256_cmpeq_epi8(not_below(a, c), not_below(b, c));
    __m256i pc = _mm256_or_si256(distance(pa, pb), one_side);
    __m256i b_or_c = _mm256_blendv_epi8(c, b, not_below(pc, pb));

    return _mm256_blendv_epi8(b_or_c, a, _mm256_and_si256(not_below(pb, pa), not_below(pc, pa)));
}

struct around {
    __m256i x, a, b, c;
};

INLINE struct around load_around(const struct ic_png_row *r, size_t i)
{
    return (struct around){ load32(r->px + i), load32(r->px - r->bpp + i), load32(r->above + i),
                            load32(r->above - r->bpp + i) };
}

INLINE __m256i residual(struct around v, int filter)
{
    if (filter == IC_PNG_SUB)
        return _mm256_sub_epi8(v.x, v.a);
    if (filter == IC_PNG_UP)
        return _mm256_sub_epi8(v.x, v.b);
    if (filter == IC_PNG_AVERAGE)
        return _mm256_sub_epi8(v.x, average(v.a, v.b));
    return _mm256_sub_epi8(v.x, paeth(v.a, v.b, v.c));
}

INLINE struct ic_png_row rest(const struct ic_png_row *r, size_t i)
{
    return (struct ic_png_row){ r->px + i, r->above + i, r->n - i, r->bpp };
}

INLINE void filter_row(uint8_t *dst, const struct ic_png_row *r, int filter)
{
    size_t i = 0;

    for (; i + 32 <= r->n; i += 32)
        _mm256_storeu_si256((void *)(dst + i), residual(load_around(r, i), filter));
    struct ic_png_row end = rest(r, i);
    ic_png_filter_c(dst + i, &end, filter);
}

static void png_filter_avx2(uint8_t *dst, const struct ic_png_row *r, int filter)
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

/* Whole pixels among 32 samples whose comparison gave these bits. */
INLINE unsigned whole_pixels(unsigned bits, size_t bpp)
{
    static const unsigned first[] = { 0, 0xffffffff, 0x55555555, 0x09249249, 0x11111111 };

    if (bpp == 2 || bpp == 4)
        bits &= bits >> 1;
    if (bpp == 4)
        bits &= bits >> 2;
    if (bpp == 3)
        bits &= bits >> 1 & bits >> 2;
    return (unsigned)__builtin_popcount(bits & first[bpp]);
}

INLINE uint64_t sum_of(__m256i v)
{
    uint64_t part[4];

    _mm256_storeu_si256((void *)part, v);
    return part[0] + part[1] + part[2] + part[3];
}

/* 32 samples a step, or the 30 that are whole pixels of 3. */
INLINE void weigh_row(uint64_t *sums, const struct ic_png_row *r, __m256i take, size_t step)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum[IC_PNG_PAETH + 1] = { zero, zero, zero, zero, zero };
    size_t i = 0;

    for (; i + 32 <= r->n; i += step) {
        struct around v = load_around(r, i);

        for (int f = IC_PNG_SUB; f <= IC_PNG_PAETH; f++) {
            __m256i size = _mm256_and_si256(_mm256_abs_epi8(residual(v, f)), take);

            sum[f] = _mm256_add_epi64(sum[f], _mm256_sad_epu8(size, zero));
        }
        sums[IC_PNG_NONE] += whole_pixels((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v.x, v.a)), r->bpp);
    }
    for (int f = IC_PNG_SUB; f <= IC_PNG_PAETH; f++)
        sums[f] += sum_of(sum[f]);
    struct ic_png_row end = rest(r, i);
    ic_png_weigh_c(sums, &end);
}

static void png_weigh_avx2(uint64_t *sums, const struct ic_png_row *r)
{
    const __m256i all = _mm256_set1_epi8(-1);

    if (r->bpp == 3)
        weigh_row(sums, r, _mm256_insert_epi16(all, 0, 15), 30);
    else
        weigh_row(sums, r, all, 32);
}

void ic_kernels_png_avx2(struct ic_kernels *k)
{
    k->png_unsub = png_unsub_avx2;
    k->png_unup = png_unup_avx2;
    k->png_unaverage = png_unaverage_avx2;
    k->png_unpaeth = png_unpaeth_avx2;
    k->png_unpaeth2 = png_unpaeth2_avx2;
    k->png_filter = png_filter_avx2;
    k->png_weigh = png_weigh_avx2;
}
