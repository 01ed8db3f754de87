/* Resampling with AVX2: pmaddwd does two taps of eight outputs at a time, in both passes.
 *
 * Vertical: the bytes of two rows are interleaved and widened, so that a pair of taps is one multiply-add; two output
 * rows share that.
 * Horizontal, up to a shrink of 4.6: lanes are outputs and each pair of taps is one shuffle of what four neighbours
 * load together, which needs no sum across lanes. Beyond that each output loads its own window. */
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

/* No instruction: what comes after this call is computed after s and u. gcc widens all four vectors first, and then the
 * sums of two rows do not fit the 16 registers. */
static inline void in_order(__m256i *s, __m256i *u, __m256i *next)
{
    __asm__("" : "+x"(*s), "+x"(*u), "+x"(*next));
}

/* s and u: the sums of two output rows. */
static inline void vscale_add2(__m256i s[4], __m256i u[4], const __m256i rows[2], const __m256i w[2])
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i lo = _mm256_unpacklo_epi8(rows[0], rows[1]), hi = _mm256_unpackhi_epi8(rows[0], rows[1]);
    __m256i p = _mm256_unpacklo_epi8(lo, zero);

    s[0] = _mm256_add_epi32(s[0], _mm256_madd_epi16(p, w[0]));
    u[0] = _mm256_add_epi32(u[0], _mm256_madd_epi16(p, w[1]));
    in_order(&s[0], &u[0], &lo);
    p = _mm256_unpackhi_epi8(lo, zero);
    s[1] = _mm256_add_epi32(s[1], _mm256_madd_epi16(p, w[0]));
    u[1] = _mm256_add_epi32(u[1], _mm256_madd_epi16(p, w[1]));
    in_order(&s[1], &u[1], &hi);
    p = _mm256_unpacklo_epi8(hi, zero);
    s[2] = _mm256_add_epi32(s[2], _mm256_madd_epi16(p, w[0]));
    u[2] = _mm256_add_epi32(u[2], _mm256_madd_epi16(p, w[1]));
    in_order(&s[2], &u[2], &hi);
    p = _mm256_unpackhi_epi8(hi, zero);
    s[3] = _mm256_add_epi32(s[3], _mm256_madd_epi16(p, w[0]));
    u[3] = _mm256_add_epi32(u[3], _mm256_madd_epi16(p, w[1]));
}

static void vscale2_u8_avx2(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2], uint32_t taps,
                            size_t n)
{
    const __m256i round = _mm256_set1_epi32(ROUND);

    for (size_t i = 0; i < n; i += 32) {
        __m256i s[4] = { round, round, round, round }, u[4] = { round, round, round, round };

        for (uint32_t t = 0; t < taps; t += 2)
            vscale_add2(s, u, (const __m256i[]){ vscale_load(rows[t], i), vscale_load(rows[t + 1], i) },
                        (const __m256i[]){ weight_pair(w[0] + t), weight_pair(w[1] + t) });
        vscale_store(dst[0] + i, s);
        vscale_store(dst[1] + i, u);
    }
}

