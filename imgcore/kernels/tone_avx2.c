/* The same loops, compiled for AVX2. */
#include "tone_loops.h"

static void affine1_avx2(uint8_t *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n)
{
    tone_rows(&dst, 1, src, a, n);
}

static void affine3_avx2(uint8_t *const *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n)
{
    tone_rows(dst, 3, src, a, n);
}

void ic_kernels_tone_avx2(struct ic_kernels *k)
{
    k->affine1 = affine1_avx2;
    k->affine3 = affine3_avx2;
}
