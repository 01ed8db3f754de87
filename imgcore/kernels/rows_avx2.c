/* Layout and colour of rows with AVX2. Each kernel does whole blocks and leaves the rest of the row to the reference,
 * so nothing outside of the row is touched. Shuffles work on 128 bits: crossing lanes costs what the width gains. */
#include "kernels.h"

#include <immintrin.h>

static inline __m128i load16(const void *p)
{
    return _mm_loadu_si128(p);
}

static inline void store16(void *p, __m128i v)
{
    _mm_storeu_si128(p, v);
}

/* A shuffle mask from a rule that gives the source byte of each byte, or a negative number for none. */
#define MASK16(rule, a, b)                                                                                             \
    _mm_setr_epi8(rule(a, b, 0), rule(a, b, 1), rule(a, b, 2), rule(a, b, 3), rule(a, b, 4), rule(a, b, 5),            \
                  rule(a, b, 6), rule(a, b, 7), rule(a, b, 8), rule(a, b, 9), rule(a, b, 10), rule(a, b, 11),          \
                  rule(a, b, 12), rule(a, b, 13), rule(a, b, 14), rule(a, b, 15))
/* Channel c's i-th byte is byte 3i + c of 48, here taken from the block-th 16. */
#define SPLIT3(c, block, i) ((3 * (i) + (c)) / 16 == (block) ? (3 * (i) + (c)) % 16 : -1)
/* Byte i of the block-th 16 belongs to channel c if (16 block + i) % 3 is c. */
#define JOIN3(c, block, i) ((16 * (block) + (i)) % 3 == (c) ? (16 * (block) + (i)) / 3 : -1)

static inline __m128i pick3(const __m128i v[3], __m128i m0, __m128i m1, __m128i m2)
{
    return _mm_or_si128(_mm_shuffle_epi8(v[0], m0),
                        _mm_or_si128(_mm_shuffle_epi8(v[1], m1), _mm_shuffle_epi8(v[2], m2)));
}

static void deinterleave2_avx2(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    const __m128i low = _mm_set1_epi16(0xff);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i a = load16(src + 2 * i), b = load16(src + 2 * i + 16);

        store16(dst[0] + i, _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low)));
        store16(dst[1] + i, _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8)));
    }
    ic_deinterleave2_c((uint8_t *const[]){ dst[0] + i, dst[1] + i }, src + 2 * i, n - i);
}

static void deinterleave3_avx2(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        const __m128i v[3] = { load16(src + 3 * i), load16(src + 3 * i + 16), load16(src + 3 * i + 32) };

        store16(dst[0] + i, pick3(v, MASK16(SPLIT3, 0, 0), MASK16(SPLIT3, 0, 1), MASK16(SPLIT3, 0, 2)));
        store16(dst[1] + i, pick3(v, MASK16(SPLIT3, 1, 0), MASK16(SPLIT3, 1, 1), MASK16(SPLIT3, 1, 2)));
        store16(dst[2] + i, pick3(v, MASK16(SPLIT3, 2, 0), MASK16(SPLIT3, 2, 1), MASK16(SPLIT3, 2, 2)));
    }
    ic_deinterleave3_c((uint8_t *const[]){ dst[0] + i, dst[1] + i, dst[2] + i }, src + 3 * i, n - i);
}

/* Four bytes of each channel together, then a 4x4 transpose of those groups. */
static void deinterleave4_avx2(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    const __m128i group = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i a = _mm_shuffle_epi8(load16(src + 4 * i), group);
        __m128i b = _mm_shuffle_epi8(load16(src + 4 * i + 16), group);
        __m128i c = _mm_shuffle_epi8(load16(src + 4 * i + 32), group);
        __m128i d = _mm_shuffle_epi8(load16(src + 4 * i + 48), group);
        __m128i ab = _mm_unpacklo_epi32(a, b), cd = _mm_unpacklo_epi32(c, d);

        store16(dst[0] + i, _mm_unpacklo_epi64(ab, cd));
        store16(dst[1] + i, _mm_unpackhi_epi64(ab, cd));
        ab = _mm_unpackhi_epi32(a, b);
        cd = _mm_unpackhi_epi32(c, d);
        store16(dst[2] + i, _mm_unpacklo_epi64(ab, cd));
        store16(dst[3] + i, _mm_unpackhi_epi64(ab, cd));
    }
    ic_deinterleave4_c((uint8_t *const[]){ dst[0] + i, dst[1] + i, dst[2] + i, dst[3] + i }, src + 4 * i, n - i);
}

