/* How the dispatcher's loop ends: a drain, the grace it has, and what a server that keeps its connections is told. */
#include <sys/epoll.h>

#include "dispatching.h"
#include "../../fcgi/waiting.h"
#include "suite.h"

START_TEST(drain_serves_what_has_come)
{
    int kept = join(), fresh = join(), at_work = join();
    char all[64];
    give(kept, header, HEADER);
    struct conn *c = dispatch_take(d);
    ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
    dispatch_keep(d, c);
    give(at_work, header, HEADER);
    c = dispatch_take(d);
    known(3);

    kill(getpid(), SIGTERM);
    int ms = ended_after(kept);
    ck_assert_int_ge(ms, 0);
    ck_assert(dispatch_draining(d));
    int late = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(connect(late, (struct sockaddr *)&where, sizeof where), 0); /* the backlog is another's */

    give(fresh, header, HEADER); /* connected before the drain: served */
    struct conn *last = dispatch_take(d);
    dispatch_close(d, last);
    dispatch_close(d, c);
    ck_assert_int_eq(loop_end(), DISPATCH_DRAINED);
    ck_assert_str_eq(state(late), "silent");
    pthread_create(&loop, NULL, run, d); /* for the teardown, which ends it again */
    close(kept);
    close(fresh);
    close(at_work);
    close(late);
}
END_TEST

START_TEST(grace_ends)
{
    int fd = join();
    give(fd, header, HEADER);
    struct conn *c = dispatch_take(d);
    int64_t from = clock_ms();
    kill(getpid(), SIGTERM);
    ck_assert_int_eq(loop_end(), DISPATCH_GRACE_OVER);
    ck_assert_int_ge(clock_ms() - from, 590);
    dispatch_close(d, c);
    pthread_create(&loop, NULL, run, d);
    close(fd);
}
END_TEST

START_TEST(without_a_spawner_it_drains)
{
    close(spawner[1]);
    ck_assert_int_eq(loop_end(), DISPATCH_ORPHANED);
    dispatch_free(d);
}
END_TEST

/* From a peer that asks for nothing: 0, or the type of the one record that has come. */
static int told(int fd)
{
    uint8_t r[16];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, 200) == 0)
        return 0;
    ck_assert_int_eq(recv(fd, r, sizeof r, MSG_DONTWAIT), 8);
    ck_assert_msg(r[4] == 0 && r[5] == 0 && r[6] == 0, "it has contents");
    return r[1];
}

/* A server that keeps its connections would send its next request into one that is about to close, and lose it. */
START_TEST(a_generation_that_retires_says_farewell)
{
    enum { STDERR = 7 };
    char all[64];
    int idle = join(), at_work = join(), fresh = join();
    give(idle, header, HEADER);
    struct conn *c = dispatch_take(d);
    ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
    dispatch_keep(d, c);
    give(at_work, header, HEADER);
    c = dispatch_take(d);
    ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
    known(3);

    kill(getpid(), SIGUSR1);
    ck_assert_int_eq(told(idle), STDERR);
    ck_assert_int_eq(told(at_work), 0);
    dispatch_keep(d, c); /* its answer began before the drain and says nothing of it */
    ck_assert_int_eq(told(at_work), STDERR);
    give(at_work, header, HEADER); /* what was under way already is served */
    c = dispatch_take(d);
    dispatch_close(d, c);
    ck_assert_int_eq(told(fresh), 0);
    close(idle);
    close(fresh);
    close(at_work);
}
END_TEST

/* Without the loop, so that the test says what the time is. */

static struct handoff h;
static struct waiting w;
static struct conn *one; /* has served a request, and is silent */
static int peer;

static void alone_setup(void)
{
    int fd[2];
    cfg_setup();
    cfg.grace_ms = cfg.idle_timeout_ms = 60000;
    cfg.header_timeout_ms = 200000;
    ck_assert(handoff_init(&h, (const int[SHARES]){ 1, 1 }));
    waiting_init(&w, &h, &cfg, epoll_create1(EPOLL_CLOEXEC));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    peer = fd[1];
    waiting_accepted(&w, fd[0]);
    one = w.idle.first;
}

