/* Plans that depend on pixels: the bound before they are known, the refinement after, and what a small picture says. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/analyse.h"
#include "../../imgcore/plan.h"
#include "suite.h"

static const struct ic_limits limits = { .max_pixels_in = 100000000,
                                         .max_side_in = 30000,
                                         .max_side_out = 16384,
                                         .max_memory = (size_t)512 << 20,
                                         .max_result = (size_t)64 << 20 };

static const struct ic_info photo = {
    .format = IC_FORMAT_PNG, .width = 1000, .height = 400, .frames = 1, .components = 3, .depth = 8, .orientation = 1
};

static struct ic_recipe recipe(double w, double h, int fit)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.width = (struct ic_len){ w, w > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    r.height = (struct ic_len){ h, h > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    r.fit = fit;
    return r;
}

static struct ic_plan refined(const struct ic_recipe *r, const struct ic_analysis *a)
{
    struct ic_plan p;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_plan_refine(r, &photo, &limits, a, &p, &e) == IC_OK, "%s", e.text);
    return p;
}

static struct ic_analysis border(double x0, double y0, double x1, double y1)
{
    return (struct ic_analysis){ .area = { 0, 0, 1000, 400 }, .trimmed = true, .trim = { x0, y0, x1, y1 } };
}

START_TEST(asks_only_for_what_it_needs)
{
    struct ic_recipe r = recipe(100, 100, IC_FIT_COVER);
    ck_assert_uint_eq(refined(&r, NULL).analyse, 0);
    r.gravity = IC_SMART;
    ck_assert_uint_eq(refined(&r, NULL).analyse, IC_ANALYSE_LOOK);
    ck_assert(refined(&r, NULL).sized);
    r.gravity = IC_ENTROPY;
    ck_assert_uint_eq(refined(&r, NULL).analyse, IC_ANALYSE_LOOK);
    r = recipe(100, 40, IC_FIT_COVER); /* cuts nothing off */
    r.gravity = IC_SMART;
    ck_assert_uint_eq(refined(&r, NULL).analyse, 0);
    r.trim = 10; /* but may then */
    ck_assert_uint_eq(refined(&r, NULL).analyse, IC_ANALYSE_LOOK | IC_ANALYSE_TRIM);
    r = recipe(100, 100, IC_FIT_INSIDE);
    r.gravity = IC_SMART;
    ck_assert_uint_eq(refined(&r, NULL).analyse, 0);
    r.trim = 0;
    ck_assert_uint_eq(refined(&r, NULL).analyse, IC_ANALYSE_TRIM);
    ck_assert(!refined(&r, NULL).sized);
    r.fit = IC_FIT_PAD;
    ck_assert(refined(&r, NULL).sized);
    struct ic_analysis a = border(0, 0, 1000, 400);
    ck_assert_uint_eq(refined(&r, &a).analyse, 0);
}
END_TEST

START_TEST(trim_comes_before_the_fit)
{
    struct ic_recipe r = recipe(100, 0, IC_FIT_INSIDE);
    struct ic_analysis a = border(100, 50, 500, 250);
    r.trim = 10;
    struct ic_plan p = refined(&r, &a);
    ck_assert_uint_eq(p.width, 100);
    ck_assert_uint_eq(p.height, 50);
    ck_assert(p.crop.x0 == 100 && p.crop.y0 == 50 && p.crop.x1 == 500 && p.crop.y1 == 250);
    ck_assert(p.sized);
}
END_TEST

START_TEST(light_needs_the_full_decode_and_something_to_mix)
{
    struct ic_recipe r = recipe(100, 0, IC_FIT_INSIDE);
    r.linear = true;
    struct ic_info jpeg = photo;
    struct ic_plan p;
    struct ic_error e;
    jpeg.format = IC_FORMAT_JPEG;
    jpeg.hsamp[0] = jpeg.vsamp[0] = 1;
    ck_assert_int_eq(ic_plan(&r, &jpeg, &limits, &p, &e), IC_OK);
    ck_assert(p.linear && p.scale == 8);
    r.linear = false;
    double cost = p.cost_ms;
    ck_assert_int_eq(ic_plan(&r, &jpeg, &limits, &p, &e), IC_OK);
    ck_assert(!p.linear && p.scale < 8 && p.cost_ms < cost);
    r = recipe(0, 0, IC_FIT_INSIDE);
    r.linear = true;
    ck_assert(!refined(&r, NULL).linear);
    r = recipe(100, 0, IC_FIT_INSIDE);
    r.linear = true;
    r.kernel = IC_KERNEL_NEAREST;
    ck_assert(!refined(&r, NULL).linear);
}
END_TEST

