/* Job messages and the placing of results, with an ic_run made for the test: what imgcore may do to a job is more
 * than any image makes it do. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/job.h"
#include "suite.h"

#define OUT 1000

static struct {
    int fail_at;      /* ic_run fails as a whole before this recipe; -1: does not */
    int fail_one;     /* this recipe gets an error of its own; -1: none */
    size_t result_n;  /* bytes of each result */
    uint8_t first_in; /* seen by ic_run */
    size_t n_in;
} script;

/* Recipe i gives result_n bytes of value i + 1. */
enum ic_code ic_run(struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *recipes, int n, ic_emit *emit,
                    void *ctx, struct ic_error *e)
{
    (void)g, (void)recipes;
    uint8_t bytes[OUT + 1];
    script.first_in = in.p[0];
    script.n_in = in.n;
    for (int i = 0; i < n; i++) {
        if (i == script.fail_at)
            return ic_fail(e, IC_E_CORRUPT, "broken after %d", i);
        memset(bytes, i + 1, sizeof bytes);
        struct ic_error own = { IC_E_LIMIT, "too large" };
        struct ic_result r = { .data = { bytes, script.result_n },
                               .width = (uint32_t)i + 10,
                               .format = IC_FORMAT_PNG,
                               .source_format = IC_FORMAT_JPEG,
                               .encode_ms = 1.5,
                               .warnings = IC_WARN_TRUNCATED };
        bool go_on = i == script.fail_one ? emit(ctx, i, NULL, &own) : emit(ctx, i, &r, NULL);
        if (!go_on)
            return IC_OK;
    }
    return IC_OK;
}

static struct ic_mark_bytes lent[IC_MARKS];
static int lent_n;

void ic_engine_lend_marks(struct ic_engine *g, const struct ic_mark_bytes *marks, int n)
{
    (void)g;
    lent_n = n;
    for (int i = 0; i < n; i++)
        lent[i] = marks[i];
}

static struct job_output got[JOB_OUTPUTS + 1];
static int got_n, stop_after;

static bool keep(void *ctx, const struct job_output *o)
{
    (void)ctx;
    ck_assert_int_le(got_n, JOB_OUTPUTS);
    got[got_n++] = *o;
    return got_n != stop_after;
}

static struct job job;
static uint8_t in[64], out[OUT + 1];

static void setup(void)
{
    script.fail_at = script.fail_one = stop_after = -1;
    script.result_n = 100;
    got_n = 0;
    memset(&job, 0, sizeof job);
    job.id = 42;
    job.inputs = 1;
    job.outputs = 3;
    job.in[0].offset = 16;
    job.in[0].length = 20;
    in[16] = 77;
    out[OUT] = 0xEE; /* guard */
}

static void run(void)
{
    job_run(NULL, &job, in, out, OUT, keep, NULL);
    ck_assert_uint_eq(out[OUT], 0xEE);
    for (int i = 0; i < got_n; i++) {
        ck_assert_uint_eq(got[i].id, 42);
        ck_assert_uint_eq(got[i].last, i == got_n - 1 && stop_after < 0);
    }
}

START_TEST(results_lie_one_after_another)
{
    run();
    ck_assert_int_eq(got_n, 3);
    ck_assert_uint_eq(script.first_in, 77);
    ck_assert_uint_eq(script.n_in, 20);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(got[i].index, i);
        ck_assert_int_eq(got[i].code, IC_OK);
        ck_assert_uint_eq(got[i].length, 100);
        ck_assert_uint_eq(got[i].offset, (uint64_t)i * 128); /* 64-byte steps */
        ck_assert_uint_eq(got[i].width, (uint32_t)i + 10);
        ck_assert_int_eq(got[i].format, IC_FORMAT_PNG);
        ck_assert_int_eq(got[i].source_format, IC_FORMAT_JPEG);
        ck_assert_uint_eq(got[i].warnings, IC_WARN_TRUNCATED);
        ck_assert(got[i].encode_ms == 1.5);
        for (size_t k = 0; k < 100; k++)
            ck_assert_uint_eq(out[got[i].offset + k], (uint8_t)(i + 1));
    }
}
END_TEST

START_TEST(inputs_behind_the_source_are_marks)
{
    run();
    ck_assert_int_eq(lent_n, 0);
    job.inputs = 3;
    job.in[1].offset = 40;
    job.in[1].length = 5;
    job.in[2].offset = 60;
    job.in[2].length = 4;
    job.in[2].hash[0] = 9;
    got_n = 0;
    run();
    ck_assert_int_eq(lent_n, 2);
    ck_assert_ptr_eq(lent[0].bytes.p, in + 40);
    ck_assert_uint_eq(lent[0].bytes.n, 5);
    ck_assert_ptr_eq(lent[1].bytes.p, in + 60);
    ck_assert_uint_eq(lent[1].hash[0], 9);
}
END_TEST

