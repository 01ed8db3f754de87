/* Whole runs: encoded bytes in, encoded bytes out, checked against pixels worked out by definition. Sources are made,
 * and PNG results read, by the libraries and not by our codecs. */
#include "runs.h"

static void outcome_free(struct outcome *o)
{
    for (int i = 0; i < 32; i++)
        free(o->data[i].p);
}

/* Several at once, and failing. */

START_TEST(renditions_equal_single_runs)
{
    static const double widths[] = { 300, 100, 90, 0, 33 };
    struct ic_recipe r[5];
    struct outcome o = { 0 };
    struct blob in = { 0 };
    struct pixels px = marked(400, 300, 3);
    in = to_png(&px);
    for (int i = 0; i < 5; i++) {
        r[i] = recipe(widths[i], 0);
        r[i].rotate = i == 2 ? 90 : 0;
    }
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 5, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 5);
    for (int i = 0; i < 5; i++) {
        struct blob one = run_one(in, &r[i], NULL);
        ck_assert_uint_eq(one.n, o.data[i].n);
        ck_assert_mem_eq(one.p, o.data[i].p, one.n);
        free(one.p);
    }
    outcome_free(&o);
    free(in.p);
    free(px.p);
}
END_TEST

/* The source is opened as large as the largest needs it. */
START_TEST(small_and_large_share_a_decode)
{
    struct ic_recipe r[2] = { recipe(20, 0), recipe(600, 0) };
    struct outcome o = { 0 };
    struct blob in = ramp_jpeg(640, 480, 2, 2);
    r[0].quality = r[1].quality = 100;
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 2, on_result, &o, NULL), IC_OK);
    for (int i = 0; i < 2; i++) {
        struct pulled p = pull(blob_bytes(o.data[i]), 8);
        ck_assert_uint_eq(p.shape.plane[0].width, i ? 600 : 20);
        check_plane(&p, 0, 1, 3);
        pulled_free(&p);
    }
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(a_bad_recipe_spoils_only_itself)
{
    struct ic_recipe r[3] = { recipe(50, 0), recipe(50, 0), recipe(40, 0) };
    struct outcome o = { 0 };
    struct blob in = ramp_jpeg(200, 100, 2, 2);
    r[1].rect[0] = (struct ic_len){ 500, IC_UNIT_PX };
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 3, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 3);
    ck_assert_int_eq(o.order[0], 1);
    ck_assert_int_eq(o.e[1].code, IC_E_PARAM);
    ck_assert_uint_eq(o.r[0].width, 50);
    ck_assert_uint_eq(o.r[2].width, 40);
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(a_result_too_large_spoils_only_itself)
{
    struct ic_recipe r[2] = { recipe(0, 0), recipe(5, 0) };
    struct outcome o = { 0 };
    struct pixels px = marked(200, 200, 3);
    struct blob in = to_png(&px);
    engine->limits.max_result = 1000;
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 2, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.e[0].code, IC_E_RESULT);
    ck_assert_int_eq(o.e[1].code, IC_OK);
    ck_assert_uint_eq(o.r[1].width, 5);
    outcome_free(&o);
    free(in.p);
    free(px.p);
}
END_TEST

START_TEST(emit_stops_the_run)
{
    struct ic_recipe r[3] = { recipe(50, 0), recipe(50, 0), recipe(40, 0) };
    struct outcome o = { .stop_after = 1 };
    struct blob in = ramp_jpeg(200, 100, 2, 2);
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 3, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 1);
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(truncated_is_told_or_refused)
{
    struct pixels px = marked(300, 300, 3);
    struct jpeg_spec arithmetic = { .width = 400, .height = 400, .components = 3, .stored = JCS_YCbCr };
    arithmetic.arithmetic = true;
    struct blob in[] = { ramp_jpeg(400, 400, 1, 1), make_jpeg(&arithmetic), to_png(&px) };
    for (int i = 0; i < 3; i++) {
        struct ic_recipe r = recipe(100, 0);
        struct outcome o = { 0 };
        struct ic_result res;
        struct blob whole = run_one(in[i], &r, &res), half;
        ck_assert_uint_eq(res.warnings, 0);
        free(whole.p);
        in[i].n /= 2;
        half = run_one(in[i], &r, &res);
        ck_assert_uint_eq(res.warnings, IC_WARN_TRUNCATED);
        free(half.p);
        r.strict = true;
        ck_assert_int_eq(ic_run(engine, blob_bytes(in[i]), &r, 1, on_result, &o, NULL), IC_OK);
        ck_assert_int_eq(o.e[0].code, IC_E_CORRUPT);
        outcome_free(&o);
        free(in[i].p);
    }
    free(px.p);
}
END_TEST

START_TEST(unreadable_fails_as_a_whole)
{
    struct ic_recipe r = recipe(10, 10);
    struct outcome o = { 0 };
    struct ic_error e = { 0 };
    struct blob jpeg = ramp_jpeg(64, 64, 1, 1);
    ck_assert_int_eq(
        ic_run(engine, (struct ic_bytes){ (const uint8_t *)"no image at all, this", 21 }, &r, 1, on_result, &o, &e),
        IC_E_FORMAT);
    jpeg.n = 30;
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 1, on_result, &o, &e), IC_E_CORRUPT);
    ck_assert_int_eq(ic_run(engine, (struct ic_bytes){ jpeg.p, 0 }, &r, 1, on_result, &o, &e) != IC_OK, 1);
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 0, on_result, &o, &e), IC_E_PARAM);
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 33, on_result, &o, &e), IC_E_PARAM);
    ck_assert_int_eq(o.calls, 0);
    ck_assert_str_ne(e.text, "");
    free(jpeg.p);
}
END_TEST

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
START_TEST(memory_prediction_suffices)
{
    struct pixels px = marked(700, 500, 4);
    struct blob in[] = { ramp_jpeg(900, 700, 2, 2), make_webp(600, 400, true, false), make_webp(601, 401, false, false),
                         to_png(&px) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int k = 0; k < 5 * 12; k++) {
            struct ic_recipe r = recipe(k & 1 ? 200 : 690, 0);
            struct ic_info info;
            struct ic_plan plan;
            r.format = 1 + k % 12 / 4;
            r.rotate = k & 2 ? 90 : 0;
            filtered(&r.filters, k / 12);
            ck_assert_int_eq(ic_probe(blob_bytes(in[i]), &info, NULL), IC_OK);
            ck_assert_int_eq(ic_plan(&r, &info, &limits, &plan, NULL), IC_OK);
            ic_weights_trim(&engine->weights, 0);
            engine->mem.peak = 0;
            struct blob out = run_one(in[i], &r, NULL);
            ck_assert_uint_ge(plan.memory, engine->mem.peak);
            free(out.p);
        }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
    free(px.p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("run");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, renditions_equal_single_runs);
    tcase_add_test(t, small_and_large_share_a_decode);
    tcase_add_test(t, a_bad_recipe_spoils_only_itself);
    tcase_add_test(t, a_result_too_large_spoils_only_itself);
    tcase_add_test(t, emit_stops_the_run);
    tcase_add_test(t, truncated_is_told_or_refused);
    tcase_add_test(t, unreadable_fails_as_a_whole);
    tcase_add_test(t, budget_holds_at_every_height);
    tcase_add_test(t, memory_prediction_suffices);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
