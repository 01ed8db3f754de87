/* What a plan decides for the codecs, what it predicts, and what it refuses. */
#include "plans.h"

static const struct {
    uint32_t src, dst;
    int scale;
} scales[] = {
    { 5200, 5200, 8 }, { 5200, 2600, 8 }, { 5200, 2001, 8 }, { 5200, 2000, 4 }, { 5200, 1001, 4 },
    { 5200, 1000, 2 }, { 5200, 501, 2 },  { 5200, 500, 1 },  { 5200, 10, 1 },
};

START_TEST(shrink_on_load)
{
    struct ic_recipe r = recipe(scales[_i].dst, 0);
    struct ic_info info = photo(scales[_i].src, scales[_i].src);
    ck_assert_int_eq(plan(&r, info).scale, scales[_i].scale);
    info.format = IC_FORMAT_PNG;
    ck_assert_int_eq(plan(&r, info).scale, 8);
    /* the axis that shrinks less decides */
    info.format = IC_FORMAT_JPEG;
    r = recipe(4000, 10);
    r.fit = IC_FIT_STRETCH;
    ck_assert_int_eq(plan(&r, info).scale, 8);
}
END_TEST

START_TEST(shrink_counts_from_the_crop)
{
    struct ic_recipe r = recipe(500, 500);
    r.rect[2] = r.rect[3] = px(500);
    ck_assert_int_eq(plan(&r, photo(8000, 8000)).scale, 8);
}
END_TEST

START_TEST(encoder_defaults)
{
    struct ic_recipe r = recipe(10, 10);
    struct ic_info info = photo(100, 100);
    struct ic_plan p = plan(&r, info);
    ck_assert_int_eq(p.format, IC_FORMAT_JPEG);
    ck_assert_int_eq(p.quality, 80);
    ck_assert_int_eq(p.chroma, IC_CHROMA_420);
    ck_assert_int_eq(p.kernel, IC_KERNEL_LANCZOS3);
    r.quality = 90;
    ck_assert_int_eq(plan(&r, info).chroma, IC_CHROMA_444);
    r.chroma = IC_CHROMA_422;
    ck_assert_int_eq(plan(&r, info).chroma, IC_CHROMA_422);
    r.lossless = true;
    ck_assert(!plan(&r, info).lossless);
    r.format = IC_FORMAT_WEBP;
    p = plan(&r, info);
    ck_assert_int_eq(p.format, IC_FORMAT_WEBP);
    ck_assert(p.lossless);
}
END_TEST

/* source alpha, format, bg given, bg's alpha, pad -> flatten, alpha, bg's alpha in effect, bg's red in effect */
static const struct {
    bool source;
    int format;
    bool given;
    uint8_t a;
    bool pad, flatten, alpha;
    uint8_t bg_a, bg_r;
} backgrounds[] = {
    { 0, IC_FORMAT_JPEG, 0, 0, 1, 0, 0, 255, 255 }, { 1, IC_FORMAT_JPEG, 0, 0, 0, 1, 0, 255, 255 },
    { 1, IC_FORMAT_JPEG, 1, 255, 0, 1, 0, 255, 9 }, { 1, IC_FORMAT_JPEG, 1, 128, 0, 1, 0, 255, 132 },
    { 0, IC_FORMAT_PNG, 0, 0, 1, 0, 1, 0, 0 },      { 0, IC_FORMAT_PNG, 0, 0, 0, 0, 0, 0, 0 },
    { 0, IC_FORMAT_PNG, 1, 255, 1, 0, 0, 255, 9 },  { 1, IC_FORMAT_PNG, 0, 0, 0, 0, 1, 0, 0 },
    { 1, IC_FORMAT_WEBP, 1, 255, 0, 1, 0, 255, 9 }, { 1, IC_FORMAT_WEBP, 1, 128, 0, 1, 1, 128, 9 },
};

