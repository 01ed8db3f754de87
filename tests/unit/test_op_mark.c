/* Layers laid over results, every sample against a reference in doubles that knows nothing of layers: it converts,
 * averages and blends pixel by pixel. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/op_mark.h"
#include "suite.h"

#define SIDE_MAX 64

static struct ic_mem mem;

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* A result of any layout, and what is laid over it where. */
struct scene {
    enum ic_layout layout;
    bool limited;
    int fx, fy, n; /* chroma's share; planes */
    int w, h;      /* the result */
    int mw, mh, x, y;
    uint8_t alpha;
    uint8_t plane[4][SIDE_MAX * SIDE_MAX], before[4][SIDE_MAX * SIDE_MAX];
    uint8_t mark[SIDE_MAX * SIDE_MAX * 4];
};

static int plane_w(const struct scene *s, int i)
{
    return i > 0 && s->layout == IC_YCBCR ? (s->w + s->fx - 1) / s->fx : s->w;
}

static int plane_h(const struct scene *s, int i)
{
    return i > 0 && s->layout == IC_YCBCR ? (s->h + s->fy - 1) / s->fy : s->h;
}

static void scene_fill(struct scene *s)
{
    static const int planes[] = { [IC_GREY] = 1, [IC_GREYA] = 2, [IC_RGB] = 3, [IC_RGBA] = 4, [IC_YCBCR] = 3 };

    s->n = planes[s->layout];
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < SIDE_MAX * SIDE_MAX; k++)
            s->plane[i][k] = (uint8_t)draw(256);
    memcpy(s->before, s->plane, sizeof s->before);
    for (int k = 0; k < s->mw * s->mh; k++) {
        static const uint8_t alphas[] = { 0, 255, 1, 254 };

        for (int c = 0; c < 3; c++)
            s->mark[4 * k + c] = (uint8_t)draw(256);
        s->mark[4 * k + 3] = draw(2) ? (uint8_t)draw(256) : alphas[draw(4)];
    }
}

/* The reference. */

/* Colour i of a pixel in the layout of the scene, as a real number. */
static double colour_of(const struct scene *s, int i, const double c[3])
{
    double y = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    double v = i == 1 ? 128 + (c[2] - y) / 1.772 : i == 2 ? 128 + (c[0] - y) / 1.402 : y;

    if (s->layout == IC_RGB || s->layout == IC_RGBA)
        return c[i];
    if (s->limited)
        v = i ? 128 + (v - 128) * 224 / 255 : 16 + v * 219 / 255;
    return v;
}

/* The mark at pixel X, Y of the result: alpha 0 .. 1, and colours. */
static double mark_at(const struct scene *s, int X, int Y, double c[3])
{
    int x = X - s->x, y = Y - s->y;

    if (x < 0 || y < 0 || x >= s->mw || y >= s->mh)
        return 0;
    for (int i = 0; i < 3; i++)
        c[i] = s->mark[4 * (y * s->mw + x) + i];
    return s->mark[4 * (y * s->mw + x) + 3] / 255.0 * (s->alpha / 255.0);
}

/* What becomes of sample x, y of an opaque plane: each pixel that it covers is blended, and the average taken. */
static double expect_opaque(const struct scene *s, int i, int x, int y)
{
    bool chroma = i > 0 && s->layout == IC_YCBCR;
    int fx = chroma ? s->fx : 1, fy = chroma ? s->fy : 1, pixels = 0;
    double sum = 0, was = s->before[i][y * SIDE_MAX + x];

    for (int Y = y * fy; Y < (y + 1) * fy && Y < s->h; Y++)
        for (int X = x * fx; X < (x + 1) * fx && X < s->w; X++, pixels++) {
            double c[3] = { 0 }, a = mark_at(s, X, Y, c);

            sum += a * colour_of(s, i, c) + (1 - a) * was;
        }
    return sum / pixels;
}

/* "Over" for one pixel with alpha: v is filled with the colours, then alpha. */
static void expect_over(const struct scene *s, int x, int y, double v[4])
{
    int colours = s->n - 1, at = y * SIDE_MAX + x;
    double c[3] = { 0 }, a = mark_at(s, x, y, c), below = s->before[colours][at] / 255.0 * (1 - a), sum = a + below;

    for (int i = 0; i < colours; i++)
        v[i] = sum > 0 ? (a * colour_of(s, i, c) + below * s->before[i][at]) / sum : s->before[i][at];
    v[colours] = 255 * sum;
}