static uint32_t next(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

static double below(uint32_t *seed, uint32_t n)
{
    return (next(seed) >> 8) % n;
}

/* Whatever the border, the bound holds; where there is none, sizes of what is refined are anything. */
START_TEST(the_bound_holds)
{
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct ic_recipe r = recipe(below(&seed, 3) ? 1 + below(&seed, 1500) : 0,
                                    below(&seed, 3) ? 1 + below(&seed, 600) : 0, (int)below(&seed, 5));
        double x = below(&seed, 1000), y = below(&seed, 400);
        struct ic_analysis a =
            border(x, y, x + 1 + below(&seed, 1000 - (uint32_t)x), y + 1 + below(&seed, 400 - (uint32_t)y));
        r.trim = 10;
        r.enlarge = below(&seed, 2) && r.width.unit && r.height.unit && r.fit != IC_FIT_OUTSIDE;
        r.rotate = below(&seed, 4) * 90;
        struct ic_plan bound = refined(&r, NULL), p = refined(&r, &a);
        ck_assert_msg(p.width <= bound.width && p.height <= bound.height, "%ux%u, bound %ux%u in round %d", p.width,
                      p.height, bound.width, bound.height, round);
        ck_assert(!bound.sized || (p.width == bound.width && p.height == bound.height));
        ck_assert(p.crop.x0 >= x && p.crop.y0 >= y && p.crop.x1 <= a.trim.x1 && p.crop.y1 <= a.trim.y1);
    }
}
END_TEST

/* Whatever is asked, what is read lies in the source and the picture in the result. */
START_TEST(crops_and_places_stay_inside)
{
    uint32_t seed = 11;
    int planned = 0;
    for (int round = 0; round < 20000; round++) {
        struct ic_info info = photo;
        struct ic_recipe r = recipe(below(&seed, 3) ? 1 + below(&seed, 1500) : 0,
                                    below(&seed, 3) ? 1 + below(&seed, 600) : 0, (int)below(&seed, 5));
        struct ic_plan p;
        struct ic_error e;
        info.width = 1 + (uint32_t)below(&seed, below(&seed, 2) ? 3 : 2000);
        info.height = 1 + (uint32_t)below(&seed, below(&seed, 2) ? 3 : 2000);
        info.orientation = (uint8_t)(1 + below(&seed, 8));
        r.gravity = (int)below(&seed, IC_ENTROPY + 1);
        r.focus_x = below(&seed, 101) / 100;
        r.focus_y = below(&seed, 101) / 100;
        r.enlarge = below(&seed, 2);
        r.rotate = below(&seed, 2) ? below(&seed, 721) - 360 : below(&seed, 4) * 90;
        r.flip = below(&seed, 2);
        r.rect[2] = (struct ic_len){ 1 + below(&seed, 100), below(&seed, 2) ? IC_UNIT_PERCENT : IC_UNIT_NONE };
        r.surround.pad[(int)below(&seed, 4)] = (int)below(&seed, 9);
        r.surround.border.width = (int)below(&seed, 4);
        if (ic_plan(&r, &info, &limits, &p, &e) != IC_OK) {
            ck_assert_msg(e.code == IC_E_LIMIT || e.code == IC_E_MEMORY, "%s", e.text);
            continue;
        }
        planned++;
        ck_assert(p.crop.x0 >= 0 && p.crop.y0 >= 0 && p.crop.x0 < p.crop.x1 && p.crop.y0 < p.crop.y1);
        ck_assert(p.crop.x1 <= info.width && p.crop.y1 <= info.height);
        ck_assert(p.scaled_w >= 1 && p.scaled_h >= 1);
        bool swap = p.turn & IC_TURN_TRANSPOSE;
        if (p.angle == 0)
            ck_assert(p.place_x + (swap ? p.scaled_h : p.scaled_w) <= p.width &&
                      p.place_y + (swap ? p.scaled_w : p.scaled_h) <= p.height);
        else
            ck_assert(p.centre_x > 0 && p.centre_x < p.width && p.centre_y > 0 && p.centre_y < p.height);
    }
    ck_assert_int_gt(planned, 10000);
}
END_TEST

