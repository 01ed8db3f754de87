/* Profiles that are three curves and a matrix, which is what cameras and screens have. Only icc.c includes it. */
#ifndef IMGCORE_ICC_MATRIX_H
#define IMGCORE_ICC_MATRIX_H

#include <lcms2.h>

#include "mem.h"

#define ICC_LIGHT_BITS  15 /* of linear light coming in */
#define ICC_MATRIX_BITS 13
#define ICC_ENCODE_BITS 14 /* of linear light going out */
#define ICC_ENCODE_SIZE ((1u << ICC_ENCODE_BITS) + 1)

struct icc_matrix {
    uint16_t light[3][256];
    int32_t m[3][3];       /* profile's light to sRGB's, row by result */
    const uint8_t *encode; /* borrowed: light to sRGB, ICC_ENCODE_SIZE entries */
};

/* Fills sRGB's curve. */
void icc_encode_init(uint8_t *encode);

/* False: the profile is of another kind, or beyond what fixed point holds. */
bool icc_matrix_init(struct icc_matrix *t, cmsContext context, cmsHPROFILE profile, const uint8_t *encode);
/* n pixels of three planes in place. */
void icc_matrix_row(const struct icc_matrix *t, uint8_t *const *p, size_t n);
/* No colour moves by more than one level. */
bool icc_matrix_is_srgb(const struct icc_matrix *t);

#endif