static void alone_teardown(void)
{
    waiting_free(&w);
    handoff_free(&h);
    close(w.epoll);
    close(peer);
}

/* The next request comes, and is answered. */
static void ask_once_more(void)
{
    char all[64];
    give(peer, header, HEADER);
    waiting_event(&w, one, false);
    ck_assert_int_eq(h.ready.n, 1);
    ck_assert_ptr_eq(handoff_take(&h), one);
    ck_assert_int_eq(recv(one->fd, all, sizeof all, 0), HEADER);
    handoff_return(&h, one);
    ck_assert_ptr_eq(handoff_returned(&h), one);
    waiting_returned(&w, one);
}

START_TEST(however_long_it_was_silent_it_has_time_to_heed)
{
    ask_once_more();
    one->since_ms -= 50000;
    waiting_drain(&w, true);
    waiting_expire(&w, clock_ms());
    ck_assert_int_eq(told(peer), 7);
    ask_once_more();
    ck_assert_int_eq(told(peer), 7);
    waiting_expire(&w, clock_ms() + 50000);
    ck_assert_str_eq(state(peer), "end");
}
END_TEST

START_TEST(a_request_that_comes_at_the_last_moment_is_served)
{
    ask_once_more();
    waiting_drain(&w, true);
    give(peer, header, HEADER);
    waiting_expire(&w, clock_ms() + 50000);
    ck_assert_int_eq(h.ready.n, 1);
    ck_assert_ptr_eq(handoff_take(&h), one);
    handoff_close(&h, one);
}
END_TEST

START_TEST(half_a_request_at_the_last_moment_may_go_on)
{
    ask_once_more();
    give(peer, header, 20);
    waiting_expire(&w, clock_ms() + 100000);
    ck_assert_int_eq(w.begun.n, 1);
    waiting_expire(&w, clock_ms() + 300000);
    ck_assert_int_eq(handoff_conns(&h), 0);
}
END_TEST

START_TEST(a_full_socket_is_told_later)
{
    static char answer[4096];
    ask_once_more();
    while (send(one->fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
    waiting_drain(&w, true);
    ck_assert(!one->told);
    while (recv(peer, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
    waiting_expire(&w, clock_ms() + 20000);
    ck_assert_int_eq(told(peer), 7);
    ck_assert_str_eq(state(peer), "silent");
    waiting_expire(&w, clock_ms() + 50000);
    ck_assert_str_eq(state(peer), "end");
}
END_TEST

/* One that does not know the record would hold the generation until its grace is over. */
START_TEST(a_peer_that_never_heeds_is_left)
{
    ask_once_more();
    waiting_drain(&w, true);
    ck_assert_int_eq(told(peer), 7);
    for (int i = 0; i < 3; i++) {
        ask_once_more();
        ck_assert_int_eq(told(peer), 7);
        ck_assert_str_eq(state(peer), "silent");
    }
    ask_once_more();
    ck_assert_int_eq(told(peer), 7);
    ck_assert_str_eq(state(peer), "end");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dispatch_drain");
    TCase *t = tcase_create("drain");
    tcase_add_checked_fixture(t, patient_setup, loop_teardown);
    tcase_add_test(t, drain_serves_what_has_come);
    tcase_add_test(t, a_generation_that_retires_says_farewell);
    suite_add_tcase(s, t);

    t = tcase_create("alone");
    tcase_add_checked_fixture(t, alone_setup, alone_teardown);
    tcase_add_test(t, however_long_it_was_silent_it_has_time_to_heed);
    tcase_add_test(t, a_request_that_comes_at_the_last_moment_is_served);
    tcase_add_test(t, half_a_request_at_the_last_moment_may_go_on);
    tcase_add_test(t, a_full_socket_is_told_later);
    tcase_add_test(t, a_peer_that_never_heeds_is_left);
    suite_add_tcase(s, t);

    t = tcase_create("grace");
    tcase_add_checked_fixture(t, loop_setup, loop_teardown);
    tcase_add_test(t, grace_ends);
    suite_add_tcase(s, t);

    t = tcase_create("orphan");
    tcase_add_checked_fixture(t, loop_setup, NULL);
    tcase_add_test(t, without_a_spawner_it_drains);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