static void interleave2_avx2(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i a = load16(src[0] + i), b = load16(src[1] + i);

        store16(dst + 2 * i, _mm_unpacklo_epi8(a, b));
        store16(dst + 2 * i + 16, _mm_unpackhi_epi8(a, b));
    }
    ic_interleave2_c(dst + 2 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i }, n - i);
}

static void interleave3_avx2(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        const __m128i v[3] = { load16(src[0] + i), load16(src[1] + i), load16(src[2] + i) };

        store16(dst + 3 * i, pick3(v, MASK16(JOIN3, 0, 0), MASK16(JOIN3, 1, 0), MASK16(JOIN3, 2, 0)));
        store16(dst + 3 * i + 16, pick3(v, MASK16(JOIN3, 0, 1), MASK16(JOIN3, 1, 1), MASK16(JOIN3, 2, 1)));
        store16(dst + 3 * i + 32, pick3(v, MASK16(JOIN3, 0, 2), MASK16(JOIN3, 1, 2), MASK16(JOIN3, 2, 2)));
    }
    ic_interleave3_c(dst + 3 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i, src[2] + i }, n - i);
}

static void interleave4_avx2(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m128i a = load16(src[0] + i), b = load16(src[1] + i), c = load16(src[2] + i), d = load16(src[3] + i);
        __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);

        store16(dst + 4 * i, _mm_unpacklo_epi16(ab, cd));
        store16(dst + 4 * i + 16, _mm_unpackhi_epi16(ab, cd));
        ab = _mm_unpackhi_epi8(a, b);
        cd = _mm_unpackhi_epi8(c, d);
        store16(dst + 4 * i + 32, _mm_unpacklo_epi16(ab, cd));
        store16(dst + 4 * i + 48, _mm_unpackhi_epi16(ab, cd));
    }
    ic_interleave4_c(dst + 4 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i, src[2] + i, src[3] + i }, n - i);
}

/* 16 16-bit products of bytes, divided by 255 and rounded, as rows_mul255 of the reference. */
static inline __m256i mul255(__m256i c, __m256i a)
{
    __m256i t = _mm256_add_epi16(_mm256_mullo_epi16(c, a), _mm256_set1_epi16(128));

    return _mm256_srli_epi16(_mm256_add_epi16(t, _mm256_srli_epi16(t, 8)), 8);
}

static void premultiply_greya_avx2(uint8_t *dst, const uint8_t *src, size_t n)
{
    const __m256i low = _mm256_set1_epi16(0xff);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(src + 2 * i));
        __m256i grey = mul255(_mm256_and_si256(v, low), _mm256_srli_epi16(v, 8));

        _mm256_storeu_si256((__m256i *)(dst + 2 * i), _mm256_or_si256(grey, _mm256_andnot_si256(low, v)));
    }
    ic_premultiply_greya_c(dst + 2 * i, src + 2 * i, n - i);
}

/* Even bytes (R, B) and odd bytes (G, A) apart; A is multiplied by 255, which leaves it as it is. */
static inline __m256i premultiplied(__m256i v)
{
    const __m256i low = _mm256_set1_epi16(0xff), opaque = _mm256_set1_epi32(0x00ff0000);
    const __m256i alpha = _mm256_setr_epi8(3, -1, 3, -1, 7, -1, 7, -1, 11, -1, 11, -1, 15, -1, 15, -1, 3, -1, 3, -1, 7,
                                           -1, 7, -1, 11, -1, 11, -1, 15, -1, 15, -1);
    __m256i a = _mm256_shuffle_epi8(v, alpha);
    __m256i rb = mul255(_mm256_and_si256(v, low), a);
    __m256i ga = mul255(_mm256_srli_epi16(v, 8), _mm256_or_si256(a, opaque));

    return _mm256_or_si256(rb, _mm256_slli_epi16(ga, 8));
}

/* Most pixels of most pictures with alpha are opaque. */
static void premultiply_rgba_avx2(uint8_t *dst, const uint8_t *src, size_t n)
{
    const __m256i colour = _mm256_set1_epi32(0x00ffffff), all = _mm256_set1_epi8(-1);
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(src + 4 * i));

        if (!_mm256_testc_si256(_mm256_or_si256(v, colour), all))
            v = premultiplied(v);
        _mm256_storeu_si256((__m256i *)(dst + 4 * i), v);
    }
    ic_premultiply_rgba_c(dst + 4 * i, src + 4 * i, n - i);
}

