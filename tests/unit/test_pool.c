/* Who comes in, who goes next, and that no worker and no wake-up is ever lost. */
#include "nursery.h"

#include "../../fcgi/ledger.h"
#include "../../fcgi/pool_private.h"
#include "suite.h"

static struct nursery n;

static void close_all(void)
{
    nursery_close(&n);
}

/* Tickets. */

static struct config small(void)
{
    return (struct config){ .workers = 2,
                            .queue = 3,
                            .max_body = 1000,
                            .max_result = 1000,
                            .worker_memory = 5000,
                            .memory_limit = 14000,
                            .deadline_ms = 10000 };
}

START_TEST(places_are_workers_and_queue)
{
    struct config c = small();
    struct pool *p = pool_create(&c);
    struct pool_ticket t[6] = { 0 };
    struct ic_error e;
    int retry = 0;
    for (int i = 0; i < 5; i++)
        ck_assert(pool_admit(p, i < 4 ? LANE_UPLOAD : LANE_INTERACTIVE, 1, &t[i], &retry, &e));
    ck_assert_int_eq(pool_state(p).admitted, 5);
    ck_assert(!pool_admit(p, LANE_INTERACTIVE, 1, &t[5], &retry, &e));
    ck_assert_int_eq(e.code, IC_E_BUSY);
    ck_assert_int_ge(retry, 1);
    ck_assert_ptr_null(t[5].pool);
    pool_leave(&t[5]); /* accepts an empty one */
    ck_assert_int_eq(pool_state(p).admitted, 5);
    pool_leave(&t[2]);
    pool_leave(&t[2]); /* once only */
    ck_assert_int_eq(pool_state(p).admitted, 4);
    ck_assert(pool_admit(p, LANE_BATCH, 1, &t[5], &retry, &e));
    ck_assert_int_eq(t[5].lane, LANE_BATCH);
    pool_free(p);
}
END_TEST

START_TEST(a_vacated_ticket_keeps_its_bytes)
{
    struct config c = small();
    struct pool *p = pool_create(&c);
    struct pool_ticket t = { 0 };
    struct ic_error e;
    int retry = 0;
    pool_vacate(&t); /* accepts an empty one */
    ck_assert(pool_admit(p, LANE_UPLOAD, 100, &t, &retry, &e));
    pool_vacate(&t);
    pool_vacate(&t); /* once only */
    ck_assert_int_eq(pool_state(p).admitted, 0);
    ck_assert_uint_eq(pool_state(p).bytes, 100);
    pool_leave(&t);
    ck_assert_int_eq(pool_state(p).admitted, 0);
    ck_assert_uint_eq(pool_state(p).bytes, 0);
    pool_free(p);
}
END_TEST

/* Slow uploads, however many, leave a way through. */
START_TEST(uploads_do_not_get_every_place)
{
    struct config c = small();
    struct pool *p = pool_create(&c);
    struct pool_ticket t[5] = { 0 };
    struct ic_error e;
    int retry = 0;
    for (int i = 0; i < 4; i++)
        ck_assert(pool_admit(p, i % 2 ? LANE_UPLOAD : LANE_BATCH, 1, &t[i], &retry, &e));
    ck_assert(!pool_admit(p, LANE_UPLOAD, 1, &t[4], &retry, &e));
    ck_assert(!pool_admit(p, LANE_BATCH, 1, &t[4], &retry, &e));
    ck_assert_int_ge(retry, 1);
    ck_assert(pool_admit(p, LANE_INTERACTIVE, 1, &t[4], &retry, &e));
    pool_leave(&t[4]);
    pool_leave(&t[0]);
    ck_assert(pool_admit(p, LANE_UPLOAD, 1, &t[0], &retry, &e));
    pool_free(p);
}
END_TEST

