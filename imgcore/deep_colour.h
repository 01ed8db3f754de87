/* From stored 16-bit samples to those that are resampled, and from these to the result's. Only deep*.c includes it. */
#ifndef IMGCORE_DEEP_COLOUR_H
#define IMGCORE_DEEP_COLOUR_H

#include "icc.h"
#include "imgcore.h"

struct deep_colour {
    struct ic_mem *mem; /* borrowed */
    int from;           /* channels of the source, 1 .. 4; grey or RGB, then alpha */
    int to;             /* of the result, likewise */
    bool straight;      /* pixels are copied: alpha is not multiplied in */
    bool over;          /* alpha is composed onto bg */
    struct ic_colour bg;
    struct ic_icc_deep *icc; /* owned; NULL: none */
    int32_t *light;          /* owned; by sRGB's level, where light is mixed; else NULL */
    int32_t *between;        /* owned, with it: [v] is where in light level v + 1 begins */
};

/* Makes the tables for linear light. IC_E_MEMORY. */
enum ic_code deep_colour_light(struct deep_colour *c, struct ic_error *e);
void deep_colour_close(struct deep_colour *c); /* accepts a zeroed one */

/* n pixels of the source, samples as PNG stores them, for the resampler; spare holds n pixels. */
void deep_colour_load(const struct deep_colour *c, const uint8_t *px, uint16_t *spare, int32_t *out, size_t n);

/* n resampled pixels to the result's, in the machine's order; spare as above. */
void deep_colour_store(const struct deep_colour *c, const int32_t *px, uint16_t *spare, uint16_t *out, size_t n);

#endif
