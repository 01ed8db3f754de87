/* Resampling, the specification: what every other ISA's version must equal.
 *
 * Sums are 32 bits, rounded once, at the end of each pass. |weights| of a window sum to less than 4 in 14 bits, so a
 * sum stays below 2^24. */
#include "kernels.h"

static uint8_t scale_clamp(int32_t sum)
{
    int32_t v = (sum + (1 << (IC_WEIGHT_BITS - 1))) >> IC_WEIGHT_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Up to BLOCK bytes, taps outside and bytes inside, so that the compiler can use what vectors the machine has. */
#define BLOCK 64

static void vscale_block(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t from,
                         size_t n)
{
    int32_t sum[BLOCK] = { 0 };

    for (uint32_t t = 0; t < taps; t++)
        for (size_t i = 0; i < n; i++)
            sum[i] += rows[t][from + i] * w[t];
    for (size_t i = 0; i < n; i++)
        dst[from + i] = scale_clamp(sum[i]);
}

static void vscale_u8_c(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n)
{
    size_t i = 0;

    for (; i + BLOCK <= n; i += BLOCK)
        vscale_block(dst, rows, w, taps, i, BLOCK);
    vscale_block(dst, rows, w, taps, i, n - i);
}

/* Without the zeros that another output's window puts at the ends of this one. */
static void vscale_bare(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n)
{
    while (taps > 1 && w[taps - 1] == 0)
        taps--;
    for (; taps > 1 && w[0] == 0; taps--, w++)
        rows++;
    vscale_u8_c(dst, rows, w, taps, n);
}

static void vscale2_u8_c(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2], uint32_t taps,
                         size_t n)
{
    vscale_bare(dst[0], rows, w[0], taps, n);
    vscale_bare(dst[1], rows, w[1], taps, n);
}

static void hscale_u8_c(uint8_t *dst, const uint8_t *src, const struct ic_taps *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const int16_t *w = t->w + (size_t)i * t->stride;
        const uint8_t *s = src + t->first[i];
        int32_t sum = 0;

        for (uint32_t k = 0; k < t->stride; k++)
            sum += s[k] * w[k];
        dst[i] = scale_clamp(sum);
    }
}

void ic_kernels_scale_c(struct ic_kernels *k)
{
    k->vscale_u8 = vscale_u8_c;
    k->vscale2_u8 = vscale2_u8_c;
    k->hscale_u8 = hscale_u8_c;
}
