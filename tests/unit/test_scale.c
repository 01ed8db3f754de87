/* The streaming resampler: what is flat stays flat, what is straight stays straight and in place, and how rows arrive
 * changes nothing. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/cpu.h"
#include "../../imgcore/scale.h"
#include "suite.h"

static struct ic_mem mem;
static struct ic_weights_cache cache;

static void setup(void)
{
    ic_init();
    mem = (struct ic_mem){ .limit = (size_t)256 << 20 };
    cache = (struct ic_weights_cache){ .mem = &mem };
}

static void teardown(void)
{
    ic_weights_trim(&cache, 0);
    ck_assert_uint_eq(mem.used, 0);
}

struct picture {
    uint32_t w, h;
    int channels;
    uint8_t *p; /* packed, owned (malloc) */
};

static struct picture picture_make(uint32_t w, uint32_t h, int channels)
{
    struct picture p = { w, h, channels, calloc((size_t)w * h, (size_t)channels) };
    ck_assert_ptr_nonnull(p.p);
    return p;
}

static uint8_t *picture_at(const struct picture *p, uint32_t x, uint32_t y)
{
    return p->p + ((size_t)y * p->w + x) * (size_t)p->channels;
}

static void picture_random(struct picture *p)
{
    srand(11);
    for (size_t i = 0; i < (size_t)p->w * p->h * (size_t)p->channels; i++)
        p->p[i] = (uint8_t)(rand() >> 7);
}

struct job {
    uint32_t w, h;
    double x0, y0, x1, y1;
    int kernel;
    bool premultiply, late; /* late: nothing is pulled before the last row is in */
};

static void pull(struct ic_scale *s, struct picture *out)
{
    static uint8_t rows[IC_PLANES][20000];
    uint8_t *const dst[] = { rows[0], rows[1], rows[2], rows[3] };
    for (uint32_t y = s->made; ic_scale_pull(s, dst); y++)
        for (uint32_t x = 0; x < out->w; x++)
            for (int c = 0; c < out->channels; c++)
                picture_at(out, x, y)[c] = rows[c][x];
}

static struct picture scale(const struct picture *in, const struct job *j)
{
    struct ic_axis x = { in->w, j->w, j->x0, j->x1, j->kernel, 0 }, y = { in->h, j->h, j->y0, j->y1, j->kernel, 0 };
    struct picture out = picture_make(j->w, j->h, in->channels);
    struct ic_scale s;
    const struct ic_weights *h = ic_weights_get(&cache, &x), *v = ic_weights_get(&cache, &y);
    ck_assert_int_eq(ic_scale_init(&s, &mem, h, v, in->channels), IC_OK);
    s.premultiply = j->premultiply;
    for (uint32_t row = 0; row < in->h; row++) {
        ck_assert_int_eq(ic_scale_push(&s, picture_at(in, 0, row), NULL), IC_OK);
        if (!j->late)
            pull(&s, &out);
    }
    pull(&s, &out);
    ck_assert_uint_eq(s.made, j->h);
    ic_scale_free(&s);
    return out;
}

static struct job whole(const struct picture *in, uint32_t w, uint32_t h, int kernel)
{
    return (struct job){ .w = w, .h = h, .x1 = in->w, .y1 = in->h, .kernel = kernel };
}

static const uint32_t sizes[] = { 1, 2, 7, 8, 9, 31, 64, 100, 333 };

#define SIZES ((int)(sizeof sizes / sizeof *sizes))

START_TEST(flat_stays_flat)
{
    struct picture in = picture_make(101, 67, 1);
    static const uint8_t levels[] = { 0, 1, 127, 254, 255 };
    for (int k = 0; k <= IC_KERNEL_NEAREST; k++)
        for (size_t l = 0; l < sizeof levels; l++) {
            struct job j = whole(&in, sizes[_i], sizes[SIZES - 1 - _i], k);
            memset(in.p, levels[l], (size_t)in.w * in.h);
            struct picture out = scale(&in, &j);
            for (size_t i = 0; i < (size_t)out.w * out.h; i++)
                ck_assert_int_eq(out.p[i], levels[l]);
            free(out.p);
        }
    free(in.p);
}
END_TEST

