/* Resampling with AVX2: pmaddwd does two taps of eight outputs at a time, in both passes.
 *
 * Vertical: the bytes of two rows are interleaved and widened, so that a pair of taps is one multiply-add; two output
 * rows a load, a quarter faster in a prototype, would need two windows in step and is left out until it is missed.
 * Horizontal: windows are short and their starts irregular, so each output gathers its own window and eight sums are
 * reduced together at the end. */
#include "kernels.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (IC_WEIGHT_BITS - 1))

/* Taps w[0] and w[1] as one 32-bit lane. */
static inline __m256i weight_pair(const int16_t *w)
{
    int32_t both;

    memcpy(&both, w, sizeof(both));
    return _mm256_set1_epi32(both);
}

/* acc[0..3] += the 32 bytes of a and b, weighted; acc's lanes hold outputs 0-3 16-19, 4-7 20-23, 8-11 24-27,
 * 12-15 28-31, which is the order the packs of vscale_store undo. */
static inline void vscale_add(__m256i acc[4], __m256i a, __m256i b, __m256i w)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i lo = _mm256_unpacklo_epi8(a, b), hi = _mm256_unpackhi_epi8(a, b);

    acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(_mm256_unpacklo_epi8(lo, zero), w));
    acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(_mm256_unpackhi_epi8(lo, zero), w));
    acc[2] = _mm256_add_epi32(acc[2], _mm256_madd_epi16(_mm256_unpacklo_epi8(hi, zero), w));
    acc[3] = _mm256_add_epi32(acc[3], _mm256_madd_epi16(_mm256_unpackhi_epi8(hi, zero), w));
}

static inline void vscale_store(uint8_t *dst, const __m256i acc[4])
{
    __m256i a =
        _mm256_packs_epi32(_mm256_srai_epi32(acc[0], IC_WEIGHT_BITS), _mm256_srai_epi32(acc[1], IC_WEIGHT_BITS));
    __m256i b =
        _mm256_packs_epi32(_mm256_srai_epi32(acc[2], IC_WEIGHT_BITS), _mm256_srai_epi32(acc[3], IC_WEIGHT_BITS));

    _mm256_storeu_si256((__m256i *)dst, _mm256_packus_epi16(a, b));
}

static inline __m256i vscale_load(const uint8_t *row, size_t i)
{
    return _mm256_loadu_si256((const __m256i *)(row + i));
}

/* 32 bytes of the result, from byte i of each row. */
static inline void vscale_32(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t i)
{
    const __m256i round = _mm256_set1_epi32(ROUND);
    __m256i acc[4] = { round, round, round, round };
    uint32_t t = 0;

    for (; t + 1 < taps; t += 2)
        vscale_add(acc, vscale_load(rows[t], i), vscale_load(rows[t + 1], i), weight_pair(w + t));
    if (t < taps)
        vscale_add(acc, vscale_load(rows[t], i), _mm256_setzero_si256(), _mm256_set1_epi32((uint16_t)w[t]));
    vscale_store(dst + i, acc);
}

/* The same for 64, to share what each tap costs beside its pixels. */
static inline void vscale_64(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t i)
{
    const __m256i round = _mm256_set1_epi32(ROUND);
    __m256i lo[4] = { round, round, round, round }, hi[4] = { round, round, round, round };
    uint32_t t = 0;

    for (; t + 1 < taps; t += 2) {
        const uint8_t *a = rows[t], *b = rows[t + 1];
        __m256i pair = weight_pair(w + t);

        vscale_add(lo, vscale_load(a, i), vscale_load(b, i), pair);
        vscale_add(hi, vscale_load(a, i + 32), vscale_load(b, i + 32), pair);
    }
    if (t < taps) {
        __m256i last = _mm256_set1_epi32((uint16_t)w[t]), none = _mm256_setzero_si256();

        vscale_add(lo, vscale_load(rows[t], i), none, last);
        vscale_add(hi, vscale_load(rows[t], i + 32), none, last);
    }
    vscale_store(dst + i, lo);
    vscale_store(dst + i + 32, hi);
}

static void vscale_u8_avx2(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n)
{
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
        vscale_64(dst, rows, w, taps, i);
    for (; i < n; i += 32)
        vscale_32(dst, rows, w, taps, i);
}

/* The sums of eight vectors of eight, in order. */
static inline __m256i hscale_reduce(const __m256i a[8])
{
    __m256i l = _mm256_hadd_epi32(_mm256_hadd_epi32(a[0], a[1]), _mm256_hadd_epi32(a[2], a[3]));
    __m256i h = _mm256_hadd_epi32(_mm256_hadd_epi32(a[4], a[5]), _mm256_hadd_epi32(a[6], a[7]));

    return _mm256_add_epi32(_mm256_permute2x128_si256(l, h, 0x20), _mm256_permute2x128_si256(l, h, 0x31));
}

/* Eight rounded and clamped bytes. */
static inline uint64_t hscale_pack(__m256i sums)
{
    __m256i v = _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(ROUND)), IC_WEIGHT_BITS);
    __m128i s = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    return (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(s, s));
}

static inline __m256i hscale_window(const uint8_t *s, const int16_t *w, uint32_t stride)
{
    __m256i acc = _mm256_setzero_si256();
    uint32_t k = 0;

    for (; k + 16 <= stride; k += 16) {
        __m256i px = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(s + k)));

        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(px, _mm256_loadu_si256((const __m256i *)(w + k))));
    }
    if (k < stride) {
        __m128i px = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(s + k)));
        __m128i sum = _mm_madd_epi16(px, _mm_loadu_si128((const __m128i *)(w + k)));

        acc = _mm256_add_epi32(acc, _mm256_zextsi128_si256(sum));
    }
    return acc;
}

static uint64_t hscale_group(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    __m256i acc[8];

    for (uint32_t j = 0; j < 8; j++)
        acc[j] = hscale_window(src + t->first[i + j], t->w + (size_t)(i + j) * t->stride, t->stride);
    return hscale_pack(hscale_reduce(acc));
}

/* Windows of up to eight taps, as near 1:1 and in enlarging: two outputs share a vector. */
static inline __m256i hscale_two(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    __m128i a = _mm_loadl_epi64((const __m128i *)(src + t->first[i]));
    __m128i b = _mm_loadl_epi64((const __m128i *)(src + t->first[i + 1]));
    __m256i px = _mm256_cvtepu8_epi16(_mm_unpacklo_epi64(a, b));

    return _mm256_madd_epi16(px, _mm256_loadu_si256((const __m256i *)(t->w + (size_t)i * 8)));
}

static uint64_t hscale_group8(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    __m256i a = _mm256_hadd_epi32(hscale_two(src, t, i), hscale_two(src, t, i + 2));
    __m256i b = _mm256_hadd_epi32(hscale_two(src, t, i + 4), hscale_two(src, t, i + 6));
    __m256i s = _mm256_hadd_epi32(a, b); /* outputs 0 2 4 6 | 1 3 5 7 */

    return hscale_pack(_mm256_permutevar8x32_epi32(s, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

static void hscale_u8_avx2(uint8_t *dst, const uint8_t *src, const struct ic_taps *t)
{
    for (uint32_t i = 0; i < t->n; i += 8) {
        uint64_t px = t->stride == 8 ? hscale_group8(src, t, i) : hscale_group(src, t, i);

        memcpy(dst + i, &px, t->n - i < 8 ? t->n - i : 8);
    }
}

void ic_kernels_scale_avx2(struct ic_kernels *k)
{
    k->vscale_u8 = vscale_u8_avx2;
    k->hscale_u8 = hscale_u8_avx2;
}
