/* The hand-over between dispatcher and threads: lists, deadlines, shares. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../fcgi/handoff.h"
#include "conns.h"
#include "suite.h"

static struct handoff h;
static int pair[2]; /* pair[0] is the connection's, pair[1] the peer's */
static struct conn conn;

static void setup(void)
{
    ck_assert(handoff_init(&h, (const int[SHARES]){ [SHARE_BODIES] = 3, [SHARE_ANSWERS] = 2 }));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    conn = (struct conn){ .fd = pair[0] };
}

static void teardown(void)
{
    h.busy = h.ready = h.returned = (struct conn_list){ 0 };
    handoff_free(&h);
    close(pair[0]);
    close(pair[1]);
}

static bool woken(void)
{
    uint64_t n;
    return read(h.wake, &n, sizeof n) > 0;
}

static void take_to_work(void)
{
    handoff_give(&h, &conn);
    ck_assert_ptr_eq(handoff_take(&h), &conn);
}

START_TEST(lists_keep_their_order_through_any_removal)
{
    static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    for (int o = 0; o < 6; o++) {
        struct conn c[3] = { 0 };
        struct conn_list l = { 0 };
        bool in[3] = { true, true, true };
        for (int i = 0; i < 3; i++)
            conn_push(&l, &c[i]);
        for (int k = 0; k < 3; k++) {
            conn_remove(&l, &c[order[o][k]]);
            in[order[o][k]] = false;
            const struct conn *p = l.first;
            for (int i = 0; i < 3; i++) {
                if (!in[i])
                    continue;
                ck_assert_ptr_eq(p, &c[i]);
                p = p->next;
            }
            ck_assert_ptr_null(p);
            ck_assert_int_eq(l.n, 2 - k);
        }
        ck_assert_ptr_null(l.first);
        ck_assert_ptr_null(l.last);
        ck_assert_ptr_null(conn_pop(&l));
    }
}
END_TEST

START_TEST(a_deadline_shuts_both_ways)
{
    take_to_work();
    handoff_deadline(&h, &conn, 5000, SHUT_RDWR);
    handoff_expire(&h, 4999);
    ck_assert_str_eq(state(pair[1]), "silent");
    ck_assert(!conn.expired);
    handoff_expire(&h, 5000);
    ck_assert_str_eq(state(pair[0]), "end");
    ck_assert_str_eq(state(pair[1]), "end");
    ck_assert(conn.expired);
}
END_TEST

START_TEST(a_read_deadline_leaves_writing_open)
{
    take_to_work();
    handoff_deadline(&h, &conn, 5000, SHUT_RD);
    handoff_expire(&h, 5001);
    ck_assert_str_eq(state(pair[0]), "end");
    ck_assert_int_eq(write(pair[0], "late", 4), 4);
    ck_assert_str_eq(state(pair[1]), "data");
}
END_TEST

/* What lay in the socket when the deadline passed is still read, and moves the deadline: that it passed must be known.
 */
START_TEST(a_deadline_that_moves_has_passed_all_the_same)
{
    take_to_work();
    handoff_deadline(&h, &conn, 5000, SHUT_RD);
    handoff_expire(&h, 5000);
    handoff_deadline(&h, &conn, 5001, SHUT_RD);
    handoff_deadline(&h, &conn, 0, SHUT_RD);
    ck_assert(conn.expired);
    handoff_return(&h, &conn);
    handoff_give(&h, handoff_returned(&h));
    ck_assert(!handoff_take(&h)->expired); /* the next request */
}
END_TEST

START_TEST(a_disarmed_deadline_does_nothing)
{
    take_to_work();
    handoff_deadline(&h, &conn, 5000, SHUT_RDWR);
    handoff_deadline(&h, &conn, 0, SHUT_RDWR);
    handoff_expire(&h, 6000);
    ck_assert_str_eq(state(pair[1]), "silent");
    ck_assert(!conn.expired);
    handoff_deadline(&h, &conn, 5000, SHUT_RDWR);
    handoff_return(&h, &conn); /* the dispatcher's now: the thread's deadline has no hold on it */
    handoff_expire(&h, 6000);
    ck_assert_str_eq(state(pair[1]), "silent");
}
END_TEST

