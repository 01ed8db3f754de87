/* Pictures in memory for the tests of operations: views full of noise, and what they were before. */
#ifndef TESTS_VIEWS_H
#define TESTS_VIEWS_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/colour.h"
#include "../../imgcore/view.h"

#define VIEW_GUARD 0xa5

/* One picture inside of larger planes whose other bytes are guards. */
struct picture {
    struct ic_view v;
    uint8_t *block[IC_PLANES]; /* owned (malloc), planes with a margin */
    size_t bytes[IC_PLANES];
};

static inline uint32_t view_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 16;
}

/* w x h pixels of noise; chroma covers fx x fy pixels a sample where layout is YCBCR. */
static inline struct picture picture_make(enum ic_layout layout, uint32_t w, uint32_t h, uint32_t fx, uint32_t fy,
                                          uint32_t seed)
{
    struct picture p = { .v = { .layout = layout, .width = w, .height = h, .n = ic_layout_channels(layout) } };
    for (int i = 0; i < p.v.n; i++) {
        bool chroma = layout == IC_YCBCR && i > 0;
        struct ic_view_plane *q = &p.v.plane[i];
        q->width = chroma ? (w + fx - 1) / fx : w;
        q->height = chroma ? (h + fy - 1) / fy : h;
        q->stride = q->width + 7u + (unsigned)i;
        p.bytes[i] = q->stride * (q->height + 4u);
        p.block[i] = malloc(p.bytes[i]);
        ck_assert_ptr_nonnull(p.block[i]);
        memset(p.block[i], VIEW_GUARD, p.bytes[i]);
        q->p = p.block[i] + 2 * q->stride + 3;
        for (uint32_t y = 0; y < q->height; y++)
            for (uint32_t x = 0; x < q->width; x++)
                q->p[y * q->stride + x] = (uint8_t)view_random(&seed);
    }
    return p;
}

static inline struct picture picture_copy(const struct picture *p)
{
    struct picture c = *p;
    for (int i = 0; i < p->v.n; i++) {
        c.block[i] = malloc(p->bytes[i]);
        ck_assert_ptr_nonnull(c.block[i]);
        memcpy(c.block[i], p->block[i], p->bytes[i]);
        c.v.plane[i].p = c.block[i] + (p->v.plane[i].p - p->block[i]);
    }
    return c;
}

static inline void picture_free(struct picture *p)
{
    for (int i = 0; i < p->v.n; i++)
        free(p->block[i]);
}

static inline uint8_t *picture_at(const struct picture *p, int plane, uint32_t x, uint32_t y)
{
    return p->v.plane[plane].p + p->v.plane[plane].stride * y + x;
}

/* Whether nothing but the picture was written to. */
static inline void picture_check_guards(const struct picture *p)
{
    for (int i = 0; i < p->v.n; i++) {
        const struct ic_view_plane *q = &p->v.plane[i];
        for (size_t at = 0; at < p->bytes[i]; at++) {
            ptrdiff_t in = p->block[i] + at - q->p;
            bool inside = in >= 0 && (size_t)in / q->stride < q->height && (size_t)in % q->stride < q->width;
            if (!inside && p->block[i][at] != VIEW_GUARD)
                ck_abort_msg("plane %d: byte %td before or after the picture was written", i, in);
        }
    }
}

#endif
