/* Weights: exact sums, right windows, real-valued geometry, the cache. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "../../imgcore/weights.h"
#include "suite.h"

#define KERNELS (IC_KERNEL_NEAREST + 1)

static struct ic_mem mem;
static struct ic_weights_cache cache;

static void setup(void)
{
    mem = (struct ic_mem){ .limit = (size_t)64 << 20 };
    cache = (struct ic_weights_cache){ .mem = &mem };
}

static void teardown(void)
{
    ic_weights_trim(&cache, 0);
    ck_assert_uint_eq(mem.used, 0);
}

static const struct ic_weights *weights(struct ic_axis a)
{
    const struct ic_weights *w = ic_weights_get(&cache, &a);
    ck_assert_ptr_nonnull(w);
    return w;
}

static const int16_t *row(const struct ic_weights *w, uint32_t i)
{
    return w->taps.w + (size_t)i * w->taps.stride;
}

/* The table for kernels whose lanes are outputs says the same as the plain one. */
static void check_turned(const struct ic_taps *t)
{
    ck_assert_uint_le(2 * t->pairs, t->stride);
    for (uint32_t i = 0; i < t->n; i++) {
        ck_assert_int_le(t->first[i] - t->first[i / 4 * 4], (int)t->reach4);
        ck_assert_int_le(t->first[i] - t->first[i / 8 * 8], (int)t->reach8);
        ck_assert_int_le(t->first[i] - t->first[i / 16 * 16], (int)t->reach16);
        for (uint32_t k = 0; k < t->stride && t->turned; k++) {
            uint32_t at = (i / IC_TAPS_GROUP * t->pairs + k / 2) * IC_TAPS_GROUP + i % IC_TAPS_GROUP;
            ck_assert_int_eq(t->w[i * t->stride + k], k / 2 < t->pairs ? t->turned[2 * at + k % 2] : 0);
        }
    }
    ck_assert(!t->turned == (t->reach8 > IC_TAPS_REACH8));
}

/* What every table must be, whatever the axis. */
static void check_table(const struct ic_weights *w)
{
    ck_assert_uint_eq(w->taps.n, w->axis.dst_n);
    ck_assert_uint_eq(w->taps.stride % 8, 0);
    ck_assert_uint_le(w->hi, w->axis.src_n);
    for (uint32_t i = 0; i < w->taps.n; i++) {
        int32_t sum = 0;
        ck_assert_int_ge(w->taps.first[i], i ? w->taps.first[i - 1] : 0);
        ck_assert_uint_ge(w->len[i], 1);
        ck_assert_uint_le(w->len[i], w->max_len);
        ck_assert_uint_le(w->lo + (uint32_t)w->taps.first[i] + w->len[i], w->hi);
        for (uint32_t k = 0; k < w->taps.stride; k++) {
            ck_assert(k < w->len[i] || row(w, i)[k] == 0);
            sum += row(w, i)[k];
        }
        ck_assert_int_eq(sum, 1 << IC_WEIGHT_BITS);
    }
    ck_assert_int_eq(w->taps.first[0], 0);
    check_turned(&w->taps);
}

/* The mean position that output i's weights look at, in source samples. */
static double centre_of(const struct ic_weights *w, uint32_t i)
{
    double sum = 0;
    for (uint32_t k = 0; k < w->len[i]; k++)
        sum += (w->lo + (uint32_t)w->taps.first[i] + k + 0.5) * row(w, i)[k];
    return sum / (1 << IC_WEIGHT_BITS);
}

static const struct ic_axis axes[] = {
    { 1, 1, 0, 1, 0, 0 },           { 1, 50, 0, 1, 0, 0 },       { 50, 1, 0, 50, 0, 0 },
    { 1363, 800, 0, 1362.5, 0, 0 }, { 100, 37, 3.25, 80, 0, 0 }, { 37, 100, 0.5, 36, 0, 0 },
    { 5, 3, -1, 5, 0, 0 },          { 5, 3, 0, 6, 0, 0 },        { 2, 7, -0.5, 2, 0, 0 },
    { 640, 641, 0, 640, 0, 0 },     { 4288, 16, 0, 4288, 0, 0 }, { 10, 10, 0, 10, 0, 0 },
    { 10, 4, 3, 7, 0, 0 },          { 9, 9, 0.25, 9.25, 0, 0 },  { 3000, 20, 1000, 1020, 0, 0 },
    { 20, 16384, 0, 20, 0, 0 },
};