START_TEST(bytes_are_a_budget)
{
    struct config c = small();
    struct pool *p = pool_create(&c);
    struct pool_ticket a, b;
    struct ic_error e;
    int retry = 0;
    ck_assert_uint_eq(pool_state(p).bytes_max, 4000); /* 14000 - 2 x 5000 */
    ck_assert(pool_admit(p, LANE_INTERACTIVE, 3000, &a, &retry, &e));
    ck_assert(!pool_admit(p, LANE_INTERACTIVE, 1001, &b, &retry, &e));
    ck_assert_int_ge(retry, 1);
    ck_assert(pool_admit(p, LANE_INTERACTIVE, 600, &b, &retry, &e));
    ck_assert(!pool_grow(&b, 401));
    ck_assert(!pool_grow(&b, SIZE_MAX)); /* does not wrap */
    ck_assert_uint_eq(b.bytes, 600);
    ck_assert(pool_grow(&b, 400));
    ck_assert_uint_eq(pool_state(p).bytes, 4000);
    pool_shrink(&b, 300);
    ck_assert(pool_grow(&b, 300)); /* what was given back is there again */
    ck_assert_uint_eq(ledger_booked(), 4000);
    pool_leave(&b);
    ck_assert_uint_eq(pool_state(p).bytes, 3000); /* what it grew by goes as well */
    pool_leave(&a);
    ck_assert_uint_eq(pool_state(p).bytes, 0);
    ck_assert_uint_eq(ledger_booked(), 0); /* the books of all generations agree */
    pool_free(p);
    c.memory_limit = 1; /* one body and its result always fit */
    p = pool_create(&c);
    ck_assert_uint_eq(pool_state(p).bytes_max, 2000);
    ck_assert(pool_admit(p, LANE_UPLOAD, 2000, &a, &retry, &e));
    pool_leave(&a);
    pool_free(p);
}
END_TEST

/* An eighth of it is for those who send none. */
START_TEST(bodies_do_not_get_all_of_the_budget)
{
    struct config c = small();
    struct pool *p = pool_create(&c);
    struct pool_ticket upload, batch, get;
    struct ic_error e;
    int retry = 0;
    ck_assert(pool_admit(p, LANE_UPLOAD, 3000, &upload, &retry, &e));
    ck_assert(!pool_grow(&upload, 501));
    ck_assert(pool_admit(p, LANE_BATCH, 500, &batch, &retry, &e));
    ck_assert(!pool_grow(&upload, 1));
    ck_assert(!pool_admit(p, LANE_INTERACTIVE, 501, &get, &retry, &e));
    ck_assert(pool_admit(p, LANE_INTERACTIVE, 500, &get, &retry, &e));
    pool_leave(&get);
    pool_leave(&batch);
    pool_leave(&upload);
    ck_assert_uint_eq(ledger_booked(), 0);
    pool_free(p);
}
END_TEST

/* With jobs of 200 ms and one worker, five ahead take a second, and what would take longer than the deadline is told
 * so. */
START_TEST(refusals_tell_how_long_the_queue_is)
{
    memset(&n, 0, sizeof n);
    n.c.queue = 100;
    n.c.deadline_ms = 1500;
    nursery_open(&n, 1);
    for (int i = 0; i < 5; i++) {
        struct errand r;
        errand_init(&r, &n, ACT_NAP, 3000);
        r.job.job.recipe[0].effort = 200;
        ck_assert_int_eq(errand_run(&r), IC_OK);
    }
    static struct pool_ticket t[100]; /* about 120 ms each by now: the average remembers that it began at 50 */
    struct ic_error e;
    int admitted = 0, retry = 0;
    while (admitted < 100 && pool_admit(n.pool, LANE_UPLOAD, 1, &t[admitted], &retry, &e))
        admitted++;
    ck_assert_int_ge(admitted, 7);
    ck_assert_int_le(admitted, 20);
    ck_assert_int_ge(retry, 2);
    ck_assert_int_le(retry, 3);
    close_all();
}
END_TEST

/* Workers. */

START_TEST(quota_replaces_a_worker)
{
    memset(&n, 0, sizeof n);
    n.c.worker_jobs = 2;
    nursery_open(&n, 1);
    pid_t last = 0;
    for (int i = 0; i < 5; i++) {
        pid_t first = errand_copy(&n);
        ck_assert_int_ne(first, last);
        last = errand_copy(&n);
        ck_assert_int_eq(first, last);
    }
    ck_assert_int_ge(pool_state(n.pool).workers, 1); /* one is on its way: ready */
    close_all();
}
END_TEST

