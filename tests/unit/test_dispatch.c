/* The dispatcher's loop: which connections reach a thread, and which are closed when. How it ends:
 * test_dispatch_drain.c. */
#include <fcntl.h>
#include <sys/resource.h>

#include "dispatching.h"
#include "suite.h"

static int ready_now(void)
{
    struct handoff *hand = (struct handoff *)d; /* its first member */
    pthread_mutex_lock(&hand->lock);
    int n = hand->ready.n;
    pthread_mutex_unlock(&hand->lock);
    return n;
}

START_TEST(only_a_whole_header_reaches_a_thread)
{
    int fd = join();
    give(fd, header, _i);
    usleep(30000);
    ck_assert_int_eq(ready_now(), 0);
    give(fd, header + _i, HEADER - _i);
    struct conn *c = dispatch_take(d);
    char all[64];
    ck_assert_int_eq(recv(c->fd, all, sizeof all, MSG_DONTWAIT), HEADER); /* it was only looked at */
    ck_assert_mem_eq(all, header, (size_t)HEADER);
    ck_assert_int_le(clock_ms() - c->begun_ms, 1000);
    dispatch_close(d, c);
    ck_assert_int_ge(ended_after(fd), 0);
    close(fd);
}
END_TEST

START_TEST(half_a_header_has_its_time_however_it_drips)
{
    int fd = join();
    int64_t from = clock_ms();
    bool open = true;
    for (int i = 0; i < HEADER - 1 && open; i++) {
        open = send(fd, header + i, 1, MSG_NOSIGNAL) == 1;
        usleep(20000);
    }
    ck_assert(!open);
    ck_assert_int_ge(clock_ms() - from, 150);
    ck_assert_int_eq(ready_now(), 0);
    close(fd);
}
END_TEST

START_TEST(silence_has_its_time)
{
    int fd = join(), ms = ended_after(fd);
    ck_assert_int_ge(ms, 350);
    close(fd);
}
END_TEST

static const struct {
    const char *what;
    uint8_t bytes[16];
    int n;
} garbage[] = {
    { "HTTP", "GET / HTTP/1.1\r\n", 16 },
    { "version 2", { 2, 1, 0, 1, 0, 8, 0, 0 }, 8 },
    { "STDIN first", { 1, 5, 0, 1, 0, 0, 0, 0 }, 8 },
    { "one zero", { 0 }, 1 },
};

START_TEST(garbage_is_closed_at_once)
{
    int fd = join();
    give(fd, garbage[_i].bytes, garbage[_i].n);
    int ms = ended_after(fd);
    ck_assert_msg(ms >= 0, "%s", garbage[_i].what);
    close(fd);
}
END_TEST

START_TEST(a_header_without_end_is_closed)
{
    uint8_t more[8 + 65528] = { 1, 4, 0, 1, 0xff, 0xf8, 0, 0, 0x80, 0, 0xff, 0xff, 0x80, 0, 0xff, 0xff };
    int fd = join();
    give(fd, header, 16);
    give(fd, more, sizeof more);
    int ms = ended_after(fd);
    ck_assert_int_ge(ms, 0);
    close(fd);
}
END_TEST

START_TEST(a_peer_that_closes_is_forgotten)
{
    int silent = join(), half = join();
    give(half, header, 20);
    known(2);
    close(silent);
    shutdown(half, SHUT_WR); /* no more bytes will come: no reason to wait for the timeout */
    int ms = ended_after(half);
    ck_assert_int_ge(ms, 0);
    known(0);
    close(half);
}
END_TEST

START_TEST(a_peer_that_has_said_all_may_half_close)
{
    int fd = join();
    give(fd, header, HEADER);
    shutdown(fd, SHUT_WR);
    dispatch_close(d, dispatch_take(d));
    close(fd);
}
END_TEST

