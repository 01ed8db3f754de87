/* Tones against the formulas of docs/filters.md in doubles, each filter by itself and not as one matrix: rows of RGB,
 * grey rows, planes. */
#include "../../imgcore/filters.h"
#include "../../imgcore/tone.h"
#include "images.h"
#include "views.h"

/* The reference. */

static double clamped(double v)
{
    return fmin(fmax(v, 0), 255);
}

static double luma_of(const double c[3])
{
    return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
}

/* out = m * c; the matrices of Filter Effects Level 1 with BT.601's weights. */
static void matrix(double c[3], const double m[3][3])
{
    double in[3] = { c[0], c[1], c[2] };
    for (int i = 0; i < 3; i++)
        c[i] = m[i][0] * in[0] + m[i][1] * in[1] + m[i][2] * in[2];
}

static void saturate(double c[3], double s)
{
    const double r = 0.299, g = 0.587, b = 0.114;
    matrix(c, (const double[3][3]){ { r + (1 - r) * s, g - g * s, b - b * s },
                                    { r - r * s, g + (1 - g) * s, b - b * s },
                                    { r - r * s, g - g * s, b + (1 - b) * s } });
}

/* Luma stays; R - Y and B - Y are turned as coordinates of a plane. */
static void turn_hue(double c[3], double degrees)
{
    double y = luma_of(c), u = c[2] - y, v = c[0] - y, a = degrees * 3.14159265358979 / 180;
    c[0] = y + v * cos(a) + u * sin(a);
    c[2] = y + u * cos(a) - v * sin(a);
    c[1] = (y - 0.299 * c[0] - 0.114 * c[2]) / 0.587;
}

static void tinted(double c[3], struct ic_colour t)
{
    double y = luma_of(c), k[3] = { t.r, t.g, t.b }, from = luma_of(k), low, high;
    for (int i = 0; i < 3; i++)
        c[i] = k[i] + y - from;
    low = fmin(c[0], fmin(c[1], c[2]));
    high = fmax(c[0], fmax(c[1], c[2]));
    for (int i = 0; i < 3; i++) { /* ClipColor */
        c[i] = low < 0 ? y + (c[i] - y) * y / (y - low) : c[i];
        c[i] = high > 255 ? y + (c[i] - y) * (255 - y) / (high - y) : c[i];
    }
}

static void filt(double c[3], const struct ic_filters *f)
{
    double y = clamped(luma_of(c));
    double start[3] = { f->start.r, f->start.g, f->start.b }, stop[3] = { f->stop.r, f->stop.g, f->stop.b };
    if (f->filt == IC_FILT_SEPIA)
        matrix(c, (const double[3][3]){ { .393, .769, .189 }, { .349, .686, .168 }, { .272, .534, .131 } });
    for (int i = 0; i < 3; i++) {
        c[i] = f->filt == IC_FILT_GREYSCALE ? y : f->filt == IC_FILT_NEGATE ? 255 - c[i] : c[i];
        c[i] = f->filt == IC_FILT_DUOTONE ? start[i] + (stop[i] - start[i]) * y / 255 : c[i];
    }
}

static void reference(double c[3], const struct ic_filters *f)
{
    double bright = f->brightness * (1 + f->bri / 100), contrast = f->contrast * (1 + f->con / 100);
    for (int i = 0; i < 3; i++)
        c[i] = (c[i] * bright - 127.5) * contrast + 127.5;
    saturate(c, f->saturation * (1 + f->sat / 100));
    turn_hue(c, f->hue);
    for (int i = 0; i < 3 && f->gamma != 1; i++)
        c[i] = 255 * pow(clamped(c[i]) / 255, 1 / f->gamma);
    filt(c, f);
    if (f->tinted) {
        double y = clamped(luma_of(c));
        c[0] = c[1] = c[2] = y;
        tinted(c, f->tint);
    }
    for (int i = 0; i < 3; i++)
        c[i] = clamped(c[i]);
}

/* The settings. */

