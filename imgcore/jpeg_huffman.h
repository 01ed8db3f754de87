/* Huffman codes of JPEG (ITU-T T.81, annexes C and F), reading only what DC coefficients need. Only codec_jpeg_dc.c
 * includes it. */
#ifndef IMGCORE_JPEG_HUFFMAN_H
#define IMGCORE_JPEG_HUFFMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JPEG_LOOK 12 /* bits looked at at once */

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

/* Nothing was read that is not there. */
static inline bool jpeg_bits_sound(const struct jpeg_bits *b)
{
    return b->n >= b->made_up;
}

/* The difference that a DC coefficient is coded as; false: that is none. */
bool jpeg_huffman_dc(const struct jpeg_huffman *h, struct jpeg_bits *b, int *difference);

/* Past the 63 AC coefficients of a block. */
bool jpeg_huffman_skip_ac(const struct jpeg_huffman *h, struct jpeg_bits *b);

#endif
