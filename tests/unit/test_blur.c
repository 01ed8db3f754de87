/* Blur and sharpening against their definitions in doubles. */
#include "../../imgcore/blur.h"
#include "../../imgcore/op_blur.h"
#include "../../imgcore/op_sharp.h"
#include "images.h"
#include "views.h"

static struct ic_mem mem = { .limit = (size_t)64 << 20 };

/* The reference: a plane of doubles blurred by a Gaussian over 6 sigma, continued with its edges. */

struct reals {
    uint32_t w, h;
    double *v; /* owned (malloc) */
};

static struct reals reals_make(uint32_t w, uint32_t h)
{
    struct reals r = { w, h, calloc((size_t)w * h, sizeof(double)) };
    ck_assert_ptr_nonnull(r.v);
    return r;
}

static struct reals reals_of(const struct picture *p, int plane)
{
    const struct ic_view_plane *q = &p->v.plane[plane];
    struct reals r = reals_make(q->width, q->height);
    for (uint32_t i = 0; i < r.w * r.h; i++)
        r.v[i] = *picture_at(p, plane, i % r.w, i / r.w);
    return r;
}

static int64_t edge(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Along rows (step 1) or columns. w is by distance, up to radius. */
static void weigh(struct reals *r, bool rows, const double *w, int radius)
{
    struct reals was = reals_make(r->w, r->h);
    memcpy(was.v, r->v, (size_t)r->w * r->h * sizeof *r->v);
    for (int64_t y = 0; y < r->h; y++)
        for (int64_t x = 0; x < r->w; x++) {
            double sum = 0;
            for (int t = -radius; t <= radius; t++)
                sum += w[abs(t)] * was.v[rows ? y * r->w + edge(x + t, r->w) : edge(y + t, r->h) * r->w + x];
            r->v[y * r->w + x] = sum;
        }
    free(was.v);
}

static void gauss_axis(struct reals *r, bool rows, double sigma)
{
    double w[1601], sum = 0;
    int radius = (int)fmin(ceil(6 * sigma), 1600);
    for (int t = 0; t <= radius; t++) {
        w[t] = exp(-t * t / (2 * sigma * sigma));
        sum += t ? 2 * w[t] : w[t];
    }
    for (int t = 0; t <= radius; t++)
        w[t] /= sum;
    weigh(r, rows, w, radius);
}

static void gauss(struct reals *r, double sigma_x, double sigma_y)
{
    gauss_axis(r, true, sigma_x);
    gauss_axis(r, false, sigma_y);
}

static void near(const struct picture *p, int plane, const struct reals *want, double bound, const char *what)
{
    for (uint32_t i = 0; i < want->w * want->h; i++) {
        double got = *picture_at(p, plane, i % want->w, i / want->w);
        if (!(fabs(got - want->v[i]) <= bound))
            ck_abort_msg("%s: plane %d at %u,%u is %g, but by definition %g", what, plane, i % want->w, i / want->w,
                         got, want->v[i]);
    }
}

/* Three kinds of pictures: noise, an edge with a bright frame, a ramp. */
static struct picture drawn(int kind, uint32_t w, uint32_t h)
{
    struct picture p = picture_make(IC_GREY, w, h, 1, 1, 9);
    for (uint32_t y = 0; y < h && kind > 0; y++)
        for (uint32_t x = 0; x < w; x++) {
            bool frame = x == 0 || y == h - 1;
            *picture_at(&p, 0, x, y) = (uint8_t)(kind == 2 ? (x + y) * 255 / (w + h) : frame || x > w / 3 ? 255 : 0);
        }
    return p;
}

static const double sigmas[] = { 0.3, 0.5, 1, 2.2, 4.9, 6.9, 7, 9.3, 14, 20, 41, 100, 250 };
#define SIGMAS ((int)(sizeof sigmas / sizeof *sigmas))

static void check_blur(int kind, uint32_t w, uint32_t h, double sigma)
{
    char what[80];
    struct picture p = drawn(kind, w, h);
    struct reals want = reals_of(&p, 0);
    snprintf(what, sizeof what, "sigma %g of picture %d, %ux%u", sigma, kind, w, h);
    gauss(&want, sigma, sigma);
    ck_assert_int_eq(ic_op_blur(&p.v, sigma, &mem, NULL), IC_OK);
    picture_check_guards(&p);
    near(&p, 0, &want, sigma < 7 ? 1.1 : 2, what);
    ck_assert_uint_eq(mem.used, 0);
    free(want.v);
    picture_free(&p);
}

START_TEST(blur_is_gaussian)
{
    for (int kind = 0; kind < 3; kind++) {
        check_blur(kind, 97, 61, sigmas[_i]);
        check_blur(kind, 64, 128, sigmas[_i]);
        check_blur(kind, 1, 33, sigmas[_i]);
        check_blur(kind, 7, 1, sigmas[_i]);
    }
}
END_TEST

/* A flat plane stays as it is, to the last bit, and so does the range of any. */
START_TEST(flat_stays_flat)
{
    for (int v = 0; v < 256; v += 5) {
        struct picture p = drawn(0, 50, 40);
        for (uint32_t y = 0; y < 40; y++)
            memset(picture_at(&p, 0, 0, y), v, 50);
        ck_assert_int_eq(ic_op_blur(&p.v, sigmas[_i], &mem, NULL), IC_OK);
        for (uint32_t i = 0; i < 50 * 40; i++)
            ck_assert_int_eq(*picture_at(&p, 0, i % 50, i / 50), v);
        picture_free(&p);
    }
}
END_TEST

START_TEST(chroma_takes_its_share_of_sigma)
{
    for (uint32_t fy = 1; fy <= 2; fy++) {
        struct picture p = picture_make(IC_YCBCR, 60, 40, 2, fy, 3);
        struct reals want[3] = { reals_of(&p, 0), reals_of(&p, 1), reals_of(&p, 2) };
        ck_assert_int_eq(ic_op_blur(&p.v, 14, &mem, NULL), IC_OK);
        picture_check_guards(&p);
        for (int i = 0; i < 3; i++) {
            gauss(&want[i], i ? 7 : 14, i ? 14.0 / fy : 14);
            near(&p, i, &want[i], 2, "sigma 14");
            free(want[i].v);
        }
        picture_free(&p);
    }
}
END_TEST

/* Sums of colour times alpha are blurred: what is invisible has no weight. */
START_TEST(alpha_weighs_colours)
{
    struct picture p = picture_make(IC_RGBA, 60, 40, 1, 1, 3);
    struct reals alpha = reals_of(&p, 3), red = reals_of(&p, 0);
    for (uint32_t i = 0; i < 60 * 40; i++)
        red.v[i] *= alpha.v[i] / 255;
    gauss(&red, 3, 3);
    gauss(&alpha, 3, 3);
    ck_assert_int_eq(ic_op_blur(&p.v, 3, &mem, NULL), IC_OK);
    near(&p, 3, &alpha, 1.5, "alpha");
    for (uint32_t i = 0; i < 60 * 40; i++)
        red.v[i] *= 255 / alpha.v[i];
    near(&p, 0, &red, 5, "red"); /* alpha is above 80 everywhere, so that an error of 1.5 grows to 5 */
    free(red.v);
    free(alpha.v);
    picture_free(&p);
}
END_TEST

START_TEST(without_memory_it_fails)
{
    struct ic_mem little = { .limit = 5000 };
    struct picture p = drawn(0, 97, 61);
    struct ic_error e;
    for (size_t limit = 0; limit < 60000; limit += 700) {
        enum ic_code rc;
        little.limit = limit;
        rc = ic_op_blur(&p.v, _i ? 20 : 3, &little, &e);
        ck_assert(rc == IC_OK || (rc == IC_E_MEMORY && e.code == rc));
        ck_assert_uint_eq(little.used, 0);
        ck_assert_uint_le(little.peak, ic_blur_memory(97, 61));
    }
    picture_free(&p);
}
END_TEST

/* Sharpening. */

enum { SHARP, MILD, USM, USM_THRESHOLD, SHARPENINGS };

static const struct ic_usm usms[] = { [USM] = { 150, 2, 0 }, [USM_THRESHOLD] = { 80, 6, 12 } };

static double push(int kind, double d, double levels)
{
    double size = fabs(d) / levels, p = size < 5.1 ? size : 5.1 + 2 * (size - 5.1);
    if (kind == MILD)
        return d * 9 / 24;
    if (kind != SHARP)
        return fabs(d) < usms[kind].threshold * levels ? 0 : d * usms[kind].amount / 100;
    return levels * (d > 0 ? fmin(p, 25.5) : -fmin(p, 51));
}

static enum ic_code sharpen(int kind, const struct ic_view *v)
{
    switch (kind) {
    case SHARP:
        return ic_op_sharp(v, 1.2, &mem, NULL);
    case MILD:
        return ic_op_sharp_mild(v, &mem, NULL);
    default:
        return ic_op_usm(v, &usms[kind], &mem, NULL);
    }
}

static void blurred_for(int kind, struct reals *r)
{
    const double third[2] = { 1 / 3.0, 1 / 3.0 };
    if (kind != MILD) {
        double sigma = kind == SHARP ? 1.2 : usms[kind].radius;
        gauss(r, sigma, sigma);
        return;
    }
    weigh(r, true, third, 1);
    weigh(r, false, third, 1);
}

static double luma_at(const struct picture *p, uint32_t x, uint32_t y)
{
    if (p->v.layout == IC_YCBCR || p->v.n < 3)
        return *picture_at(p, 0, x, y);
    return 0.299 * *picture_at(p, 0, x, y) + 0.587 * *picture_at(p, 1, x, y) + 0.114 * *picture_at(p, 2, x, y);
}

/* The push may lie between what distances of a level around the true one give: luma and its blur are levels. */
static void check_pushed(const struct picture *got, const struct picture *was, int kind, const struct reals *luma,
                         const struct reals *blurred)
{
    double levels = was->v.limited ? 219 / 255.0 : 1, lo = was->v.limited ? 16 : 0, hi = was->v.limited ? 235 : 255;
    int colours = was->v.layout == IC_RGB ? 3 : 1;
    for (uint32_t i = 0; i < luma->w * luma->h; i++)
        for (int c = 0; c < colours; c++) {
            double d = luma->v[i] - blurred->v[i], from = *picture_at(was, c, i % luma->w, i / luma->w);
            double least = fmin(fmax(from + push(kind, d - 1.6, levels) - 0.5, lo), hi);
            double most = fmin(fmax(from + push(kind, d + 1.6, levels) + 0.5, lo), hi);
            double px = *picture_at(got, c, i % luma->w, i / luma->w);
            if (kind == USM_THRESHOLD && fabs(fabs(d) - usms[kind].threshold * levels) < 1.6)
                continue; /* on either side of the threshold */
            if (px < least || px > most)
                ck_abort_msg("kind %d, channel %d, pixel %u: %g became %g, should be %g to %g", kind, c, i, from, px,
                             least, most);
        }
}

START_TEST(sharpening_pushes_luma)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_RGB, IC_YCBCR, IC_YCBCR };
    for (int l = 0; l < 4; l++) {
        struct picture p = picture_make(layouts[l], 60, 41, 2, 2, 3), was;
        struct reals luma = reals_make(60, 41), blurred = reals_make(60, 41);
        p.v.limited = l == 3;
        for (int i = 0; i < p.v.n; i++) /* in the limited range, and without too much contrast */
            for (uint32_t k = 0; k < p.v.plane[i].width * p.v.plane[i].height; k++) {
                uint8_t *px = picture_at(&p, i, k % p.v.plane[i].width, k / p.v.plane[i].width);
                *px = (uint8_t)(70 + *px / (l == 3 ? 2 : 3));
            }
        was = picture_copy(&p);
        for (uint32_t i = 0; i < 60 * 41; i++)
            luma.v[i] = blurred.v[i] = luma_at(&p, i % 60, i / 60);
        blurred_for(_i, &blurred);
        ck_assert_int_eq(sharpen(_i, &p.v), IC_OK);
        picture_check_guards(&p);
        check_pushed(&p, &was, _i, &luma, &blurred);
        for (uint32_t k = 0; p.v.layout == IC_YCBCR && k < 30 * 21; k++)
            ck_assert_uint_eq(*picture_at(&p, 1, k % 30, k / 30), *picture_at(&was, 1, k % 30, k / 30));
        ck_assert_uint_eq(mem.used, 0);
        free(luma.v);
        free(blurred.v);
        picture_free(&p);
        picture_free(&was);
    }
}
END_TEST

