/* Tables and bits for codec_jpeg_dc.c. The one trick: what AC coefficients are does not matter, only how long they are,
 * so that one look at 12 bits passes as many of them as lie in these. */
#include "jpeg_huffman.h"

#include <string.h>

/* A step over AC coefficients: bits, places passed, and whether the block ends there. */
#define JPEG_STEP_BITS(step)   ((step)&15)
#define JPEG_STEP_PLACES(step) ((step) >> 4 & 63)
#define JPEG_STEP_ENDS         0x8000

/* Tables. */

static void huffman_fill_look(struct jpeg_huffman *h, uint32_t code, int length, uint8_t value)
{
    uint32_t from = code << (JPEG_LOOK - length), n = 1u << (JPEG_LOOK - length);

    for (uint32_t i = from; i < from + n; i++)
        h->look[i] = (uint16_t)(length << 8 | value);
}

/* What these bits hold of a block's AC coefficients (T.81, F.1.2.2): run and size, then size bits. */
static uint16_t huffman_step(const struct jpeg_huffman *h, uint32_t bits)
{
    int used = 0, places = 0;

    for (;;) {
        uint16_t code = h->look[bits << used & ((1u << JPEG_LOOK) - 1)];
        int length = code >> 8, run = code >> 4 & 15, size = code & 15;

        if (!length || used + length + size > JPEG_LOOK || places + run + 1 > 63)
            return (uint16_t)(used | places << 4);
        used += length + size;
        if (size == 0 && run != 15)
            return (uint16_t)(used | places << 4 | JPEG_STEP_ENDS);
        places += run + 1;
    }
}

bool jpeg_huffman_init(struct jpeg_huffman *h, const uint8_t counts[16], const uint8_t *values, size_t n)
{
    uint32_t code = 0;
    size_t at = 0;

    memset(h, 0, sizeof *h);
    for (int length = 1; length <= 16; length++, code <<= 1) {
        h->shift[length] = (int32_t)at - (int32_t)code;
        for (int i = 0; i < counts[length - 1]; i++, code++, at++) {
            if (at >= n || code >= 1u << length)
                return false;
            h->value[at] = values[at];
            if (length <= JPEG_LOOK)
                huffman_fill_look(h, code, length, values[at]);
        }
        h->above[length] = counts[length - 1] ? (int32_t)(code << (16 - length)) : -1;
    }
    h->defined = true;
    return true;
}

void jpeg_huffman_add_steps(struct jpeg_huffman *h)
{
    for (uint32_t i = 0; i < 1u << JPEG_LOOK && !h->steps; i++)
        h->skip[i] = huffman_step(h, i);
    h->steps = true;
}

/* Bits. */

static void bits_fill_slowly(struct jpeg_bits *b)
{
    for (; b->n <= 56; b->n += 8) {
        uint64_t byte = 0;

        if (b->p == b->end || (*b->p == 0xff && (b->end - b->p < 2 || b->p[1] != 0))) {
            b->made_up += 8;
        } else {
            byte = *b->p;
            b->p += byte == 0xff ? 2 : 1;
        }
        b->acc |= byte << (56 - b->n);
    }
}

/* At least 56 bits afterwards. */
static inline void bits_fill(struct jpeg_bits *b)
{
    uint64_t next;

    if (b->end - b->p < 8) {
        bits_fill_slowly(b);
        return;
    }
    memcpy(&next, b->p, 8);
    next = __builtin_bswap64(next);                                   /* x86-64 and AArch64 are little-endian */
    if ((~next - 0x0101010101010101u) & next & 0x8080808080808080u) { /* an ff among them */
        bits_fill_slowly(b);
        return;
    }
    b->acc |= next >> b->n;
    b->p += (63 - b->n) >> 3;
    b->n |= 56;
}

static inline void bits_drop(struct jpeg_bits *b, int n)
{
    b->acc <<= n;
    b->n -= n;
}

/* The next code's value; -1: there is no such code. At least 16 bits are there. */
static int huffman_value(const struct jpeg_huffman *h, struct jpeg_bits *b)
{
    uint16_t code = h->look[b->acc >> (64 - JPEG_LOOK)];
    int32_t bits = (int32_t)(b->acc >> 48);

    if (code) {
        bits_drop(b, code >> 8);
        return code & 255;
    }
    for (int length = JPEG_LOOK + 1; length <= 16; length++)
        if (bits < h->above[length]) {
            bits_drop(b, length);
            return h->value[((bits >> (16 - length)) + h->shift[length]) & 255];
        }
    return -1;
}

bool jpeg_huffman_dc(const struct jpeg_huffman *h, struct jpeg_bits *b, int *difference)
{
    bits_fill(b);
    int size = huffman_value(h, b);

    if (size < 0 || size > 15)
        return false;
    *difference = 0;
    if (size) {
        int v = (int)(b->acc >> (64 - size));

        *difference = v < 1 << (size - 1) ? v - (1 << size) + 1 : v;
        bits_drop(b, size);
    }
    return true;
}

/* One coefficient, or the end: the place reached; -1: there is no such code. */
static inline int huffman_pass(const struct jpeg_huffman *h, struct jpeg_bits *b, int k)
{
    int value = huffman_value(h, b);

    if (value < 0)
        return -1;
    if ((value & 15) == 0 && value != 0xf0)
        return 63;
    bits_drop(b, value & 15);
    k += (value >> 4) + 1;
    return k > 63 ? -1 : k;
}

/* As many coefficients as one look shows, from place k. Near the 63rd, which has no end behind it, a look may show what
 * follows the block: there they are taken one by one. */
static inline int huffman_pass_some(const struct jpeg_huffman *h, struct jpeg_bits *b, int k)
{
    unsigned step = h->skip[b->acc >> (64 - JPEG_LOOK)];
    int to = k + (int)JPEG_STEP_PLACES(step);

    if (!JPEG_STEP_BITS(step) || to >= 63)
        return huffman_pass(h, b, k);
    bits_drop(b, JPEG_STEP_BITS(step));
    return step & JPEG_STEP_ENDS ? 63 : to;
}

bool jpeg_huffman_skip_ac(const struct jpeg_huffman *h, struct jpeg_bits *bits)
{
    struct jpeg_bits b = *bits; /* in registers */
    int k = 0;

    while (k >= 0 && k < 63) {
        bits_fill(&b); /* the longest code and its bits are 31: enough for two */
        k = huffman_pass_some(h, &b, k);
        if (k >= 0 && k < 63 && b.n >= 31)
            k = huffman_pass_some(h, &b, k);
    }
    *bits = b;
    return k == 63;
}
