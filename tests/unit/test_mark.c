/* Watermarks in whole runs: where they lie, what they touch, what is kept of them, and how they fail. Sources, marks
 * and expectations are made without imgcore. */
#include <check.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/engine.h"
#include "../../imgcore/imgcore.h"
#include "suite.h"

static const struct ic_limits limits = { .max_pixels_in = 10000000,
                                         .max_side_in = 30000,
                                         .max_side_out = 16384,
                                         .max_memory = (size_t)64 << 20,
                                         .max_result = (size_t)16 << 20 };

static struct ic_engine *engine;

static void setup(void)
{
    ic_init();
    engine = ic_engine_create(&limits);
    ck_assert_ptr_nonnull(engine);
}

static void teardown(void)
{
    ic_weights_trim(&engine->weights, 0);
    ck_assert_uint_eq(engine->mem.used, 0);
    for (const struct ic_mark_entry *m = engine->marks.head; m; m = m->next)
        ck_assert_int_eq(m->users, 0);
    ic_engine_free(engine);
}

/* Images of one colour. */

struct blob {
    uint8_t *p; /* owned (malloc) */
    size_t n;
};

static struct blob flat_png(int w, int h, int n, const uint8_t *colour)
{
    static const png_uint_32 formats[] = { 0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
    png_image img = {
        .version = PNG_IMAGE_VERSION, .width = (png_uint_32)w, .height = (png_uint_32)h, .format = formats[n]
    };
    png_alloc_size_t size = 0;
    uint8_t *px = malloc((size_t)(w * h * n));
    for (int i = 0; i < w * h * n; i++)
        px[i] = colour[i % n];
    ck_assert(png_image_write_to_memory(&img, NULL, &size, 0, px, 0, NULL));
    struct blob b = { malloc(size), size };
    ck_assert(png_image_write_to_memory(&img, b.p, &size, 0, px, 0, NULL));
    free(px);
    return b;
}

static const uint8_t blue[] = { 10, 20, 230, 255 }, red[] = { 250, 30, 40, 255 }, clear[] = { 250, 30, 40, 0 };

/* Running one recipe. */

struct outcome {
    struct ic_error e;
    int w, h;
    uint8_t *px; /* owned: RGBA */
};

static bool on_result(void *ctx, int index, const struct ic_result *r, const struct ic_error *e)
{
    struct outcome *o = ctx;
    (void)index;
    if (!r) {
        o->e = *e;
        return true;
    }
    png_image img = { .version = PNG_IMAGE_VERSION };
    ck_assert(png_image_begin_read_from_memory(&img, r->data.p, r->data.n));
    img.format = PNG_FORMAT_RGBA;
    o->w = (int)img.width;
    o->h = (int)img.height;
    o->px = malloc(PNG_IMAGE_SIZE(img));
    ck_assert(png_image_finish_read(&img, NULL, o->px, 0, NULL));
    return true;
}

static struct ic_recipe recipe(void)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.format = IC_FORMAT_PNG;
    r.mark[0].input = 1;
    return r;
}

static void lend(struct blob mark, uint8_t name)
{
    struct ic_mark_bytes m = { .bytes = { mark.p, mark.n }, .hash = { name } };
    ic_engine_lend_marks(engine, &m, 1);
}

static struct outcome run(struct blob source, const struct ic_recipe *r)
{
    struct outcome o = { .px = NULL };
    struct ic_error e = { 0 };
    enum ic_code rc = ic_run(engine, (struct ic_bytes){ source.p, source.n }, r, 1, on_result, &o, &e);
    ck_assert_msg(rc == IC_OK, "%s", e.text);
    return o;
}

static bool is(const struct outcome *o, int x, int y, const uint8_t *colour)
{
    return memcmp(o->px + 4 * (y * o->w + x), colour, 4) == 0;
}

/* The box of all pixels that are not `ground`; all of it must be `mark`. */
static void check_box(const struct outcome *o, const uint8_t *ground, const uint8_t *mark, const int want[4])
{
    for (int y = 0; y < o->h; y++)
        for (int x = 0; x < o->w; x++) {
            bool in = x >= want[0] && y >= want[1] && x < want[0] + want[2] && y < want[1] + want[3];
            if (!is(o, x, y, in ? mark : ground))
                ck_abort_msg("pixel %d,%d is not %s", x, y, in ? "the mark's" : "untouched");
        }
}

