/* Rows with AVX-512: alpha only. Packed pixels to planes and back were tried and are no faster than AVX2's: the stores
 * are what they wait for. */
#include "kernels.h"

#include <immintrin.h>

static inline __m512i load64(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

/* 32 16-bit products of bytes, divided by 255 and rounded, as rows_mul255 of the reference. */
static inline __m512i mul255(__m512i c, __m512i a)
{
    __m512i t = _mm512_add_epi16(_mm512_mullo_epi16(c, a), _mm512_set1_epi16(128));

    return _mm512_srli_epi16(_mm512_add_epi16(t, _mm512_srli_epi16(t, 8)), 8);
}

/* Even bytes (R, B) and odd bytes (G, A) apart; A is multiplied by 255, which leaves it as it is. */
static inline __m512i premultiplied(__m512i v)
{
    const __m512i low = _mm512_set1_epi16(0xff), opaque = _mm512_set1_epi32(0x00ff0000);
    const __m512i alpha = _mm512_set4_epi32((int)0x800f800fu, (int)0x800b800bu, (int)0x80078007u, (int)0x80038003u);
    __m512i a = _mm512_shuffle_epi8(v, alpha);
    __m512i rb = mul255(_mm512_and_si512(v, low), a);
    __m512i ga = mul255(_mm512_srli_epi16(v, 8), _mm512_or_si512(a, opaque));

    return _mm512_or_si512(rb, _mm512_slli_epi16(ga, 8));
}

static void premultiply_rgba_avx512(uint8_t *dst, const uint8_t *src, size_t n)
{
    const __m512i opaque = _mm512_set1_epi32((int)0xff000000u);
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        __m512i v = load64(src + 4 * i);

        if (_mm512_cmplt_epu32_mask(v, opaque))
            v = premultiplied(v);
        _mm512_storeu_si512(dst + 4 * i, v);
    }
    ic_premultiply_rgba_c(dst + 4 * i, src + 4 * i, n - i);
}

void ic_kernels_rows_avx512(struct ic_kernels *k)
{
    k->premultiply_rgba = premultiply_rgba_avx512;
}