/* Comparing. */

static struct ic_view scene_view(struct scene *s, int y0, int rows)
{
    struct ic_view v = { .layout = s->layout, .limited = s->limited, .n = s->n };

    v.width = (uint32_t)s->w;
    v.height = (uint32_t)(rows < s->h - y0 ? rows : s->h - y0);
    for (int i = 0; i < s->n; i++) {
        int fy = i > 0 && s->layout == IC_YCBCR ? s->fy : 1;

        v.plane[i].p = s->plane[i] + y0 / fy * SIDE_MAX;
        v.plane[i].stride = SIDE_MAX;
        v.plane[i].width = (uint32_t)plane_w(s, i);
        v.plane[i].height = (v.height + (uint32_t)fy - 1) / (uint32_t)fy;
    }
    return v;
}

static struct ic_layer *scene_layer(const struct scene *s)
{
    struct ic_layer_shape shape = { .layout = s->layout, .limited = s->limited };

    shape.fx = (uint8_t)s->fx;
    shape.fy = (uint8_t)s->fy;
    shape.px = (uint8_t)((s->x % s->fx + s->fx) % s->fx);
    shape.py = (uint8_t)((s->y % s->fy + s->fy) % s->fy);
    if (s->w % s->fx && s->x < s->w && s->x + s->mw >= s->w)
        shape.end_x = (uint32_t)(s->w - s->x);
    if (s->h % s->fy && s->y < s->h && s->y + s->mh >= s->h)
        shape.end_y = (uint32_t)(s->h - s->y);
    return ic_layer_make(&mem, s->mark, (uint32_t)s->mw, (uint32_t)s->mh, s->alpha, &shape);
}

/* Opaque: two roundings of the colour, one of alpha. Over: where both are nearly transparent, colour has little to be
 * exact with. */
static void check_scene(const struct scene *s)
{
    bool over = s->layout == IC_GREYA || s->layout == IC_RGBA;

    for (int i = 0; i < s->n; i++)
        for (int y = 0; y < SIDE_MAX; y++)
            for (int x = 0; x < SIDE_MAX; x++) {
                int got = s->plane[i][y * SIDE_MAX + x];
                double v[4], want, a = 255, bound = 1.6;

                if (x >= plane_w(s, i) || y >= plane_h(s, i)) {
                    if (got != s->before[i][y * SIDE_MAX + x])
                        ck_abort_msg("plane %d was touched outside, at %d,%d", i, x, y);
                    continue;
                }
                if (over) {
                    expect_over(s, x, y, v);
                    a = v[s->n - 1];
                    bound = i == s->n - 1 ? 1.01 : 1.0 + 140 / fmax(a, 0.5);
                }
                want = over ? v[i] : expect_opaque(s, i, x, y);
                if (fabs(got - want) > bound)
                    ck_abort_msg("layout %d plane %d at %d,%d: %d, not %f; %dx%d at %d,%d on %dx%d", s->layout, i, x, y,
                                 got, want, s->mw, s->mh, s->x, s->y, s->w, s->h);
            }
}

static void run_scene(struct scene *s, int strip)
{
    struct ic_layer *l = scene_layer(s);

    ck_assert_ptr_nonnull(l);
    for (int y0 = 0; y0 < s->h; y0 += strip) {
        struct ic_view v = scene_view(s, y0, strip);

        ic_op_mark(&v, l, s->x, s->y, (uint32_t)y0);
    }
    ic_layer_free(l);
    ck_assert_uint_eq(mem.used, 0);
    check_scene(s);
}

static const struct {
    enum ic_layout layout;
    bool limited;
    int fx, fy;
} shapes[] = {
    { IC_GREY, false, 1, 1 },  { IC_GREYA, false, 1, 1 }, { IC_RGB, false, 1, 1 },   { IC_RGBA, false, 1, 1 },
    { IC_YCBCR, false, 1, 1 }, { IC_YCBCR, false, 2, 1 }, { IC_YCBCR, false, 2, 2 }, { IC_YCBCR, true, 2, 2 },
    { IC_YCBCR, true, 1, 1 },  { IC_YCBCR, false, 1, 2 },
};