START_TEST(get_values_is_answered_without_a_request)
{
    static const uint8_t ask[] = "\1\x09\0\0\0\x11\0\0\x0f\0"
                                 "FCGI_MPXS_CONNS";
    uint8_t got[64];
    int fd = join();
    for (int i = 0; i < 3; i++) {
        give(fd, ask, sizeof ask - 1);
        ck_assert_int_eq(recv(fd, got, sizeof got, 0), 32);
        ck_assert_int_eq(got[1], 10);
        ck_assert_mem_eq(got + 8, "\x0f\1FCGI_MPXS_CONNS0", 18);
    }
    give(fd, header, HEADER);
    dispatch_close(d, dispatch_take(d));
    close(fd);
}
END_TEST

START_TEST(a_request_begins_behind_the_management_records)
{
    static const uint8_t ask[8] = { 1, 9 };
    uint8_t got[8];
    int fd = join();
    give(fd, ask, 8);
    ck_assert_int_eq(recv(fd, got, sizeof got, 0), 8);
    usleep(200000); /* longer than a header may take, shorter than silence */
    int64_t from = clock_ms();
    ck_assert_int_eq(send(fd, header, HEADER, MSG_NOSIGNAL), HEADER);
    struct conn *c = dispatch_take(d);
    ck_assert_int_ge(c->begun_ms, from);
    dispatch_close(d, c);
    close(fd);
}
END_TEST

START_TEST(management_records_do_not_go_on_for_ever)
{
    static const uint8_t ask[8] = { 1, 9 };
    uint8_t got[8];
    int fd = join(), n = 0;
    while (n < 100 && send(fd, ask, 8, MSG_NOSIGNAL) == 8 && recv(fd, got, 8, 0) == 8)
        n++;
    ck_assert_int_eq(n, 16);
    close(fd);
}
END_TEST

START_TEST(other_roles_are_refused)
{
    uint8_t authorizer[sizeof header], got[32];
    memcpy(authorizer, header, sizeof header);
    authorizer[9] = 2;
    int fd = join();
    give(fd, authorizer, HEADER);
    ck_assert_int_eq(recv(fd, got, sizeof got, 0), 16);
    ck_assert_mem_eq(got, ((uint8_t[16]){ 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 3 }), 16);
    ck_assert_int_ge(ended_after(fd), 0);
    close(fd);
}
END_TEST

START_TEST(a_kept_connection_comes_again)
{
    char all[64];
    int fd = join();
    for (int i = 0; i < 50; i++) {
        give(fd, header, HEADER);
        struct conn *c = dispatch_take(d);
        ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
        if (i % 2)
            give(fd, header, 9); /* part of the next is there before this one is given back */
        dispatch_keep(d, c);
        if (i % 2) {
            usleep(1000);
            give(fd, header + 9, HEADER - 9);
            c = dispatch_take(d);
            ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
            dispatch_keep(d, c);
        }
    }
    int ms = ended_after(fd);
    ck_assert_int_ge(ms, 350); /* the idle time runs from the last request */
    close(fd);
}
END_TEST

START_TEST(a_deadline_frees_a_blocked_thread)
{
    char all[64];
    int fd = join();
    give(fd, header, HEADER);
    struct conn *c = dispatch_take(d);
    ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), HEADER);
    int64_t from = clock_ms();
    dispatch_read_deadline(d, c, from + 60);
    ck_assert_int_eq(recv(c->fd, all, sizeof all, 0), 0);
    ck_assert_int_ge(clock_ms() - from, 60);
    dispatch_deadline(d, c, 0);
    ck_assert(c->expired);
    dispatch_close(d, c);
    close(fd);
}
END_TEST