/* A ramp over real-valued spans, as DCT scaling leaves them: a plane one sample wider than its span. */
START_TEST(ramp_stays_straight_and_in_place)
{
    double span_w = 363 / 2.0, span_h = 275 / 2.0;
    struct picture in = picture_make(182, 138, 1);
    for (uint32_t y = 0; y < in.h; y++)
        for (uint32_t x = 0; x < in.w; x++)
            *picture_at(&in, x, y) = (uint8_t)lround(20 + 100 * (x + 0.5) / span_w + 110 * (y + 0.5) / span_h);
    struct job j = { .w = 61, .h = 47, .x1 = span_w, .y1 = span_h, .kernel = _i };
    struct picture out = scale(&in, &j);
    for (uint32_t y = 4; y + 4 < out.h; y++)
        for (uint32_t x = 4; x + 4 < out.w; x++) {
            double want = 20 + 100 * (x + 0.5) / out.w + 110 * (y + 0.5) / out.h;
            ck_assert_double_le(fabs(*picture_at(&out, x, y) - want), _i < IC_KERNEL_BOX ? 0.9 : 1.7);
        }
    free(in.p);
    free(out.p);
}
END_TEST

START_TEST(aligned_crop_is_a_copy)
{
    struct picture in = picture_make(50, 40, _i);
    picture_random(&in);
    struct job j = { .w = 33, .h = 20, .x0 = 9, .x1 = 42, .y0 = 13, .y1 = 33, .kernel = IC_KERNEL_MITCHELL };
    struct picture out = scale(&in, &j);
    for (uint32_t y = 0; y < out.h; y++)
        ck_assert_mem_eq(picture_at(&out, 0, y), picture_at(&in, 9, y + 13), out.w * (size_t)_i);
    free(in.p);
    free(out.p);
}
END_TEST

