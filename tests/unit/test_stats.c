/* Counting: what is counted is there, whoever counts, and a family that is full loses no count. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/stats.h"
#include "suite.h"

START_TEST(a_series_is_what_its_labels_say)
{
    stats_add(STATS_REQUESTS, 1, "img", "200");
    stats_add(STATS_REQUESTS, 2, "img", "503");
    stats_add(STATS_REQUESTS, 3, "img", "200");
    stats_add(STATS_BYTES_IN, 1000, NULL, NULL);
    ck_assert_uint_eq(stats_counter(STATS_REQUESTS, "img", "200"), 4);
    ck_assert_uint_eq(stats_counter(STATS_REQUESTS, "img", "503"), 2);
    ck_assert_uint_eq(stats_counter(STATS_REQUESTS, "process", "200"), 0);
    ck_assert_uint_eq(stats_counter(STATS_REQUESTS, "imgs", "00"), 0);
    ck_assert_uint_eq(stats_counter(STATS_BYTES_IN, NULL, NULL), 1000);
}
END_TEST

static void add_up(void *ctx, const char *a, const char *b, double v)
{
    (void)a, (void)b;
    *(double *)ctx += v;
}

START_TEST(a_full_family_loses_nothing)
{
    double sum = 0;
    for (int i = 0; i < 3 * STATS_SERIES; i++) {
        char word[24];
        snprintf(word, sizeof word, "reason%d", i);
        stats_add(STATS_REJECTED, 1, word, NULL);
    }
    stats_each(STATS_REJECTED, add_up, &sum);
    ck_assert_double_eq(sum, 3 * STATS_SERIES);
}
END_TEST

#define THREADS 8
#define TIMES   2000

static void *count_thread(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < TIMES; i++) {
        char word[16];
        snprintf(word, sizeof word, "%d", i % 20);
        stats_add(STATS_CANCELLED, 1, word, NULL);
        stats_observe(STATS_STAGE_TIME, 0.004, i % 2 ? "read" : "write");
    }
    return NULL;
}

START_TEST(threads_lose_nothing)
{
    pthread_t t[THREADS];
    struct stats_histogram h;
    double sum = 0;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, count_thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    stats_each(STATS_CANCELLED, add_up, &sum);
    ck_assert_double_eq(sum, THREADS * TIMES);
    ck_assert_uint_eq(stats_counter(STATS_CANCELLED, "7", NULL), THREADS * TIMES / 20);
    stats_histogram(STATS_STAGE_TIME, "read", &h);
    ck_assert_uint_eq(h.count, THREADS * TIMES / 2);
    ck_assert_uint_eq(h.bucket[4], THREADS * TIMES / 2); /* 3 ms < x <= 5 ms */
}
END_TEST

START_TEST(quantiles_come_from_buckets)
{
    struct stats_histogram h;
    stats_histogram(STATS_REQUEST_TIME, NULL, &h);
    ck_assert_double_eq(stats_quantile_ms(&h, 0.5), 0);
    for (int i = 0; i < 100; i++)
        stats_observe(STATS_REQUEST_TIME, i < 90 ? 0.0015 : 1e9, NULL);
    stats_observe(STATS_REQUEST_TIME, -1, NULL); /* a clock that went back is no harm */
    stats_histogram(STATS_REQUEST_TIME, NULL, &h);
    ck_assert_uint_eq(h.count, 101);
    double median = stats_quantile_ms(&h, 0.5);
    ck_assert(median > 1 && median < 2);
    ck_assert_double_eq(stats_quantile_ms(&h, 0.99), 30000);
}
END_TEST

START_TEST(children_count_for_all_until_they_leave)
{
    stats_share();
    stats_add(STATS_RESTARTS, 1, "crash", NULL);
    for (int leaves = 0; leaves < 2; leaves++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (leaves)
                stats_leave();
            stats_add(STATS_RESTARTS, 10, "crash", NULL);
            stats_observe(STATS_REQUEST_TIME, 0.1, NULL);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    }
    ck_assert_uint_eq(stats_counter(STATS_RESTARTS, "crash", NULL), 11);
}
END_TEST

static char *text(void)
{
    size_t n = 0;
    char *t = stats_text(&n);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(strlen(t), n);
    return t;
}

START_TEST(the_text_is_prometheus)
{
    stats_add(STATS_DECODE_ERRORS, 2, "jpeg", "cor\"rupt\n");
    stats_set(STATS_QUEUE_COST, 1.5, "upload", NULL);
    stats_observe(STATS_STAGE_TIME, 0.004, "decode");
    stats_observe(STATS_STAGE_TIME, 99, "decode");
    char *t = text();
    static const char *const lines[] = {
        "# TYPE pixpool_decode_errors_total counter\n",
        "\npixpool_decode_errors_total{format=\"jpeg\",kind=\"cor_rupt_\"} 2\n",
        "\npixpool_queue_cost_seconds{lane=\"upload\"} 1.5\n",
        "\npixpool_bytes_in_total 0\n", /* there from the start */
        "\npixpool_stage_duration_seconds_bucket{stage=\"decode\",le=\"0.003\"} 0\n",
        "\npixpool_stage_duration_seconds_bucket{stage=\"decode\",le=\"0.005\"} 1\n",
        "\npixpool_stage_duration_seconds_bucket{stage=\"decode\",le=\"30\"} 1\n",
        "\npixpool_stage_duration_seconds_bucket{stage=\"decode\",le=\"+Inf\"} 2\n",
        "\npixpool_stage_duration_seconds_sum{stage=\"decode\"} 99.004000\n",
        "\npixpool_stage_duration_seconds_count{stage=\"decode\"} 2\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(t, lines[i]) != NULL, "%s is not in\n%s", lines[i], t);
    free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats");
    TCase *t = tcase_create("stats");
    tcase_add_test(t, a_series_is_what_its_labels_say);
    tcase_add_test(t, a_full_family_loses_nothing);
    tcase_add_test(t, threads_lose_nothing);
    tcase_add_test(t, quantiles_come_from_buckets);
    tcase_add_test(t, children_count_for_all_until_they_leave);
    tcase_add_test(t, the_text_is_prometheus);
    suite_add_tcase(s, t);
    return run_suite(s);
}
