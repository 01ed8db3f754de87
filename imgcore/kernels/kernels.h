/* The inner loops: a C reference and, where the CPU has more, a faster version that equals it bit for bit.
 *
 * Kernels are pure: no allocation, no error, no look at the machine. The C version is the specification; what it
 * computes never depends on the ISA, so results, ETags and golden tests are the same everywhere. cpu.c fills the one
 * table; a kernel's suffix is its ISA. */
#ifndef IMGCORE_KERNELS_H
#define IMGCORE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Weights are fixed point with this many fraction bits; the weights of one window sum exactly to 1 << IC_WEIGHT_BITS.
 * 14 bits leave a window's largest weight (1.2 or so at an edge) inside an int16_t. */
#define IC_WEIGHT_BITS 14

/* Outputs are made this many at a time; arrays of struct ic_taps are padded to a multiple of it. */
#define IC_TAPS_GROUP 8

/* Which samples make each output of a row, and how much of each. */
struct ic_taps {
    const int32_t *first; /* first sample of the window; n rounded up to IC_TAPS_GROUP of them */
    const int16_t *w;     /* stride weights an output, zeros beyond its window */
    uint32_t n;           /* outputs */
    uint32_t stride;      /* multiple of 8 */
};

/* Only function pointers, in the order of the names in cpu.c. Rows may overlap only where it is said. */
struct ic_kernels {
    /* dst[i] = round(sum of rows[t][i] * w[t]), clamped to a byte. The last bytes are done in a block of 32: rows are
     * readable and dst writable up to n rounded up to 32. taps >= 1. */
    void (*vscale_u8)(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n);

    /* One plane's row to t->n outputs. src is readable up to the largest first + stride. Writes exactly n bytes. */
    void (*hscale_u8)(uint8_t *dst, const uint8_t *src, const struct ic_taps *t);

    /* n packed pixels to one row a channel, and back. */
    void (*deinterleave2)(uint8_t *const *dst, const uint8_t *src, size_t n);
    void (*deinterleave3)(uint8_t *const *dst, const uint8_t *src, size_t n);
    void (*deinterleave4)(uint8_t *const *dst, const uint8_t *src, size_t n);
    void (*interleave2)(uint8_t *dst, const uint8_t *const *src, size_t n);
    void (*interleave3)(uint8_t *dst, const uint8_t *const *src, size_t n);
    void (*interleave4)(uint8_t *dst, const uint8_t *const *src, size_t n);

    /* n packed pixels, colour times alpha / 255 rounded to nearest; opaque pixels stay as they are. dst may be src. */
    void (*premultiply_greya)(uint8_t *dst, const uint8_t *src, size_t n);
    void (*premultiply_rgba)(uint8_t *dst, const uint8_t *src, size_t n);
    /* One plane in place: colour * 255 / alpha, rounded half up, clamped; 0 where alpha is 0. */
    void (*unpremultiply)(uint8_t *colour, const uint8_t *alpha, size_t n);

    /* Three planes in place: full range BT.601 (JFIF 1.02, section 7) to R, G, B. */
    void (*ycc_rgb)(uint8_t *const *p, size_t n);

    /* dst[i] = average of samples 2i and 2i + 1 of rows a and b, a half rounded down where i is even and up where it is
     * odd: halving again and again must not brighten. */
    void (*halve_u8)(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n);
};

/* Each sets the kernels it has and leaves the rest. */
void ic_kernels_scale_c(struct ic_kernels *k);
void ic_kernels_rows_c(struct ic_kernels *k);
void ic_kernels_halve_c(struct ic_kernels *k);
void ic_kernels_scale_avx2(struct ic_kernels *k);
void ic_kernels_rows_avx2(struct ic_kernels *k);
void ic_kernels_halve_avx2(struct ic_kernels *k);

/* The reference's row kernels by name: faster versions end their rows with them. */
void ic_deinterleave2_c(uint8_t *const *dst, const uint8_t *src, size_t n);
void ic_deinterleave3_c(uint8_t *const *dst, const uint8_t *src, size_t n);
void ic_deinterleave4_c(uint8_t *const *dst, const uint8_t *src, size_t n);
void ic_interleave2_c(uint8_t *dst, const uint8_t *const *src, size_t n);
void ic_interleave3_c(uint8_t *dst, const uint8_t *const *src, size_t n);
void ic_interleave4_c(uint8_t *dst, const uint8_t *const *src, size_t n);
void ic_premultiply_greya_c(uint8_t *dst, const uint8_t *src, size_t n);
void ic_premultiply_rgba_c(uint8_t *dst, const uint8_t *src, size_t n);
void ic_unpremultiply_c(uint8_t *colour, const uint8_t *alpha, size_t n);
void ic_ycc_rgb_c(uint8_t *const *p, size_t n);
void ic_halve_u8_c(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n);

#endif