static inline __m256 load_ps(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

static void unpremultiply_avx2(uint8_t *colour, const uint8_t *alpha, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        __m256 a = load_ps(alpha + i);
        __m256 q = _mm256_div_ps(_mm256_mul_ps(load_ps(colour + i), _mm256_set1_ps(255.0f)), a);
        __m256i v, clamped;

        q = _mm256_and_ps(q, _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NEQ_OQ));
        v = _mm256_cvttps_epi32(_mm256_add_ps(q, _mm256_set1_ps(0.5f)));
        clamped = _mm256_min_epi32(v, _mm256_set1_epi32(255));
        clamped = _mm256_packus_epi16(_mm256_packus_epi32(clamped, clamped), clamped);
        clamped = _mm256_permutevar8x32_epi32(clamped, _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0));
        _mm_storel_epi64((__m128i *)(colour + i), _mm256_castsi256_si128(clamped));
    }
    ic_unpremultiply_c(colour + i, alpha + i, n - i);
}

/* Multiply-adds one pair of 16-bit values a lane: v0 * w0 + v1 * w1 for 16 pixels, shifted to bytes' range. */
struct pair16 {
    __m256i lo, hi;
};

static inline struct pair16 madd16(__m256i v0, __m256i v1, int16_t w0, int16_t w1)
{
    const __m256i w = _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)w0 | (uint32_t)(uint16_t)w1 << 16));

    return (struct pair16){ _mm256_madd_epi16(_mm256_unpacklo_epi16(v0, v1), w),
                            _mm256_madd_epi16(_mm256_unpackhi_epi16(v0, v1), w) };
}

/* (a + b) >> 14, clamped, as 16 bytes. */
static inline __m128i sum14(struct pair16 a, struct pair16 b)
{
    __m256i lo = _mm256_srai_epi32(_mm256_add_epi32(a.lo, b.lo), 14);
    __m256i hi = _mm256_srai_epi32(_mm256_add_epi32(a.hi, b.hi), 14);
    __m256i v = _mm256_packs_epi32(lo, hi);

    return _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

static void ycc_rgb_avx2(uint8_t *const *p, size_t n)
{
    const __m256i one = _mm256_set1_epi16(1), mid = _mm256_set1_epi16(128);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m256i y = _mm256_cvtepu8_epi16(load16(p[0] + i));
        __m256i cb = _mm256_sub_epi16(_mm256_cvtepu8_epi16(load16(p[1] + i)), mid);
        __m256i cr = _mm256_sub_epi16(_mm256_cvtepu8_epi16(load16(p[2] + i)), mid);
        struct pair16 luma = madd16(y, one, 16384, 8192);

        store16(p[0] + i, sum14(luma, madd16(cr, one, 22970, 0)));
        store16(p[1] + i, sum14(luma, madd16(cb, cr, -5638, -11700)));
        store16(p[2] + i, sum14(luma, madd16(cb, one, 29032, 0)));
    }
    ic_ycc_rgb_c((uint8_t *const[]){ p[0] + i, p[1] + i, p[2] + i }, n - i);
}

/* Interleaves the first eight vectors with the last eight, byte by byte. Of the eight bits of a byte's place, four for
 * the row and four for the column, this moves each up by one; after four rounds rows are columns. */
static inline void transpose_round(__m128i out[16], const __m128i in[16])
{
    for (int i = 0; i < 8; i++) {
        out[2 * i] = _mm_unpacklo_epi8(in[i], in[i + 8]);
        out[2 * i + 1] = _mm_unpackhi_epi8(in[i], in[i + 8]);
    }
}

static void transpose16_avx2(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t n)
{
    size_t x = 0;

    for (; x + 16 <= n; x += 16) {
        __m128i a[16], b[16];

        for (int r = 0; r < 16; r++)
            a[r] = load16(src[r] + x);
        transpose_round(b, a);
        transpose_round(a, b);
        transpose_round(b, a);
        transpose_round(a, b);
        for (int r = 0; r < 16; r++)
            store16(dst + ((ptrdiff_t)x + r) * step, a[r]);
    }
    ic_transpose16_rest_c(dst, step, src, x, n);
}

void ic_kernels_rows_avx2(struct ic_kernels *k)
{
    k->deinterleave2 = deinterleave2_avx2;
    k->deinterleave3 = deinterleave3_avx2;
    k->deinterleave4 = deinterleave4_avx2;
    k->interleave2 = interleave2_avx2;
    k->interleave3 = interleave3_avx2;
    k->interleave4 = interleave4_avx2;
    k->premultiply_greya = premultiply_greya_avx2;
    k->premultiply_rgba = premultiply_rgba_avx2;
    k->unpremultiply = unpremultiply_avx2;
    k->ycc_rgb = ycc_rgb_avx2;
    k->transpose16 = transpose16_avx2;
}