START_TEST(background)
{
    struct ic_recipe r = recipe(50, 50);
    struct ic_info info = photo(200, 100);
    info.format = IC_FORMAT_PNG;
    info.alpha = backgrounds[_i].source;
    info.components = info.alpha ? 4 : 3;
    r.fit = backgrounds[_i].pad ? IC_FIT_PAD : IC_FIT_INSIDE;
    r.format = backgrounds[_i].format;
    r.bg_given = backgrounds[_i].given;
    r.bg = (struct ic_colour){ 9, 9, 9, backgrounds[_i].a };
    struct ic_plan p = plan(&r, info);
    ck_assert_int_eq(p.flatten, backgrounds[_i].flatten);
    ck_assert_int_eq(p.alpha, backgrounds[_i].alpha);
    ck_assert_int_eq(p.bg.a, backgrounds[_i].bg_a);
    ck_assert_int_eq(p.bg.r, backgrounds[_i].bg_r);
}
END_TEST

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

START_TEST(frames_are_chosen)
{
    struct ic_recipe r = recipe(100, 100);
    struct ic_info info = photo(400, 300);
    struct ic_plan p;
    struct ic_error e;
    info.format = IC_FORMAT_WEBP;
    info.components = 3;
    info.frames = 7;
    ck_assert_uint_eq(plan(&r, info).frames, 7);
    ck_assert(plan(&r, info).alpha); /* whatever the header says */
    ck_assert_double_ge(plan(&r, info).cost_ms, 7 * plan(&r, photo(400, 300)).cost_ms);
    r.format = IC_FORMAT_PNG;
    ck_assert_uint_eq(plan(&r, info).frames, 1);
    ck_assert_uint_eq(plan(&r, info).page, 0);
    ck_assert(!plan(&r, info).alpha);
    r.page = 6;
    ck_assert_uint_eq(plan(&r, info).page, 6);
    r.page = 7;
    ck_assert_int_eq(ic_plan(&r, &info, &limits, &p, &e), IC_E_PARAM);
    info.frames = 1; /* what has no pages ignores it */
    ck_assert_uint_eq(plan(&r, info).page, 0);
}
END_TEST

START_TEST(memory_is_predicted)
{
    struct ic_recipe r = recipe(800, 600);
    struct ic_info info = photo(4288, 2848);
    struct ic_limits l = limits;
    uint64_t baseline = plan(&r, info).memory, progressive;
    ck_assert_uint_lt(baseline, 8 << 20);
    info.progressive = true;
    progressive = plan(&r, info).memory;
    ck_assert_uint_ge(progressive - baseline, (uint64_t)4288 * 2848 * 3); /* 16-bit coefficients of 4:2:0 */
    l.max_memory = 16 << 20;
    refused(&r, info, l, IC_E_MEMORY);
    info.format = IC_FORMAT_WEBP;
    ck_assert_uint_ge(plan(&r, info).memory, (uint64_t)4288 * 2848 * 3 / 2);
}
END_TEST

START_TEST(cost_follows_the_work)
{
    struct ic_recipe r = recipe(800, 600);
    double photo_ms = plan(&r, photo(4288, 2848)).cost_ms;
    ck_assert_double_ge(photo_ms, 15);
    ck_assert_double_le(photo_ms, 60);
    ck_assert_double_le(plan(&r, photo(1000, 800)).cost_ms, photo_ms / 3);
    r.format = IC_FORMAT_WEBP;
    ck_assert_double_ge(plan(&r, photo(4288, 2848)).cost_ms, photo_ms + 10);
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
    Suite *s = suite_create("plan_cost");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, shrink_on_load, 0, N(scales));
    tcase_add_test(t, shrink_counts_from_the_crop);
    tcase_add_test(t, encoder_defaults);
    tcase_add_loop_test(t, background, 0, N(backgrounds));
    tcase_add_test(t, limits_hold);
    tcase_add_test(t, frames_are_chosen);
    tcase_add_test(t, memory_is_predicted);
    tcase_add_test(t, cost_follows_the_work);
    tcase_add_test(t, recipes_from_elsewhere_are_checked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
