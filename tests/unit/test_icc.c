/* Conversions of colour: the fast way against lcms2, the cache, and a small budget. */
#include "../../imgcore/icc.h"
#include "../../imgcore/icc_matrix.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET ((size_t)16 << 20)

static struct ic_mem mem;
static struct ic_icc_cache cache;

static void setup(void)
{
    ic_init();
    mem = (struct ic_mem){ .limit = BUDGET };
    cache = (struct ic_icc_cache){ .mem = &mem };
}

/* Whatever a test did, nothing of the budget may be left in use. */
static void teardown(void)
{
    ic_icc_cache_free(&cache);
    ck_assert_uint_eq(mem.used, 0);
}

static const struct ic_icc_primaries wide[] = {
    { .gamma = 1 / 1.8, .xy = { 0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06 } },
    { .gamma = 1 / 2.6, .xy = { 0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06 } },
    { .gamma = 1.0, .xy = { 0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001 } },
    { .gamma = 0.0, .xy = { 0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06 } },
};

static struct ic_bytes profile_of(const struct ic_icc_primaries *c, bool grey)
{
    struct ic_error e;
    uint8_t *p = NULL;
    size_t n = 0;

    ck_assert_int_eq(ic_icc_of_primaries(&mem, c, grey, &p, &n, &e), IC_OK);
    ck_assert_uint_gt(n, 128);
    return (struct ic_bytes){ p, n };
}

static void drop(struct ic_bytes b)
{
    ic_free(&mem, (void *)(uintptr_t)b.p);
}

/* lcms2 in 16 bits, which rounds finer than the result. */
static void want_row(struct ic_bytes profile, const uint8_t *in, uint8_t *out, unsigned n)
{
    cmsHPROFILE from = cmsOpenProfileFromMem(profile.p, (cmsUInt32Number)profile.n), to = cmsCreate_sRGBProfile();
    cmsHTRANSFORM t = cmsCreateTransform(from, TYPE_RGB_8, to, TYPE_RGB_8, INTENT_PERCEPTUAL, cmsFLAGS_NOOPTIMIZE);

    ck_assert_ptr_nonnull(t);
    cmsDoTransform(t, in, out, n);
    cmsDeleteTransform(t);
    cmsCloseProfile(from);
    cmsCloseProfile(to);
}

#define COLOURS 20000

START_TEST(the_fast_way_is_within_a_level_of_lcms2)
{
    static uint8_t in[3 * COLOURS], want[3 * COLOURS], plane[3][COLOURS];
    struct ic_bytes profile = profile_of(&wide[_i], false);
    const struct ic_icc *icc = NULL;
    struct ic_error e;

    for (int i = 0; i < 3 * COLOURS; i++)
        in[i] = plane[i % 3][i / 3] = (uint8_t)(i < 3 * 256 ? i / 3 : rand());
    want_row(profile, in, want, COLOURS);
    ck_assert_int_eq(ic_icc_get(&cache, profile, IC_ICC_RGB, &icc, &e), IC_OK);
    ck_assert_ptr_nonnull(icc);
    ic_icc_row(icc, (uint8_t *[]){ plane[0], plane[1], plane[2] }, COLOURS);
    for (int i = 0; i < 3 * COLOURS; i++)
        ck_assert_msg(abs(plane[i % 3][i / 3] - want[i]) <= 1, "sample %d: %d, wanted %d", i, plane[i % 3][i / 3],
                      want[i]);
    drop(profile);
}
END_TEST

START_TEST(what_is_srgb_to_the_eye_is_left_alone)
{
    struct ic_icc_primaries srgb = { .gamma = 0.45455, .xy = { 0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06 } };
    const struct ic_icc *icc = (void *)&mem, *const none = icc;
    struct ic_bytes colour = profile_of(&srgb, false), grey = profile_of(&srgb, true);
    struct ic_error e;

    ck_assert_int_eq(ic_icc_get(&cache, colour, IC_ICC_RGB, &icc, &e), IC_OK);
    ck_assert_ptr_null(icc);
    icc = none;
    ck_assert_int_eq(ic_icc_get(&cache, grey, IC_ICC_GREY, &icc, &e), IC_OK);
    ck_assert_ptr_null(icc);
    icc = none;
    ck_assert_int_eq(ic_icc_get(&cache, colour, IC_ICC_GREY, &icc, &e), IC_OK);
    ck_assert_ptr_null(icc);
    drop(colour);
    drop(grey);
}
END_TEST

START_TEST(profiles_of_other_pixels_are_refused)
{
    struct ic_bytes colour = profile_of(&wide[0], false), grey = profile_of(&wide[0], true);
    const struct ic_icc *icc;
    struct ic_error e;

    ck_assert_int_eq(ic_icc_get(&cache, grey, IC_ICC_RGB, &icc, &e), IC_E_FORMAT);
    ck_assert_int_eq(ic_icc_get(&cache, colour, IC_ICC_CMYK, &icc, &e), IC_E_FORMAT);
    ck_assert(ic_icc_describes(colour, IC_ICC_RGB) && !ic_icc_describes(colour, IC_ICC_GREY));
    ck_assert(!ic_icc_describes((struct ic_bytes){ colour.p, 127 }, IC_ICC_RGB));
    drop(colour);
    drop(grey);
}
END_TEST

