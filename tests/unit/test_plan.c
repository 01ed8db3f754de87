/* Plans: every fit, gravity, turn and limit, table by table. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/imgcore.h"

static const struct ic_limits limits = { .max_pixels_in = 100000000,
                                         .max_side_in = 30000,
                                         .max_side_out = 16384,
                                         .max_memory = (size_t)512 << 20,
                                         .max_result = (size_t)64 << 20 };

static struct ic_info photo(uint32_t w, uint32_t h)
{
    return (struct ic_info){ .format = IC_FORMAT_JPEG,
                             .width = w,
                             .height = h,
                             .frames = 1,
                             .components = 3,
                             .depth = 8,
                             .orientation = 1,
                             .hsamp = { 2, 1, 1 },
                             .vsamp = { 2, 1, 1 } };
}

static struct ic_len px(double v)
{
    return (struct ic_len){ v, v > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
}

static struct ic_len percent(double v)
{
    return (struct ic_len){ v, IC_UNIT_PERCENT };
}

static struct ic_recipe recipe(double w, double h)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.width = px(w);
    r.height = px(h);
    return r;
}

static struct ic_plan plan(const struct ic_recipe *r, struct ic_info info)
{
    struct ic_plan p;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_plan(r, &info, &limits, &p, &e) == IC_OK, "%s", e.text);
    return p;
}

static void refused(const struct ic_recipe *r, struct ic_info info, struct ic_limits l, enum ic_code code)
{
    struct ic_plan p = { .width = 77 };
    struct ic_error e = { 0 };
    ck_assert_int_eq(ic_plan(r, &info, &l, &p, &e), code);
    ck_assert_int_eq(e.code, code);
    ck_assert_uint_eq(p.width, 77); /* set on success only */
    ck_assert_str_ne(e.text, "");
}

static void check_box(const struct ic_plan *p, double x0, double y0, double x1, double y1)
{
    ck_assert_double_eq_tol(p->crop.x0, x0, 1e-9);
    ck_assert_double_eq_tol(p->crop.y0, y0, 1e-9);
    ck_assert_double_eq_tol(p->crop.x1, x1, 1e-9);
    ck_assert_double_eq_tol(p->crop.y1, y1, 1e-9);
}

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

/* rect names the top left tenth as shown; where that is stored depends on orientation. Stored: 1000 x 500. */
static const struct {
    uint32_t shown_w, shown_h;
    double x0, y0, x1, y1;
} oriented[] = {
    [1] = { 1000, 500, 0, 0, 100, 50 },       [2] = { 1000, 500, 900, 0, 1000, 50 },
    [3] = { 1000, 500, 900, 450, 1000, 500 }, [4] = { 1000, 500, 0, 450, 100, 500 },
    [5] = { 500, 1000, 0, 0, 100, 50 },       [6] = { 500, 1000, 0, 450, 100, 500 },
    [7] = { 500, 1000, 900, 450, 1000, 500 }, [8] = { 500, 1000, 900, 0, 1000, 50 },
};

START_TEST(rect_is_in_oriented_coordinates)
{
    struct ic_recipe r = recipe(0, 0);
    struct ic_info info = photo(1000, 500);
    uint32_t w, h;
    r.rect[2] = r.rect[3] = percent(10);
    info.orientation = (uint8_t)_i;
    struct ic_plan p = plan(&r, info);
    check_box(&p, oriented[_i].x0, oriented[_i].y0, oriented[_i].x1, oriented[_i].y1);
    ck_assert_uint_eq(p.width, oriented[_i].shown_w / 10);
    ck_assert_uint_eq(p.height, oriented[_i].shown_h / 10);
    ck_assert_uint_eq(p.scaled_w, 100);
    ck_assert_uint_eq(p.scaled_h, 50);
    ic_oriented_size(&info, true, &w, &h);
    ck_assert(w == oriented[_i].shown_w && h == oriented[_i].shown_h);
    ic_oriented_size(&info, false, &w, &h);
    ck_assert(w == 1000 && h == 500);
    r.autorotate = false;
    p = plan(&r, info);
    check_box(&p, 0, 0, 100, 50);
    ck_assert_uint_eq(p.turn, 0);
}
END_TEST