/* A mark of mw x mh, red, on blue 100 x 80. */
static void run_box(struct ic_recipe *r, int mw, int mh, const int want[4])
{
    struct blob source = flat_png(100, 80, 3, blue), mark = flat_png(mw, mh, 3, red);
    lend(mark, 1);
    struct outcome o = run(source, r);
    ck_assert_msg(o.px != NULL, "%s", o.e.text);
    check_box(&o, blue, red, want);
    free(o.px);
    free(source.p);
    free(mark.p);
}

static struct ic_len px(double v)
{
    return (struct ic_len){ v, IC_UNIT_PX };
}

START_TEST(every_position)
{
    static const struct {
        int pos, x, y;
    } want[] = {
        { IC_NORTHWEST, 5, 5 },  { IC_NORTH, 40, 5 },   { IC_NORTHEAST, 75, 5 },
        { IC_WEST, 5, 35 },      { IC_CENTER, 40, 35 }, { IC_EAST, 75, 35 },
        { IC_SOUTHWEST, 5, 65 }, { IC_SOUTH, 40, 65 },  { IC_SOUTHEAST, 75, 65 },
    };
    struct ic_recipe r = recipe();
    r.mark[0].pos = want[_i].pos;
    run_box(&r, 40, 20, (const int[4]){ want[_i].x, want[_i].y, 20, 10 });
}
END_TEST

START_TEST(sizes)
{
    struct ic_recipe r = recipe();
    run_box(&r, 40, 20, (const int[4]){ 75, 65, 20, 10 });
    r.mark[0].scale = 50;
    run_box(&r, 40, 20, (const int[4]){ 45, 50, 50, 25 });
    run_box(&r, 10, 100, (const int[4]){ 88, 5, 7, 70 }); /* never higher than the result within its pad */
    r.mark[0].width = px(30);
    run_box(&r, 10, 10, (const int[4]){ 65, 45, 30, 30 });
    r.mark[0].height = px(10);
    run_box(&r, 10, 10, (const int[4]){ 85, 65, 10, 10 });
    r.mark[0].width = (struct ic_len){ 10, IC_UNIT_PERCENT };
    r.mark[0].height = (struct ic_len){ 0, IC_UNIT_NONE };
    run_box(&r, 10, 10, (const int[4]){ 85, 65, 10, 10 });
}
END_TEST

START_TEST(offsets)
{
    struct ic_recipe r = recipe();
    r.mark[0].width = px(10);
    r.mark[0].x = px(-4); /* partly outside */
    run_box(&r, 10, 10, (const int[4]){ 94, 65, 6, 10 });
    r.mark[0].pos = IC_NORTHWEST;
    r.mark[0].pad = 7;
    r.mark[0].y = (struct ic_len){ 50, IC_UNIT_PERCENT };
    run_box(&r, 10, 10, (const int[4]){ 0, 40, 6, 10 });
    r.mark[0].pos = IC_CENTER;
    r.mark[0].x = px(3);
    r.mark[0].y = (struct ic_len){ 0, IC_UNIT_NONE };
    run_box(&r, 10, 10, (const int[4]){ 48, 35, 10, 10 });
    r.mark[0].x = px(300); /* wholly outside: nothing is marked */
    run_box(&r, 10, 10, (const int[4]){ 0, 0, 0, 0 });
}
END_TEST

START_TEST(density_multiplies_pixels)
{
    struct ic_recipe r = recipe();
    r.dpr = 2;
    r.mark[0].width = px(10);
    run_box(&r, 10, 10, (const int[4]){ 70, 50, 20, 20 });
}
END_TEST

START_TEST(larger_than_the_result)
{
    struct ic_recipe r = recipe();
    r.mark[0].width = px(500);
    r.mark[0].pos = IC_CENTER;
    run_box(&r, 10, 10, (const int[4]){ 0, 0, 100, 80 });
}
END_TEST

