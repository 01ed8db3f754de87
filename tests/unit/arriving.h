/* A body that arrives in pieces, for the readers of such: arrive() is what they call for more. */
#ifndef TESTS_ARRIVING_H
#define TESTS_ARRIVING_H

#include <string.h>

#include "../../imgcore/imgcore.h"

struct arriving {
    struct ic_bytes left;
    size_t step; /* the largest piece */
};

static inline size_t arrive(void *ctx, uint8_t *to, size_t n)
{
    struct arriving *a = ctx;
    size_t k = a->left.n < a->step ? a->left.n : a->step;
    k = k < n ? k : n;
    if (k > 0)
        memcpy(to, a->left.p, k);
    a->left.p += k;
    a->left.n -= k;
    return k;
}

#endif
