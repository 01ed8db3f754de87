/* The tables of a tone: everything that doubles are needed for, once a result.
 *
 * Brightness to hue, and sepia and negate, are affine in RGB, so any run of them is one 3x3 matrix. In YCbCr those but
 * sepia are a line for luma and a 2x2 matrix for chroma: Filter Effects Level 1 (W3C), section 9.6, with BT.601's
 * weights instead of BT.709's. That is what makes planes and RGB agree, and luma stay what JPEG calls luma. */
#include "tone.h"

#include <math.h>
#include <string.h>

/* BT.601. */
static const double weight[3] = { 0.299, 0.587, 0.114 };
#define CR_SPAN 1.402 /* R - Y of Cr = 1 */
#define CB_SPAN 1.772 /* B - Y of Cb = 1 */

#define DEGREE (3.14159265358979323846 / 180)

struct affine {
    double m[3][3], off[3];
};

/* The same in YCbCr: luma gain and offset, and what the matrix is to (B - Y, R - Y). */
struct plain {
    double gain, off, chroma, angle;
};

/* Facts. */

bool ic_tone_any(const struct ic_filters *f)
{
    return f->bri != 0 || f->con != 0 || f->sat != 0 || f->brightness != 1 || f->contrast != 1 || f->saturation != 1 ||
           f->hue != 0 || f->gamma != 1 || f->filt != IC_FILT_NONE || f->tinted;
}

/* Gamma bends each channel on its own, and sepia's luma depends on chroma. */
bool ic_tone_rgb(const struct ic_filters *f)
{
    return f->gamma != 1 || f->filt == IC_FILT_SEPIA;
}

bool ic_tone_greys(const struct ic_filters *f)
{
    return f->filt == IC_FILT_GREYSCALE && !f->tinted;
}

bool ic_tone_colours(const struct ic_filters *f)
{
    return f->filt == IC_FILT_SEPIA || f->filt == IC_FILT_DUOTONE || f->tinted;
}

static bool tone_only_gamma(const struct ic_filters *f)
{
    struct ic_filters bare = *f;

    bare.gamma = 1;
    return !ic_tone_any(&bare);
}

static bool tone_mono(const struct ic_filters *f)
{
    return f->filt == IC_FILT_GREYSCALE || f->filt == IC_FILT_DUOTONE || f->tinted;
}

/* Matrices. */

static struct affine affine_scale(double gain, double off)
{
    return (struct affine){ { { gain, 0, 0 }, { 0, gain, 0 }, { 0, 0, gain } }, { off, off, off } };
}

/* a, then b. */
static struct affine affine_then(const struct affine *a, const struct affine *b)
{
    struct affine c = *b;

    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            c.m[i][j] = 0;
            for (int k = 0; k < 3; k++)
                c.m[i][j] += b->m[i][k] * a->m[k][j];
            c.off[i] += b->m[i][j] * a->off[j];
        }
    }
    return c;
}

static struct plain tone_plain(const struct ic_filters *f)
{
    double bright = f->brightness * (1 + f->bri / 100), contrast = f->contrast * (1 + f->con / 100);

    return (struct plain){ .gain = bright * contrast,
                           .off = 127.5 * (1 - contrast),
                           .chroma = bright * contrast * f->saturation * (1 + f->sat / 100),
                           .angle = f->hue * DEGREE };
}

/* R' - Y = chroma * (cos (R - Y) + sin (B - Y)), B' - Y = chroma * (cos (B - Y) - sin (R - Y)), and G from both: the
 * matrices of saturate and hue-rotate multiplied out. */
static struct affine tone_affine(const struct plain *p)
{
    double c = p->chroma * cos(p->angle), s = p->chroma * sin(p->angle);
    struct affine a = { .off = { p->off, p->off, p->off } };

    for (int j = 0; j < 3; j++) {
        double y = weight[j], red = (j == 0) - y, blue = (j == 2) - y;
        double to_red = c * red + s * blue, to_blue = c * blue - s * red;

        a.m[0][j] = p->gain * y + to_red;
        a.m[1][j] = p->gain * y - (weight[0] * to_red + weight[2] * to_blue) / weight[1];
        a.m[2][j] = p->gain * y + to_blue;
    }
    return a;
}

