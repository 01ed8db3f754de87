/* Shares of the lanes, what is predicted and learnt, and when the refused are told to come back. */
#include "nursery.h"

#include "../../fcgi/pool_private.h"
#include "suite.h"

static struct config config(int workers, int queue)
{
    return (struct config){ .workers = workers,
                            .queue = queue,
                            .max_body = 1000,
                            .max_result = 1000,
                            .worker_memory = 5000,
                            .memory_limit = 1 << 30,
                            .deadline_ms = 10000 };
}

static struct pool *pool_of(int workers, int queue)
{
    struct config c = config(workers, queue);
    struct pool *p = pool_create(&c);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* Lanes, without threads: who waits is put into the lists here. */

#define EACH 130

static struct pool_waiter guests[POOL_LANES][EACH];

static void fill(struct pool *p, enum pool_lane lane, int n, double cost_ms)
{
    for (int i = 0; i < n; i++) {
        guests[lane][i] = (struct pool_waiter){ .cost_ms = cost_ms };
        pool_enter_lane(p, &guests[lane][i], lane, false);
    }
}

static enum pool_lane lane_of(const struct pool_waiter *w)
{
    return (enum pool_lane)((size_t)(w - &guests[0][0]) / EACH);
}

/* Of n turns, how many each lane gets. */
static void serve(struct pool *p, int n, int got[POOL_LANES])
{
    memset(got, 0, POOL_LANES * sizeof *got);
    for (int i = 0; i < n; i++) {
        struct pool_waiter *w = pool_next_waiter(p);
        ck_assert_ptr_nonnull(w);
        got[lane_of(w)]++;
    }
}

START_TEST(lanes_share_eight_to_four_to_one)
{
    struct pool *p = pool_of(1, 1);
    int got[POOL_LANES];
    for (int lane = 0; lane < POOL_LANES; lane++)
        fill(p, (enum pool_lane)lane, EACH, 20);
    serve(p, 130, got);
    ck_assert_int_eq(got[LANE_INTERACTIVE], 80);
    ck_assert_int_eq(got[LANE_UPLOAD], 40);
    ck_assert_int_eq(got[LANE_BATCH], 10);
    pool_free(p);
}
END_TEST

START_TEST(shares_are_of_work_not_of_jobs)
{
    struct pool *p = pool_of(1, 1);
    int got[POOL_LANES];
    fill(p, LANE_UPLOAD, EACH, 10);
    fill(p, LANE_INTERACTIVE, EACH, 40); /* four times as large: half as many jobs are still twice the work */
    serve(p, 90, got);
    ck_assert_int_eq(got[LANE_INTERACTIVE], 30);
    ck_assert_int_eq(got[LANE_UPLOAD], 60);
    pool_free(p);
}
END_TEST

START_TEST(within_a_lane_first_come_first_served)
{
    struct pool *p = pool_of(1, 1);
    fill(p, LANE_BATCH, 20, 5);
    for (int i = 0; i < 20; i++)
        ck_assert_ptr_eq(pool_next_waiter(p), &guests[LANE_BATCH][i]);
    ck_assert_ptr_null(pool_next_waiter(p));
    pool_free(p);
}
END_TEST

START_TEST(an_empty_lane_saves_up_nothing)
{
    struct pool *p = pool_of(1, 1);
    int got[POOL_LANES];
    fill(p, LANE_BATCH, 60, 20);
    serve(p, 50, got); /* it was alone: all turns are its */
    ck_assert_int_eq(got[LANE_BATCH], 50);
    fill(p, LANE_INTERACTIVE, 80, 20);
    fill(p, LANE_UPLOAD, 80, 20);
    serve(p, 60, got);
    ck_assert_int_ge(got[LANE_UPLOAD], 18); /* the newcomer interactive does not take fifty turns to catch up */
    ck_assert_int_ge(got[LANE_BATCH], 4);
    ck_assert_int_ge(got[LANE_INTERACTIVE], 35);
    pool_free(p);
}
END_TEST

static void put_idle(struct pool *p, struct worker *w, int n)
{
    p->idle = NULL;
    for (int i = 0; i < n; i++) {
        w[i].next = p->idle;
        p->idle = &w[i];
    }
    p->idle_n = n;
}

START_TEST(of_three_workers_a_batch_leaves_one)
{
    struct worker w[3] = { 0 };
    struct pool *p = pool_of(3, 1);
    put_idle(p, w, 3);
    ck_assert(pool_may_take(p, LANE_BATCH));
    put_idle(p, w, 1);
    ck_assert_msg(pool_may_take(p, LANE_BATCH), "nobody interactive was here");
    p->interactive_ms = clock_ms();
    ck_assert(!pool_may_take(p, LANE_BATCH));
    ck_assert(pool_may_take(p, LANE_UPLOAD));
    ck_assert(pool_may_take(p, LANE_INTERACTIVE));
    fill(p, LANE_BATCH, 1, 5);
    ck_assert_ptr_null(pool_next_waiter(p));
    p->interactive_ms = clock_ms() - 1001;
    ck_assert_ptr_nonnull(pool_next_waiter(p));
    put_idle(p, w, 0);
    p->workers = 2;
    p->interactive_ms = clock_ms();
    put_idle(p, w, 1);
    ck_assert_msg(pool_may_take(p, LANE_BATCH), "with two workers it would cost half of them");
    put_idle(p, w, 0);
    pool_free(p);
}
END_TEST

/* The same with threads: the second passes while a batch waits, and nobody but it comes. */
START_TEST(a_batch_is_not_forgotten_when_the_second_is_over)
{
    static struct nursery n;
    memset(&n, 0, sizeof n);
    nursery_open(&n, 3);
    struct errand hold[2], batch;
    for (int i = 0; i < 2; i++) {
        errand_init(&hold[i], &n, ACT_NAP, 20000);
        hold[i].ticket.lane = LANE_UPLOAD;
        hold[i].job.job.recipe[0].effort = 3000;
        errand_start(&hold[i]);
    }
    nursery_wait_idle(&n, 1);
    int64_t from_us = clock_us();
    errand_copy(&n); /* an interactive one */
    errand_init(&batch, &n, ACT_COPY, 20000);
    batch.ticket.lane = LANE_BATCH;
    ck_assert_int_eq(errand_run(&batch), IC_OK);
    ck_assert_int_ge(batch.ended_us - from_us, 1000000);
    for (int i = 0; i < 2; i++) {
        errand_join(&hold[i]);
        ck_assert_msg(batch.ended_us < hold[i].ended_us, "it was forgotten until others were done");
    }
    nursery_close(&n);
}
END_TEST

/* Predictions. */

static const struct pool_forecast photo = { .cost_ms = 20, .in = IC_FORMAT_JPEG, .out = IC_FORMAT_JPEG },
                                  logo = { .cost_ms = 20, .in = IC_FORMAT_PNG, .out = IC_FORMAT_PNG };

START_TEST(what_jobs_took_corrects_what_is_predicted)
{
    struct pool *p = pool_of(1, 1);
    ck_assert_double_eq_tol(pool_corrected_ms(p, &photo), 20, 1e-9);
    pool_took(p, &photo, 60, false); /* the first one counts for what it is */
    ck_assert_double_eq_tol(pool_corrected_ms(p, &photo), 60, 1e-6);
    for (int i = 0; i < 100; i++)
        pool_took(p, &photo, 60, false);
    ck_assert_double_eq_tol(pool_corrected_ms(p, &photo), 60, 1);
    ck_assert_double_eq_tol(pool_corrected_ms(p, &logo), 20, 1e-9); /* of other formats nothing was learnt */
    struct pool_forecast larger = photo;
    larger.cost_ms = 200;
    ck_assert_double_eq_tol(pool_corrected_ms(p, &larger), 600, 10);
    pool_took(p, &photo, 60000, true); /* one that hung until its deadline says little about the next */
    ck_assert_double_le(pool_corrected_ms(p, &photo), 75);
    pool_free(p);
}
END_TEST

START_TEST(what_is_unknown_counts_as_an_average_job)
{
    struct pool *p = pool_of(1, 1);
    for (int i = 0; i < 100; i++)
        pool_took(p, &(struct pool_forecast){ 0 }, 7, false);
    ck_assert_double_eq_tol(pool_corrected_ms(p, &(struct pool_forecast){ 0 }), 7, 0.1);
    ck_assert_double_eq_tol(pool_corrected_ms(p, &photo), 20, 1e-9);
    pool_free(p);
}
END_TEST

static struct pool_ticket admit(struct pool *p, enum pool_lane lane, double cost_ms)
{
    struct pool_ticket t = { 0 };
    struct ic_error e;
    int retry;
    struct pool_forecast f = { .cost_ms = cost_ms, .in = IC_FORMAT_JPEG, .out = IC_FORMAT_JPEG };
    ck_assert_msg(pool_admit(p, lane, 1, &t, &retry, &e), "%s", e.text);
    ck_assert_msg(pool_price(&t, &f, clock_ms() + 1000000, &retry, &e), "%s", e.text);
    return t;
}

START_TEST(who_would_be_late_is_refused_by_cost)
{
    struct pool *p = pool_of(2, 100);
    struct ic_error e;
    int retry = 0;
    struct pool_ticket first = admit(p, LANE_INTERACTIVE, 3000), t = admit(p, LANE_INTERACTIVE, 1);
    struct pool_forecast f = { .cost_ms = 600, .in = IC_FORMAT_JPEG, .out = IC_FORMAT_JPEG };
    /* 3 s of work and two workers: 1.5 s, and 0.6 of its own. */
    ck_assert(!pool_price(&t, &f, clock_ms() + 2000, &retry, &e));
    ck_assert_int_eq(e.code, IC_E_BUSY);
    ck_assert_int_ge(retry, 2);
    ck_assert_int_le(retry, 3);
    ck_assert_double_eq_tol(pool_state(p).lane_cost_ms[LANE_INTERACTIVE], 3001, 1e-6);
    ck_assert(pool_price(&t, &f, clock_ms() + 2500, &retry, &e));
    ck_assert_double_eq_tol(pool_state(p).lane_cost_ms[LANE_INTERACTIVE], 3600, 1e-6);
    pool_leave(&first);
    pool_waive(&t);
    ck_assert_double_eq_tol(pool_state(p).lane_cost_ms[LANE_INTERACTIVE], 0, 1e-6);
    f.cost_ms = 5000; /* later than its deadline whatever comes: tried, for "come back" would never be true */
    ck_assert(pool_price(&t, &f, clock_ms() + 2000, &retry, &e));
    pool_leave(&t);
    ck_assert_double_eq_tol(pool_state(p).lane_cost_ms[LANE_INTERACTIVE], 0, 1e-6);
    pool_free(p);
}
END_TEST

/* An interactive request does not wait for the uploads, however many: of them only so much goes first as the weights
 * let. */
START_TEST(lanes_wait_by_their_weights)
{
    struct pool *p = pool_of(1, 100);
    struct pool_ticket upload = admit(p, LANE_UPLOAD, 8000);
    ck_assert_double_eq_tol(pool_wait_for_ms(p, LANE_INTERACTIVE), 0, 1e-6);
    struct pool_ticket interactive = admit(p, LANE_INTERACTIVE, 1000);
    ck_assert_double_eq_tol(pool_wait_for_ms(p, LANE_INTERACTIVE), 1500, 1e-6);
    ck_assert_double_eq_tol(pool_wait_for_ms(p, LANE_UPLOAD), 9000, 1e-6);
    ck_assert_double_eq_tol(pool_wait_for_ms(p, LANE_BATCH), 0, 1e-6);
    pool_leave(&upload);
    pool_leave(&interactive);
    pool_free(p);
}
END_TEST

/* Coming back. */

START_TEST(the_refused_are_told_different_times)
{
    struct pool *p = pool_of(2, 20);
    struct pool_ticket first = admit(p, LANE_INTERACTIVE, 2200); /* 1.1 s */
    int told[64] = { 0 };
    for (int i = 0; i < 44; i++) {
        int s = pool_retry_after_s(p, LANE_INTERACTIVE);
        ck_assert(s >= 2 && s < 10);
        told[s]++;
    }
    for (int s = 0; s < 10; s++)
        ck_assert_msg(told[s] <= 22 * 3 / 4 + 1, "%d of them told %d s: they would not find room", told[s], s);
    pool_leave(&first);
    for (int i = 0; i < 10000; i++) /* however many, nobody is sent away for hours */
        ck_assert_int_le(pool_retry_after_s(p, LANE_INTERACTIVE), 33);
    pool_free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool_fair");
    TCase *t = tcase_create("lanes");
    tcase_add_test(t, lanes_share_eight_to_four_to_one);
    tcase_add_test(t, shares_are_of_work_not_of_jobs);
    tcase_add_test(t, within_a_lane_first_come_first_served);
    tcase_add_test(t, an_empty_lane_saves_up_nothing);
    tcase_add_test(t, of_three_workers_a_batch_leaves_one);
    tcase_add_test(t, a_batch_is_not_forgotten_when_the_second_is_over);
    suite_add_tcase(s, t);
    t = tcase_create("predictions");
    tcase_add_test(t, what_jobs_took_corrects_what_is_predicted);
    tcase_add_test(t, what_is_unknown_counts_as_an_average_job);
    tcase_add_test(t, who_would_be_late_is_refused_by_cost);
    tcase_add_test(t, lanes_wait_by_their_weights);
    tcase_add_test(t, the_refused_are_told_different_times);
    suite_add_tcase(s, t);
    return run_suite(s);
}
