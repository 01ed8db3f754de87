/* 2 x 2 averages: the reference. */
#include "kernels.h"

void ic_halve_u8_c(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)((a[2 * i] + a[2 * i + 1] + b[2 * i] + b[2 * i + 1] + 1 + (int)(i & 1)) >> 2);
}

void ic_kernels_halve_c(struct ic_kernels *k)
{
    k->halve_u8 = ic_halve_u8_c;
}
