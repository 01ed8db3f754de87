/* gravity=smart: a map of 32 x 32 cells, scored, blurred by the size of the crop; its maximum is what to centre on.
 *
 * Colours go through XYZ and a* of CIELAB as in libvips, so that both find the same; in thousandths and whole numbers
 * instead of floats, so that the crop is the same on every machine. */
#include "saliency.h"
#include "srgb.h"

#include <math.h>
#include <stdlib.h>

#define CELLS     IC_ATTENTION_CELLS
#define DARK      5000   /* Y of 100000 below which colour means nothing */
#define SKIN      100000 /* the score of skin itself */
#define MAX_REACH 16     /* of the blur; 9 is needed at most */

typedef int32_t map[CELLS][CELLS];

struct cell {
    int32_t x, y, z; /* CIE XYZ, white is 100000 */
};

void ic_light(uint16_t light[256])
{
    for (int i = 0; i < 256; i++) {
        light[i] = (uint16_t)floor(srgb_light(i / 255.0) * 65535.0 + 0.5);
    }
}

/* Cells. */

/* Mean of one channel over the pixels of a cell, each as far as it lies in it, as light. The mean is of values as they
 * are stored, in 1/256. */
static uint32_t cell_mean(const struct ic_look *p, const uint16_t *light, int channel, uint32_t i, uint32_t j)
{
    /* In units of 1/CELLS of a pixel: a pixel is CELLS long, a cell as long as the picture has pixels. */
    uint64_t x0 = (uint64_t)i * p->width, x1 = x0 + p->width, y0 = (uint64_t)j * p->height, y1 = y0 + p->height;
    uint64_t sum = 0;

    for (uint64_t y = y0 / CELLS; y * CELLS < y1; y++) {
        uint64_t top = y * CELLS > y0 ? y * CELLS : y0, end = (y + 1) * CELLS < y1 ? (y + 1) * CELLS : y1;

        for (uint64_t x = x0 / CELLS; x * CELLS < x1; x++) {
            uint64_t left = x * CELLS > x0 ? x * CELLS : x0, right = (x + 1) * CELLS < x1 ? (x + 1) * CELLS : x1;
            const uint8_t *px = p->rgba + p->stride * y + x * 4;

            sum += (end - top) * (right - left) * px[channel] * px[3] * 256 / 255;
        }
    }
    uint32_t mean = (uint32_t)(sum / ((uint64_t)p->width * p->height)), whole = mean >> 8, part = mean & 255;

    return (light[whole] * (256 - part) + light[whole < 255 ? whole + 1 : 255] * part) >> 8;
}

/* IEC 61966-2-1, D65. */
static struct cell cell_of(const struct ic_look *p, const uint16_t *light, uint32_t i, uint32_t j)
{
    int64_t r = cell_mean(p, light, 0, i, j), g = cell_mean(p, light, 1, i, j), b = cell_mean(p, light, 2, i, j);

    return (struct cell){ (int32_t)((r * 41240 + g * 35760 + b * 18050) / 65535),
                          (int32_t)((r * 21260 + g * 71520 + b * 7220) / 65535),
                          (int32_t)((r * 1930 + g * 11920 + b * 95050) / 65535) };
}

/* Scores. */

static int64_t root(int64_t v)
{
    int64_t r = 0;

    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= v)
            r += bit;
    return r;
}

static int64_t cube_root(int64_t v)
{
    int64_t r = 0;

    for (int64_t bit = INT64_C(1) << 20; bit; bit >>= 1)
        if ((r + bit) * (r + bit) * (r + bit) <= v)
            r += bit;
    return r;
}

/* How near the direction of a colour is to that of skin; far from it the score is below 0. */
static int32_t score_skin(const struct cell *c)
{
    int64_t length = root((int64_t)c->x * c->x + (int64_t)c->y * c->y + (int64_t)c->z * c->z);
    int64_t x = (int64_t)c->x * 10000 / length - 7800, y = (int64_t)c->y * 10000 / length - 5700;
    int64_t z = (int64_t)c->z * 10000 / length - 4400;

    return (int32_t)(SKIN - 10 * root(x * x + y * y + z * z));
}

