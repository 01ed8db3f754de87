/* Huffman codes of JPEG (ITU-T T.81, annexes C and F), reading only what DC coefficients need. Only codec_jpeg_dc.c
 * includes it. */
#ifndef IMGCORE_JPEG_HUFFMAN_H
#define IMGCORE_JPEG_HUFFMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JPEG_LOOK 12 /* bits looked at at once */

/* A step over AC coefficients: bits, places passed, and whether the block ends there. */
#define JPEG_STEP_BITS(step)   ((step)&15)
#define JPEG_STEP_PLACES(step) ((step) >> 4 & 63)
#define JPEG_STEP_ENDS         0x8000

struct jpeg_huffman {
    bool defined, steps; /* steps: skip is filled */
    uint8_t value[256];
    int32_t above[17];              /* by length: one more than its last code, as 16 bits; -1: it has none */
    int32_t shift[17];              /* from a code of this length to its value's place */
    uint16_t look[1u << JPEG_LOOK]; /* length and value of the code these bits begin with; 0: it is longer */
    /* All AC coefficients that these bits hold whole, as one step; 0: none. */
    uint16_t skip[1u << JPEG_LOOK];
};

/* counts: codes of 1 to 16 bits; values: one for each. False where that is no code. */
bool jpeg_huffman_init(struct jpeg_huffman *h, const uint8_t counts[16], const uint8_t *values, size_t n);

/* Fills skip, for jpeg_huffman_skip_ac(). Apart, for it is most of the work, and few tables of a file need it. */
void jpeg_huffman_add_steps(struct jpeg_huffman *h);

/* Entropy-coded bytes as bits: stuffed zeros left out, zeros for ever behind a marker or the end. */
struct jpeg_bits {
    const uint8_t *p, *end; /* borrowed; p: the next byte */
    uint64_t acc;           /* the next bit is the highest */
    int n;                  /* bits in acc, */
    int made_up;            /* of them behind the end */
};

void jpeg_bits_fill_slowly(struct jpeg_bits *b);

/* At least 56 bits afterwards. */
static inline void jpeg_bits_fill(struct jpeg_bits *b)
{
    uint64_t next;

    if (b->end - b->p < 8) {
        jpeg_bits_fill_slowly(b);
        return;
    }
    memcpy(&next, b->p, 8);
    next = __builtin_bswap64(next);                                   /* x86-64 and AArch64 are little-endian */
    if ((~next - 0x0101010101010101u) & next & 0x8080808080808080u) { /* an ff among them */
        jpeg_bits_fill_slowly(b);
        return;
    }
    b->acc |= next >> b->n;
    b->p += (63 - b->n) >> 3;
    b->n |= 56;
}

static inline void jpeg_bits_drop(struct jpeg_bits *b, int n)
{
    b->acc <<= n;
    b->n -= n;
}

/* Nothing was read that is not there. */
static inline bool jpeg_bits_sound(const struct jpeg_bits *b)
{
    return b->n >= b->made_up;
}

/* The next code's value; -1: there is no such code. At least 16 bits are there. */
int jpeg_huffman_value(const struct jpeg_huffman *h, struct jpeg_bits *b);

/* The difference that a DC coefficient is coded as; false: that is none. */
bool jpeg_huffman_dc(const struct jpeg_huffman *h, struct jpeg_bits *b, int *difference);

/* Past the 63 AC coefficients of a block. */
bool jpeg_huffman_skip_ac(const struct jpeg_huffman *h, struct jpeg_bits *b);

#endif
