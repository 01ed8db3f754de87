/* Layout and colour of rows with NEON, whose loads and stores take packed pixels apart by themselves. Each kernel does
 * whole blocks and leaves the rest of the row to the reference. */
#include "kernels.h"

#include <arm_neon.h>

static void deinterleave2_neon(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16x2_t v = vld2q_u8(src + 2 * i);

        vst1q_u8(dst[0] + i, v.val[0]);
        vst1q_u8(dst[1] + i, v.val[1]);
    }
    ic_deinterleave2_c((uint8_t *const[]){ dst[0] + i, dst[1] + i }, src + 2 * i, n - i);
}

static void deinterleave3_neon(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16x3_t v = vld3q_u8(src + 3 * i);

        vst1q_u8(dst[0] + i, v.val[0]);
        vst1q_u8(dst[1] + i, v.val[1]);
        vst1q_u8(dst[2] + i, v.val[2]);
    }
    ic_deinterleave3_c((uint8_t *const[]){ dst[0] + i, dst[1] + i, dst[2] + i }, src + 3 * i, n - i);
}

static void deinterleave4_neon(uint8_t *const *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16x4_t v = vld4q_u8(src + 4 * i);

        vst1q_u8(dst[0] + i, v.val[0]);
        vst1q_u8(dst[1] + i, v.val[1]);
        vst1q_u8(dst[2] + i, v.val[2]);
        vst1q_u8(dst[3] + i, v.val[3]);
    }
    ic_deinterleave4_c((uint8_t *const[]){ dst[0] + i, dst[1] + i, dst[2] + i, dst[3] + i }, src + 4 * i, n - i);
}

static void interleave2_neon(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        vst2q_u8(dst + 2 * i, (uint8x16x2_t){ { vld1q_u8(src[0] + i), vld1q_u8(src[1] + i) } });
    ic_interleave2_c(dst + 2 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i }, n - i);
}

static void interleave3_neon(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        vst3q_u8(dst + 3 * i, (uint8x16x3_t){ { vld1q_u8(src[0] + i), vld1q_u8(src[1] + i), vld1q_u8(src[2] + i) } });
    ic_interleave3_c(dst + 3 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i, src[2] + i }, n - i);
}

static void interleave4_neon(uint8_t *dst, const uint8_t *const *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        vst4q_u8(dst + 4 * i, (uint8x16x4_t){ { vld1q_u8(src[0] + i), vld1q_u8(src[1] + i), vld1q_u8(src[2] + i),
                                                vld1q_u8(src[3] + i) } });
    ic_interleave4_c(dst + 4 * i, (const uint8_t *const[]){ src[0] + i, src[1] + i, src[2] + i, src[3] + i }, n - i);
}

/* Eight products of bytes, divided by 255 and rounded, as rows_mul255 of the reference. */
static inline uint8x8_t mul255_8(uint8x8_t c, uint8x8_t a)
{
    uint16x8_t t = vmlal_u8(vdupq_n_u16(128), c, a);

    return vshrn_n_u16(vsraq_n_u16(t, t, 8), 8);
}

static inline uint8x16_t mul255(uint8x16_t c, uint8x16_t a)
{
    return vcombine_u8(mul255_8(vget_low_u8(c), vget_low_u8(a)), mul255_8(vget_high_u8(c), vget_high_u8(a)));
}

static void premultiply_greya_neon(uint8_t *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16x2_t v = vld2q_u8(src + 2 * i);

        v.val[0] = mul255(v.val[0], v.val[1]);
        vst2q_u8(dst + 2 * i, v);
    }
    ic_premultiply_greya_c(dst + 2 * i, src + 2 * i, n - i);
}

static void premultiply_rgba_neon(uint8_t *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        uint8x16x4_t v = vld4q_u8(src + 4 * i);

        v.val[0] = mul255(v.val[0], v.val[3]);
        v.val[1] = mul255(v.val[1], v.val[3]);
        v.val[2] = mul255(v.val[2], v.val[3]);
        vst4q_u8(dst + 4 * i, v);
    }
    ic_premultiply_rgba_c(dst + 4 * i, src + 4 * i, n - i);
}

