/* What the tests of reading and of writing JPEG share: sizes that are no multiple of anything. */
#ifndef TESTS_JPEGS_H
#define TESTS_JPEGS_H

#include "images.h"

#define MB ((size_t)1 << 20)

static const struct {
    int w, h;
} sizes[] = { { 1, 1 }, { 17, 3 }, { 8, 8 }, { 16, 16 }, { 33, 47 }, { 200, 131 }, { 3, 260 } };

#define SIZES ((int)(sizeof sizes / sizeof *sizes))

#endif
