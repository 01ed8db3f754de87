/* Plans: every fit and gravity, focal points, shares and areas, table by table. */
#include "plans.h"
#include "suite.h"

static const struct {
    int fit;
    bool enlarge;
    uint32_t src_w, src_h, box_w, box_h; /* 0: not given */
    uint32_t w, h;                       /* of the result */
    uint32_t scaled_w, scaled_h;
    struct ic_box crop;
} fits[] = {
    /* smaller than the source */
    { IC_FIT_INSIDE, 0, 4000, 3000, 800, 800, 800, 600, 800, 600, { 0, 0, 4000, 3000 } },
    { IC_FIT_INSIDE, 0, 4000, 3000, 800, 300, 400, 300, 400, 300, { 0, 0, 4000, 3000 } },
    { IC_FIT_OUTSIDE, 0, 4000, 3000, 800, 800, 1067, 800, 1067, 800, { 0, 0, 4000, 3000 } },
    { IC_FIT_COVER, 0, 4000, 3000, 800, 800, 800, 800, 800, 800, { 500, 0, 3500, 3000 } },
    { IC_FIT_COVER, 0, 4000, 3000, 800, 300, 800, 300, 800, 300, { 0, 750, 4000, 2250 } },
    { IC_FIT_COVER, 0, 1001, 999, 30, 10, 30, 10, 30, 10, { 0, 999 / 2.0 - 1001 / 6.0, 1001, 999 / 2.0 + 1001 / 6.0 } },
    { IC_FIT_PAD, 0, 4000, 3000, 800, 800, 800, 800, 800, 600, { 0, 0, 4000, 3000 } },
    { IC_FIT_STRETCH, 0, 4000, 3000, 800, 800, 800, 800, 800, 800, { 0, 0, 4000, 3000 } },
    /* only one side, or none, given */
    { IC_FIT_INSIDE, 0, 4288, 2848, 800, 0, 800, 531, 800, 531, { 0, 0, 4288, 2848 } },
    { IC_FIT_INSIDE, 0, 4288, 2848, 0, 600, 903, 600, 903, 600, { 0, 0, 4288, 2848 } },
    { IC_FIT_COVER, 0, 4288, 2848, 800, 0, 800, 531, 800, 531, { 0, 0, 4288, 2848 } },
    { IC_FIT_PAD, 0, 4288, 2848, 0, 600, 903, 600, 903, 600, { 0, 0, 4288, 2848 } },
    { IC_FIT_STRETCH, 0, 4288, 2848, 800, 0, 800, 531, 800, 531, { 0, 0, 4288, 2848 } },
    { IC_FIT_COVER, 0, 123, 45, 0, 0, 123, 45, 123, 45, { 0, 0, 123, 45 } },
    /* the source is smaller than the box: enlarge is off */
    { IC_FIT_INSIDE, 0, 400, 300, 800, 800, 400, 300, 400, 300, { 0, 0, 400, 300 } },
    { IC_FIT_INSIDE, 0, 400, 300, 800, 0, 400, 300, 400, 300, { 0, 0, 400, 300 } },
    { IC_FIT_OUTSIDE, 0, 400, 300, 800, 800, 400, 300, 400, 300, { 0, 0, 400, 300 } },
    { IC_FIT_OUTSIDE, 0, 1000, 300, 500, 400, 1000, 300, 1000, 300, { 0, 0, 1000, 300 } },
    { IC_FIT_COVER, 0, 400, 300, 800, 800, 300, 300, 300, 300, { 50, 0, 350, 300 } },
    { IC_FIT_COVER, 0, 1000, 300, 800, 600, 400, 300, 400, 300, { 300, 0, 700, 300 } },
    { IC_FIT_COVER, 0, 100, 75, 301, 100, 100, 33, 100, 33, { 0, 21, 100, 54 } },
    { IC_FIT_COVER, 0, 100, 76, 301, 100, 100, 33, 100, 33, { 0, 21, 100, 54 } },
    { IC_FIT_PAD, 0, 400, 300, 800, 800, 800, 800, 400, 300, { 0, 0, 400, 300 } },
    { IC_FIT_STRETCH, 0, 400, 300, 800, 100, 400, 100, 400, 100, { 0, 0, 400, 300 } },
    { IC_FIT_STRETCH, 0, 400, 300, 100, 800, 100, 300, 100, 300, { 0, 0, 400, 300 } },
    /* and on */
    { IC_FIT_INSIDE, 1, 400, 300, 800, 800, 800, 600, 800, 600, { 0, 0, 400, 300 } },
    { IC_FIT_INSIDE, 1, 400, 300, 0, 600, 800, 600, 800, 600, { 0, 0, 400, 300 } },
    { IC_FIT_OUTSIDE, 1, 400, 300, 800, 900, 1200, 900, 1200, 900, { 0, 0, 400, 300 } },
    { IC_FIT_COVER, 1, 400, 300, 800, 800, 800, 800, 800, 800, { 50, 0, 350, 300 } },
    { IC_FIT_PAD, 1, 400, 300, 800, 800, 800, 800, 800, 600, { 0, 0, 400, 300 } },
    { IC_FIT_STRETCH, 1, 400, 300, 800, 100, 800, 100, 800, 100, { 0, 0, 400, 300 } },
    /* rounding: half up, at least 1 */
    { IC_FIT_INSIDE, 0, 3, 3000, 1, 500, 1, 500, 1, 500, { 0, 0, 3, 3000 } },
    { IC_FIT_INSIDE, 0, 3000, 3, 100, 100, 100, 1, 100, 1, { 0, 0, 3000, 3 } },
    { IC_FIT_INSIDE, 0, 8, 3, 4, 0, 4, 2, 4, 2, { 0, 0, 8, 3 } },
    { IC_FIT_COVER, 0, 1, 1, 3, 100, 1, 1, 1, 1, { 0, 0, 1, 1 } },
};

