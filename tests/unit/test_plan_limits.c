/* What a plan refuses: sources and results over a limit, recipes that no door of ours would let through. */
#include "plans.h"
#include "suite.h"

START_TEST(limits_hold)
{
    struct ic_recipe r = recipe(100, 100);
    struct ic_info info = photo(1000, 1000);
    struct ic_limits l = limits;
    l.max_pixels_in = 1000000;
    plan(&r, info);
    info.format = IC_FORMAT_WEBP;
    info.frames = 2;
    refused(&r, info, l, IC_E_LIMIT);
    l.max_pixels_in = 2000000;
    plan(&r, info);
    l.max_frames = 1;
    refused(&r, info, l, IC_E_LIMIT);
    l = limits;
    l.max_pixels_in = 1000000;
    info = photo(1001, 1000);
    refused(&r, info, l, IC_E_LIMIT);
    l = limits;
    l.max_side_in = 999;
    refused(&r, photo(1000, 10), l, IC_E_LIMIT);
    refused(&r, photo(10, 1000), l, IC_E_LIMIT);
    refused(&r, photo(2147483647, 2147483647), limits, IC_E_LIMIT);
    l = limits;
    l.max_side_out = 99;
    refused(&r, photo(1000, 1000), l, IC_E_LIMIT);
    r = recipe(60000, 60000);
    plan(&r, photo(1000, 1000)); /* a large box alone is no large result */
    r.enlarge = true;
    refused(&r, photo(1000, 1000), limits, IC_E_LIMIT);
    l = limits;
    l.max_side_out = 60000;
    r = recipe(16384, 0);
    r.enlarge = true;
    r.format = IC_FORMAT_WEBP;
    refused(&r, photo(1000, 1), l, IC_E_LIMIT);
}
END_TEST

START_TEST(recipes_from_elsewhere_are_checked)
{
    struct ic_recipe r;
    for (int field = 0; field < 6; field++)
        for (int bad = 0; bad < 2; bad++) {
            r = recipe(10, 10);
            int *fields[] = { &r.fit, &r.gravity, &r.kernel, &r.format, &r.chroma, &r.effort };
            *fields[field] = bad ? -1 : 1000;
            refused(&r, photo(100, 100), limits, IC_E_PARAM);
        }
    r = recipe(10, 10);
    r.focus_x = NAN;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.focus_y = 1.5;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.rotate = 360.5;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r.rotate = NAN;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.trim = 256;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.surround.pad[2] = -1;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.surround.border.width = 1 << 30;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
    r = recipe(10, 10);
    r.surround.radius = NAN;
    refused(&r, photo(100, 100), limits, IC_E_PARAM);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_limits");
    TCase *t = tcase_create("all");
    tcase_add_test(t, limits_hold);
    tcase_add_test(t, recipes_from_elsewhere_are_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