START_TEST(conversions_are_found_again_and_forgotten)
{
    const struct ic_icc *first[4], *again;
    struct ic_bytes profile[4];
    struct ic_error e;

    for (int i = 0; i < 4; i++) {
        profile[i] = profile_of(&wide[i], false);
        ck_assert_int_eq(ic_icc_get(&cache, profile[i], IC_ICC_RGB, &first[i], &e), IC_OK);
    }
    size_t used = mem.used;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(ic_icc_get(&cache, profile[i], IC_ICC_RGB, &again, &e), IC_OK);
        ck_assert_ptr_eq(again, first[i]);
    }
    ck_assert_uint_eq(mem.used, used);
    ic_icc_trim(&cache, 16384); /* holds several, not all */
    ck_assert_uint_lt(mem.used, used);
    used = mem.used;
    ck_assert_int_eq(ic_icc_get(&cache, profile[3], IC_ICC_RGB, &again, &e), IC_OK);
    ck_assert_ptr_eq(again, first[3]); /* used last, kept longest */
    ck_assert_uint_eq(mem.used, used);
    for (int i = 0; i < 4; i++)
        drop(profile[i]);
}
END_TEST

START_TEST(equal_primaries_give_equal_bytes)
{
    struct ic_bytes a = profile_of(&wide[1], false), b = profile_of(&wide[1], false);

    ck_assert_uint_eq(a.n, b.n);
    ck_assert_mem_eq(a.p, b.p, a.n);
    for (int i = 24; i < 36; i++)
        ck_assert_uint_eq(a.p[i], 0); /* no time of day */
    drop(a);
    drop(b);
}
END_TEST

START_TEST(impossible_primaries_give_none)
{
    static const struct ic_icc_primaries bad[] = { { .xy = { 0.3, 0, 0.6, 0.3, 0.3, 0.6, 0.15, 0.06 } },
                                                   { .xy = { 0.3127, 0.329, 0, 0, 0, 0, 0, 0 } },
                                                   { .xy = { 0.3, 0.3, 42949, 1, 0.3, 0.6, 0.15, 0.06 } },
                                                   { .xy = { 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3 } },
                                                   { .gamma = 42949.67295 },
                                                   { .gamma = 0.00001 } };
    for (size_t i = 1; i < sizeof bad / sizeof *bad; i++) {
        struct ic_error e;
        uint8_t *p = NULL;
        size_t n = 0;

        ck_assert_int_eq(ic_icc_of_primaries(&mem, &bad[i], false, &p, &n, &e), IC_OK);
        ck_assert_uint_eq(n, 0);
    }
}
END_TEST

/* Whatever lcms2 asks for comes from the budget; beyond it the run fails, and nothing is lost. */
START_TEST(a_small_budget_is_told)
{
    struct ic_bytes profile = profile_of(&wide[0], false);
    size_t held = mem.used;

    for (size_t more = 0; more < 200000; more += 64) {
        const struct ic_icc *icc = NULL;
        struct ic_error e;

        mem.limit = held + more;
        enum ic_code rc = ic_icc_get(&cache, profile, IC_ICC_RGB, &icc, &e);
        ck_assert(rc == IC_OK || rc == IC_E_MEMORY);
        ck_assert(rc != IC_OK || icc);
        ic_icc_cache_free(&cache);
        ck_assert_uint_eq(mem.used, held);
    }
    mem.limit = BUDGET;
    drop(profile);
}
END_TEST

/* The same of those for 16 bits: the conversion is there, what it takes is not. */
START_TEST(a_small_budget_is_told_for_16_bits)
{
    struct ic_bytes profile = profile_of(&wide[0], false);
    const struct ic_icc *icc = NULL;
    struct ic_error e;
    int made = 0, refused = 0;

    ck_assert_int_eq(ic_icc_get(&cache, profile, IC_ICC_RGB, &icc, &e), IC_OK);
    ck_assert_ptr_nonnull(icc);
    for (size_t more = 0, held = mem.used; more < (4 << 20); more += 4096) {
        struct ic_icc_deep *deep = NULL;

        mem.limit = held + more;
        enum ic_code rc = ic_icc_deep_make(&cache, icc, &deep, &e);
        ck_assert_msg(rc == IC_OK || rc == IC_E_MEMORY, "%zu bytes more: %d", more, rc);
        ck_assert(rc != IC_OK || deep);
        rc == IC_OK ? made++ : refused++;
        ic_icc_deep_free(deep);
        ck_assert_uint_eq(mem.used, held);
    }
    ck_assert(made > 0 && refused > 0);
    mem.limit = BUDGET;
    drop(profile);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("icc");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, the_fast_way_is_within_a_level_of_lcms2, 0, (int)(sizeof wide / sizeof *wide));
    tcase_add_test(t, what_is_srgb_to_the_eye_is_left_alone);
    tcase_add_test(t, profiles_of_other_pixels_are_refused);
    tcase_add_test(t, conversions_are_found_again_and_forgotten);
    tcase_add_test(t, equal_primaries_give_equal_bytes);
    tcase_add_test(t, impossible_primaries_give_none);
    tcase_add_test(t, a_small_budget_is_told);
    tcase_add_test(t, a_small_budget_is_told_for_16_bits);
    suite_add_tcase(s, t);
    return run_suite(s);
}