/* Four letters in reading order show a turn: the picture is AB over CD. */
static void letters(unsigned turn, char out[5])
{
    char t;
    strcpy(out, "ABCD");
    if (turn & IC_TURN_TRANSPOSE)
        t = out[1], out[1] = out[2], out[2] = t;
    if (turn & IC_TURN_FLOP)
        t = out[0], out[0] = out[1], out[1] = t, t = out[2], out[2] = out[3], out[3] = t;
    if (turn & IC_TURN_FLIP)
        t = out[0], out[0] = out[2], out[2] = t, t = out[1], out[1] = out[3], out[3] = t;
}

static const struct {
    int orientation, rotate;
    bool flip, flop;
    const char *shown;
    bool swapped;
} turns[] = {
    { 1, 0, 0, 0, "ABCD", 0 },  { 1, 90, 0, 0, "CADB", 1 },  { 1, 180, 0, 0, "DCBA", 0 }, { 1, 270, 0, 0, "BDAC", 1 },
    { 1, 0, 1, 0, "CDAB", 0 },  { 1, 0, 0, 1, "BADC", 0 },   { 1, 0, 1, 1, "DCBA", 0 },   { 1, 90, 1, 0, "DBCA", 1 },
    { 1, 90, 0, 1, "ACBD", 1 }, { 2, 0, 0, 0, "BADC", 0 },   { 3, 0, 0, 0, "DCBA", 0 },   { 4, 0, 0, 0, "CDAB", 0 },
    { 5, 0, 0, 0, "ACBD", 1 },  { 6, 0, 0, 0, "CADB", 1 },   { 7, 0, 0, 0, "DBCA", 1 },   { 8, 0, 0, 0, "BDAC", 1 },
    { 6, 90, 0, 0, "DCBA", 0 }, { 6, 270, 0, 0, "ABCD", 0 }, { 8, 90, 0, 1, "BADC", 0 },  { 5, 90, 0, 0, "BADC", 0 },
};

START_TEST(turns_compose)
{
    struct ic_recipe r = recipe(80, 0);
    struct ic_info info = photo(400, 200);
    char shown[5];
    info.orientation = (uint8_t)turns[_i].orientation;
    r.rotate = turns[_i].rotate;
    r.flip = turns[_i].flip;
    r.flop = turns[_i].flop;
    struct ic_plan p = plan(&r, info);
    letters(p.turn, shown);
    ck_assert_str_eq(shown, turns[_i].shown);
    ck_assert_int_eq((p.turn & IC_TURN_TRANSPOSE) != 0, turns[_i].swapped);
    /* w applies to the oriented image, before rotate */
    bool orient_swaps = turns[_i].orientation >= 5;
    uint32_t before_w = 80, before_h = orient_swaps ? 160 : 40;
    bool rotate_swaps = turns[_i].rotate % 180 != 0;
    ck_assert_uint_eq(p.width, rotate_swaps ? before_h : before_w);
    ck_assert_uint_eq(p.height, rotate_swaps ? before_w : before_h);
    ck_assert_uint_eq(p.scaled_w, orient_swaps ? before_h : before_w);
}
END_TEST

START_TEST(rotate_turns_the_padded_box)
{
    struct ic_recipe r = recipe(800, 600);
    r.fit = IC_FIT_PAD;
    r.gravity = IC_NORTHWEST;
    r.rotate = 90;
    struct ic_plan p = plan(&r, photo(4000, 1000)); /* 800x200 at the top of 800x600 */
    ck_assert_uint_eq(p.width, 600);
    ck_assert_uint_eq(p.height, 800);
    ck_assert_uint_eq(p.place_x, 400);
    ck_assert_uint_eq(p.place_y, 0);
    r.flip = true;
    r.rotate = 0;
    p = plan(&r, photo(4000, 1000));
    ck_assert_uint_eq(p.place_x, 0);
    ck_assert_uint_eq(p.place_y, 400);
}
END_TEST

