/* The quantiser: exact where it can be, close where it can't. What it is worth beside pngquant: test_palette.py. */
#include "../../imgcore/quant_private.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 64

static struct ic_mem mem;
static struct ic_error err;
static uint8_t px[SIDE * SIDE * 4], index_of[SIDE * SIDE];
static const struct ic_pixels all = { px, SIDE * 4, SIDE, SIDE };
static struct ic_palette palette;

static void setup(void)
{
    srand(7);
    mem = (struct ic_mem){ .limit = 64 << 20 };
}

static void teardown(void)
{
    ck_assert_uint_eq(mem.used, 0);
}

static void fill_random(void)
{
    for (size_t i = 0; i < sizeof px; i++)
        px[i] = (uint8_t)rand();
}

static uint32_t error_of(uint32_t i)
{
    const uint8_t *p = px + 4 * i;
    struct quant_point a = quant_point_of((struct ic_colour){ p[0], p[1], p[2], p[3] });
    struct quant_point b = quant_point_of(palette.colour[index_of[i]]);

    return quant_distance(a.f, b.f);
}

static uint64_t error_of_all(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        sum += error_of(i);
    return sum;
}

static void quantise(int colours, bool dither)
{
    ck_assert_int_eq(ic_quant_palette(all, colours, 8, &mem, &palette, &err), IC_OK);
    ck_assert_int_le(palette.n, colours);
    ck_assert_int_eq(ic_quant_map(all, &palette, dither, &mem, index_of, &err), IC_OK);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        ck_assert_uint_lt(index_of[i], (unsigned)palette.n);
}

/* So many colours in all, of every alpha; two that differ in nothing that shows are different still. */
START_TEST(few_colours_stay_as_they_are)
{
    uint8_t colour[200][4];

    for (int i = 0; i < 200; i++)
        for (int c = 0; c < 4; c++)
            colour[i][c] = (uint8_t)rand();
    memcpy(colour[0], (uint8_t[4]){ 10, 20, 30, 1 }, 4);
    memcpy(colour[1], (uint8_t[4]){ 12, 20, 30, 1 }, 4);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        memcpy(px + 4 * i, colour[i % 200], 4);
    quantise(200, true);
    ck_assert(palette.exact);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        if (px[4 * i + 3])
            ck_assert_mem_eq(&palette.colour[index_of[i]], px + 4 * i, 4);
        else
            ck_assert_uint_eq(palette.colour[index_of[i]].a, 0);
}
END_TEST

START_TEST(transparent_pixels_are_one_colour)
{
    fill_random();
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        px[4 * i + 3] = 0;
    quantise(2, true);
    ck_assert_int_eq(palette.n, 1);
    ck_assert_uint_eq(palette.colour[0].a, 0);
    ck_assert_uint_eq(palette.share[0], 1000000);
}
END_TEST

/* Opaque pixels stay so, clear ones too, whatever lies between. */
START_TEST(edges_of_alpha_are_kept)
{
    fill_random();
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        px[4 * i + 3] = i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : (uint8_t)(i / 16);
    quantise(16, false);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        if (i % 3 == 0)
            ck_assert_uint_eq(palette.colour[index_of[i]].a, 0);
        if (i % 3 == 1)
            ck_assert_uint_ge(palette.colour[index_of[i]].a, 250);
    }
    for (int i = 1; i < palette.n; i++) /* tRNS ends where opacity begins */
        ck_assert(palette.colour[i - 1].a < 255 || palette.colour[i].a == 255);
}
END_TEST

START_TEST(the_nearest_is_found)
{
    struct quant_point p[IC_COLOURS], q;
    struct quant_set set;

    for (int round = 0; round < 2000; round++) {
        int n = 1 + rand() % IC_COLOURS;
        uint32_t least = UINT32_MAX;

        for (int i = 0; i < n; i++)
            for (int k = 0; k < QUANT_DIMS; k++)
                p[i].f[k] = (int16_t)(rand() % 511 - 255);
        for (int k = 0; k < QUANT_DIMS; k++)
            q.f[k] = (int16_t)(rand() % 511 - 255);
        quant_set_make(&set, p, n);
        for (int i = 0; i < n; i++)
            least = quant_distance(p[i].f, q.f) < least ? quant_distance(p[i].f, q.f) : least;
        int got = quant_nearest(&set, q.f, rand() % n);
        ck_assert_uint_eq(quant_distance(set.f[got], q.f), least);
        ck_assert_int_eq(got, quant_nearest(&set, q.f, 0));
    }
}
END_TEST

START_TEST(more_colours_are_closer)
{
    static const int colours[] = { 1, 2, 3, 8, 32, 256 };
    uint64_t before = UINT64_MAX;

    fill_random();
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        quantise(colours[i], false);
        uint64_t now = error_of_all();
        ck_assert_int_eq(palette.n, colours[i]);
        ck_assert_uint_lt(now, before);
        before = now;
    }
}
END_TEST

START_TEST(refinement_does_not_harm)
{
    fill_random();
    ck_assert_int_eq(ic_quant_palette(all, 32, 0, &mem, &palette, &err), IC_OK);
    ck_assert_int_eq(ic_quant_map(all, &palette, false, &mem, index_of, &err), IC_OK);
    uint64_t boxes = error_of_all();
    quantise(32, false);
    ck_assert_uint_lt(error_of_all(), boxes);
}
END_TEST

/* A smooth slope between two colours: its mean brightness survives in every part between them, which without dithering
 * it can't. */
START_TEST(dithering_keeps_local_means)
{
    int worst[2] = { 0, 0 };

    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        memset(px + 4 * i, (int)(100 + i % SIDE), 3), px[4 * i + 3] = 255;
    for (int dither = 0; dither < 2; dither++) {
        quantise(2, dither);
        for (uint32_t x = 20; x < 44; x += 8) {
            int sum = 0;
            for (uint32_t i = 0; i < SIDE * 8; i++)
                sum += palette.colour[index_of[i / 8 * SIDE + x + i % 8]].r - px[4 * (x + i % 8)];
            sum = abs(sum) / (SIDE * 8);
            worst[dither] = sum > worst[dither] ? sum : worst[dither];
        }
    }
    ck_assert_int_ge(worst[0], 8);
    ck_assert_int_le(worst[1], 2);
}
END_TEST

START_TEST(a_small_budget_is_told)
{
    fill_random();
    mem.limit = 1000;
    ck_assert_int_eq(ic_quant_palette(all, 16, 8, &mem, &palette, &err), IC_E_MEMORY);
    ck_assert_int_eq(ic_quant_map(all, &palette, true, &mem, index_of, &err), IC_E_MEMORY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("quant");
    TCase *t = tcase_create("all");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, few_colours_stay_as_they_are);
    tcase_add_test(t, transparent_pixels_are_one_colour);
    tcase_add_test(t, edges_of_alpha_are_kept);
    tcase_add_test(t, the_nearest_is_found);
    tcase_add_test(t, more_colours_are_closer);
    tcase_add_test(t, refinement_does_not_harm);
    tcase_add_test(t, dithering_keeps_local_means);
    tcase_add_test(t, a_small_budget_is_told);
    suite_add_tcase(s, t);
    return run_suite(s);
}