/* The part of filt that is affine. Sepia: Filter Effects Level 1, section 9.6, at its full amount. */
static struct affine tone_filt(int filt)
{
    static const struct affine sepia = { { { .393, .769, .189 }, { .349, .686, .168 }, { .272, .534, .131 } }, { 0 } };

    return filt == IC_FILT_SEPIA ? sepia : filt == IC_FILT_NEGATE ? affine_scale(-1, 255) : affine_scale(1, 0);
}

static struct affine affine_luma(const struct affine *a)
{
    static const struct affine luma = { { { .299, .587, .114 }, { .299, .587, .114 }, { .299, .587, .114 } }, { 0 } };

    return affine_then(a, &luma);
}

/* In fixed point, with as many bits of fraction as leave room for any pixel; `levels` of the result a level. */
static struct ic_affine affine_fixed(const struct affine *a, double levels)
{
    struct ic_affine f = { .shift = 16, .max = (int32_t)(255 * levels) };
    double most = 0;

    for (int i = 0; i < 3; i++)
        most = fmax(most, 255 * (fabs(a->m[i][0]) + fabs(a->m[i][1]) + fabs(a->m[i][2])) + fabs(a->off[i]) + 1);
    while (f.shift > 0 && ldexp(most * levels, f.shift) >= ldexp(1, 31))
        f.shift--;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            f.m[i][j] = (int32_t)lround(ldexp(a->m[i][j] * levels, f.shift));
        f.off[i] = (int32_t)lround(ldexp(a->off[i] * levels + 0.5, f.shift));
    }
    return f;
}

/* Values. */

static uint8_t tone_byte(double v)
{
    return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : lround(v));
}

static double tone_clamp(double v)
{
    return fmin(fmax(v, 0), 255);
}

static double tone_gamma(const struct ic_filters *f, double v)
{
    return 255 * pow(tone_clamp(v) / 255, 1 / f->gamma);
}

/* SetLum and ClipColor of Compositing and Blending Level 1 (W3C), section 13: hue and chroma of c, luma y. */
static void tone_set_luma(struct ic_colour c, double y, double rgb[3])
{
    double from[3] = { c.r, c.g, c.b }, luma = weight[0] * c.r + weight[1] * c.g + weight[2] * c.b;
    double low = fmin(c.r, fmin(c.g, c.b)) - luma, high = fmax(c.r, fmax(c.g, c.b)) - luma, share = 1;

    if (y + low < 0)
        share = fmin(share, y / -low);
    if (y + high > 255)
        share = fmin(share, (255 - y) / high);
    for (int i = 0; i < 3; i++)
        rgb[i] = y + (from[i] - luma) * share;
}

/* What a mono tone makes of luma. */
static void tone_map(const struct ic_filters *f, double y, double rgb[3])
{
    const double start[3] = { f->start.r, f->start.g, f->start.b }, stop[3] = { f->stop.r, f->stop.g, f->stop.b };

    y = tone_clamp(y);
    for (int i = 0; i < 3; i++)
        rgb[i] = f->filt == IC_FILT_DUOTONE ? start[i] + (stop[i] - start[i]) * y / 255 : y;
    if (f->tinted)
        tone_set_luma(f->tint, weight[0] * rgb[0] + weight[1] * rgb[1] + weight[2] * rgb[2], rgb);
}

/* All of the tone for the grey v. */
static void tone_of_grey(const struct ic_filters *f, double v, double rgb[3])
{
    struct plain p = tone_plain(f);
    struct affine a = tone_filt(f->filt);

    v = p.gain * v + p.off;
    v = f->gamma != 1 ? tone_gamma(f, v) : v;
    for (int i = 0; i < 3; i++)
        rgb[i] = (a.m[i][0] + a.m[i][1] + a.m[i][2]) * v + a.off[i];
    if (tone_mono(f))
        tone_map(f, weight[0] * rgb[0] + weight[1] * rgb[1] + weight[2] * rgb[2], rgb);
}

/* Tables. */

