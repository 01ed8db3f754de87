/* What one thread keeps between runs. Private to imgcore; others see an opaque pointer. */
#ifndef IMGCORE_ENGINE_H
#define IMGCORE_ENGINE_H

#include "mark.h"
#include "weights.h"

struct ic_engine {
    struct ic_mem mem;
    struct ic_limits limits;
    struct ic_weights_cache weights;
    struct ic_mark_cache marks;
    struct ic_mark_bytes lent[IC_MARKS]; /* marks of the run */
    int lent_n;
};

#endif
