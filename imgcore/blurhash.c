/* BlurHash: the lowest cosine components of a picture in linear light, quantised, in base 83. Called by facts.c. */
#include "placeholder.h"
#include "srgb.h"

#include <math.h>
#include <string.h>

#define LONG_SIDE  4
#define SHORT_SIDE 3
#define PARTS      (LONG_SIDE * SHORT_SIDE)

struct part {
    double c[3];
};

static uint32_t to_srgb(double v)
{
    v = fmax(0, fmin(1, v));
    return (uint32_t)(srgb_level(v) * 255.0 + 0.5);
}

static void put83(char **to, uint32_t v, int digits)
{
    static const char alphabet[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

    for (int i = digits - 1; i >= 0; i--, v /= 83)
        (*to)[i] = alphabet[v % 83];
    *to += digits;
}

/* One row into the sums over x of each column of components: row[i]. */
static void sum_row(const uint8_t *p, uint32_t width, const double *cosines, int nx, const double *light,
                    struct part *row)
{
    memset(row, 0, (size_t)nx * sizeof *row);
    for (uint32_t x = 0; x < width; x++, p += 4)
        for (int c = 0; c < 3; c++) {
            double v = light[(p[c] * p[3] + 255 * (255 - p[3]) + 127) / 255];

            for (int i = 0; i < nx; i++)
                row[i].c[c] += cosines[(size_t)i * width + x] * v;
        }
}

static void transform(struct ic_pixels src, const double *cosines, int nx, int ny, struct part *out)
{
    double light[256], pixels = (double)src.width * src.height;

    for (int i = 0; i < 256; i++)
        light[i] = srgb_light(i / 255.0);
    memset(out, 0, (size_t)(nx * ny) * sizeof *out);
    for (uint32_t y = 0; y < src.height; y++) {
        struct part row[LONG_SIDE];

        sum_row(src.p + src.stride * y, src.width, cosines, nx, light, row);
        for (int k = 0; k < nx * ny; k++)
            for (int c = 0; c < 3; c++)
                out[k].c[c] += cos(M_PI * (k / nx) * y / src.height) * row[k % nx].c[c] * (k ? 2 : 1) / pixels;
    }
}

static uint32_t quantise(double v, double most)
{
    double root = copysign(sqrt(fabs(v / most)), v);

    return (uint32_t)fmax(0, fmin(18, floor(root * 9 + 9.5)));
}

static void encode(const struct part *part, int nx, int ny, char *to)
{
    double most = 0;
    uint32_t scale;

    for (int k = 1; k < nx * ny; k++)
        for (int c = 0; c < 3; c++)
            most = fmax(most, fabs(part[k].c[c]));
    scale = (uint32_t)fmax(0, fmin(82, floor(most * 166 - 0.5)));
    put83(&to, (uint32_t)(nx - 1 + (ny - 1) * 9), 1);
    put83(&to, scale, 1);
    put83(&to, to_srgb(part[0].c[0]) << 16 | to_srgb(part[0].c[1]) << 8 | to_srgb(part[0].c[2]), 4);
    for (int k = 1; k < nx * ny; k++) {
        uint32_t v = 0;

        for (int c = 0; c < 3; c++)
            v = v * 19 + quantise(part[k].c[c], (scale + 1) / 166.0);
        put83(&to, v, 2);
    }
    *to = '\0';
}

enum ic_code ic_blurhash(struct ic_pixels src, struct ic_mem *mem, char out[IC_BLURHASH], struct ic_error *e)
{
    int nx = src.height > src.width ? SHORT_SIDE : LONG_SIDE, ny = PARTS / nx;
    double *cosines = ic_alloc(mem, (size_t)nx * src.width * sizeof *cosines);
    struct part part[PARTS];

    if (!cosines)
        return ic_fail(e, IC_E_MEMORY, "no memory for a blurhash");
    for (int i = 0; i < nx; i++)
        for (uint32_t x = 0; x < src.width; x++)
            cosines[(size_t)i * src.width + x] = cos(M_PI * i * x / src.width);
    transform(src, cosines, nx, ny, part);
    encode(part, nx, ny, out);
    ic_free(mem, cosines);
    return IC_OK;
}