START_TEST(the_dead_are_not_counted)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 3);
    kill(n.pid, SIGKILL); /* nobody gives birth any more; its workers die with it */
    nursery_wait_idle(&n, 0);
    ck_assert_int_eq(pool_state(n.pool).workers, 1); /* the benefit of the doubt */
    usleep(1050000);
    ck_assert_int_eq(pool_state(n.pool).workers, 0);
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 50);
    ck_assert_int_eq(errand_run(&r), IC_E_BUSY);
    close_all();
}
END_TEST

START_TEST(lanes_go_first_and_keep_their_order)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 1);
    struct errand busy;
    errand_init(&busy, &n, ACT_NAP, 3000);
    busy.job.job.recipe[0].effort = 100;
    errand_start(&busy);
    nursery_wait_idle(&n, 0);
    static const enum pool_lane arrival[] = { LANE_BATCH,       LANE_UPLOAD, LANE_BATCH,
                                              LANE_INTERACTIVE, LANE_UPLOAD, LANE_INTERACTIVE };
    static const int expected[] = { 3, 5, 1, 4, 0, 2 };
    static struct errand r[6];
    for (int i = 0; i < 6; i++) {
        errand_init(&r[i], &n, ACT_NAP, 3000);
        r[i].job.job.recipe[0].effort = 5; /* longer than the end of a thread takes to be noted */
        r[i].ticket.lane = arrival[i];
        errand_start(&r[i]);
        while (pool_state(n.pool).waiting != i + 1)
            usleep(100);
    }
    errand_join(&busy);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(errand_join(&r[i]), IC_OK);
    for (int i = 1; i < 6; i++)
        ck_assert_msg(r[expected[i - 1]].ended_us < r[expected[i]].ended_us, "place %d", i);
    close_all();
}
END_TEST

static void *give_thread(void *ctx)
{
    pool_give(n.pool, ctx);
    return NULL;
}

/* Whether it was seen waiting before its time was up. */
static bool seen_waiting(const struct errand *late)
{
    bool waits = false;
    while (!waits && clock_ms() < late->job.deadline_ms) {
        usleep(100);
        waits = pool_state(n.pool).waiting == 1;
    }
    return waits;
}

/* A worker is handed to somebody whose time has just run out: with the lock held, first the giver queues for it, then
 * the waiter. Whoever gets it first, the worker must be idle in the end. On a busy machine some come too late to wait.
 */
START_TEST(a_worker_handed_over_too_late_goes_on)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 1);
    for (int seen = 0; seen < 6;) {
        struct errand late;
        enum ic_code why;
        pthread_t giver;
        errand_init(&late, &n, ACT_COPY, 1000);
        struct worker *w = pool_take(n.pool, &late.job, LANE_UPLOAD, false, &why);
        ck_assert_ptr_nonnull(w);
        late.job.deadline_ms = clock_ms() + 50;
        errand_start(&late);
        bool waits = seen_waiting(&late);
        pthread_mutex_lock(&n.pool->lock);
        ck_assert_int_eq(pthread_create(&giver, NULL, give_thread, w), 0);
        while (clock_ms() < late.job.deadline_ms + 20)
            usleep(1000);
        pthread_mutex_unlock(&n.pool->lock);
        pthread_join(giver, NULL);
        enum ic_code code = errand_join(&late);
        ck_assert(code == IC_E_BUSY || !waits);
        ck_assert_int_eq(pool_state(n.pool).idle, 1);
        ck_assert_int_eq(pool_state(n.pool).waiting, 0);
        seen += waits;
    }
    close_all();
}
END_TEST

/* Stress. */

#define STRESS_THREADS 16
#define STRESS_MS      2500

static int64_t stress_end_ms;

struct stress {
    unsigned seed;
    int outcomes[IC_CODES], wrong, impossible;
};

