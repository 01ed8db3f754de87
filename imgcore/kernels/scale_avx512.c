/* Resampling with AVX-512 as Ice Lake and Zen 4 have it: VNNI adds as it multiplies, VBMI picks any bytes of 64.
 *
 * Vertical: as with AVX2. Horizontal, up to a shrink of 8: lanes are outputs, and one byte
 * permutation of one load (of two beyond a shrink of 4) is a pair of taps of all sixteen. The multiply-add of bytes
 * (vpdpbusd) would do four taps at once, but weights have 16 bits and it takes 8. */
#include "kernels.h"

#include <immintrin.h>
#include <string.h>

#define ROUND (1 << (IC_WEIGHT_BITS - 1))

static inline __m512i weight_pair(const int16_t *w)
{
    int32_t both;

    memcpy(&both, w, sizeof(both));
    return _mm512_set1_epi32(both);
}

/* Sums of 64 outputs; a lane of v[j] holds four in a row, in the order that the packs of sums_pack undo. */
struct sums {
    __m512i v[4];
};

static inline struct sums sums_begin(void)
{
    const __m512i round = _mm512_set1_epi32(ROUND);

    return (struct sums){ { round, round, round, round } };
}

/* 64 bytes of two rows as pairs of 16 bits, in that order. */
static inline struct sums sums_widen(__m512i a, __m512i b)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i lo = _mm512_unpacklo_epi8(a, b), hi = _mm512_unpackhi_epi8(a, b);

    return (struct sums){ { _mm512_unpacklo_epi8(lo, zero), _mm512_unpackhi_epi8(lo, zero),
                            _mm512_unpacklo_epi8(hi, zero), _mm512_unpackhi_epi8(hi, zero) } };
}

static inline void sums_madd(struct sums *s, const struct sums *pairs, __m512i w)
{
    s->v[0] = _mm512_dpwssd_epi32(s->v[0], pairs->v[0], w);
    s->v[1] = _mm512_dpwssd_epi32(s->v[1], pairs->v[1], w);
    s->v[2] = _mm512_dpwssd_epi32(s->v[2], pairs->v[2], w);
    s->v[3] = _mm512_dpwssd_epi32(s->v[3], pairs->v[3], w);
}

static inline void sums_add(struct sums *s, __m512i a, __m512i b, __m512i w)
{
    const struct sums pairs = sums_widen(a, b);

    sums_madd(s, &pairs, w);
}

static inline __m512i sums_pack(const struct sums *s)
{
    __m512i a =
        _mm512_packs_epi32(_mm512_srai_epi32(s->v[0], IC_WEIGHT_BITS), _mm512_srai_epi32(s->v[1], IC_WEIGHT_BITS));
    __m512i b =
        _mm512_packs_epi32(_mm512_srai_epi32(s->v[2], IC_WEIGHT_BITS), _mm512_srai_epi32(s->v[3], IC_WEIGHT_BITS));

    return _mm512_packus_epi16(a, b);
}

static inline __m512i load64(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

static inline void vscale_128(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t i)
{
    struct sums lo = sums_begin(), hi = sums_begin();
    uint32_t t = 0;

    for (; t + 1 < taps; t += 2) {
        const uint8_t *a = rows[t] + i, *b = rows[t + 1] + i;
        __m512i pair = weight_pair(w + t);

        sums_add(&lo, load64(a), load64(b), pair);
        sums_add(&hi, load64(a + 64), load64(b + 64), pair);
    }
    if (t < taps) {
        const __m512i last = _mm512_set1_epi32((uint16_t)w[t]), none = _mm512_setzero_si512();

        sums_add(&lo, load64(rows[t] + i), none, last);
        sums_add(&hi, load64(rows[t] + i + 64), none, last);
    }
    _mm512_storeu_si512(dst + i, sums_pack(&lo));
    _mm512_storeu_si512(dst + i + 64, sums_pack(&hi));
}

/* Up to 64 bytes: masked loads and stores touch nothing beyond. */
static inline void vscale_rest(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t i,
                               __mmask64 m)
{
    struct sums s = sums_begin();
    uint32_t t = 0;

    for (; t + 1 < taps; t += 2)
        sums_add(&s, _mm512_maskz_loadu_epi8(m, rows[t] + i), _mm512_maskz_loadu_epi8(m, rows[t + 1] + i),
                 weight_pair(w + t));
    if (t < taps)
        sums_add(&s, _mm512_maskz_loadu_epi8(m, rows[t] + i), _mm512_setzero_si512(),
                 _mm512_set1_epi32((uint16_t)w[t]));
    _mm512_mask_storeu_epi8(dst + i, m, sums_pack(&s));
}

static inline __mmask64 rest_mask(size_t left)
{
    return left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
}

static void vscale_u8_avx512(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n)
{
    size_t i = 0;

    for (; i + 128 <= n; i += 128)
        vscale_128(dst, rows, w, taps, i);
    for (; i < n; i += 64)
        vscale_rest(dst, rows, w, taps, i, rest_mask(n - i));
}

/* m: which of the 64 bytes there are. */
static inline void vscale2_64(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2],
                              uint32_t taps, size_t i, __mmask64 m)
{
    struct sums a = sums_begin(), b = sums_begin();

    for (uint32_t t = 0; t < taps; t += 2) {
        const struct sums pairs =
            sums_widen(_mm512_maskz_loadu_epi8(m, rows[t] + i), _mm512_maskz_loadu_epi8(m, rows[t + 1] + i));

        sums_madd(&a, &pairs, weight_pair(w[0] + t));
        sums_madd(&b, &pairs, weight_pair(w[1] + t));
    }
    _mm512_mask_storeu_epi8(dst[0] + i, m, sums_pack(&a));
    _mm512_mask_storeu_epi8(dst[1] + i, m, sums_pack(&b));
}

