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

/* What is limited is the result, not the frames on the way to it. */
START_TEST(frames_may_be_larger_than_a_result)
{
    struct anim_spec s = { 300, 200, 0, 0, 300, 200, 3, false, false };
    struct ic_recipe r = recipe(0, 0);
    struct blob in = make_webp_anim(&s), out;
    engine->limits.max_result = 100 * 200 * 4;
    out = run_one(in, &r, NULL);
    ck_assert_uint_lt(out.n, engine->limits.max_result);
    free(in.p);
    free(out.p);
}
END_TEST

/* So is the one that max_bytes ends in, not the first try. */
START_TEST(tries_may_be_larger_than_a_result)
{
    struct jpeg_spec s = { .width = 300, .height = 200, .components = 3, .stored = JCS_YCbCr, .grain = 90 };
    struct anim_spec a = { 100, 80, 0, 0, 100, 80, 3, false, false };
    struct blob in[] = { make_jpeg(&s), make_webp_anim(&a) };
    for (int i = 0; i < 2; i++)
        for (int format = IC_FORMAT_JPEG; format <= IC_FORMAT_WEBP; format++) {
            struct ic_recipe r = recipe(0, 0);
            struct outcome o = { 0 };
            r.format = format;
            r.quality = 95;
            r.max_bytes = 0;
            engine->limits.max_result = (size_t)16 << 20;
            struct blob out = run_one(in[i], &r, NULL);
            engine->limits.max_result = out.n - 1;
            r.max_bytes = (int)out.n / 2;
            free(out.p);
            out = run_one(in[i], &r, NULL);
            ck_assert_uint_le(out.n, (size_t)r.max_bytes);
            free(out.p);
            r.max_bytes = 0;
            ck_assert_int_eq(ic_run(engine, blob_bytes(in[i]), &r, 1, on_result, &o, NULL), IC_OK);
            ck_assert_int_eq(o.e[0].code, IC_E_RESULT);
            engine->limits.max_result = 30;
            r.max_bytes = 20;
            ck_assert_int_eq(ic_run(engine, blob_bytes(in[i]), &r, 1, on_result, (o = (struct outcome){ 0 }, &o), NULL),
                             IC_OK);
            ck_assert_int_eq(o.e[0].code, IC_E_RESULT);
        }
    for (int i = 0; i < 2; i++)
        free(in[i].p);
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
    tcase_add_test(t, frames_may_be_larger_than_a_result);
    tcase_add_test(t, tries_may_be_larger_than_a_result);
    tcase_add_test(t, emit_stops_the_run);
    tcase_add_test(t, truncated_is_told_or_refused);
    tcase_add_test(t, unreadable_fails_as_a_whole);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_image_suite(suite());
}