START_TEST(a_failed_output_takes_no_space_and_the_others_go_on)
{
    script.fail_one = 1;
    run();
    ck_assert_int_eq(got_n, 3);
    ck_assert_int_eq(got[1].code, IC_E_LIMIT);
    ck_assert_str_eq(got[1].text, "too large");
    ck_assert_int_eq(got[2].code, IC_OK);
    ck_assert_uint_eq(got[2].offset, 128);
}
END_TEST

START_TEST(a_failed_job_ends_with_index_minus_one)
{
    script.fail_at = 1;
    run();
    ck_assert_int_eq(got_n, 2);
    ck_assert_int_eq(got[0].code, IC_OK);
    ck_assert_int_eq(got[1].index, -1);
    ck_assert_int_eq(got[1].code, IC_E_CORRUPT);
    ck_assert_str_eq(got[1].text, "broken after 1");
}
END_TEST

START_TEST(what_does_not_fit_is_a_result_error)
{
    script.result_n = 440; /* 0, 448, then 896 + 440 > 1000 */
    run();
    ck_assert_int_eq(got[0].code, IC_OK);
    ck_assert_int_eq(got[1].code, IC_OK);
    ck_assert_int_eq(got[2].code, IC_E_RESULT);
    ck_assert_uint_eq(got[2].length, 0);

    setup();
    script.result_n = OUT;
    job.outputs = 1;
    run();
    ck_assert_int_eq(got[0].code, IC_OK); /* exactly */

    setup();
    script.result_n = OUT + 1;
    job.outputs = 1;
    run();
    ck_assert_int_eq(got[0].code, IC_E_RESULT);
}
END_TEST

START_TEST(a_stopped_job_says_nothing_more)
{
    stop_after = 2;
    run();
    ck_assert_int_eq(got_n, 2);
}
END_TEST

START_TEST(messages_are_checked)
{
    ck_assert_uint_eq(job_size(&job), offsetof(struct job, recipe[3]));
    ck_assert(job_valid(&job, job_size(&job), 64));
    ck_assert(!job_valid(&job, job_size(&job) - 1, 64));
    ck_assert(!job_valid(&job, job_size(&job) + 1, 64));
    ck_assert(!job_valid(&job, 4, 64));
    ck_assert(!job_valid(&job, 0, 64));
    ck_assert(job_valid(&job, job_size(&job), 36));
    ck_assert(!job_valid(&job, job_size(&job), 35)); /* the input ends at 36 */
    job.in[0].offset = UINT64_MAX - 3;
    ck_assert(!job_valid(&job, job_size(&job), 64)); /* offset + length wraps to 16 */
    job.in[0].offset = 16;
    job.in[0].length = UINT64_MAX - 10;
    ck_assert(!job_valid(&job, job_size(&job), 64));
    job.in[0].length = 20;
    job.outputs = JOB_OUTPUTS;
    ck_assert(job_valid(&job, sizeof job, 64));
    job.outputs = JOB_OUTPUTS + 1;
    ck_assert(!job_valid(&job, sizeof job, 64));
    ck_assert(!job_valid(&job, sizeof job + sizeof job.recipe[0], 64));
    job.outputs = 0;
    ck_assert(!job_valid(&job, offsetof(struct job, recipe), 64));
    job.outputs = 1;
    job.inputs = 0;
    ck_assert(!job_valid(&job, job_size(&job), 64));
    job.inputs = JOB_INPUTS + 1;
    ck_assert(!job_valid(&job, job_size(&job), 64));
    job.inputs = 2;
    job.in[1].length = 65;
    ck_assert(!job_valid(&job, job_size(&job), 64));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("job");
    TCase *t = tcase_create("job");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, results_lie_one_after_another);
    tcase_add_test(t, inputs_behind_the_source_are_marks);
    tcase_add_test(t, a_failed_output_takes_no_space_and_the_others_go_on);
    tcase_add_test(t, a_failed_job_ends_with_index_minus_one);
    tcase_add_test(t, what_does_not_fit_is_a_result_error);
    tcase_add_test(t, a_stopped_job_says_nothing_more);
    tcase_add_test(t, messages_are_checked);
    suite_add_tcase(s, t);
    return run_suite(s);
}
