/* What the files of the quantiser share.
 *
 * Colours are compared as they look on black and on white together. With colour c premultiplied by alpha a, the squared
 * difference on black is dc^2, on white (dc - da)^2; twice their sum over r, g and b is the sum of (2 dc - da)^2, plus
 * 3 da^2. So colour becomes a point (2r - a, 2g - a, 2b - a, a), and distance is Euclid's with a weight of 3 on the
 * last coordinate. For opaque pixels that is the distance in RGB. */
#ifndef IMGCORE_QUANT_PRIVATE_H
#define IMGCORE_QUANT_PRIVATE_H

#include "quant.h"

#define QUANT_DIMS    4
#define QUANT_REACH   255       /* no coordinate is beyond it, either way */
#define QUANT_ENTRIES 65536     /* of a histogram */
#define QUANT_WEIGHT  (1 << 20) /* of all its entries, about: so that squared sums of coordinates fit in 64 bits */

struct quant_point {
    int16_t f[QUANT_DIMS];
};

/* A pixel as one number; all transparent ones are the same. */
static inline uint32_t quant_load(const uint8_t *p)
{
    return p[3] ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

static inline struct ic_colour quant_unload(uint32_t v)
{
    return (struct ic_colour){ (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
}

struct quant_point quant_point_of(struct ic_colour c);
struct ic_colour quant_colour_of(struct quant_point p);

static inline uint32_t quant_distance(const int16_t a[QUANT_DIMS], const int16_t b[QUANT_DIMS])
{
    int d0 = a[0] - b[0], d1 = a[1] - b[1], d2 = a[2] - b[2], d3 = a[3] - b[3];

    return (uint32_t)(d0 * d0 + d1 * d1 + d2 * d2 + 3 * d3 * d3);
}

struct quant_entry {
    struct quant_point at; /* the mean of its pixels */
    uint32_t weight;       /* at least 1 */
    uint32_t colour;       /* quant_load() of the pixels, where it is one colour */
};

struct quant_histogram {
    struct ic_mem *mem;
    struct quant_entry *entry; /* owned */
    uint32_t n;
    bool exact; /* every entry is one colour */
};

enum ic_code quant_histogram_make(struct quant_histogram *h, struct ic_pixels src, struct ic_mem *mem,
                                  struct ic_error *e);
void quant_histogram_free(struct quant_histogram *h);

/* At most n points, each the mean of a box of entries; reorders these. Returns how many. */
int quant_boxes(struct quant_histogram *h, int n, struct quant_point *out);

/* Points in an order that makes the nearest one quick to find. */
struct quant_set {
    int n;
    int16_t f[IC_COLOURS][QUANT_DIMS];
    int key[IC_COLOURS];      /* rising */
    uint8_t name[IC_COLOURS]; /* where each was in the array given */
};

void quant_set_make(struct quant_set *s, const struct quant_point *p, int n);
/* The place in the set of the point nearest to f; the lower one of equals. guess: any place, a near one is faster. */
int quant_nearest(const struct quant_set *s, const int16_t f[QUANT_DIMS], int guess);

/* Moves points to the means of the entries nearest to them, until that changes nothing or `rounds` times. weight (n):
 * of the entries that ended at each. */
void quant_means(const struct quant_histogram *h, struct quant_point *p, int n, int rounds, uint64_t *weight);

#endif