#define AXES ((int)(sizeof axes / sizeof *axes))

START_TEST(every_axis_is_sound)
{
    for (int i = 0; i < AXES; i++) {
        struct ic_axis a = axes[i];
        a.kernel = _i;
        check_table(weights(a));
    }
}
END_TEST

START_TEST(random_axes_are_sound)
{
    srand(7);
    for (int i = 0; i < 300; i++) {
        struct ic_axis a = { (uint32_t)(1 + rand() % 500), (uint32_t)(1 + rand() % 300), 0, 0, rand() % KERNELS, 0 };
        a.x0 = (rand() % 1000 - 100) / 1000.0 * a.src_n;
        a.x1 = a.x0 + (1 + rand() % 1500) / 1000.0 * a.src_n;
        check_table(weights(a));
        ic_weights_trim(&cache, 0);
    }
}
END_TEST

/* The filters by their textbook formulas, with libm. */
static double sinc(double x)
{
    return x == 0 ? 1 : sin(M_PI * x) / (M_PI * x);
}

static double textbook(int kernel, double x)
{
    x = fabs(x);
    switch (kernel) {
    case IC_KERNEL_LANCZOS3:
        return x < 3 ? sinc(x) * sinc(x / 3) : 0;
    case IC_KERNEL_LANCZOS2:
        return x < 2 ? sinc(x) * sinc(x / 2) : 0;
    case IC_KERNEL_MITCHELL:
        return (x < 1   ? 7 * x * x * x - 12 * x * x + 16.0 / 3
                : x < 2 ? -7.0 / 3 * x * x * x + 12 * x * x - 20 * x + 32.0 / 3
                        : 0) /
               6;
    case IC_KERNEL_CATROM:
        return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
    case IC_KERNEL_BILINEAR:
        return x < 1 ? 1 - x : 0;
    default:
        return x < 0.5;
    }
}

/* One weight against the formula; half a unit is rounding's, and the running sum adds as much again. */
static void check_weight(const struct ic_weights *w, uint32_t i, uint32_t k, double shrink, double centre)
{
    double sum = 0, want = textbook(w->axis.kernel, (k + 0.5 - centre) / shrink);
    uint32_t first = w->lo + (uint32_t)w->taps.first[i];
    for (uint32_t s = 0; s < w->axis.src_n; s++)
        sum += textbook(w->axis.kernel, (s + 0.5 - centre) / shrink);
    int got = k >= first && k < first + w->len[i] ? row(w, i)[k - first] : 0;
    if (sum > 0) /* 0: a box between two centres, which takes one of them */
        ck_assert_double_le(fabs(got - want / sum * (1 << IC_WEIGHT_BITS)), 1.001);
}

START_TEST(filters_are_the_textbook_ones)
{
    static const struct ic_axis some[] = {
        { 60, 23, 0.3, 59.1, 0, 0 }, { 20, 51, 0, 20, 0, 0 }, { 40, 9, -1.5, 41, 0, 0 }, { 33, 33, 0.5, 33.5, 0, 0 }
    };
    for (size_t n = 0; n < sizeof some / sizeof *some; n++) {
        struct ic_axis a = some[n];
        a.kernel = _i;
        const struct ic_weights *w = weights(a);
        double step = (a.x1 - a.x0) / a.dst_n;
        for (uint32_t i = 0; i < a.dst_n; i++)
            for (uint32_t k = 0; k < a.src_n; k++)
                check_weight(w, i, k, fmax(1, step), a.x0 + (i + 0.5) * step);
    }
}
END_TEST

