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
#define IC_TAPS_GROUP 16

/* Which samples make each output of a row, and how much of each. */
struct ic_taps {
    const int32_t *first; /* first sample of the window, never decreasing; n rounded up to IC_TAPS_GROUP of them */
    const int16_t *w;     /* stride weights an output, zeros beyond its window */
    uint32_t n;           /* outputs */
    uint32_t stride;      /* multiple of 8 */

    /* The same weights as they suit a vector whose lanes are outputs: by group, by pair of taps, by output, two each;
     * pairs <= stride / 2. NULL where windows are too far apart for any kernel to load several at once. */
    const int16_t *turned;
    uint32_t pairs;
    uint32_t reach4, reach8, reach16; /* how far the last of so many outputs begins behind the first, at most */
};

/* turned is made up to this reach8: 64 bytes hold the first two taps of eight outputs. */
#define IC_TAPS_REACH8 62

/* The filters of PNG, numbered as in the file. */
enum { IC_PNG_NONE, IC_PNG_SUB, IC_PNG_UP, IC_PNG_AVERAGE, IC_PNG_PAETH };

/* A row of pixels of bpp = 1 .. 4 bytes and the one above it. The bpp bytes before each are the pixels to the left,
 * or 0. */
struct ic_png_row {
    const uint8_t *px, *above;
    size_t n, bpp; /* bytes; n is a multiple of bpp */
};

/* A 3x3 matrix with an offset in fixed point. Sums fit 32 bits for any pixel; off holds the half for rounding, too. */
struct ic_affine {
    int32_t m[3][3], off[3];
    int shift;   /* bits of fraction */
    int32_t max; /* results are clamped to 0 .. max */
};

/* Only function pointers, in the order of the names in cpu.c. Rows may overlap only where it is said. */
struct ic_kernels {
    /* dst[i] = round(sum of rows[t][i] * w[t]), clamped to a byte. The last bytes are done in a block of 32: rows are
     * readable and dst writable up to n rounded up to 32. taps >= 1. */
    void (*vscale_u8)(uint8_t *dst, const uint8_t *const *rows, const int16_t *w, uint32_t taps, size_t n);

    /* Two such rows at once, from all rows that either of them uses: taps weights for each, zeros outside of its
     * window. What is loaded and widened serves both, which is most of the work. taps is even. */
    void (*vscale2_u8)(uint8_t *const dst[2], const uint8_t *const *rows, const int16_t *const w[2], uint32_t taps,
                       size_t n);

    /* One plane's row to t->n outputs. src is readable up to the largest first + stride + 64. Writes exactly n bytes.
     */
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

    /* Sixteen rows of n bytes to n rows of sixteen, step bytes apart: dst[x * step + r] = src[r][x]. */
    void (*transpose16)(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t n);

    /* PNG's filters undone: n bytes of src, as they were filtered, to pixels of bpp = 1 .. 4 bytes. The bpp bytes
     * before dst and above are the pixels to the left, or 0. Exactly n bytes are read and written. */
    void (*png_unsub)(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp);
    void (*png_unup)(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n);
    void (*png_unaverage)(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);
    void (*png_unpaeth)(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);
    /* Two rows, of which the second begins at dst + stride and at src + n + 1. */
    void (*png_unpaeth2)(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);

    /* A row filtered, as n bytes. */
    void (*png_filter)(uint8_t *dst, const struct ic_png_row *r, int filter);
    /* Adds what the filters would leave of a row to sums[IC_PNG_SUB .. IC_PNG_PAETH]: the sum of sizes, 255 counting as
     * -1. To sums[IC_PNG_NONE], the number of whole pixels that equal their left neighbour. */
    void (*png_weigh)(uint64_t *sums, const struct ic_png_row *r);

    /* dst[i] = average of samples 2i and 2i + 1 of rows a and b, a half rounded down where i is even and up where it is
     * odd: halving again and again must not brighten. */
    void (*halve_u8)(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n);

    /* One row, or three, from three: dst[i][x] = sum over j of a->m[i][j] * src[j][x], plus a->off[i], shifted down and
     * clamped to a byte. dst may be src. Exactly n bytes are read and written of each. */
    void (*affine1)(uint8_t *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n);
    void (*affine3)(uint8_t *const *dst, const uint8_t *const *src, const struct ic_affine *a, size_t n);
};

/* Each sets the kernels it has and leaves the rest. */
void ic_kernels_scale_c(struct ic_kernels *k);
void ic_kernels_rows_c(struct ic_kernels *k);
void ic_kernels_png_c(struct ic_kernels *k);
void ic_kernels_scale_avx2(struct ic_kernels *k);
void ic_kernels_rows_avx2(struct ic_kernels *k);
void ic_kernels_scale_avx512(struct ic_kernels *k);
void ic_kernels_rows_avx512(struct ic_kernels *k);
void ic_kernels_scale_neon(struct ic_kernels *k);
void ic_kernels_rows_neon(struct ic_kernels *k);
void ic_kernels_png_neon(struct ic_kernels *k);
void ic_kernels_halve_neon(struct ic_kernels *k);
void ic_kernels_png_avx2(struct ic_kernels *k);
void ic_kernels_halve_c(struct ic_kernels *k);
void ic_kernels_tone_c(struct ic_kernels *k);
void ic_kernels_tone_avx2(struct ic_kernels *k);
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
/* Columns [from, n) only. */
void ic_transpose16_rest_c(uint8_t *dst, ptrdiff_t step, const uint8_t *const src[16], size_t from, size_t n);
/* For windows that are too far apart for AVX-512's way. */
void ic_hscale_u8_avx2(uint8_t *dst, const uint8_t *src, const struct ic_taps *t);
void ic_png_unsub_c(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp);
void ic_png_unup_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n);
void ic_png_unaverage_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);
void ic_png_unpaeth_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);
void ic_png_unpaeth2_c(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp);
void ic_png_filter_c(uint8_t *dst, const struct ic_png_row *r, int filter);
void ic_png_weigh_c(uint64_t *sums, const struct ic_png_row *r);
void ic_halve_u8_c(uint8_t *dst, const uint8_t *a, const uint8_t *b, size_t n);

#endif