START_TEST(the_next_look_is_early_enough)
{
    ck_assert(handoff_expire(&h, 1000) == INT64_MAX);
    take_to_work();
    int64_t look = handoff_expire(&h, 1000);
    ck_assert_int_gt(look, 1000);
    ck_assert_int_le(look, 1100);
    handoff_deadline(&h, &conn, look + 5000, SHUT_RDWR);
    ck_assert(!woken());
    handoff_deadline(&h, &conn, 1010, SHUT_RDWR); /* before that look: the dispatcher has to know */
    ck_assert(woken());
    ck_assert_int_eq(handoff_expire(&h, 1005), 1010);
    handoff_expire(&h, 1010);
    ck_assert(conn.expired);
}
END_TEST

START_TEST(what_is_given_back_wakes_and_comes_once)
{
    take_to_work();
    ck_assert_ptr_null(handoff_returned(&h));
    handoff_return(&h, &conn);
    ck_assert(woken());
    ck_assert_ptr_eq(handoff_returned(&h), &conn);
    ck_assert_ptr_null(handoff_returned(&h));
}
END_TEST

START_TEST(a_closed_connection_is_gone)
{
    struct conn *c = malloc(sizeof *c);
    *c = (struct conn){ .fd = dup(pair[0]) };
    handoff_opened(&h);
    handoff_give(&h, c);
    ck_assert_ptr_eq(handoff_take(&h), c);
    handoff_deadline(&h, c, 5000, SHUT_RDWR);
    ck_assert_int_eq(handoff_conns(&h), 1);
    handoff_close(&h, c);
    ck_assert_int_eq(handoff_conns(&h), 0);
    ck_assert(handoff_expire(&h, 6000) == INT64_MAX);
    ck_assert_str_eq(state(pair[1]), "silent"); /* pair[0] is open still, and was not shut */
}
END_TEST

START_TEST(bodies_have_their_share_and_no_more)
{
    for (int i = 0; i < 3; i++)
        ck_assert(handoff_share_take(&h, SHARE_BODIES));
    ck_assert(!handoff_share_take(&h, SHARE_BODIES));
    handoff_share_give(&h, SHARE_BODIES);
    ck_assert(handoff_share_take(&h, SHARE_BODIES));
    ck_assert(!handoff_share_take(&h, SHARE_BODIES));
}
END_TEST

START_TEST(writers_have_a_share_of_their_own)
{
    while (handoff_share_take(&h, SHARE_BODIES))
        ;
    ck_assert(handoff_share_take(&h, SHARE_ANSWERS));
    ck_assert(handoff_share_take(&h, SHARE_ANSWERS));
    ck_assert(!handoff_share_take(&h, SHARE_ANSWERS));
    handoff_share_give(&h, SHARE_ANSWERS);
    ck_assert(!handoff_share_take(&h, SHARE_BODIES));
    ck_assert(handoff_share_take(&h, SHARE_ANSWERS));
}
END_TEST

static void *taker(void *arg)
{
    return handoff_take(arg);
}

START_TEST(stopping_wakes_those_who_wait)
{
    pthread_t t[4];
    void *got;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, taker, &h);
    usleep(10000);
    handoff_stop(&h);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &got);
        ck_assert_ptr_null(got);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("handoff");
    TCase *t = tcase_create("handoff");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, lists_keep_their_order_through_any_removal);
    tcase_add_test(t, a_deadline_shuts_both_ways);
    tcase_add_test(t, a_read_deadline_leaves_writing_open);
    tcase_add_test(t, a_deadline_that_moves_has_passed_all_the_same);
    tcase_add_test(t, a_disarmed_deadline_does_nothing);
    tcase_add_test(t, the_next_look_is_early_enough);
    tcase_add_test(t, what_is_given_back_wakes_and_comes_once);
    tcase_add_test(t, a_closed_connection_is_gone);
    tcase_add_test(t, bodies_have_their_share_and_no_more);
    tcase_add_test(t, writers_have_a_share_of_their_own);
    tcase_add_test(t, stopping_wakes_those_who_wait);
    suite_add_tcase(s, t);

    return s;
}

int main(void)
{
    return run_suite(suite());
}
