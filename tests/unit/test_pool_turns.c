/* Whose body is read: how many at a time, in which order, for how long, and that no turn is ever lost. */
#include "nursery.h"
#include "suite.h"

#define TURNS 3 /* one worker and two */

static struct nursery n;

static void open_one(void)
{
    memset(&n, 0, sizeof n);
    n.c.queue = 20;
    nursery_open(&n, 1);
}

static void close_all(void)
{
    nursery_close(&n);
}

/* One upload that wants its turn. */
struct guest {
    struct pool_ticket ticket;
    int client, ms, retry_after_s;
    enum ic_code code;
    struct ic_error e;
    pthread_t thread;
};

static void come(struct guest *g)
{
    *g = (struct guest){ .client = -1, .ms = 5000 };
    ck_assert(pool_admit(n.pool, LANE_UPLOAD, 10, &g->ticket, &g->retry_after_s, &g->e));
}

static enum ic_code take(struct guest *g)
{
    return g->code = pool_take_turn(&g->ticket, g->client, clock_ms() + g->ms, &g->retry_after_s, &g->e);
}

static void *take_thread(void *ctx)
{
    take(ctx);
    return NULL;
}

static int waiting(void)
{
    return pool_state(n.pool).lane_waiting[LANE_UPLOAD];
}

static void wait_waiting(int count)
{
    int64_t limit = clock_ms() + 3000;
    while (waiting() != count && clock_ms() < limit)
        usleep(200);
    ck_assert_int_eq(waiting(), count);
}

/* In the list when it returns, as the number'th. */
static void take_later(struct guest *g, int number)
{
    ck_assert_int_eq(pthread_create(&g->thread, NULL, take_thread, g), 0);
    wait_waiting(number);
}

static enum ic_code taken(struct guest *g)
{
    pthread_join(g->thread, NULL);
    return g->code;
}

static void take_all(struct guest g[TURNS])
{
    for (int i = 0; i < TURNS; i++) {
        come(&g[i]);
        ck_assert_int_eq(take(&g[i]), IC_OK);
    }
}

static void leave_all(struct guest *g, int count)
{
    for (int i = 0; i < count; i++)
        pool_leave(&g[i].ticket);
    ck_assert_int_eq(pool_state(n.pool).admitted, 0);
    ck_assert_uint_eq(pool_state(n.pool).bytes, 0);
}

/* All turns can be had at once: none is lost, and none too many. */
static void check_turns(void)
{
    struct guest g[TURNS + 1];
    take_all(g);
    come(&g[TURNS]);
    g[TURNS].ms = 20;
    ck_assert_int_eq(take(&g[TURNS]), IC_E_BUSY);
    leave_all(g, TURNS + 1);
}

START_TEST(one_more_waits_for_its_turn)
{
    struct guest g[TURNS + 1];
    take_all(g);
    come(&g[TURNS]);
    take_later(&g[TURNS], 1);
    ck_assert_int_eq(pool_state(n.pool).waiting, 1);
    usleep(20000);
    ck_assert_int_eq(waiting(), 1);
    pool_end_turn(&g[1].ticket);
    pool_end_turn(&g[1].ticket); /* once only */
    ck_assert_int_eq(taken(&g[TURNS]), IC_OK);
    ck_assert(g[TURNS].ticket.waited_ms >= 20);
    ck_assert_int_eq(waiting(), 0);
    leave_all(g, TURNS + 1);
    check_turns();
}
END_TEST

START_TEST(turns_come_in_order)
{
    struct guest g[TURNS], later[5];
    take_all(g);
    for (int i = 0; i < 5; i++) {
        come(&later[i]);
        take_later(&later[i], i + 1);
    }
    for (int i = 0; i < 5; i++) {
        pool_end_turn(i < TURNS ? &g[i].ticket : &later[i - TURNS].ticket);
        ck_assert_int_eq(taken(&later[i]), IC_OK);
        ck_assert_int_eq(waiting(), 4 - i);
    }
    for (int i = 0; i < 5; i++)
        pool_leave(&later[i].ticket);
    leave_all(g, TURNS);
    check_turns();
}
END_TEST