/* Grey, with a square of another colour or of noise. */
static struct ic_look picture(uint8_t *px, uint32_t w, uint32_t h, uint32_t x0, uint32_t y0, bool noise)
{
    uint32_t seed = 3;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            bool in = x >= x0 && x < x0 + 12 && y >= y0 && y < y0 + 12;
            uint8_t *p = px + (y * w + x) * 4;
            const uint8_t grey[4] = { 120, 125, 130, 255 }, skin[4] = { 224, 172, 136, 255 };
            memcpy(p, in ? skin : grey, 4);
            for (int c = 0; c < 3 && in && noise; c++)
                p[c] = (uint8_t)(next(&seed) >> 24);
        }
    return (struct ic_look){ px, (size_t)w * 4, w, h };
}

START_TEST(attention_finds_skin)
{
    static uint8_t px[96 * 48 * 4];
    double x, y;
    for (uint32_t at = 0; at <= 84; at += 12) {
        struct ic_look l = picture(px, 96, 48, at, 20, false);
        ic_attention(&l, 0.3, 1, &x, &y);
        ck_assert_double_le(fabs(x - (at + 6) / 96.0), 0.08);
        ck_assert_double_le(fabs(y - 26 / 48.0), 0.15);
    }
}
END_TEST

START_TEST(entropy_keeps_noise)
{
    static uint8_t px[96 * 48 * 4];
    double x, y;
    for (uint32_t at = 0; at <= 84; at += 12) {
        struct ic_look l = picture(px, 96, 48, at, 20, true);
        ic_entropy(&l, 0.25, 1, &x, &y);
        ck_assert_double_le(x * 96, at);
        ck_assert_double_ge((x + 0.25) * 96, at + 12);
        ck_assert_double_eq(y, 0);
    }
}
END_TEST

START_TEST(any_size_of_picture_will_do)
{
    static uint8_t px[256 * 256 * 4];
    double x, y;
    for (uint32_t w = 1; w <= 256; w += 51)
        for (uint32_t h = 1; h <= 256; h += 51) {
            struct ic_look l = picture(px, w, h, 0, 0, true);
            ic_attention(&l, 1.0 / w, 1.0, &x, &y);
            ck_assert(x >= 0 && x <= 1 && y >= 0 && y <= 1);
            ic_entropy(&l, 1.0, 1.0 / h, &x, &y);
            ck_assert(x >= 0 && y >= 0 && y <= 1 - 1.0 / h);
        }
}
END_TEST

START_TEST(light_is_that_of_the_standard)
{
    uint16_t light[256];
    ic_light(light);
    ck_assert_uint_eq(light[0], 0);
    ck_assert_uint_eq(light[255], 65535);
    ck_assert_uint_eq(light[1], 20); /* 1 / 255 / 12.92 */
    ck_assert_uint_eq(light[128], 14146);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refine");
    TCase *t = tcase_create("all");
    tcase_add_test(t, asks_only_for_what_it_needs);
    tcase_add_test(t, trim_comes_before_the_fit);
    tcase_add_test(t, light_needs_the_full_decode_and_something_to_mix);
    tcase_add_test(t, the_bound_holds);
    tcase_add_test(t, crops_and_places_stay_inside);
    tcase_add_test(t, attention_finds_skin);
    tcase_add_test(t, entropy_keeps_noise);
    tcase_add_test(t, any_size_of_picture_will_do);
    tcase_add_test(t, light_is_that_of_the_standard);
    suite_add_tcase(s, t);
    return run_suite(s);
}
