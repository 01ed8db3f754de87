/* What one thread keeps between runs. Private to imgcore; others see an opaque pointer. */
#ifndef IMGCORE_ENGINE_H
#define IMGCORE_ENGINE_H

#include "icc.h"
#include "mark.h"
#include "text.h"
#include "weights.h"

struct ic_engine {
    struct ic_mem mem;
    struct ic_limits limits;
    struct ic_weights_cache weights;
    struct ic_mark_cache marks;
    struct ic_mark_bytes lent[IC_MARKS]; /* marks of the run */
    int lent_n;
    struct ic_fonts *fonts; /* owned */
    struct ic_icc_cache icc;
    uint8_t *cmyk; /* owned: the profile of CMYK that has none, or NULL */
    size_t cmyk_size;
};

#endif