START_TEST(beyond_the_limit_the_oldest_that_waits_goes)
{
    /* Room for 17 connections: see room_for_conns. */
    struct rlimit r = { 3 * 12 + 6 + 64 + 17, 1024 };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
    cfg.idle_timeout_ms = cfg.header_timeout_ms = 60000;
    loop_start();
    int at_work = join();
    give(at_work, header, HEADER);
    struct conn *c = dispatch_take(d);
    int half = join();
    give(half, header, 20);
    int fd[18];
    for (int i = 0; i < 18; i++) {
        fd[i] = join();
        usleep(2000);
    }
    for (int i = 0; i < 18; i++) /* 17 = one at work, one half-sent, 15 silent */
        ck_assert_msg(strcmp(state(fd[i]), i < 3 ? "end" : "silent") == 0, "%d: %s", i, state(fd[i]));
    ck_assert_str_eq(state(half), "silent");
    ck_assert_str_eq(state(at_work), "silent");
    dispatch_close(d, c);
    for (int i = 0; i < 18; i++)
        close(fd[i]);
    close(half);
    close(at_work);
}
END_TEST

START_TEST(a_file_takes_the_place_of_a_connection)
{
    struct rlimit r = { 3 * 12 + 6 + 64 + 17, 1024 };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
    cfg.idle_timeout_ms = cfg.header_timeout_ms = 60000;
    loop_start();
    dispatch_holds_file(d, 2);
    dispatch_holds_file(d, 1);
    dispatch_holds_file(d, -1);
    int fd[17];
    for (int i = 0; i < 17; i++) {
        fd[i] = join();
        usleep(2000);
    }
    for (int i = 0; i < 17; i++) /* 15 and 2 files */
        ck_assert_msg(strcmp(state(fd[i]), i < 2 ? "end" : "silent") == 0, "%d: %s", i, state(fd[i]));
    for (int i = 0; i < 17; i++)
        close(fd[i]);
}
END_TEST

START_TEST(short_of_descriptors_it_pauses_and_goes_on)
{
    int fd = join();
    ck_assert_int_eq(dispatch_draining(d), false);
    usleep(20000);
    struct rlimit r, low;
    getrlimit(RLIMIT_NOFILE, &r);
    int next = dup(0), refused = socket(AF_UNIX, SOCK_STREAM, 0);
    close(next);
    low = r;
    low.rlim_cur = (rlim_t)next; /* not one number is left */
    setrlimit(RLIMIT_NOFILE, &low);
    ck_assert_int_eq(connect(refused, (struct sockaddr *)&where, sizeof where), 0);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    usleep(250000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    ck_assert_int_lt((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 50);
    setrlimit(RLIMIT_NOFILE, &r);
    give(refused, header, HEADER);
    dispatch_close(d, dispatch_take(d));
    close(refused);
    close(fd);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dispatch");
    TCase *t = tcase_create("loop");
    tcase_add_checked_fixture(t, loop_setup, loop_teardown);
    tcase_add_test(t, half_a_header_has_its_time_however_it_drips);
    tcase_add_test(t, silence_has_its_time);
    tcase_add_test(t, a_request_begins_behind_the_management_records);
    tcase_add_test(t, a_kept_connection_comes_again);
    tcase_add_test(t, a_deadline_frees_a_blocked_thread);
    tcase_add_test(t, short_of_descriptors_it_pauses_and_goes_on);
    suite_add_tcase(s, t);

    t = tcase_create("at once");
    tcase_add_checked_fixture(t, patient_setup, loop_teardown);
    tcase_add_loop_test(t, garbage_is_closed_at_once, 0, sizeof garbage / sizeof *garbage);
    tcase_add_test(t, a_header_without_end_is_closed);
    tcase_add_test(t, a_peer_that_closes_is_forgotten);
    tcase_add_test(t, a_peer_that_has_said_all_may_half_close);
    tcase_add_test(t, get_values_is_answered_without_a_request);
    tcase_add_test(t, management_records_do_not_go_on_for_ever);
    tcase_add_test(t, other_roles_are_refused);
    tcase_add_loop_test(t, only_a_whole_header_reaches_a_thread, 1, HEADER);
    suite_add_tcase(s, t);

    t = tcase_create("limit");
    tcase_add_checked_fixture(t, cfg_setup, loop_teardown);
    tcase_add_test(t, beyond_the_limit_the_oldest_that_waits_goes);
    tcase_add_test(t, a_file_takes_the_place_of_a_connection);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
