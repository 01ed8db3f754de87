/* gravity=entropy: cut where little happens. Logarithms are fixed point, so that the crop is the same everywhere. */
#include "saliency.h"

#include <math.h>

#define STEPS 8 /* strips a crop is made in, on the axis that loses most */

struct area {
    uint32_t x, y, width, height;
};

/* n log2 n in 1/65536. */
static uint64_t entropy_term(uint32_t n)
{
    uint64_t whole = 31u - (uint32_t)__builtin_clz(n), fraction = 0;
    uint64_t m = ((uint64_t)n << 32) >> whole; /* 1 .. 2 with 32 bits behind the point */

    for (int bit = 15; bit >= 0; bit--) { /* squaring doubles the logarithm */
        m = (m >> 16) * (m >> 16);
        if (m >> 33) {
            fraction |= 1u << bit;
            m >>= 1;
        }
    }
    return n * (whole << 16 | fraction);
}

/* Of areas of one size, that with the larger value has the smaller entropy. */
static uint64_t entropy_order(const struct ic_look *p, struct area a)
{
    uint32_t count[3][256] = { { 0 } };
    uint64_t sum = 0;

    for (uint32_t y = a.y; y < a.y + a.height; y++)
        for (uint32_t x = a.x; x < a.x + a.width; x++) {
            const uint8_t *px = p->rgba + p->stride * y + (size_t)x * 4;

            for (int c = 0; c < 3; c++)
                count[c][px[c] * px[3] / 255]++;
        }
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            if (count[c][v])
                sum += entropy_term(count[c][v]);
    return sum;
}

static uint32_t entropy_share(double share, uint32_t n)
{
    double v = floor(share * n + 0.5);

    return v < 1 ? 1 : v > n ? n : (uint32_t)v;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void entropy_cut(const struct ic_look *p, struct area *a, uint32_t wide, uint32_t high)
{
    if (wide) {
        struct area left = { a->x, a->y, wide, a->height }, right = left;

        right.x += a->width - wide;
        a->x += entropy_order(p, left) > entropy_order(p, right) ? wide : 0;
        a->width -= wide;
    }
    if (high) {
        struct area top = { a->x, a->y, a->width, high }, bottom = top;

        bottom.y += a->height - high;
        a->y += entropy_order(p, top) > entropy_order(p, bottom) ? high : 0;
        a->height -= high;
    }
}

void ic_entropy(const struct ic_look *p, double width, double height, double *x, double *y)
{
    struct area a = { 0, 0, p->width, p->height };
    uint32_t w = entropy_share(width, a.width), h = entropy_share(height, a.height);
    uint32_t more = a.width - w > a.height - h ? a.width - w : a.height - h, step = (more + STEPS - 1) / STEPS;

    while (a.width > w || a.height > h)
        entropy_cut(p, &a, least(a.width - w, step), least(a.height - h, step));
    /* What is left out before the crop, as a share of all that is left out. */
    *x = p->width > w ? (double)a.x / (p->width - w) * (1.0 - width) : 0.0;
    *y = p->height > h ? (double)a.y / (p->height - h) * (1.0 - height) : 0.0;
}
