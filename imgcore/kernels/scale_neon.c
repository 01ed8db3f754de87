/* Resampling with NEON: one tap of eight outputs at a time, in both passes.
 *
 * Horizontal, up to a shrink of 4: a table look-up in 32 bytes gathers a tap of eight outputs, with the weights that
 * are turned for it. Beyond that each output loads its own window. */
#include "kernels.h"

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

/* Sums of 8 outputs. */
struct sums {
    int32x4_t lo, hi;
};

static inline struct sums sums_begin(void)
{
    return (struct sums){ vdupq_n_s32(0), vdupq_n_s32(0) };
}

static inline void sums_add(struct sums *s, uint8x8_t px, int16x8_t w)
{
    int16x8_t v = vreinterpretq_s16_u16(vmovl_u8(px));

    s->lo = vmlal_s16(s->lo, vget_low_s16(v), vget_low_s16(w));
    s->hi = vmlal_high_s16(s->hi, v, w);
}

/* Rounded, shifted and clamped below, then above. */
static inline uint8x8_t sums_pack(const struct sums *s)
{
    uint16x4_t lo = vqrshrun_n_s32(s->lo, IC_WEIGHT_BITS), hi = vqrshrun_n_s32(s->hi, IC_WEIGHT_BITS);

    return vqmovn_u16(vcombine_u16(lo, hi));
}

static inline void vscale_32(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t i)
{
    struct sums s[4] = { sums_begin(), sums_begin(), sums_begin(), sums_begin() };

    for (uint32_t t = 0; t < taps; t++) {
        uint8x16_t a = vld1q_u8(rows[t] + i), b = vld1q_u8(rows[t] + i + 16);
        int16x8_t weight = vdupq_n_s16(w[t]);

        sums_add(&s[0], vget_low_u8(a), weight);
        sums_add(&s[1], vget_high_u8(a), weight);
        sums_add(&s[2], vget_low_u8(b), weight);
        sums_add(&s[3], vget_high_u8(b), weight);
    }
    vst1q_u8(dst + i, vcombine_u8(sums_pack(&s[0]), sums_pack(&s[1])));
    vst1q_u8(dst + i + 16, vcombine_u8(sums_pack(&s[2]), sums_pack(&s[3])));
}

static void vscale_u8_neon(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n)
{
    for (size_t i = 0; i < n; i += 32)
        vscale_32(dst, rows, w, taps, i);
}

static inline void vscale2_16(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2],
                              uint32_t taps, size_t i)
{
    struct sums a[2] = { sums_begin(), sums_begin() }, b[2] = { sums_begin(), sums_begin() };

    for (uint32_t t = 0; t < taps; t++) {
        uint8x16_t px = vld1q_u8(rows[t] + i);
        int16x8_t wa = vdupq_n_s16(w[0][t]), wb = vdupq_n_s16(w[1][t]);

        sums_add(&a[0], vget_low_u8(px), wa);
        sums_add(&a[1], vget_high_u8(px), wa);
        sums_add(&b[0], vget_low_u8(px), wb);
        sums_add(&b[1], vget_high_u8(px), wb);
    }
    vst1q_u8(dst[0] + i, vcombine_u8(sums_pack(&a[0]), sums_pack(&a[1])));
    vst1q_u8(dst[1] + i, vcombine_u8(sums_pack(&b[0]), sums_pack(&b[1])));
}

static void vscale2_u8_neon(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2], uint32_t taps,
                            size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        vscale2_16(dst, rows, w, taps, i);
}

/* Where the first tap of each of eight outputs is in a load that begins at the first output's. */
static inline uint8x8_t near_pick(const int32_t *first)
{
    int32x4_t base = vdupq_n_s32(first[0]);
    int16x4_t lo = vmovn_s32(vsubq_s32(vld1q_s32(first), base));
    int16x4_t hi = vmovn_s32(vsubq_s32(vld1q_s32(first + 4), base));

    return vreinterpret_u8_s8(vmovn_s16(vcombine_s16(lo, hi)));
}

static inline uint8x8_t hscale_near(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const uint8x8_t pick = near_pick(t->first + i), next = vadd_u8(pick, vdup_n_u8(1));
    const uint8_t *s = src + t->first[i];
    const int16_t *w = t->turned + (size_t)(i / IC_TAPS_GROUP) * t->pairs * 2 * IC_TAPS_GROUP + i % IC_TAPS_GROUP * 2;
    struct sums sum = sums_begin();

    for (uint32_t k = 0; k < t->pairs; k++, s += 2, w += 2 * IC_TAPS_GROUP) {
        uint8x16x2_t px = { { vld1q_u8(s), vld1q_u8(s + 16) } };
        int16x8x2_t weights = vld2q_s16(w);

        sums_add(&sum, vqtbl2_u8(px, pick), weights.val[0]);
        sums_add(&sum, vqtbl2_u8(px, next), weights.val[1]);
    }
    return sums_pack(&sum);
}

/* One output, as four parts of its sum. */
static inline int32x4_t far_one(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    const uint8_t *s = src + t->first[i];
    const int16_t *w = t->w + (size_t)i * t->stride;
    struct sums sum = sums_begin();

    for (uint32_t k = 0; k < t->stride; k += 8)
        sums_add(&sum, vld1_u8(s + k), vld1q_s16(w + k));
    return vaddq_s32(sum.lo, sum.hi);
}

static inline int32x4_t far_four(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    int32x4_t ab = vpaddq_s32(far_one(src, t, i), far_one(src, t, i + 1));
    int32x4_t cd = vpaddq_s32(far_one(src, t, i + 2), far_one(src, t, i + 3));

    return vpaddq_s32(ab, cd);
}

static inline uint8x8_t hscale_far(const uint8_t *src, const struct ic_taps *t, uint32_t i)
{
    return sums_pack(&(struct sums){ far_four(src, t, i), far_four(src, t, i + 4) });
}

/* A look-up in 32 bytes holds the pairs of eight outputs that begin within 30. */
static void hscale_u8_neon(uint8_t *dst, const uint8_t *src, const struct ic_taps *t)
{
    bool near = t->turned && t->reach8 <= 30;

    for (uint32_t i = 0; i < t->n; i += 8) {
        uint8x8_t px = near ? hscale_near(src, t, i) : hscale_far(src, t, i);

        if (t->n - i >= 8)
            vst1_u8(dst + i, px);
        else
            memcpy(dst + i, &px, t->n - i);
    }
}

void ic_kernels_scale_neon(struct ic_kernels *k)
{
    k->vscale_u8 = vscale_u8_neon;
    k->vscale2_u8 = vscale2_u8_neon;
    k->hscale_u8 = hscale_u8_neon;
}