struct setting {
    const char *name;
    void (*set)(struct ic_filters *f);
};

#define SETTING(name_, ...)                                                                                            \
    static void set_##name_(struct ic_filters *f)                                                                      \
    {                                                                                                                  \
        __VA_ARGS__;                                                                                                   \
    }
SETTING(none, (void)f)
SETTING(darker, f->bri = -35)
SETTING(brighter, f->brightness = 1.7)
SETTING(flat, f->con = -60)
SETTING(contrast, f->contrast = 2.5)
SETTING(faded, f->sat = -45)
SETTING(vivid, f->saturation = 1.9)
SETTING(hue, f->hue = 75)
SETTING(hue_back, f->hue = -160)
SETTING(grey, f->filt = IC_FILT_GREYSCALE)
SETTING(negate, f->filt = IC_FILT_NEGATE)
SETTING(duotone, f->filt = IC_FILT_DUOTONE)
SETTING(tint, f->tinted = true; f->tint = ((struct ic_colour){ 30, 200, 90, 255 }))
SETTING(mixed, f->bri = 12; f->con = 20; f->sat = 30; f->hue = 200)
SETTING(negated_duotone, f->con = 40; f->hue = 20; f->filt = IC_FILT_DUOTONE)
SETTING(sepia, f->filt = IC_FILT_SEPIA)
SETTING(gamma_up, f->gamma = 2.2)
SETTING(gamma_down, f->gamma = 0.45; f->sat = 20)
SETTING(gamma_grey, f->gamma = 1.8; f->filt = IC_FILT_GREYSCALE)
SETTING(extreme, f->brightness = 10; f->bri = 100; f->contrast = 10; f->con = 100; f->saturation = 10)
SETTING(gamma_sepia_tint, f->gamma = 1.3; f->filt = IC_FILT_SEPIA; f->tinted = true)

#define S(name_)                                                                                                       \
    {                                                                                                                  \
#name_, set_##name_                                                                                            \
    }
static const struct setting settings[] = { S(none),   S(darker),   S(brighter),   S(flat),       S(contrast),
                                           S(faded),  S(vivid),    S(hue),        S(hue_back),   S(grey),
                                           S(negate), S(duotone),  S(tint),       S(mixed),      S(negated_duotone),
                                           S(sepia),  S(gamma_up), S(gamma_down), S(gamma_grey), S(gamma_sepia_tint),
                                           S(extreme) };
#define SETTINGS   ((int)(sizeof settings / sizeof *settings))
#define PLANAR_END 15 /* the settings before sepia stay in planes */

static struct ic_filters setting(int i)
{
    struct ic_filters f;
    ic_filters_init(&f);
    settings[i].set(&f);
    return f;
}

static void near(double got, double want, double bound, int i, const double in[3])
{
    if (!(fabs(got - want) <= bound))
        ck_abort_msg("%s of %g %g %g: %g, but by definition %g", settings[i].name, in[0], in[1], in[2], got, want);
}

/* Rows. */

#define N 1000

START_TEST(rows_follow_the_formulas)
{
    struct ic_filters f = setting(_i);
    struct ic_tone t;
    uint8_t px[3][N];
    uint8_t *to[3] = { px[0], px[1], px[2] };
    double was[3];
    uint32_t seed = 5;
    uint8_t from[3][N];
    for (int c = 0; c < 3; c++)
        for (int x = 0; x < N; x++)
            px[c][x] = from[c][x] = (uint8_t)view_random(&seed);
    ic_tone_init(&t, &f, false, false);
    ic_tone_row(&t, to, 3, (const uint8_t *const *)to, 3, N);
    for (int x = 0; x < N; x++) {
        double c[3] = { from[0][x], from[1][x], from[2][x] };
        memcpy(was, c, sizeof c);
        reference(c, &f);
        for (int k = 0; k < 3; k++)
            near(px[k][x], c[k], f.tinted ? 2 : 1.01, _i, was);
    }
}
END_TEST

