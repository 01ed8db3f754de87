/* What a plan decides for the codecs: the scale to decode at, the frames, what to encode with. */
#include "plans.h"
#include "suite.h"

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

int main(void)
{
    Suite *s = suite_create("plan_codec");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, shrink_on_load, 0, N(scales));
    tcase_add_test(t, shrink_counts_from_the_crop);
    tcase_add_test(t, encoder_defaults);
    tcase_add_loop_test(t, background, 0, N(backgrounds));
    tcase_add_test(t, frames_are_chosen);
    suite_add_tcase(s, t);
    return run_suite(s);
}