/* Away from the edges a window is centred where its output lies: half a sample of the source would show. */
START_TEST(spans_are_real_valued)
{
    const struct ic_weights *w = weights((struct ic_axis){ 1363, 400, 0, 1362.5, IC_KERNEL_LANCZOS3, 0 });
    for (uint32_t i = 4; i + 4 < 400; i++)
        ck_assert_double_eq_tol(centre_of(w, i), (i + 0.5) * 1362.5 / 400, 2e-3);
}
END_TEST

START_TEST(aligned_is_a_copy_for_every_filter)
{
    const struct ic_weights *w = weights((struct ic_axis){ 100, 40, 7, 47, _i, 0 });
    ck_assert(w->copy);
    ck_assert_uint_eq(w->lo, 7);
    ck_assert_uint_eq(w->hi, 47);
    ck_assert(!weights((struct ic_axis){ 100, 40, 7, 48, _i, 0 })->copy);
    if (_i != IC_KERNEL_NEAREST && _i != IC_KERNEL_BOX)
        ck_assert(!weights((struct ic_axis){ 100, 40, 7.25, 47.25, _i, 0 })->copy);
}
END_TEST

START_TEST(cache_returns_and_trims)
{
    struct ic_axis a = { 100, 40, 0, 100, 0, 0 }, b = { 100, 41, 0, 100, 0, 0 };
    const struct ic_weights *wa = weights(a), *wb = weights(b);
    ck_assert_ptr_eq(weights(a), wa);
    ck_assert_ptr_eq(weights(b), wb);
    ck_assert_ptr_eq(weights(a), wa);
    size_t both = mem.used;
    ic_weights_trim(&cache, both / 2); /* b is the older one */
    ck_assert_uint_lt(mem.used, both);
    ck_assert_ptr_eq(cache.head, wa);
    ck_assert_ptr_null(cache.head->next);
}
END_TEST

START_TEST(budget_holds)
{
    struct ic_axis a = { 5000, 1000, 0, 5000, 0, 0 };
    size_t need;
    weights(a);
    need = mem.peak;
    ic_weights_trim(&cache, 0);
    for (mem.limit = 0; mem.limit < need; mem.limit += need / 40) {
        ck_assert_ptr_null(ic_weights_get(&cache, &a));
        ck_assert_uint_eq(mem.used, 0);
    }
    mem.limit = need;
    weights(a);
}
END_TEST

/* 12.5 samples make one: what the last is padded with counts no more than it would in full resolution. */
START_TEST(a_sample_in_part_counts_in_part)
{
    const struct ic_weights *whole = weights((struct ic_axis){ 13, 1, 0, 12.5, IC_KERNEL_LANCZOS3, 0 });
    const struct ic_weights *cut = weights((struct ic_axis){ 13, 1, 0, 12.5, IC_KERNEL_LANCZOS3, 12.5 });

    ck_assert(whole->len[0] == 13 && cut->len[0] == 13);
    ck_assert_double_eq_tol(cut->taps.w[12] * 2.0 / cut->taps.w[0], whole->taps.w[12] * 1.0 / whole->taps.w[0], 0.02);
    /* Alone in its window it is all there is. */
    ck_assert_uint_ge(weights((struct ic_axis){ 13, 25, 0, 12.5, IC_KERNEL_BILINEAR, 12.5 })->len[24], 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("weights");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, every_axis_is_sound, 0, KERNELS);
    tcase_add_test(t, random_axes_are_sound);
    tcase_add_loop_test(t, filters_are_the_textbook_ones, 0, IC_KERNEL_NEAREST);
    tcase_add_test(t, spans_are_real_valued);
    tcase_add_loop_test(t, aligned_is_a_copy_for_every_filter, 0, KERNELS);
    tcase_add_test(t, cache_returns_and_trims);
    tcase_add_test(t, a_sample_in_part_counts_in_part);
    tcase_add_test(t, budget_holds);
    suite_add_tcase(s, t);
    return run_suite(s);
}