static const struct {
    double rotate;
    bool flip, flop;
    double angle; /* what the turn leaves */
    bool swapped; /* by the turn */
} rotations[] = {
    { 30, 0, 0, 30, 0 },  { -30, 0, 0, -30, 0 },  { 44.9, 0, 0, 44.9, 0 }, { 45.5, 0, 0, -44.5, 1 },
    { 100, 0, 0, 10, 1 }, { -100, 0, 0, -10, 1 }, { 170, 0, 0, -10, 0 },   { 359, 0, 0, -1, 0 },
    { -360, 0, 0, 0, 0 }, { 270, 0, 0, 0, 1 },    { 30, 1, 0, -30, 0 },    { 30, 0, 1, -30, 0 },
    { 30, 1, 1, 30, 0 },  { 100, 1, 0, -10, 1 },  { -90, 0, 1, 0, 1 },
};

START_TEST(rotation_is_a_turn_and_the_rest)
{
    struct ic_recipe r = recipe(80, 0);
    r.rotate = rotations[_i].rotate;
    r.flip = rotations[_i].flip;
    r.flop = rotations[_i].flop;
    struct ic_plan p = plan(&r, photo(400, 200));
    ck_assert_double_eq_tol(p.angle, rotations[_i].angle, 1e-9);
    ck_assert_int_eq((p.turn & IC_TURN_TRANSPOSE) != 0, rotations[_i].swapped);
    ck_assert_uint_eq(p.scaled_w, 80);
    ck_assert_int_eq(p.bare, p.angle != 0);
    ck_assert(p.angle == 0 || (p.rgb && p.framed && p.pad));
    double s = fabs(sin(r.rotate * M_PI / 180)), c = fabs(cos(r.rotate * M_PI / 180));
    ck_assert_uint_eq(p.width, (uint32_t)floor(80 * c + 40 * s + 0.5));
    ck_assert_uint_eq(p.height, (uint32_t)floor(80 * s + 40 * c + 0.5));
}
END_TEST

START_TEST(what_is_put_round_adds_to_the_size)
{
    struct ic_recipe r = recipe(80, 0);
    r.dpr = 1.5;
    r.surround = (struct ic_surround){ { 1, 2, 3, 4 }, { 5, { 0, 0, 0, 255 } }, 7 };
    struct ic_plan p = plan(&r, photo(400, 200));
    ck_assert_uint_eq(p.width, 120 + 3 + 6 + 16);
    ck_assert_uint_eq(p.height, 60 + 2 + 5 + 16);
    ck_assert_uint_eq(p.place_x, 6 + 8);
    ck_assert_uint_eq(p.place_y, 2 + 8);
    ck_assert_double_eq(p.surround.radius, 11);
    r.surround.radius = IC_RADIUS_MAX;
    ck_assert_double_eq(plan(&r, photo(400, 200)).surround.radius, 83 / 2.0);
    struct ic_limits l = limits;
    l.max_side_out = 144;
    refused(&r, photo(400, 200), l, IC_E_LIMIT);
    /* beyond what 32 bits hold */
    r.surround.pad[1] = 16384;
    r.dpr = 8;
    r.width = px(4294967295.0);
    r.enlarge = true;
    refused(&r, photo(400, 200), limits, IC_E_LIMIT);
}
END_TEST

START_TEST(an_opaque_border_needs_no_alpha)
{
    struct ic_recipe r = recipe(80, 0);
    struct ic_info info = photo(400, 200);
    info.format = IC_FORMAT_PNG;
    r.surround.border = (struct ic_border){ 5, { 1, 2, 3, 255 } };
    ck_assert(!plan(&r, info).alpha);
    r.surround.border.colour.a = 254;
    ck_assert(plan(&r, info).alpha);
    r.surround.border.width = 0;
    ck_assert(!plan(&r, info).alpha);
    r.surround.radius = 3;
    ck_assert(plan(&r, info).alpha);
    r.format = IC_FORMAT_JPEG;
    ck_assert(!plan(&r, info).alpha);
}
END_TEST

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

#define N(table) ((int)(sizeof table / sizeof *table))

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
    tcase_add_loop_test(t, rect_is_in_oriented_coordinates, 1, N(oriented));
    tcase_add_loop_test(t, turns_compose, 0, N(turns));
    tcase_add_test(t, rotate_turns_the_padded_box);
    tcase_add_loop_test(t, rotation_is_a_turn_and_the_rest, 0, N(rotations));
    tcase_add_test(t, what_is_put_round_adds_to_the_size);
    tcase_add_test(t, an_opaque_border_needs_no_alpha);
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
