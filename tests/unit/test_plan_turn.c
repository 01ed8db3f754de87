/* Plans of what is turned and put round: oriented areas, flips, quarter turns, other angles, borders. */
#include "plans.h"
#include "suite.h"

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

int main(void)
{
    Suite *s = suite_create("plan_turn");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, rect_is_in_oriented_coordinates, 1, N(oriented));
    tcase_add_loop_test(t, turns_compose, 0, N(turns));
    tcase_add_test(t, rotate_turns_the_padded_box);
    tcase_add_loop_test(t, rotation_is_a_turn_and_the_rest, 0, N(rotations));
    tcase_add_test(t, what_is_put_round_adds_to_the_size);
    tcase_add_test(t, an_opaque_border_needs_no_alpha);
    suite_add_tcase(s, t);
    return run_suite(s);
}
