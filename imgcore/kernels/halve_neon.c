/* 2 x 2 averages with NEON, which adds pairs as it widens. */
#include "kernels.h"

#include <arm_neon.h>

static inline uint8x8_t averages(const uint8_t *a, const uint8_t *b)
{
    const uint16x8_t bias = vreinterpretq_u16_u32(vdupq_n_u32(0x20001));

    return vshrn_n_u16(vpadalq_u8(vpadalq_u8(bias, vld1q_u8(a)), vld1q_u8(b)), 2);
}

static void halve_u8_neon(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        vst1_u8(dst + i, averages(a + 2 * i, b + 2 * i));
    ic_halve_u8_c(dst + i, a + 2 * i, b + 2 * i, n - i);
}

void ic_kernels_halve_neon(struct ic_kernels *k)
{
    k->halve_u8 = halve_u8_neon;
}
