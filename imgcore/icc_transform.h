/* Between icc.c and icc_deep.c: how lcms2 is asked for a transform. */
#ifndef IMGCORE_ICC_TRANSFORM_H
#define IMGCORE_ICC_TRANSFORM_H

#include <lcms2.h>

#include "icc.h"

/* From a profile of n bytes to sRGB, samples of 8 or 16 bits (of CMYK: 8). The caller's. NULL: the profile can't be
 * used or, with c->refused, the budget has no room for it. */
cmsHTRANSFORM icc_transform(struct ic_icc_cache *c, cmsHPROFILE profile, size_t n, int bits, cmsUInt32Number flags);

#endif