/* Squares of 10 with 6 between them, from the corner on. */
START_TEST(tiles)
{
    struct blob source = flat_png(100, 80, 3, blue), mark = flat_png(10, 10, 3, red);
    struct ic_recipe r = recipe();
    r.mark[0].pos = IC_MARK_TILE;
    r.mark[0].width = px(10);
    r.mark[0].pad = 6;
    lend(mark, 1);
    struct outcome o = run(source, &r);
    for (int y = 0; y < o.h; y++)
        for (int x = 0; x < o.w; x++)
            ck_assert(is(&o, x, y, x % 16 < 10 && y % 16 < 10 ? red : blue));
    free(o.px);
    r.mark[0].x = px(3);
    r.mark[0].y = px(-1);
    o = run(source, &r);
    for (int y = 0; y < o.h; y++)
        for (int x = 0; x < o.w; x++)
            ck_assert(is(&o, x, y, (x + 13) % 16 < 10 && (y + 1) % 16 < 10 ? red : blue));
    free(o.px);
    free(source.p);
    free(mark.p);
}
END_TEST

START_TEST(quarter_turns)
{
    struct ic_recipe r = recipe();
    r.mark[0].width = px(20);
    r.mark[0].rotate = 90;
    run_box(&r, 20, 10, (const int[4]){ 85, 55, 10, 20 });
}
END_TEST

START_TEST(alpha)
{
    struct blob source = flat_png(100, 80, 3, blue), mark = flat_png(10, 10, 3, red);
    struct ic_recipe r = recipe();
    r.mark[0].alpha = 40;
    lend(mark, 1);
    struct outcome o = run(source, &r);
    const uint8_t mixed[] = { 106, 24, 154, 255 };
    check_box(&o, blue, mixed, (const int[4]){ 75, 55, 20, 20 });
    free(o.px);
    r.mark[0].alpha = 0;
    o = run(source, &r);
    check_box(&o, blue, blue, (const int[4]){ 0, 0, 0, 0 });
    free(o.px);
    free(source.p);
    free(mark.p);
}
END_TEST

/* A transparent result takes the mark's colour and alpha whole. */
START_TEST(onto_transparency)
{
    struct blob source = flat_png(50, 50, 4, clear), mark = flat_png(10, 10, 4, blue);
    struct ic_recipe r = recipe();
    lend(mark, 1);
    struct outcome o = run(source, &r);
    check_box(&o, clear, blue, (const int[4]){ 35, 35, 10, 10 });
    free(o.px);
    free(source.p);
    free(mark.p);
}
END_TEST

START_TEST(grey_becomes_coloured)
{
    static const uint8_t grey[] = { 77, 200 }, as_rgba[] = { 77, 77, 77, 255 };
    struct blob source = flat_png(100, 80, 1, grey), mark = flat_png(10, 10, 3, red);
    struct ic_recipe r = recipe();
    lend(mark, 1);
    struct outcome o = run(source, &r);
    check_box(&o, as_rgba, red, (const int[4]){ 75, 55, 20, 20 });
    free(o.px);
    free(source.p);
    free(mark.p);
}
END_TEST

/* Turned results are framed: the mark lies upright in the corner of what comes out. */
START_TEST(after_turn_and_canvas)
{
    struct ic_recipe r = recipe();
    r.rotate = 180;
    run_box(&r, 40, 20, (const int[4]){ 75, 65, 20, 10 });
    r.fit = IC_FIT_PAD;
    r.width = px(100);
    r.height = px(120);
    r.bg_given = true;
    r.bg = (struct ic_colour){ 10, 20, 230, 255 };
    struct blob source = flat_png(100, 80, 3, blue), mark = flat_png(40, 20, 3, red);
    lend(mark, 1);
    struct outcome o = run(source, &r);
    check_box(&o, blue, red, (const int[4]){ 75, 105, 20, 10 });
    free(o.px);
    free(source.p);
    free(mark.p);
}
END_TEST

START_TEST(several_in_order)
{
    static const uint8_t white[] = { 255, 255, 255, 255 };
    struct blob source = flat_png(100, 80, 3, blue), a = flat_png(10, 10, 3, red), b = flat_png(10, 10, 3, white);
    struct ic_mark_bytes both[] = { { .bytes = { a.p, a.n }, .hash = { 1 } },
                                    { .bytes = { b.p, b.n }, .hash = { 2 } } };
    struct ic_recipe r = recipe();
    ic_engine_lend_marks(engine, both, 2);
    r.mark[1] = r.mark[0];
    r.mark[1].input = 2;
    r.mark[2] = r.mark[0];
    r.mark[2].pos = IC_NORTHWEST;
    struct outcome o = run(source, &r);
    ck_assert(is(&o, 80, 60, white));
    ck_assert(is(&o, 6, 6, red));
    free(o.px);
    free(source.p);
    free(a.p);
    free(b.p);
}
END_TEST