START_TEST(grey_rows_are_exact)
{
    struct ic_filters f = setting(_i);
    struct ic_tone t;
    uint8_t px[3][256], ramp[256];
    uint8_t *to[3] = { px[0], px[1], px[2] };
    const uint8_t *from[1] = { ramp };
    for (int v = 0; v < 256; v++)
        ramp[v] = (uint8_t)v;
    ic_tone_init(&t, &f, false, false);
    ic_tone_row(&t, to, 3, from, 1, 256);
    for (int v = 0; v < 256; v++) {
        double c[3] = { v, v, v }, was[3] = { v, v, v };
        reference(c, &f);
        for (int k = 0; k < 3; k++)
            near(px[k][v], c[k], 0.501, _i, was);
    }
}
END_TEST

START_TEST(colours_become_one_grey)
{
    struct ic_filters f = setting(9);
    struct ic_tone t;
    uint8_t r[2] = { 255, 10 }, g[2] = { 0, 20 }, b[2] = { 0, 30 };
    uint8_t *to[1] = { r };
    const uint8_t *from[3] = { r, g, b };
    ic_tone_init(&t, &f, false, false);
    ic_tone_row(&t, to, 1, from, 3, 2);
    ck_assert_uint_eq(r[0], 76);
    ck_assert_uint_eq(r[1], 18);
    ck_assert(ic_tone_greys(&f) && !ic_tone_colours(&f));
}
END_TEST

/* Planes. */

static double stored(double v, bool chroma, bool limited)
{
    double origin = chroma ? 128 : 16, zero = chroma ? 128 : 0, steps = chroma ? 224 : 219;
    return limited ? (v - zero) * steps / 255 + origin : v;
}

static double full(double v, bool chroma, bool limited)
{
    double origin = chroma ? 128 : 16, zero = chroma ? 128 : 0, steps = chroma ? 224 : 219;
    return limited ? (v - origin) * 255 / steps + zero : v;
}

static void rgb_of_planes(const struct picture *p, uint32_t x, uint32_t y, uint32_t fx, uint32_t fy, bool limited,
                          double c[3])
{
    double luma = full(*picture_at(p, 0, x, y), false, limited);
    double cb = full(*picture_at(p, 1, x / fx, y / fy), true, limited) - 128;
    double cr = full(*picture_at(p, 2, x / fx, y / fy), true, limited) - 128;
    c[0] = luma + 1.402 * cr;
    c[1] = luma - (0.114 * 1.772 * cb + 0.299 * 1.402 * cr) / 0.587;
    c[2] = luma + 1.772 * cb;
}

/* Blocks of one colour inside of the gamut, so that what a pixel becomes does not depend on its neighbours. */
static void fill_blocks(struct picture *p, uint32_t fx, uint32_t fy, bool limited)
{
    uint32_t seed = 77;
    for (uint32_t j = 0; j < p->v.plane[1].height; j++)
        for (uint32_t i = 0; i < p->v.plane[1].width; i++) {
            double c[3] = { view_random(&seed) % 256, view_random(&seed) % 256, view_random(&seed) % 256 };
            double y = luma_of(c);
            *picture_at(p, 1, i, j) = (uint8_t)lround(fmin(stored(128 + (c[2] - y) / 1.772, true, limited), 255));
            *picture_at(p, 2, i, j) = (uint8_t)lround(fmin(stored(128 + (c[0] - y) / 1.402, true, limited), 255));
            for (uint32_t k = 0; k < fx * fy; k++)
                if (i * fx + k % fx < p->v.width && j * fy + k / fx < p->v.height)
                    *picture_at(p, 0, i * fx + k % fx, j * fy + k / fx) = (uint8_t)lround(stored(y, false, limited));
        }
}