START_TEST(fit)
{
    struct ic_recipe r = recipe(fits[_i].box_w, fits[_i].box_h);
    r.fit = fits[_i].fit;
    r.enlarge = fits[_i].enlarge;
    struct ic_plan p = plan(&r, photo(fits[_i].src_w, fits[_i].src_h));
    ck_assert_uint_eq(p.width, fits[_i].w);
    ck_assert_uint_eq(p.height, fits[_i].h);
    ck_assert_uint_eq(p.scaled_w, fits[_i].scaled_w);
    ck_assert_uint_eq(p.scaled_h, fits[_i].scaled_h);
    check_box(&p, fits[_i].crop.x0, fits[_i].crop.y0, fits[_i].crop.x1, fits[_i].crop.y1);
    ck_assert_int_eq(p.pad, p.width != p.scaled_w || p.height != p.scaled_h);
}
END_TEST

static const struct {
    int gravity;
    double x, y; /* 0, 0.5, 1 */
} gravities[] = {
    { IC_CENTER, .5, .5 },  { IC_NORTH, .5, 0 },    { IC_NORTHEAST, 1, 0 },
    { IC_EAST, 1, .5 },     { IC_SOUTHEAST, 1, 1 }, { IC_SOUTH, .5, 1 },
    { IC_SOUTHWEST, 0, 1 }, { IC_WEST, 0, .5 },     { IC_NORTHWEST, 0, 0 },
};

START_TEST(gravity_crops_and_places)
{
    struct ic_recipe r = recipe(100, 100);
    r.gravity = gravities[_i].gravity;
    r.fit = IC_FIT_COVER;
    struct ic_plan wide = plan(&r, photo(1000, 400)), tall = plan(&r, photo(400, 1000));
    check_box(&wide, 600 * gravities[_i].x, 0, 600 * gravities[_i].x + 400, 400);
    check_box(&tall, 0, 600 * gravities[_i].y, 400, 600 * gravities[_i].y + 400);
    r.fit = IC_FIT_PAD;
    wide = plan(&r, photo(1000, 400));
    tall = plan(&r, photo(400, 1000));
    ck_assert_uint_eq(wide.place_x, 0);
    ck_assert_uint_eq(wide.place_y, (uint32_t)(60 * gravities[_i].y));
    ck_assert_uint_eq(tall.place_x, (uint32_t)(60 * gravities[_i].x));
    ck_assert_uint_eq(tall.place_y, 0);
}
END_TEST

/* Of 1000 x 400 shown, a square is kept round the focal point. */
static const struct {
    double x, y, from; /* of the focal point; where the square begins */
} foci[] = {
    { .5, .5, 300 }, { .25, .9, 50 }, { .2, 0, 0 }, { 0, .5, 0 }, { .8, .5, 600 }, { 1, 1, 600 }, { .3333, .5, 133.3 },
};

START_TEST(focal_point_is_centred_as_far_as_possible)
{
    struct ic_recipe r = recipe(100, 100);
    r.fit = IC_FIT_COVER;
    r.gravity = IC_FOCAL;
    r.focus_x = foci[_i].x;
    r.focus_y = foci[_i].y;
    struct ic_plan p = plan(&r, photo(1000, 400));
    check_box(&p, foci[_i].from, 0, foci[_i].from + 400, 400);
    /* stored upright, shown turned to the right: x of the shown is y of the stored, from below */
    struct ic_info turned = photo(400, 1000);
    turned.orientation = 6;
    p = plan(&r, turned);
    check_box(&p, 0, 1000 - foci[_i].from - 400, 400, 1000 - foci[_i].from);
    /* at source scale on whole pixels */
    r.width = r.height = px(2000);
    p = plan(&r, photo(1000, 400));
    check_box(&p, floor(foci[_i].from), 0, floor(foci[_i].from) + 400, 400);
}
END_TEST