static int kept(void)
{
    int n = 0;
    for (const struct ic_mark_entry *m = engine->marks.head; m; m = m->next)
        n++;
    return n;
}

/* Another file under the same hash shows that the first one's layer is used. */
START_TEST(layers_are_kept)
{
    struct blob source = flat_png(100, 80, 3, blue), mark = flat_png(10, 10, 3, red), other = flat_png(10, 10, 3, blue);
    struct ic_recipe r = recipe();
    lend(mark, 1);
    free(run(source, &r).px);
    ck_assert_int_eq(kept(), 1);
    lend(other, 1);
    struct outcome o = run(source, &r);
    ck_assert(is(&o, 80, 60, red));
    free(o.px);
    ck_assert_int_eq(kept(), 1);
    lend(other, 2);
    o = run(source, &r);
    ck_assert(is(&o, 80, 60, blue));
    free(o.px);
    ck_assert_int_eq(kept(), 2);
    free(source.p);
    free(mark.p);
    free(other.p);
}
END_TEST

START_TEST(the_least_used_go_first)
{
    struct blob source = flat_png(600, 600, 3, blue), mark = flat_png(10, 10, 3, red);
    struct ic_recipe r = recipe();
    size_t most = 0;
    r.mark[0].scale = 100; /* 590 x 590 in RGB: four fit */
    for (uint8_t i = 1; i <= 9; i++) {
        lend(mark, i);
        free(run(source, &r).px);
        most = engine->marks.mem.used > most ? engine->marks.mem.used : most;
    }
    ck_assert_int_eq(kept(), 4);
    ck_assert_uint_eq(engine->marks.head->key.hash[0], 9);
    ck_assert_uint_le(most, IC_MARK_CACHE);
    r.mark[0].width = px(2000); /* too large to be kept: those that are stay */
    free(run(source, &r).px);
    ck_assert_int_eq(kept(), 4);
    free(source.p);
    free(mark.p);
}
END_TEST

static void fails(const struct ic_recipe *r, struct blob mark, enum ic_code code, const char *says)
{
    struct blob source = flat_png(100, 80, 3, blue);
    lend(mark, 1);
    struct outcome o = run(source, r);
    ck_assert_ptr_null(o.px);
    ck_assert_int_eq(o.e.code, code);
    ck_assert_msg(strstr(o.e.text, says) != NULL, "%s", o.e.text);
    free(source.p);
}

START_TEST(failures_are_the_marks)
{
    struct blob mark = flat_png(300, 300, 3, red), none = { (uint8_t *)"this is not an image at all", 27 };
    struct ic_recipe r = recipe();
    fails(&r, none, IC_E_FORMAT, "the watermark: ");
    fails(&r, (struct blob){ mark.p, mark.n / 2 }, IC_E_CORRUPT, "the watermark: ");
    fails(&r, (struct blob){ mark.p, 20 }, IC_E_CORRUPT, "the watermark: ");
    r.mark[0].width = px(20000);
    fails(&r, mark, IC_E_LIMIT, "the watermark: ");
    r = recipe();
    r.mark[0].input = 2;
    fails(&r, mark, IC_E_PARAM, "not handed over");
    r.mark[0].input = 4;
    fails(&r, mark, IC_E_PARAM, "out of range");
    ck_assert_int_eq(kept(), 0);
    free(mark.p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mark");
    TCase *t = tcase_create("mark");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, every_position, 0, 9);
    tcase_add_test(t, sizes);
    tcase_add_test(t, offsets);
    tcase_add_test(t, density_multiplies_pixels);
    tcase_add_test(t, larger_than_the_result);
    tcase_add_test(t, tiles);
    tcase_add_test(t, quarter_turns);
    tcase_add_test(t, alpha);
    tcase_add_test(t, onto_transparency);
    tcase_add_test(t, grey_becomes_coloured);
    tcase_add_test(t, after_turn_and_canvas);
    tcase_add_test(t, several_in_order);
    tcase_add_test(t, layers_are_kept);
    tcase_add_test(t, the_least_used_go_first);
    tcase_add_test(t, failures_are_the_marks);
    suite_add_tcase(s, t);
    return run_suite(s);
}