static void tone_init_rgb(struct ic_tone *t, const struct ic_filters *f)
{
    struct plain p = tone_plain(f);
    struct affine first = tone_affine(&p), second = tone_filt(f->filt);

    if (!t->bend)
        first = affine_then(&first, &second);
    if (t->mono) {
        struct affine *last = t->bend ? &second : &first;

        *last = affine_luma(last);
    }
    t->first = affine_fixed(&first, t->bend ? IC_TONE_STEPS : 1);
    t->second = affine_fixed(&second, 1);
    for (int i = 0; i <= 255 * IC_TONE_STEPS; i++)
        t->gamma[i] = tone_byte(tone_gamma(f, (double)i / IC_TONE_STEPS));
    for (int v = 0; v < 256; v++) {
        double mapped[3], grey[3];

        tone_map(f, v, mapped);
        tone_of_grey(f, v, grey);
        for (int i = 0; i < 3; i++) {
            t->map[i][v] = tone_byte(mapped[i]);
            t->grey[i][v] = tone_byte(grey[i]);
        }
    }
}

/* The line luma follows: y' = gain * y + off. */
static void tone_line(const struct ic_filters *f, double *gain, double *off)
{
    struct plain p = tone_plain(f);
    bool negate = f->filt == IC_FILT_NEGATE;

    *gain = negate ? -p.gain : p.gain;
    *off = negate ? 255 - p.off : p.off;
}

/* Where the full range's luma or chroma lies in the one that is stored. */
static uint8_t tone_stored(double v, bool chroma, bool limited)
{
    double steps = chroma ? 224 : 219, zero = chroma ? 128 : 0, origin = chroma ? 128 : 16;

    return tone_byte(limited ? (v - zero) * steps / 255 + origin : v);
}

static void tone_init_luma(struct ic_tone *t, const struct ic_filters *f, bool limited_in, bool limited_out)
{
    double gain, off;

    tone_line(f, &gain, &off);
    for (int v = 0; v < 256; v++) {
        double y = gain * tone_clamp(limited_in ? (v - 16) * 255 / 219.0 : v) + off, rgb[3] = { y, y, y };
        bool clips = y < -0.5 || y > 255.5;

        t->plane.raised[v] = (int32_t)lround(fmin(fmax(y, -1e6), 1e6) * 64);
        if (t->mono)
            tone_map(f, y, rgb);
        y = weight[0] * rgb[0] + weight[1] * rgb[1] + weight[2] * rgb[2];
        t->plane.luma[v] = (uint16_t)(tone_stored(tone_clamp(y), false, limited_out) | (clips ? IC_TONE_CLIPS : 0));
        t->plane.cb[v] = tone_stored(128 + (rgb[2] - y) / CB_SPAN, true, limited_out);
        t->plane.cr[v] = tone_stored(128 + (rgb[0] - y) / CR_SPAN, true, limited_out);
    }
}

/* More than a hundredfold, chroma is at its ends anyway. */
static void tone_init_chroma(struct ic_tone *t, const struct ic_filters *f, bool limited_in, bool limited_out)
{
    struct plain p = tone_plain(f);
    double sign = f->filt == IC_FILT_NEGATE ? -1 : 1, levels = limited_in ? 255 / 224.0 : 1;
    double turned = sign * fmin(levels * p.chroma, 100) * 64 * 1024;

    t->plane.turn[0][0] = t->plane.turn[1][1] = (int32_t)lround(turned * cos(p.angle));
    t->plane.turn[0][1] = (int32_t)lround(-turned * sin(p.angle) * CR_SPAN / CB_SPAN);
    t->plane.turn[1][0] = (int32_t)lround(turned * sin(p.angle) * CB_SPAN / CR_SPAN);
    t->plane.luma_share = (int32_t)lround((limited_out ? 219 / 255.0 : 1) * 65536 / 64);
    t->plane.chroma_share = (int32_t)lround((limited_out ? 224 / 255.0 : 1) * 65536 / 64);
    t->plane.origin = limited_out ? 16 : 0;
}

void ic_tone_init(struct ic_tone *t, const struct ic_filters *f, bool limited_in, bool limited_out)
{
    memset(t, 0, sizeof(*t));
    t->k = ic_kernels();
    t->bend = f->gamma != 1;
    t->mono = tone_mono(f);
    t->curve = tone_only_gamma(f);
    tone_init_rgb(t, f);
    tone_init_luma(t, f, limited_in, limited_out);
    tone_init_chroma(t, f, limited_in, limited_out);
}