/* 16 sums as bytes; the first eight in a. */
static inline __m128i hscale_pack(__m256i a, __m256i b)
{
    __m256i v = _mm256_packs_epi32(_mm256_srai_epi32(a, IC_WEIGHT_BITS), _mm256_srai_epi32(b, IC_WEIGHT_BITS));

    v = _mm256_permute4x64_epi64(v, 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* Windows near each other: lanes are outputs. */

/* Eight outputs: where each lane of four begins to load, and which bytes of that load are each output's two. */
struct near8 {
    const uint8_t *lo, *hi;
    __m256i pick;
};

/* A pair's bytes are d and d + 1, each with a zero (index 0x80) above. */
static inline struct near8 near8_at(const uint8_t *src, const int32_t *first)
{
    __m256i f = _mm256_loadu_si256((const __m256i *)first);
    __m256i d = _mm256_sub_epi32(f, _mm256_shuffle_epi32(f, 0));
    __m256i both = _mm256_or_si256(d, _mm256_slli_epi32(d, 16));

    return (struct near8){ src + first[0], src + first[4],
                           _mm256_add_epi32(both, _mm256_set1_epi32((int32_t)0x80018000u)) };
}

static inline __m256i near8_pair(const struct near8 *g, uint32_t k, const int16_t *w)
{
    __m128i lo = _mm_loadu_si128((const __m128i *)(g->lo + 2 * k));
    __m128i hi = _mm_loadu_si128((const __m128i *)(g->hi + 2 * k));
    __m256i px = _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);

    return _mm256_madd_epi16(_mm256_shuffle_epi8(px, g->pick), _mm256_loadu_si256((const __m256i *)w));
}

static inline __m128i hscale_near(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const struct near8 a = near8_at(src, t->first + i), b = near8_at(src, t->first + i + 8);
    const int16_t *w = t->turned + 2 * (size_t)i * t->pairs;
    __m256i sum_a = _mm256_set1_epi32(ROUND), sum_b = sum_a;

    for (uint32_t k = 0; k < t->pairs; k++, w += 2 * IC_TAPS_GROUP) {
        sum_a = _mm256_add_epi32(sum_a, near8_pair(&a, k, w));
        sum_b = _mm256_add_epi32(sum_b, near8_pair(&b, k, w + IC_TAPS_GROUP));
    }
    return hscale_pack(sum_a, sum_b);
}

/* Windows far apart: lanes are taps. */

static inline __m256i far_16(__m256i acc, const uint8_t *s, const int16_t *w)
{
    __m256i px = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)s));

    return _mm256_add_epi32(acc, _mm256_madd_epi16(px, _mm256_loadu_si256((const __m256i *)w)));
}

static inline __m256i far_8(__m256i acc, const uint8_t *s, const int16_t *w)
{
    __m128i px = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)s));

    return _mm256_add_epi32(acc, _mm256_zextsi128_si256(_mm_madd_epi16(px, _mm_loadu_si128((const __m128i *)w))));
}

/* Four outputs, each the sum of two lanes: of element 0 and 4, 1 and 5, .. */
static inline __m256i far_four(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const uint8_t *s[4] = { src + t->first[i], src + t->first[i + 1], src + t->first[i + 2], src + t->first[i + 3] };
    const int16_t *w = t->w + (size_t)i * t->stride;
    const size_t next = t->stride;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    uint32_t k = 0;

    for (; k + 16 <= t->stride; k += 16, w += 16) {
        a = far_16(a, s[0] + k, w);
        b = far_16(b, s[1] + k, w + next);
        c = far_16(c, s[2] + k, w + 2 * next);
        d = far_16(d, s[3] + k, w + 3 * next);
    }
    if (k < t->stride) {
        a = far_8(a, s[0] + k, w);
        b = far_8(b, s[1] + k, w + next);
        c = far_8(c, s[2] + k, w + 2 * next);
        d = far_8(d, s[3] + k, w + 3 * next);
    }
    return _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
}

static inline __m256i far_eight(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    __m256i l = far_four(src, t, i), h = far_four(src, t, i + 4);
    __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(l, h, 0x20), _mm256_permute2x128_si256(l, h, 0x31));

    return _mm256_add_epi32(sum, _mm256_set1_epi32(ROUND));
}

static inline void hscale_store(uint8_t *dst, __m128i px, uint32_t n)
{
    if (n >= 16)
        _mm_storeu_si128((__m128i *)dst, px);
    else
        memcpy(dst, &px, n);
}

/* A load of 16 bytes holds the pairs of four outputs that begin within 14. */
void ic_hscale_u8_avx2(uint8_t *dst, const uint8_t *src, const struct ic_taps *t)
{
    if (t->turned && t->reach4 <= 14) {
        for (uint32_t i = 0; i < t->n; i += 16)
            hscale_store(dst + i, hscale_near(src, t, i), t->n - i);
        return;
    }
    for (uint32_t i = 0; i < t->n; i += 16)
        hscale_store(dst + i, hscale_pack(far_eight(src, t, i), far_eight(src, t, i + 8)), t->n - i);
}

void ic_kernels_scale_avx2(struct ic_kernels *k)
{
    k->vscale_u8 = vscale_u8_avx2;
    k->vscale2_u8 = vscale2_u8_avx2;
    k->hscale_u8 = ic_hscale_u8_avx2;
}
