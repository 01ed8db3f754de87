/* Layout and colour of rows, the specification: what every other ISA's version must equal. */
#include "kernels.h"

void ic_deinterleave2_c(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    uint8_t *a = dst[0], *b = dst[1];

    for (size_t i = 0; i < n; i++) {
        a[i] = src[2 * i];
        b[i] = src[2 * i + 1];
    }
}

void ic_deinterleave3_c(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    uint8_t *a = dst[0], *b = dst[1], *c = dst[2];

    for (size_t i = 0; i < n; i++) {
        a[i] = src[3 * i];
        b[i] = src[3 * i + 1];
        c[i] = src[3 * i + 2];
    }
}

void ic_deinterleave4_c(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    uint8_t *a = dst[0], *b = dst[1], *c = dst[2], *d = dst[3];

    for (size_t i = 0; i < n; i++) {
        a[i] = src[4 * i];
        b[i] = src[4 * i + 1];
        c[i] = src[4 * i + 2];
        d[i] = src[4 * i + 3];
    }
}

void ic_interleave2_c(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = src[0][i];
        dst[2 * i + 1] = src[1][i];
    }
}

void ic_interleave3_c(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[3 * i] = src[0][i];
        dst[3 * i + 1] = src[1][i];
        dst[3 * i + 2] = src[2][i];
    }
}

void ic_interleave4_c(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[4 * i] = src[0][i];
        dst[4 * i + 1] = src[1][i];
        dst[4 * i + 2] = src[2][i];
        dst[4 * i + 3] = src[3][i];
    }
}

/* round(c * a / 255) without a division: exact for all bytes (Blinn, "Three Wrongs Make a Right", 1995). */
static uint8_t rows_mul255(uint32_t c, uint32_t a)
{
    uint32_t t = c * a + 128;

    return (uint8_t)((t + (t >> 8)) >> 8);
}

void ic_premultiply_greya_c(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = rows_mul255(src[2 * i], src[2 * i + 1]);
        dst[2 * i + 1] = src[2 * i + 1];
    }
}

void ic_premultiply_rgba_c(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < 4 * n; i += 4) {
        uint8_t a = src[i + 3];

        dst[i] = rows_mul255(src[i], a);
        dst[i + 1] = rows_mul255(src[i + 1], a);
        dst[i + 2] = rows_mul255(src[i + 2], a);
        dst[i + 3] = a;
    }
}

/* In floats because a vector has a divide only for them: c * 255 is exact, the one division correctly rounded, and a
 * quotient is at least 1 / 510 away from a tie it does not hit. The same on every machine that has IEEE arithmetic. */
void ic_unpremultiply_c(uint8_t *colour, const uint8_t *alpha, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float q = alpha[i] ? (float)colour[i] * 255.0f / (float)alpha[i] : 0.0f;
        int v = (int)(q + 0.5f);

        colour[i] = (uint8_t)(v > 255 ? 255 : v);
    }
}

static uint8_t rows_clamp14(int32_t v)
{
    v = (v + 8192) >> 14;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* 1.402, 0.344136, 0.714136 and 1.772 in 14 bits, so that each fits the multiplier of a 16-bit multiply-add. */
void ic_ycc_rgb_c(uint8_t *const *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t y = p[0][i] * 16384, cb = p[1][i] - 128, cr = p[2][i] - 128;

        p[0][i] = rows_clamp14(y + 22970 * cr);
        p[1][i] = rows_clamp14(y - 5638 * cb - 11700 * cr);
        p[2][i] = rows_clamp14(y + 29032 * cb);
    }
}

void ic_transpose16_rest_c(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t from, size_t n)
{
    for (size_t x = from; x < n; x++)
        for (int r = 0; r < 16; r++)
            dst[(ptrdiff_t)x * step + r] = src[r][x];
}

static void transpose16_c(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t n)
{
    ic_transpose16_rest_c(dst, step, src, 0, n);
}

void ic_kernels_rows_c(struct ic_kernels *k)
{
    k->deinterleave2 = ic_deinterleave2_c;
    k->deinterleave3 = ic_deinterleave3_c;
    k->deinterleave4 = ic_deinterleave4_c;
    k->interleave2 = ic_interleave2_c;
    k->interleave3 = ic_interleave3_c;
    k->interleave4 = ic_interleave4_c;
    k->premultiply_greya = ic_premultiply_greya_c;
    k->premultiply_rgba = ic_premultiply_rgba_c;
    k->unpremultiply = ic_unpremultiply_c;
    k->ycc_rgb = ic_ycc_rgb_c;
    k->transpose16 = transpose16_c;
}