static void check_planes(int i, uint32_t fx, uint32_t fy, bool in, bool out, double bound)
{
    struct ic_filters f = setting(i);
    struct picture p = picture_make(IC_YCBCR, 41, 33, fx, fy, 1), was;
    struct ic_tone t;
    fill_blocks(&p, fx, fy, in);
    was = picture_copy(&p);
    ic_tone_init(&t, &f, in, out);
    ic_tone_planes(&t, &p.v);
    picture_check_guards(&p);
    for (uint32_t y = 0; y < 33; y++)
        for (uint32_t x = 0; x < 41; x++) {
            double c[3], from[3], got[3];
            rgb_of_planes(&was, x, y, fx, fy, in, c);
            memcpy(from, c, sizeof c);
            rgb_of_planes(&p, x, y, fx, fy, out, got);
            reference(c, &f);
            for (int k = 0; k < 3; k++)
                near(clamped(got[k]), c[k], bound, i, from);
        }
    picture_free(&p);
    picture_free(&was);
}

START_TEST(planes_follow_the_formulas)
{
    check_planes(_i, 2, 2, false, false, 3);
    check_planes(_i, 1, 1, false, false, 3);
    check_planes(_i, 2, 1, true, true, 3.2);
    check_planes(_i, 2, 2, true, false, 3);
    check_planes(_i, 2, 2, false, true, 3.2);
}
END_TEST

/* In one block a pixel that clips and one that does not: luma as RGB would have it. */
START_TEST(a_block_that_clips_goes_through_rgb)
{
    struct ic_filters f = setting(2);
    struct picture p = picture_make(IC_YCBCR, 2, 1, 2, 1, 1);
    struct ic_tone t;
    double c[3], was[2][3], sum[2] = { 0, 0 };
    *picture_at(&p, 0, 0, 0) = 237;
    *picture_at(&p, 0, 1, 0) = 130;
    *picture_at(&p, 1, 0, 0) = 100;
    *picture_at(&p, 2, 0, 0) = 140;
    for (uint32_t x = 0; x < 2; x++)
        rgb_of_planes(&p, x, 0, 2, 1, false, was[x]);
    ic_tone_init(&t, &f, false, false);
    ic_tone_planes(&t, &p.v);
    for (uint32_t x = 0; x < 2; x++) {
        memcpy(c, was[x], sizeof c);
        reference(c, &f);
        near(*picture_at(&p, 0, x, 0), luma_of(c), 1, 2, was[x]);
        sum[0] += (c[2] - luma_of(c)) / 1.772;
        sum[1] += (c[0] - luma_of(c)) / 1.402;
    }
    near(*picture_at(&p, 1, 0, 0), 128 + sum[0] / 2, 1, 2, was[0]);
    near(*picture_at(&p, 2, 0, 0), 128 + sum[1] / 2, 1, 2, was[0]);
    picture_free(&p);
}
END_TEST

START_TEST(every_value_is_checked)
{
    struct ic_filters f = setting(0);
    struct ic_error e;
    ck_assert(!ic_tone_any(&f));
    ck_assert_int_eq(ic_filters_check(&f, &e), IC_OK);
    double *const fields[] = { &f.bri, &f.con, &f.sat, &f.brightness, &f.contrast, &f.saturation, &f.hue, &f.gamma };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double kept = *fields[i];
        *fields[i] = NAN;
        ck_assert_int_eq(ic_filters_check(&f, &e), IC_E_PARAM);
        *fields[i] = 361;
        ck_assert_int_eq(ic_filters_check(&f, &e), IC_E_PARAM);
        *fields[i] = kept;
    }
    f.filt = 9;
    ck_assert_int_eq(ic_filters_check(&f, &e), IC_E_PARAM);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tone");
    TCase *t = tcase_create("all");
    ic_init();
    tcase_add_loop_test(t, rows_follow_the_formulas, 0, SETTINGS);
    tcase_add_loop_test(t, grey_rows_are_exact, 0, SETTINGS);
    tcase_add_test(t, colours_become_one_grey);
    tcase_add_loop_test(t, planes_follow_the_formulas, 0, PLANAR_END);
    tcase_add_test(t, a_block_that_clips_goes_through_rgb);
    tcase_add_test(t, every_value_is_checked);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