static void scene_shape(struct scene *s, int i)
{
    s->layout = shapes[i].layout;
    s->limited = shapes[i].limited;
    s->fx = shapes[i].fx;
    s->fy = shapes[i].fy;
}

static void setup(void)
{
    mem = (struct ic_mem){ .limit = 1 << 20 };
}

/* Any size and place, odd ones, larger than the result, partly and wholly outside; whole or in strips. */
START_TEST(anywhere)
{
    static struct scene s;

    for (int round = 0; round < 60; round++) {
        seed = (uint32_t)(_i * 1000 + round);
        scene_shape(&s, _i);
        s.w = 1 + (int)draw(SIDE_MAX);
        s.h = 1 + (int)draw(SIDE_MAX);
        s.mw = 1 + (int)draw(SIDE_MAX);
        s.mh = 1 + (int)draw(SIDE_MAX);
        s.x = (int)draw(2 * SIDE_MAX) - SIDE_MAX;
        s.y = (int)draw(2 * SIDE_MAX) - SIDE_MAX;
        s.alpha = draw(2) ? 255 : (uint8_t)draw(256);
        scene_fill(&s);
        run_scene(&s, draw(2) ? SIDE_MAX : 16);
    }
}
END_TEST

/* At the last column and row of odd sizes, where a chroma sample covers one pixel of the result. */
START_TEST(at_the_edge)
{
    static struct scene s;

    scene_shape(&s, _i);
    for (int w = 5; w < 9; w++)
        for (int mw = 1; mw <= w; mw++) {
            s.w = s.h = w;
            s.mw = s.mh = mw;
            s.x = s.y = w - mw;
            s.alpha = 255;
            scene_fill(&s);
            run_scene(&s, SIDE_MAX);
        }
}
END_TEST

/* A transparent pixel's colour is anything, and must not bleed into chroma. */
START_TEST(transparent_colours_play_no_part)
{
    static struct scene s = { .layout = IC_YCBCR, .fx = 2, .fy = 2, .w = 4, .h = 4, .mw = 2, .mh = 2, .alpha = 255 };
    static const uint8_t px[] = { 255, 255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0 };

    scene_fill(&s);
    memset(s.plane, 128, sizeof s.plane);
    memcpy(s.mark, px, sizeof px);
    struct ic_layer *l = scene_layer(&s);
    struct ic_view v = scene_view(&s, 0, 4);
    ic_op_mark(&v, l, 0, 0, 0);
    ic_layer_free(l);
    ck_assert_uint_eq(s.plane[0][0], 255);
    ck_assert_uint_eq(s.plane[0][1], 128);
    ck_assert_uint_eq(s.plane[1][0], 128);
    ck_assert_uint_eq(s.plane[2][0], 128);
}
END_TEST

/* The alpha of an opaque result is one row that stands for all. */
START_TEST(opaque_alpha_is_left_alone)
{
    static struct scene s = { .layout = IC_RGBA, .fx = 1, .fy = 1, .w = 3, .h = 3, .mw = 3, .mh = 3, .alpha = 200 };
    static uint8_t opaque[] = { 255, 255, 255 };

    scene_fill(&s);
    struct ic_layer *l = scene_layer(&s);
    struct ic_view v = scene_view(&s, 0, 3);
    v.plane[3] = (struct ic_view_plane){ .p = opaque, .stride = 0, .width = 3, .height = 3 };
    ic_op_mark(&v, l, 0, 0, 0);
    ic_layer_free(l);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(opaque[i], 255);
    s.n = 3;
    s.layout = IC_RGB;
    check_scene(&s);
}
END_TEST

START_TEST(no_memory)
{
    static struct scene s = { .layout = IC_RGB, .fx = 1, .fy = 1, .w = 64, .h = 64, .mw = 64, .mh = 64 };

    mem.limit = 1000;
    ck_assert_ptr_null(scene_layer(&s));
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("op_mark");
    TCase *t = tcase_create("op_mark");
    int n = sizeof shapes / sizeof *shapes;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, anywhere, 0, n);
    tcase_add_loop_test(t, at_the_edge, 0, n);
    tcase_add_test(t, transparent_colours_play_no_part);
    tcase_add_test(t, opaque_alpha_is_left_alone);
    tcase_add_test(t, no_memory);
    suite_add_tcase(s, t);
    return run_suite(s);
}