/* CIE 15, the f of CIELAB, in 1/100000; share is in the same. */
static int64_t lab_f(int64_t share)
{
    return share > 886 ? cube_root(share * 10000000000) : share * 7787 / 1000 + 13793;
}

/* a* in thousandths: red is above 0, green below. */
static int32_t score_red(const struct cell *c)
{
    int64_t x = lab_f((int64_t)c->x * 100000 / 95047), y = lab_f(c->y);

    return (int32_t)(500 * (x - y) / 100);
}

static int32_t cell_y(struct cell cells[CELLS][CELLS], int i, int j)
{
    i = i < 0 ? 0 : i >= CELLS ? CELLS - 1 : i;
    j = j < 0 ? 0 : j >= CELLS ? CELLS - 1 : j;
    return cells[j][i].y;
}

static void score(struct cell cells[CELLS][CELLS], map out)
{
    for (int j = 0; j < CELLS; j++)
        for (int i = 0; i < CELLS; i++) {
            const struct cell *c = &cells[j][i];
            int32_t around =
                cell_y(cells, i - 1, j) + cell_y(cells, i + 1, j) + cell_y(cells, i, j - 1) + cell_y(cells, i, j + 1);

            out[j][i] = 5 * abs(4 * c->y - around);
            if (c->y >= DARK)
                out[j][i] += score_skin(c) + score_red(c);
        }
}

/* Blur and maximum. */

/* Weights of a Gaussian in twentieths, down to a fifth of the largest. Returns how far they reach. */
static int gaussian(double sigma, int32_t w[MAX_REACH])
{
    int reach = 0;

    for (; reach < MAX_REACH; reach++) {
        double v = exp(-(double)(reach * reach) / (2.0 * sigma * sigma));

        if (v < 0.2)
            break;
        w[reach] = (int32_t)floor(v * 20.0 + 0.5);
    }
    return reach - 1;
}

static int32_t blurred(map m, int i, int j, const int32_t *w, int reach, bool rows)
{
    int64_t sum = 0, weight = 0;

    for (int k = -reach; k <= reach; k++) {
        int at = (rows ? j : i) + k;

        at = at < 0 ? 0 : at >= CELLS ? CELLS - 1 : at;
        sum += (int64_t)(rows ? m[at][i] : m[j][at]) * w[abs(k)];
        weight += w[abs(k)];
    }
    return (int32_t)(sum / weight);
}

static void blur(map from, map to, const int32_t *w, int reach, bool rows)
{
    for (int j = 0; j < CELLS; j++)
        for (int i = 0; i < CELLS; i++)
            to[j][i] = blurred(from, i, j, w, reach, rows);
}

void ic_attention(const struct ic_look *p, double width, double height, double *x, double *y)
{
    double sigma = fmax(1.0, CELLS * sqrt(width * width + height * height) / 10.0);
    struct cell cells[CELLS][CELLS];
    uint16_t light[256];
    int32_t w[MAX_REACH];
    map a, b;
    int best = 0, reach = gaussian(sigma, w);

    ic_light(light);
    for (uint32_t j = 0; j < CELLS; j++)
        for (uint32_t i = 0; i < CELLS; i++)
            cells[j][i] = cell_of(p, light, i, j);
    score(cells, a);
    blur(a, b, w, reach, true);
    blur(b, a, w, reach, false);
    for (int k = 1; k < CELLS * CELLS; k++)
        if (a[k / CELLS][k % CELLS] > a[best / CELLS][best % CELLS])
            best = k;
    /* The cell's corner, as libvips has it, not its middle: so crops are the same. */
    *x = (double)(best % CELLS) / CELLS;
    *y = (double)(best / CELLS) / CELLS;
}
