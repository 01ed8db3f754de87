/* 2 x 2 averages with AVX2: pairs are summed by a multiply-add with ones. */
#include "kernels.h"

#include <immintrin.h>

static inline __m256i pair_sums(const uint8_t *a, const uint8_t *b)
{
    const __m256i ones = _mm256_set1_epi8(1);
    __m256i va = _mm256_loadu_si256((const void *)a), vb = _mm256_loadu_si256((const void *)b);

    return _mm256_add_epi16(_mm256_maddubs_epi16(va, ones), _mm256_maddubs_epi16(vb, ones));
}

static void halve_u8_avx2(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n)
{
    const __m256i bias = _mm256_set1_epi32(0x20001);
    size_t i = 0;

    for (; i + 32 <= n; i += 32) {
        __m256i lo = pair_sums(a + 2 * i, b + 2 * i), hi = pair_sums(a + 2 * i + 32, b + 2 * i + 32);

        lo = _mm256_srli_epi16(_mm256_add_epi16(lo, bias), 2);
        hi = _mm256_srli_epi16(_mm256_add_epi16(hi, bias), 2);
        _mm256_storeu_si256((void *)(dst + i), _mm256_permute4x64_epi64(_mm256_packus_epi16(lo, hi), 0xd8));
    }
    ic_halve_u8_c(dst + i, a + 2 * i, b + 2 * i, n - i);
}

void ic_kernels_halve_avx2(struct ic_kernels *k)
{
    k->halve_u8 = halve_u8_avx2;
}
