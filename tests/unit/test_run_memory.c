/* What runs hold of memory: never more than the budget, nor than what their plans predict. */
#include "runs.h"

static void outcome_free(struct outcome *o)
{
    for (int i = 0; i < 32; i++)
        free(o->data[i].p);
}

/* Filters that need memory of their own. */
static void filtered(struct ic_filters *f, int which)
{
    f->blur = which == 1 ? 3 : which == 2 ? 30 : 0;
    f->sharp = which == 2 ? 2 : 0;
    f->usm = which == 3 ? (struct ic_usm){ 100, 1, 0 } : f->usm;
    f->filt = which == 3 ? IC_FILT_SEPIA : which == 4 ? IC_FILT_DUOTONE : 0;
    f->bri = which == 4 ? 10 : 0;
}

/* The budget is cut off at every height: each run ends in its result or in IC_E_MEMORY, and leaks nothing (teardown).
 */
static size_t squeeze(struct blob in, const struct ic_recipe *r)
{
    size_t step = 1024, failed = 0;
    bool ok = false;
    for (engine->mem.limit = 0; !ok; engine->mem.limit += step) {
        struct outcome o = { 0 };
        struct ic_error e = { 0 };
        ic_weights_trim(&engine->weights, 0);
        enum ic_code rc = ic_run(engine, blob_bytes(in), r, 1, on_result, &o, &e);
        ok = rc == IC_OK && o.e[0].code == IC_OK;
        if (!ok) {
            ck_assert_int_eq(rc == IC_OK ? o.e[0].code : rc, IC_E_MEMORY);
            failed++;
        }
        outcome_free(&o);
    }
    return failed;
}

START_TEST(budget_holds_at_every_height)
{
    struct blob in[] = { ramp_jpeg(120, 90, 2, 2), make_webp(120, 90, true, false), make_webp(60, 40, false, true) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int format = IC_FORMAT_JPEG; format < IC_FORMATS; format++) {
            struct ic_recipe r = recipe(80, 80);
            r.format = format;
            r.rotate = 90;
            r.fit = i == 1 ? IC_FIT_PAD : IC_FIT_INSIDE;
            filtered(&r.filters, (int)i + 2);
            ck_assert_uint_gt(squeeze(in[i], &r), 20);
        }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
}
END_TEST

/* What a plan predicts is at least what a run holds. */
static void check_prediction(struct blob in, const struct ic_recipe *r)
{
    struct ic_info info;
    struct ic_plan plan;

    ck_assert_int_eq(ic_probe(blob_bytes(in), &info, NULL), IC_OK);
    ck_assert_int_eq(ic_plan(r, &info, &limits, &plan, NULL), IC_OK);
    ic_weights_trim(&engine->weights, 0);
    engine->mem.peak = 0;
    struct blob out = run_one(in, r, NULL);
    ck_assert_uint_ge(plan.memory, engine->mem.peak);
    free(out.p);
}

START_TEST(memory_prediction_suffices)
{
    struct pixels px = marked(700, 500, 4);
    struct blob in[] = { ramp_jpeg(900, 700, 2, 2), make_webp(600, 400, true, false), make_webp(601, 401, false, false),
                         to_png(&px) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int k = 0; k < 5 * 12; k++) {
            struct ic_recipe r = recipe(k & 1 ? 200 : 690, 0);
            r.format = 1 + k % 12 / 4;
            r.rotate = k & 2 ? 90 : 0;
            filtered(&r.filters, k / 12);
            check_prediction(in[i], &r);
        }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
    free(px.p);
}
END_TEST

static struct blob deep_png(int colour, bool interlaced)
{
    struct png_spec s = { .width = 600, .height = 1600, .colour = colour, .depth = 16, .interlaced = interlaced };

    return make_png(&s);
}

/* An eighth of the picture, a row high: windows reach far beyond it. */
static struct ic_recipe thin_slice(double width)
{
    struct ic_recipe r = recipe(width, 1);

    r.fit = IC_FIT_STRETCH;
    r.enlarge = true;
    for (int i = 0; i < 4; i++)
        r.rect[i] = (struct ic_len){ i == 1 ? 37.5 : i == 3 ? 12.5 : i == 2 ? 100 : 0, IC_UNIT_PERCENT };
    return r;
}

/* Linear light, and the whole frame of an interlaced source. */
START_TEST(prediction_suffices_for_16_bits)
{
    static const int colours[] = { PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA };
    struct blob in = deep_png(colours[_i / 2], _i & 1);

    for (int k = 0; k < 8; k++) {
        struct ic_recipe r = k & 1 ? thin_slice(600) : recipe(k & 2 ? 100 : 550, 0);

        r.depth = 16;
        r.linear = k & 4;
        check_prediction(in, &r);
    }
    free(in.p);
}
END_TEST

START_TEST(prediction_suffices_for_thin_slices)
{
    struct blob in[] = { ramp_jpeg(600, 1600, 2, 2), make_webp(600, 1600, true, true), deep_png(2, false) };

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) {
            struct ic_recipe r = thin_slice(k & 1 ? 600 : 60);

            r.linear = k & 2;
            check_prediction(in[i], &r);
        }
    for (int i = 0; i < 3; i++)
        free(in[i].p);
}
END_TEST

/* Pixels alone, as to look at: from DC coefficients where that will do. */
START_TEST(prediction_suffices_for_pixels)
{
    struct jpeg_spec s = { .width = 2000, .height = 1500, .components = _i & 1 ? 1 : 3, .stored = JCS_YCbCr };
    struct ic_recipe r = recipe(100, 100);

    s.stored = _i & 1 ? JCS_GRAYSCALE : JCS_YCbCr;
    s.h[0] = s.v[0] = _i & 1 ? 1 : 2;
    s.progressive = _i & 2;
    struct blob in = make_jpeg(&s);
    r.format = IC_FORMAT_PIXELS;
    check_prediction(in, &r);
    free(in.p);
}
END_TEST

/* Encoded once more for max_bytes, looked through for a border. */
START_TEST(prediction_suffices_for_animations)
{
    struct anim_spec s = { 200, 150, 20, 10, 160, 120, 3, _i & 1, _i & 1 };
    struct blob in = make_webp_anim(&s);

    for (int k = 0; k < 8; k++) {
        struct ic_recipe r = recipe(k & 1 ? 0 : 75, 0);

        r.max_bytes = k & 2 ? 3000 : 0;
        r.trim = k & 4 ? 10 : IC_TRIM_NONE;
        check_prediction(in, &r);
    }
    free(in.p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_memory");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, budget_holds_at_every_height);
    tcase_add_test(t, memory_prediction_suffices);
    tcase_add_loop_test(t, prediction_suffices_for_16_bits, 0, 6);
    tcase_add_test(t, prediction_suffices_for_thin_slices);
    tcase_add_loop_test(t, prediction_suffices_for_pixels, 0, 4);
    tcase_add_loop_test(t, prediction_suffices_for_animations, 0, 2);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