/* While the worker is at it the next body is read already. */
START_TEST(a_turn_ends_when_the_worker_has_the_image)
{
    struct guest g[TURNS + 1];
    struct errand r;
    int client[2];
    take_all(g);
    come(&g[TURNS]);
    take_later(&g[TURNS], 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    errand_init(&r, &n, ACT_HANG, 5000);
    r.ticket = g[0].ticket;
    r.job.client = client[0];
    errand_start(&r);
    ck_assert_int_eq(taken(&g[TURNS]), IC_OK);
    close(client[1]);
    ck_assert_int_eq(errand_join(&r), IC_E_GONE);
    g[0].ticket = r.ticket;
    close(client[0]);
    leave_all(g, TURNS + 1);
    nursery_wait_idle(&n, 1);
    check_turns();
}
END_TEST

START_TEST(what_was_waited_for_the_turn_is_waiting_time_of_the_job)
{
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    r.ticket.waited_ms = 1234;
    ck_assert_int_eq(errand_run(&r), IC_OK);
    ck_assert(r.job.queue_ms >= 1234);
}
END_TEST

START_TEST(who_leaves_is_passed_over)
{
    struct guest g[TURNS], gone, next;
    int client[2];
    take_all(g);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    come(&gone);
    gone.client = client[0];
    take_later(&gone, 1);
    come(&next);
    take_later(&next, 2);
    close(client[1]);
    ck_assert_int_eq(taken(&gone), IC_E_GONE);
    ck_assert(!gone.ticket.turn);
    wait_waiting(1);
    pool_end_turn(&g[0].ticket);
    ck_assert_int_eq(taken(&next), IC_OK);
    pool_leave(&gone.ticket);
    pool_leave(&next.ticket);
    close(client[0]);
    leave_all(g, TURNS);
    check_turns();
}
END_TEST

/* Its turn comes, but would be over before the work could be done: its body is not read in vain. */
START_TEST(a_turn_that_comes_too_late_goes_to_the_next)
{
    struct guest g[TURNS], late, next;
    take_all(g);
    come(&late);
    late.ms = 1000;
    late.ticket.cost_ms = 2000;
    take_later(&late, 1);
    come(&next);
    take_later(&next, 2);
    usleep(120000); /* who has not waited is tried */
    pool_end_turn(&g[0].ticket);
    ck_assert_int_eq(taken(&late), IC_E_BUSY);
    ck_assert_int_eq(taken(&next), IC_OK);
    pool_leave(&late.ticket);
    pool_leave(&next.ticket);
    leave_all(g, TURNS);
    check_turns();
}
END_TEST

START_TEST(the_deadline_ends_the_wait)
{
    struct guest g[TURNS + 1];
    take_all(g);
    come(&g[TURNS]);
    g[TURNS].ms = 30;
    ck_assert_int_eq(take(&g[TURNS]), IC_E_BUSY);
    ck_assert_int_eq(g[TURNS].e.code, IC_E_BUSY);
    ck_assert_int_ge(g[TURNS].retry_after_s, 1);
    ck_assert_int_eq(waiting(), 0);
    leave_all(g, TURNS + 1);
    check_turns();
}
END_TEST

/* A turn that comes at the very moment of the deadline or of the client's leave goes on to the next. */
START_TEST(no_turn_is_lost_at_the_last_moment)
{
    for (int i = 0; i < 200; i++) {
        struct guest g[TURNS + 1];
        take_all(g);
        come(&g[TURNS]);
        g[TURNS].ms = 1;
        ck_assert_int_eq(pthread_create(&g[TURNS].thread, NULL, take_thread, &g[TURNS]), 0);
        usleep((useconds_t)(900 + i));
        pool_end_turn(&g[0].ticket);
        ck_assert(taken(&g[TURNS]) == IC_OK || !g[TURNS].ticket.turn);
        leave_all(g, TURNS + 1);
    }
    check_turns();
}
END_TEST

START_TEST(vacating_and_leaving_end_the_turn)
{
    struct guest g[TURNS + 2];
    take_all(g);
    for (int i = 0; i < 2; i++) {
        come(&g[TURNS + i]);
        take_later(&g[TURNS + i], i + 1);
    }
    pool_vacate(&g[0].ticket);
    ck_assert_int_eq(taken(&g[TURNS]), IC_OK);
    pool_leave(&g[1].ticket);
    ck_assert_int_eq(taken(&g[TURNS + 1]), IC_OK);
    leave_all(g, TURNS + 2);
    check_turns();
}
END_TEST

/* Slow ones. */

static void be_slow(struct guest *g)
{
    pool_read_begin(&g->ticket);
    g->ticket.slow_ms = clock_ms(); /* rather than wait for it */
}

/* More than SLOW_MS, and it is found out without anybody's help. */
START_TEST(a_slow_body_loses_its_turn_to_who_waits)
{
    struct guest g[TURNS + 1];
    take_all(g);
    for (int i = 0; i < TURNS; i++)
        pool_read_begin(&g[i].ticket);
    come(&g[TURNS]);
    ck_assert_int_eq(take(&g[TURNS]), IC_OK);
    ck_assert_int_ge(clock_ms(), g[0].ticket.slow_ms);
    for (int i = 0; i < TURNS; i++) {
        pool_read_end(&g[i].ticket);
        ck_assert(g[i].ticket.placed); /* nobody wanted that */
    }
    leave_all(g, TURNS + 1);
    check_turns();
}
END_TEST

START_TEST(what_has_come_counts)
{
    struct guest g;
    come(&g);
    ck_assert(pool_grow(&g.ticket, 10000000)); /* what it wants to send does not */
    pool_read_begin(&g.ticket);
    int64_t slow_ms = g.ticket.slow_ms;
    ck_assert_int_le(slow_ms, clock_ms() + 100);
    pool_read_some(&g.ticket, 3000000);
    ck_assert_int_eq(g.ticket.slow_ms, slow_ms + 300);
    pool_read_some(&g.ticket, 10000000);
    ck_assert_int_eq(g.ticket.slow_ms, slow_ms + 1000);
    pool_read_end(&g.ticket);
    leave_all(&g, 1);
}
END_TEST

static int admit_all(struct guest *others, enum pool_lane lane)
{
    int count = 0;
    struct ic_error e;
    for (int retry; pool_admit(n.pool, lane, 10, &others[count].ticket, &retry, &e); count++)
        ;
    return count;
}

START_TEST(a_slow_body_loses_its_place_where_all_are_taken)
{
    enum pool_lane lane = _i == 0 ? LANE_UPLOAD : LANE_INTERACTIVE;
    struct guest slow, others[40];
    come(&slow);
    int before = admit_all(others, lane);
    be_slow(&slow);
    ck_assert_int_eq(admit_all(others + before, lane), 1);
    ck_assert(!slow.ticket.placed && slow.ticket.aside);
    ck_assert_uint_eq(slow.ticket.bytes, 10); /* what it sends needs memory all the same */
    ck_assert_int_eq(pool_state(n.pool).admitted, before + 1);
    double cost = pool_state(n.pool).lane_cost_ms[LANE_UPLOAD];
    pool_read_end(&slow.ticket);
    ck_assert(slow.ticket.placed && !slow.ticket.aside);
    ck_assert_int_eq(pool_state(n.pool).admitted, before + 2);
    ck_assert(pool_state(n.pool).lane_cost_ms[LANE_UPLOAD] > cost);
    pool_leave(&others[0].ticket); /* the place that is one too many is nobody's */
    ck_assert_int_eq(admit_all(others, lane), 0);
    pool_leave(&slow.ticket);
    leave_all(others + 1, before);
}
END_TEST

/* As many as there are threads that may wait for them. */
START_TEST(slow_bodies_beyond_their_threads_keep_their_places)
{
    struct guest slow[10], others[40];
    n.c.threads = 1 + 20 + 8 + 6; /* five sixths of those beyond the least */
    ck_assert_int_eq(config_threads_aside(&n.c), 5);
    struct pool *usual = n.pool;
    n.pool = pool_create(&n.c);
    for (int i = 0; i < 10; i++)
        come(&slow[i]);
    int before = admit_all(others, LANE_UPLOAD);
    for (int i = 0; i < 10; i++)
        be_slow(&slow[i]);
    ck_assert_int_eq(admit_all(others + before, LANE_UPLOAD), 5);
    pool_read_end(&slow[0].ticket);
    pool_leave(&slow[0].ticket);
    ck_assert_int_eq(admit_all(others + before + 5, LANE_UPLOAD), 1);
    for (int i = 1; i < 10; i++) {
        pool_read_end(&slow[i].ticket);
        pool_leave(&slow[i].ticket);
    }
    leave_all(others, before + 6);
    pool_free(n.pool);
    n.pool = usual;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pool_turns");
    TCase *t = tcase_create("turns");
    tcase_add_checked_fixture(t, open_one, close_all);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, one_more_waits_for_its_turn);
    tcase_add_test(t, turns_come_in_order);
    tcase_add_test(t, a_turn_ends_when_the_worker_has_the_image);
    tcase_add_test(t, what_was_waited_for_the_turn_is_waiting_time_of_the_job);
    tcase_add_test(t, who_leaves_is_passed_over);
    tcase_add_test(t, the_deadline_ends_the_wait);
    tcase_add_test(t, a_turn_that_comes_too_late_goes_to_the_next);
    tcase_add_test(t, no_turn_is_lost_at_the_last_moment);
    tcase_add_test(t, vacating_and_leaving_end_the_turn);
    tcase_add_test(t, a_slow_body_loses_its_turn_to_who_waits);
    tcase_add_test(t, what_has_come_counts);
    tcase_add_loop_test(t, a_slow_body_loses_its_place_where_all_are_taken, 0, 2);
    tcase_add_test(t, slow_bodies_beyond_their_threads_keep_their_places);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
