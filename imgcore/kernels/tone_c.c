/* The matrix of a tone: the specification. */
#include "tone_loops.h"

static void affine1_c(uint8_t *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n)
{
    tone_rows(&dst, 1, src, a, n);
}

static void affine3_c(uint8_t *const *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n)
{
    tone_rows(dst, 3, src, a, n);
}

void ic_kernels_tone_c(struct ic_kernels *k)
{
    k->affine1 = affine1_c;
    k->affine3 = affine3_c;
}