static void stress_one(struct stress *s)
{
    struct errand r;
    int dice = rand_r(&s->seed) % 100;
    enum nursery_act act = dice < 70   ? ACT_NAP
                           : dice < 80 ? ACT_COPY
                           : dice < 85 ? ACT_DIE
                           : dice < 90 ? ACT_HANG
                           : dice < 95 ? ACT_RUN_AWAY
                                       : ACT_LIE;
    errand_init(&r, &n, act, rand_r(&s->seed) % 30);
    r.ticket.lane = (enum pool_lane)(rand_r(&s->seed) % 3);
    r.job.job.recipe[0].effort = act == ACT_LIE ? rand_r(&s->seed) % NURSERY_LIES : rand_r(&s->seed) % 3;
    int client[2] = { -1, -1 };
    bool leaves = rand_r(&s->seed) % 10 == 0;
    if (leaves && socketpair(AF_UNIX, SOCK_STREAM, 0, client) == 0) {
        r.job.client = client[0];
        close(client[1]);
    }
    errand_run(&r);
    s->outcomes[r.code]++;
    s->wrong += r.wrong;
    bool honest = act == ACT_NAP || act == ACT_COPY || act == ACT_RUN_AWAY;
    bool possible = r.code == IC_E_BUSY || r.code == IC_E_DEADLINE || (leaves && r.code == IC_E_GONE) ||
                    (honest && r.code == IC_OK) || (!honest && act != ACT_HANG && r.code == IC_E_WORKER);
    s->impossible += !possible;
    if (leaves)
        close(client[0]);
}

static void *stress_thread(void *ctx)
{
    while (clock_ms() < stress_end_ms)
        stress_one(ctx);
    return NULL;
}

/* Threads that give up at every possible moment, clients that leave, workers that die, hang and lie: afterwards every
 * worker is idle again, none is waited for, nothing is open, and no output was another's. */
START_TEST(no_wake_up_and_no_worker_is_lost)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 3);
    int before = open_descriptors();
    static struct stress s[STRESS_THREADS];
    pthread_t t[STRESS_THREADS];
    int sum[IC_CODES] = { 0 };
    stress_end_ms = clock_ms() + STRESS_MS;
    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        s[i].seed = i + 1;
        ck_assert_int_eq(pthread_create(&t[i], NULL, stress_thread, &s[i]), 0);
    }
    for (int i = 0; i < STRESS_THREADS; i++) {
        pthread_join(t[i], NULL);
        ck_assert_int_eq(s[i].wrong, 0);
        ck_assert_int_eq(s[i].impossible, 0);
        for (int k = 0; k < IC_CODES; k++)
            sum[k] += s[i].outcomes[k];
    }
    ck_assert_int_gt(sum[IC_OK], 5);
    ck_assert_int_gt(sum[IC_E_BUSY], 5);
    ck_assert_int_gt(sum[IC_E_WORKER], 5);
    ck_assert_int_gt(sum[IC_E_DEADLINE], 5);
    ck_assert_int_gt(sum[IC_E_GONE], 5);
    nursery_wait_idle(&n, 3);
    ck_assert_int_eq(pool_state(n.pool).waiting, 0);
    ck_assert_int_eq(pool_state(n.pool).workers, 3);
    ck_assert_int_eq(open_descriptors(), before);
    errand_copy(&n);
    close_all();
}
END_TEST

/* Without deadlines and deaths: a lost wake-up would leave a thread waiting for ever while a worker is idle. */
static void *patient_thread(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 200; i++)
        errand_copy(&n);
    return NULL;
}

START_TEST(everybody_gets_a_turn)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 2);
    pthread_t t[STRESS_THREADS];
    for (int i = 0; i < STRESS_THREADS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, patient_thread, NULL), 0);
    for (int i = 0; i < STRESS_THREADS; i++)
        pthread_join(t[i], NULL);
    nursery_wait_idle(&n, 2);
    close_all();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool");
    TCase *t = tcase_create("pool");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, places_are_workers_and_queue);
    tcase_add_test(t, a_vacated_ticket_keeps_its_bytes);
    tcase_add_test(t, uploads_do_not_get_every_place);
    tcase_add_test(t, bytes_are_a_budget);
    tcase_add_test(t, bodies_do_not_get_all_of_the_budget);
    tcase_add_test(t, refusals_tell_how_long_the_queue_is);
    tcase_add_test(t, quota_replaces_a_worker);
    tcase_add_test(t, the_dead_are_not_counted);
    tcase_add_test(t, lanes_go_first_and_keep_their_order);
    tcase_add_test(t, a_worker_handed_over_too_late_goes_on);
    tcase_add_test(t, no_wake_up_and_no_worker_is_lost);
    tcase_add_test(t, everybody_gets_a_turn);
    suite_add_tcase(s, t);
    return run_suite(s);
}