/* sharp's kernel by its numbers: 32 in the middle, -1 around, over 24. */
START_TEST(mild_is_the_known_kernel)
{
    struct picture p = drawn(0, 3, 3);
    const uint8_t px[9] = { 90, 100, 110, 95, 130, 105, 100, 90, 120 };
    double sum = 0;
    for (uint32_t i = 0; i < 9; i++) {
        *picture_at(&p, 0, i % 3, i / 3) = px[i];
        sum += i == 4 ? 32 * px[i] : -px[i];
    }
    ck_assert_int_eq(ic_op_sharp_mild(&p.v, &mem, NULL), IC_OK);
    ck_assert_double_le(fabs(*picture_at(&p, 0, 1, 1) - sum / 24), 1);
    picture_free(&p);
}
END_TEST

START_TEST(transparent_stays_transparent)
{
    struct picture p = picture_make(IC_RGBA, 40, 30, 1, 1, 3), was = picture_copy(&p);
    ck_assert_int_eq(sharpen(_i, &p.v), IC_OK);
    for (uint32_t i = 0; i < 40 * 30; i++)
        ck_assert_uint_eq(*picture_at(&p, 3, i % 40, i / 40), *picture_at(&was, 3, i % 40, i / 40));
    picture_free(&p);
    picture_free(&was);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blur");
    TCase *t = tcase_create("all");
    ic_init();
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, blur_is_gaussian, 0, SIGMAS);
    tcase_add_loop_test(t, flat_stays_flat, 0, SIGMAS);
    tcase_add_test(t, chroma_takes_its_share_of_sigma);
    tcase_add_test(t, alpha_weighs_colours);
    tcase_add_loop_test(t, without_memory_it_fails, 0, 2);
    tcase_add_loop_test(t, sharpening_pushes_luma, 0, SHARPENINGS);
    tcase_add_test(t, mild_is_the_known_kernel);
    tcase_add_loop_test(t, transparent_stays_transparent, 0, SHARPENINGS);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