START_TEST(focal_point_belongs_to_the_whole_source)
{
    struct ic_recipe r = recipe(10, 10);
    r.fit = IC_FIT_COVER;
    r.gravity = IC_FOCAL;
    r.focus_x = 0.5;
    r.rect[0] = r.rect[1] = px(100);
    r.rect[2] = px(800);
    r.rect[3] = px(200);
    struct ic_plan p = plan(&r, photo(1000, 400));
    check_box(&p, 400, 100, 600, 300);
    r.rect[2] = px(300); /* the point is right of it */
    p = plan(&r, photo(1000, 400));
    check_box(&p, 200, 100, 400, 300);
}
END_TEST

START_TEST(percent_and_dpr)
{
    struct ic_recipe r = recipe(0, 0);
    r.width = percent(50);
    r.dpr = 2; /* for px only */
    struct ic_plan p = plan(&r, photo(1001, 500));
    ck_assert_uint_eq(p.width, 501);
    ck_assert_uint_eq(p.height, 250);
    r = recipe(100, 0);
    r.dpr = 1.5;
    p = plan(&r, photo(1000, 500));
    ck_assert_uint_eq(p.width, 150);
    ck_assert_uint_eq(p.height, 75);
    r = recipe(0, 0);
    r.rect[0] = r.rect[1] = px(100);
    r.rect[2] = r.rect[3] = px(200);
    r.width = percent(50); /* of what rect leaves */
    p = plan(&r, photo(1000, 500));
    ck_assert_uint_eq(p.width, 100);
}
END_TEST

static const struct {
    struct ic_len rect[4];
    enum ic_code code;
    double x0, y0, x1, y1;
} rects[] = {
    { { { 10, 1 }, { 20, 1 }, { 30, 1 }, { 40, 1 } }, IC_OK, 10, 20, 40, 60 },
    { { { 25, 2 }, { 10, 2 }, { 50, 2 }, { 33.3, 2 } }, IC_OK, 250, 50, 750, 217 },
    { { { 900, 1 }, { 400, 1 }, { 500, 1 }, { 500, 1 } }, IC_OK, 900, 400, 1000, 500 },
    { { { -50, 1 }, { -50, 1 }, { 100, 1 }, { 100, 1 } }, IC_OK, 0, 0, 50, 50 },
    { { { 100, 1 }, { 0, 0 }, { 0, 0 }, { 0, 0 } }, IC_OK, 100, 0, 1000, 500 },
    { { { 10, 1 }, { 10, 1 }, { 0.2, 1 }, { 0.2, 1 } }, IC_OK, 10, 10, 11, 11 },
    { { { 1000, 1 }, { 0, 1 }, { 10, 1 }, { 10, 1 } }, IC_E_PARAM, 0, 0, 0, 0 },
    { { { 0, 1 }, { 500, 1 }, { 10, 1 }, { 10, 1 } }, IC_E_PARAM, 0, 0, 0, 0 },
    { { { -20, 1 }, { 0, 1 }, { 20, 1 }, { 10, 1 } }, IC_E_PARAM, 0, 0, 0, 0 },
    { { { 5, 1 }, { 5, 1 }, { 0, 1 }, { 10, 1 } }, IC_E_PARAM, 0, 0, 0, 0 },
    { { { NAN, 1 }, { 5, 1 }, { 10, 1 }, { 10, 1 } }, IC_E_PARAM, 0, 0, 0, 0 },
    { { { 0, 1 }, { 0, 1 }, { INFINITY, 1 }, { 1e300, 1 } }, IC_OK, 0, 0, 1000, 500 },
};

START_TEST(rect)
{
    struct ic_recipe r = recipe(0, 0);
    struct ic_info info = photo(1000, 500);
    struct ic_plan p;
    struct ic_error e = { 0 };
    memcpy(r.rect, rects[_i].rect, sizeof r.rect);
    ck_assert_int_eq(ic_plan(&r, &info, &limits, &p, &e), rects[_i].code);
    ck_assert_int_eq(e.code, rects[_i].code);
    if (rects[_i].code != IC_OK)
        return;
    check_box(&p, rects[_i].x0, rects[_i].y0, rects[_i].x1, rects[_i].y1);
    ck_assert_double_eq(p.width, rects[_i].x1 - rects[_i].x0);
    ck_assert_double_eq(p.height, rects[_i].y1 - rects[_i].y0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, fit, 0, N(fits));
    tcase_add_loop_test(t, gravity_crops_and_places, 0, N(gravities));
    tcase_add_loop_test(t, focal_point_is_centred_as_far_as_possible, 0, N(foci));
    tcase_add_test(t, focal_point_belongs_to_the_whole_source);
    tcase_add_test(t, percent_and_dpr);
    tcase_add_loop_test(t, rect, 0, N(rects));
    suite_add_tcase(s, t);
    return run_suite(s);
}