static uint8_t rounded(int32_t sum)
{
    int32_t v = (sum + (1 << (IC_WEIGHT_BITS - 1))) >> IC_WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One output sample by the book: each row it needs resampled upwards at each column, then across. */
static uint8_t sample(const struct picture *in, const struct ic_weights *h, const struct ic_weights *v, uint32_t x,
                      uint32_t y)
{
    int32_t across = 0;
    for (uint32_t j = 0; j < h->len[x]; j++) {
        uint32_t column = h->lo + (uint32_t)h->taps.first[x] + j;
        int32_t up = 0;
        for (uint32_t i = 0; i < v->len[y]; i++)
            up += *picture_at(in, column, v->lo + (uint32_t)v->taps.first[y] + i) * v->taps.w[y * v->taps.stride + i];
        across += rounded(up) * h->taps.w[x * h->taps.stride + j];
    }
    return rounded(across);
}

/* Every height, so that rows are made alone, in pairs, and alone at the end. */
START_TEST(equals_the_definition)
{
    struct picture in = picture_make(90, 61, 1);
    picture_random(&in);
    for (uint32_t height = 1; height < 130; height += 3) {
        struct job j = { .w = 1 + height / 2, .h = height, .x0 = 2.5, .x1 = 88, .y0 = 1.25, .y1 = 60, .kernel = _i };
        struct picture out = scale(&in, &j);
        struct ic_axis x = { in.w, j.w, j.x0, j.x1, _i, 0 }, y = { in.h, j.h, j.y0, j.y1, _i, 0 };
        const struct ic_weights *h = ic_weights_get(&cache, &x), *v = ic_weights_get(&cache, &y);
        for (uint32_t i = 0; i < out.w * out.h; i++)
            ck_assert_int_eq(out.p[i], sample(&in, h, v, i % out.w, i / out.w));
        free(out.p);
    }
    free(in.p);
}
END_TEST

START_TEST(packed_equals_planes)
{
    struct picture in = picture_make(83, 61, _i), plane = picture_make(83, 61, 1);
    picture_random(&in);
    struct job j = { .w = 40, .h = 90, .x0 = 3.3, .x1 = 80, .y0 = 1, .y1 = 59.5 };
    struct picture out = scale(&in, &j);
    for (int c = 0; c < _i; c++) {
        for (size_t i = 0; i < (size_t)in.w * in.h; i++)
            plane.p[i] = in.p[i * (size_t)_i + (size_t)c];
        struct picture one = scale(&plane, &j);
        for (size_t i = 0; i < (size_t)one.w * one.h; i++)
            ck_assert_int_eq(out.p[i * (size_t)_i + (size_t)c], one.p[i]);
        free(one.p);
    }
    free(in.p);
    free(plane.p);
    free(out.p);
}
END_TEST

/* The ring grows while rows are not pulled, and loses none. */
START_TEST(late_pulls_change_nothing)
{
    static const uint32_t heights[] = { 1, 5, 40, 61, 300 };
    struct picture in = picture_make(30, 61, 3);
    picture_random(&in);
    struct job j = whole(&in, 20, heights[_i], IC_KERNEL_LANCZOS3);
    struct picture a = scale(&in, &j);
    j.late = true;
    struct picture b = scale(&in, &j);
    ck_assert_mem_eq(a.p, b.p, (size_t)a.w * a.h * 3);
    free(in.p);
    free(a.p);
    free(b.p);
}
END_TEST

/* Half of the picture is transparent red: none of it may bleed into the opaque blue. */
START_TEST(alpha_does_not_bleed)
{
    struct picture in = picture_make(64, 8, 4);
    for (uint32_t y = 0; y < in.h; y++)
        for (uint32_t x = 0; x < in.w; x++)
            memcpy(picture_at(&in, x, y), x < 32 ? "\xff\0\0\0" : "\0\0\xff\xff", 4);
    struct job j = whole(&in, 13, 4, IC_KERNEL_LANCZOS3);
    j.premultiply = true;
    struct picture out = scale(&in, &j);
    for (uint32_t x = 0; x < out.w; x++) {
        const uint8_t *px = picture_at(&out, x, 2);
        ck_assert_int_eq(px[0], 0);
        ck_assert_int_eq(px[2], px[3]);
    }
    ck_assert_int_eq(picture_at(&out, 0, 2)[3], 0);
    ck_assert_int_eq(picture_at(&out, 12, 2)[3], 255);
    free(in.p);
    free(out.p);
}
END_TEST

/* Both levels of kernels through the whole resampler. */
START_TEST(reference_gives_the_same)
{
    struct picture in = picture_make(211, 97, 3);
    picture_random(&in);
    struct job j = { .w = 77, .h = 140, .x0 = 0.7, .x1 = 200, .y0 = 0, .y1 = 97, .kernel = _i };
    struct picture a = scale(&in, &j);
    setenv("PIXPOOL_ISA", "c", 1);
    ic_init();
    struct picture b = scale(&in, &j);
    ck_assert_mem_eq(a.p, b.p, (size_t)a.w * a.h * 3);
    free(in.p);
    free(a.p);
    free(b.p);
}
END_TEST

START_TEST(budget_holds)
{
    struct ic_axis x = { 900, 100, 0, 900, 0, 0 }, y = { 600, 60, 0, 600, 0, 0 };
    const struct ic_weights *h = ic_weights_get(&cache, &x), *v = ic_weights_get(&cache, &y);
    size_t before = mem.used;
    enum ic_code rc = IC_E_MEMORY;
    for (mem.limit = before; rc != IC_OK; mem.limit += 2000) {
        struct ic_scale s;
        rc = ic_scale_init(&s, &mem, h, v, 3);
        ck_assert(rc == IC_OK || rc == IC_E_MEMORY);
        ic_scale_free(&s);
        ck_assert_uint_eq(mem.used, before);
    }
    ck_assert_uint_gt(mem.limit, before + 100000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scale");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, flat_stays_flat, 0, SIZES);
    tcase_add_loop_test(t, ramp_stays_straight_and_in_place, 0, IC_KERNEL_NEAREST + 1);
    tcase_add_loop_test(t, aligned_crop_is_a_copy, 1, 5);
    tcase_add_loop_test(t, equals_the_definition, 0, IC_KERNEL_NEAREST + 1);
    tcase_add_loop_test(t, packed_equals_planes, 1, 5);
    tcase_add_loop_test(t, late_pulls_change_nothing, 0, 5);
    tcase_add_test(t, alpha_does_not_bleed);
    tcase_add_loop_test(t, reference_gives_the_same, 0, IC_KERNEL_NEAREST + 1);
    tcase_add_test(t, budget_holds);
    suite_add_tcase(s, t);
    return run_suite(s);
}
