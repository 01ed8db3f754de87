/* Curves and a matrix in fixed point: a table to linear light, nine multiplications, a table to sRGB.
 *
 * Several times as fast as lcms2, which calls through a pointer for each pixel, and within one level of it. Light
 * leaves in 14 bits: at black, where sRGB's curve is steepest, that is a fifth of a level. */
#include "icc_matrix.h"
#include "srgb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void icc_encode_init(uint8_t *encode)
{
    for (uint32_t i = 0; i < ICC_ENCODE_SIZE; i++)
        encode[i] = (uint8_t)(255.0 * srgb_level((double)i / (1 << ICC_ENCODE_BITS)) + 0.5);
}

/* The primaries as columns, in D50's light. */
static bool matrix_columns(cmsHPROFILE profile, double m[3][3])
{
    static const cmsTagSignature tags[3] = { cmsSigRedColorantTag, cmsSigGreenColorantTag, cmsSigBlueColorantTag };

    for (int i = 0; i < 3; i++) {
        const cmsCIEXYZ *c = cmsReadTag(profile, tags[i]);
        if (!c)
            return false;
        m[0][i] = c->X;
        m[1][i] = c->Y;
        m[2][i] = c->Z;
    }
    return true;
}

static double matrix_minor(double m[3][3], int row, int column)
{
    int r0 = (row + 1) % 3, r1 = (row + 2) % 3, c0 = (column + 1) % 3, c1 = (column + 2) % 3;

    return m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
}

/* a's inverse times b. */
static bool matrix_divide(double a[3][3], double b[3][3], double out[3][3])
{
    double det = a[0][0] * matrix_minor(a, 0, 0) + a[0][1] * matrix_minor(a, 0, 1) + a[0][2] * matrix_minor(a, 0, 2);

    if (!(fabs(det) > 1e-9))
        return false;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            out[i][k] = 0;
            for (int j = 0; j < 3; j++)
                out[i][k] += matrix_minor(a, j, i) / det * b[j][k];
        }
    return true;
}

/* Sums of three stay inside of 32 bits while factors are below 4. */
static bool matrix_fix(double m[3][3], int32_t out[3][3])
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            if (!(fabs(m[i][k]) < 2.5))
                return false;
            out[i][k] = (int32_t)lround(m[i][k] * (1 << ICC_MATRIX_BITS));
        }
    return true;
}

static bool matrix_of(cmsContext context, cmsHPROFILE profile, int32_t out[3][3])
{
    cmsHPROFILE srgb = cmsCreate_sRGBProfileTHR(context);
    double to[3][3], from[3][3], m[3][3];
    bool ok = srgb && matrix_columns(srgb, to) && matrix_columns(profile, from) && matrix_divide(to, from, m);

    if (srgb)
        cmsCloseProfile(srgb);
    return ok && matrix_fix(m, out);
}

static bool curves_of(cmsHPROFILE profile, uint16_t light[3][256])
{
    static const cmsTagSignature tags[3] = { cmsSigRedTRCTag, cmsSigGreenTRCTag, cmsSigBlueTRCTag };

    for (int i = 0; i < 3; i++) {
        const cmsToneCurve *curve = cmsReadTag(profile, tags[i]);
        if (!curve)
            return false;
        for (int v = 0; v < 256; v++) {
            double y = (double)cmsEvalToneCurveFloat(curve, (float)v / 255.0f);
            y = y > 0 ? y < 1 ? y : 1 : 0; /* NaN, too */
            light[i][v] = (uint16_t)lround(y * (1 << ICC_LIGHT_BITS));
        }
    }
    return true;
}

/* Tables go before curves where a profile has both. */
bool icc_matrix_init(struct icc_matrix *t, cmsContext context, cmsHPROFILE profile, const uint8_t *encode)
{
    t->encode = encode;
    return cmsGetPCS(profile) == cmsSigXYZData && !cmsIsTag(profile, cmsSigAToB0Tag) &&
           !cmsIsTag(profile, cmsSigDToB0Tag) && curves_of(profile, t->light) && matrix_of(context, profile, t->m);
}

static uint8_t encode_light(const uint8_t *encode, int32_t v)
{
    const int shift = ICC_LIGHT_BITS + ICC_MATRIX_BITS - ICC_ENCODE_BITS, most = 1 << ICC_ENCODE_BITS;

    v = (v + (1 << (shift - 1))) >> shift;
    return encode[v < 0 ? 0 : v > most ? most : v];
}

void icc_matrix_row(const struct icc_matrix *t, uint8_t *const *p, size_t n)
{
    const uint8_t *encode = t->encode;
    uint8_t *red = p[0], *green = p[1], *blue = p[2];

    for (size_t i = 0; i < n; i++) {
        int32_t r = t->light[0][red[i]], g = t->light[1][green[i]], b = t->light[2][blue[i]];

        red[i] = encode_light(encode, r * t->m[0][0] + g * t->m[0][1] + b * t->m[0][2]);
        green[i] = encode_light(encode, r * t->m[1][0] + g * t->m[1][1] + b * t->m[1][2]);
        blue[i] = encode_light(encode, r * t->m[2][0] + g * t->m[2][1] + b * t->m[2][2]);
    }
}

#define GRID 18 /* values a channel, 15 levels apart */

bool icc_matrix_is_srgb(const struct icc_matrix *t)
{
    for (int i = 0; i < GRID * GRID * GRID; i++) {
        uint8_t in[3] = { (uint8_t)(i % GRID * 15), (uint8_t)(i / GRID % GRID * 15), (uint8_t)(i / GRID / GRID * 15) };
        uint8_t out[3] = { in[0], in[1], in[2] };

        icc_matrix_row(t, (uint8_t *[]){ out, out + 1, out + 2 }, 1);
        for (int c = 0; c < 3; c++)
            if (abs(out[c] - in[c]) > 1)
                return false;
    }
    return true;
}