/* The reference's own operations in its order; 0 / 0 is masked away. */
static inline uint16x4_t divide4(uint16x4_t colour, uint16x4_t alpha)
{
    float32x4_t a = vcvtq_f32_u32(vmovl_u16(alpha));
    float32x4_t q = vdivq_f32(vmulq_n_f32(vcvtq_f32_u32(vmovl_u16(colour)), 255.0f), a);
    uint32x4_t some = vcgtq_f32(a, vdupq_n_f32(0.0f));

    q = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(q), some));
    return vqmovn_u32(vcvtq_u32_f32(vaddq_f32(q, vdupq_n_f32(0.5f))));
}

static void unpremultiply_neon(uint8_t *colour, const uint8_t *alpha, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint16x8_t c = vmovl_u8(vld1_u8(colour + i)), a = vmovl_u8(vld1_u8(alpha + i));
        uint16x4_t lo = divide4(vget_low_u16(c), vget_low_u16(a));
        uint16x4_t hi = divide4(vget_high_u16(c), vget_high_u16(a));

        vst1_u8(colour + i, vqmovn_u16(vcombine_u16(lo, hi)));
    }
    ic_unpremultiply_c(colour + i, alpha + i, n - i);
}

/* y, and cb and cr times their weights, as 8 bytes. */
static inline uint8x8_t ycc_sum(int16x8_t y, int16x8_t cb, int16x8_t cr, int16_t wb, int16_t wr)
{
    int32x4_t lo = vshll_n_s16(vget_low_s16(y), 14), hi = vshll_n_s16(vget_high_s16(y), 14);

    lo = vmlal_n_s16(vmlal_n_s16(lo, vget_low_s16(cb), wb), vget_low_s16(cr), wr);
    hi = vmlal_n_s16(vmlal_n_s16(hi, vget_high_s16(cb), wb), vget_high_s16(cr), wr);
    return vqmovn_u16(vcombine_u16(vqrshrun_n_s32(lo, 14), vqrshrun_n_s32(hi, 14)));
}

static inline int16x8_t load_s16(const uint8_t *p)
{
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}

static void ycc_rgb_neon(uint8_t *const *p, size_t n)
{
    const int16x8_t mid = vdupq_n_s16(128);
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        int16x8_t y = load_s16(p[0] + i);
        int16x8_t cb = vsubq_s16(load_s16(p[1] + i), mid), cr = vsubq_s16(load_s16(p[2] + i), mid);

        vst1_u8(p[0] + i, ycc_sum(y, cb, cr, 0, 22970));
        vst1_u8(p[1] + i, ycc_sum(y, cb, cr, -5638, -11700));
        vst1_u8(p[2] + i, ycc_sum(y, cb, cr, 29032, 0));
    }
    ic_ycc_rgb_c((uint8_t *const[]){ p[0] + i, p[1] + i, p[2] + i }, n - i);
}

/* Interleaves the first eight vectors with the last eight, byte by byte. Of the eight bits of a byte's place, four for
 * the row and four for the column, this moves each up by one; after four rounds rows are columns. */
static inline void transpose_round(uint8x16_t out[16], const uint8x16_t in[16])
{
    for (int i = 0; i < 8; i++) {
        out[2 * i] = vzip1q_u8(in[i], in[i + 8]);
        out[2 * i + 1] = vzip2q_u8(in[i], in[i + 8]);
    }
}

static void transpose16_neon(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t n)
{
    size_t x = 0;

    for (; x + 16 <= n; x += 16) {
        uint8x16_t a[16], b[16];

        for (int r = 0; r < 16; r++)
            a[r] = vld1q_u8(src[r] + x);
        transpose_round(b, a);
        transpose_round(a, b);
        transpose_round(b, a);
        transpose_round(a, b);
        for (int r = 0; r < 16; r++)
            vst1q_u8(dst + ((ptrdiff_t)x + r) * step, a[r]);
    }
    ic_transpose16_rest_c(dst, step, src, x, n);
}

void ic_kernels_rows_neon(struct ic_kernels *k)
{
    k->deinterleave2 = deinterleave2_neon;
    k->deinterleave3 = deinterleave3_neon;
    k->deinterleave4 = deinterleave4_neon;
    k->interleave2 = interleave2_neon;
    k->interleave3 = interleave3_neon;
    k->interleave4 = interleave4_neon;
    k->premultiply_greya = premultiply_greya_neon;
    k->premultiply_rgba = premultiply_rgba_neon;
    k->unpremultiply = unpremultiply_neon;
    k->ycc_rgb = ycc_rgb_neon;
    k->transpose16 = transpose16_neon;
}
