/* PNG's filters, both ways (PNG third edition, section 9): the reference.
 *
 * Every sample is predicted from its neighbours to the left (a), above (b) and above left (c), bpp bytes before it. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

/* The neighbour that is nearest to a + b - c; a before b before c where they tie. One threshold tells whether that is
 * the smaller or the larger of a and b, or c between them: the same choice as by three distances, with less to wait
 * for. */
static uint8_t png_paeth(int a, int b, int c)
{
    int threshold = 3 * c - (a + b), low = a < b ? a : b, high = a < b ? b : a;
    int below = high <= threshold ? low : c;

    return (uint8_t)(threshold <= low ? high : below);
}

static uint8_t png_average(uint8_t a, uint8_t b)
{
    return (uint8_t)((a + b) >> 1);
}

/* Reading. */

void ic_png_unsub_c(uint8_t *dst, const uint8_t *src, size_t n, size_t bpp)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(src[i] + (dst - bpp)[i]);
}

void ic_png_unup_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(src[i] + above[i]);
}

void ic_png_unaverage_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(src[i] + png_average((dst - bpp)[i], above[i]));
}

void ic_png_unpaeth_c(uint8_t *dst, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(src[i] + png_paeth((dst - bpp)[i], above[i], (above - bpp)[i]));
}

void ic_png_unpaeth2_c(uint8_t *dst, size_t stride, const uint8_t *src, const uint8_t *above, size_t n, size_t bpp)
{
    ic_png_unpaeth_c(dst, src, above, n, bpp);
    ic_png_unpaeth_c(dst + stride, src + n + 1, dst, n, bpp);
}

/* Writing. */

static uint8_t png_residual(int filter, uint8_t x, uint8_t a, uint8_t b, uint8_t c)
{
    switch (filter) {
    case IC_PNG_SUB:
        return (uint8_t)(x - a);
    case IC_PNG_UP:
        return (uint8_t)(x - b);
    case IC_PNG_AVERAGE:
        return (uint8_t)(x - png_average(a, b));
    case IC_PNG_PAETH:
        return (uint8_t)(x - png_paeth(a, b, c));
    default:
        return x;
    }
}

void ic_png_filter_c(uint8_t *dst, const struct ic_png_row *r, int filter)
{
    for (size_t i = 0; i < r->n; i++)
        dst[i] = png_residual(filter, r->px[i], (r->px - r->bpp)[i], r->above[i], (r->above - r->bpp)[i]);
}

void ic_png_weigh_c(uint64_t *sums, const struct ic_png_row *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (int f = IC_PNG_SUB; f <= IC_PNG_PAETH; f++)
            sums[f] += (uint64_t)abs(
                (int8_t)png_residual(f, r->px[i], (r->px - r->bpp)[i], r->above[i], (r->above - r->bpp)[i]));
    for (size_t i = 0; i + r->bpp <= r->n; i += r->bpp)
        sums[IC_PNG_NONE] += memcmp(r->px + i, r->px - r->bpp + i, r->bpp) == 0;
}

void ic_kernels_png_c(struct ic_kernels *k)
{
    k->png_unsub = ic_png_unsub_c;
    k->png_unup = ic_png_unup_c;
    k->png_unaverage = ic_png_unaverage_c;
    k->png_unpaeth = ic_png_unpaeth_c;
    k->png_unpaeth2 = ic_png_unpaeth2_c;
    k->png_filter = ic_png_filter_c;
    k->png_weigh = ic_png_weigh_c;
}
