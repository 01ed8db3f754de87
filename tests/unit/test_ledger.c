/* Two generations on one budget, and deaths that everybody can read. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/ledger.h"
#include "suite.h"

START_TEST(a_budget_holds_for_all_together)
{
    ledger_share(-1);
    ledger_sit(0);
    ck_assert(ledger_book(600, 1000));
    pid_t pid = fork();
    if (pid == 0) { /* the next generation */
        ledger_sit(1);
        _exit(!ledger_book(500, 1000) && ledger_book(400, 1000) && !ledger_book(1, 1000) ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(ledger_booked(), 1000);
    ck_assert(!ledger_book(1, 1000));
    ledger_clear(1); /* it died with all it had */
    ck_assert_uint_eq(ledger_booked(), 600);
    ledger_unbook(600);
    ck_assert_uint_eq(ledger_booked(), 0);
    ck_assert(!ledger_book(SIZE_MAX, 1000)); /* does not wrap */
    ck_assert_uint_eq(ledger_booked(), 0);
}
END_TEST

START_TEST(a_gateway_is_seen_to_go_round)
{
    ledger_share(-1);
    ledger_clear(2);
    ck_assert_int_eq(ledger_beat_ms(2), 0);
    pid_t pid = fork();
    if (pid == 0) {
        ledger_sit(2);
        ledger_beat(4711);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(ledger_beat_ms(2), 4711);
    ck_assert_int_eq(ledger_beat_ms(1), 0);
    ledger_clear(2); /* the next one there has not gone round yet */
    ck_assert_int_eq(ledger_beat_ms(2), 0);
}
END_TEST

START_TEST(the_latest_deaths_are_kept)
{
    struct ledger_death out[LEDGER_DEATHS];
    ledger_share(-1);
    ck_assert_int_eq(ledger_deaths(out), 0);
    for (int i = 1; i <= 3 * LEDGER_DEATHS; i++) {
        struct ledger_death d = { .pid = i, .end = "signal=SIGSEGV" };
        ledger_mourn(&d);
        int n = ledger_deaths(out);
        ck_assert_int_eq(n, i < LEDGER_DEATHS ? i : LEDGER_DEATHS);
        ck_assert_int_eq(out[0].pid, i);
        ck_assert_int_eq(out[n - 1].pid, i - n + 1);
    }
}
END_TEST

/* Who reads while one is written gets no half of it. */
START_TEST(a_death_is_read_whole)
{
    ledger_share(-1);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 1; i < 50000; i++) {
            struct ledger_death d = { .pid = i, .age_ms = i, .jobs = i };
            snprintf(d.who, sizeof d.who, "%d", i);
            ledger_mourn(&d);
        }
        _exit(0);
    }
    struct ledger_death out[LEDGER_DEATHS];
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        int n = ledger_deaths(out);
        for (int i = 0; i < n; i++) {
            char who[24];
            snprintf(who, sizeof who, "%d", (int)out[i].pid);
            ck_assert_str_eq(out[i].who, who);
            ck_assert_int_eq(out[i].age_ms, out[i].jobs);
            ck_assert_int_eq(out[i].pid, out[0].pid - i);
        }
    }
}
END_TEST

/* What a binary leaves to the one that takes its place. */
START_TEST(the_next_binary_takes_it_over)
{
    ck_assert(!ledger_share(-1));
    int fd = ledger_fd();
    ck_assert_int_ge(fd, 0);
    ledger_sit(2);
    ck_assert(ledger_book(700, 1000));
    ledger_tell(&(struct sandbox_state){ .landlock = 7, .filter = SANDBOX_ENFORCES });
    ledger_leave();
    ck_assert_uint_eq(ledger_booked(), 0);
    ck_assert(ledger_share(fd));
    ck_assert_uint_eq(ledger_booked(), 700);
    ck_assert_uint_eq(ledger_told().landlock, 7);
    ck_assert_uint_eq(ledger_told().filter, SANDBOX_ENFORCES);
    ledger_sit(0);
    ck_assert(!ledger_book(301, 1000));
    ledger_clear(2);
    ck_assert(ledger_book(301, 1000));
    ck_assert_uint_eq(ledger_told().landlock, 0);
    ledger_leave();
}
END_TEST

/* An older one may have left something else. */
START_TEST(what_it_does_not_know_it_leaves_alone)
{
    ledger_share(-1);
    struct stat st;
    ck_assert_int_eq(fstat(ledger_fd(), &st), 0);
    int other = memfd_create("other", 0);
    ck_assert_int_eq(ftruncate(other, 1000), 0);
    ledger_leave();
    ck_assert(!ledger_share(other));
    ck_assert_int_ne(ledger_fd(), other);
    ledger_leave();
    ck_assert_int_eq(ftruncate(other, st.st_size), 0); /* the size is right, the rest is not */
    ck_assert(!ledger_share(other));
    ck_assert_int_ne(ledger_fd(), other);
    ck_assert(ledger_book(1, 1));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ledger");
    TCase *t = tcase_create("ledger");
    tcase_add_test(t, a_budget_holds_for_all_together);
    tcase_add_test(t, a_gateway_is_seen_to_go_round);
    tcase_add_test(t, the_latest_deaths_are_kept);
    tcase_add_test(t, a_death_is_read_whole);
    tcase_add_test(t, the_next_binary_takes_it_over);
    tcase_add_test(t, what_it_does_not_know_it_leaves_alone);
    suite_add_tcase(s, t);
    return run_suite(s);
}