static void vscale2_u8_avx512(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2],
                              uint32_t taps, size_t n)
{
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
        vscale2_64(dst, rows, w, taps, i, ~(__mmask64)0); /* a constant: no mask is left of it */
    if (i < n)
        vscale2_64(dst, rows, w, taps, i, rest_mask(n - i));
}

/* A pair of taps is bytes d and d + 1, each with a zero above. */
#define EVEN_BYTES 0x5555555555555555u

/* Which bytes of a load that begins at `base` are the first pair of each output. */
static inline __m512i hscale_pick(__m512i first, __m512i base)
{
    __m512i d = _mm512_sub_epi32(first, base);

    return _mm512_add_epi32(_mm512_or_si512(d, _mm512_slli_epi32(d, 16)), _mm512_set1_epi32(0x00010000));
}

static inline __m512i load_weights(const int16_t *w)
{
    return _mm512_loadu_si512(w);
}

/* Sixteen outputs that begin within one load. */
static inline __m512i hscale_near(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const __m512i first = _mm512_loadu_si512(t->first + i);
    const __m512i pick = hscale_pick(first, _mm512_set1_epi32(t->first[i]));
    const uint8_t *s = src + t->first[i];
    const int16_t *w = t->turned + 2 * (size_t)i * t->pairs;
    __m512i sum = _mm512_set1_epi32(ROUND);

    for (uint32_t k = 0; k < t->pairs; k++, s += 2, w += 2 * IC_TAPS_GROUP)
        sum = _mm512_dpwssd_epi32(sum, _mm512_maskz_permutexvar_epi8(EVEN_BYTES, pick, load64(s)), load_weights(w));
    return sum;
}

/* Each eight of sixteen outputs begin within one load. */
static inline __m512i hscale_apart(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const __m512i first = _mm512_loadu_si512(t->first + i);
    const int32_t base_a = t->first[i], base_b = t->first[i + 8];
    const __m512i base = _mm512_mask_set1_epi32(_mm512_set1_epi32(base_a), 0xff00, base_b);
    const __m512i pick = hscale_pick(first, base);
    const uint8_t *a = src + base_a, *b = src + base_b;
    const int16_t *w = t->turned + 2 * (size_t)i * t->pairs;
    __m512i sum = _mm512_set1_epi32(ROUND);

    for (uint32_t k = 0; k < t->pairs; k++, a += 2, b += 2, w += 2 * IC_TAPS_GROUP) {
        __m512i px = _mm512_maskz_permutexvar_epi8(EVEN_BYTES & 0xffffffffu, pick, load64(a));

        px = _mm512_mask_permutexvar_epi8(px, EVEN_BYTES & ~(__mmask64)0xffffffffu, pick, load64(b));
        sum = _mm512_dpwssd_epi32(sum, px, load_weights(w));
    }
    return sum;
}

static inline void hscale_store(uint8_t *dst, __m512i sum, uint32_t n)
{
    __m512i v = _mm512_max_epi32(_mm512_srai_epi32(sum, IC_WEIGHT_BITS), _mm512_setzero_si512());
    __m128i px = _mm512_cvtusepi32_epi8(v);

    if (n >= 16)
        _mm_storeu_si128((__m128i *)dst, px);
    else
        _mm_mask_storeu_epi8(dst, (__mmask16)((1u << n) - 1), px);
}

static void hscale_u8_avx512(uint8_t *dst, const uint8_t *src, const struct ic_taps *t)
{
    if (!t->turned)
        ic_hscale_u8_avx2(dst, src, t);
    else if (t->reach16 <= IC_TAPS_REACH8)
        for (uint32_t i = 0; i < t->n; i += 16)
            hscale_store(dst + i, hscale_near(src, t, i), t->n - i);
    else
        for (uint32_t i = 0; i < t->n; i += 16)
            hscale_store(dst + i, hscale_apart(src, t, i), t->n - i);
}

void ic_kernels_scale_avx512(struct ic_kernels *k)
{
    k->vscale_u8 = vscale_u8_avx512;
    k->vscale2_u8 = vscale2_u8_avx512;
    k->hscale_u8 = hscale_u8_avx512;
}
