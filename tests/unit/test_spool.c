/* The file of results that wait: what is put comes back, and its bound holds. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../fcgi/spool.h"
#include "suite.h"

START_TEST(what_was_put_lies_there)
{
    struct spool s;
    char back[4];
    ck_assert(spool_open(&s, "", 100));
    ck_assert(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
    off_t a = spool_put(&s, "abc", 3), b = spool_put(&s, "defg", 4);
    ck_assert_int_eq(a, 0);
    ck_assert_int_eq(b, 3);
    ck_assert_int_eq(pread(s.fd, back, 4, b), 4);
    ck_assert_mem_eq(back, "defg", 4);
    spool_close(&s);
}
END_TEST

START_TEST(the_bound_holds_until_all_is_read)
{
    struct spool s;
    char bytes[60] = { 0 };
    ck_assert(spool_open(&s, "/tmp", 100));
    ck_assert_int_eq(spool_put(&s, bytes, 40), 0);
    ck_assert(spool_roomy(&s));
    ck_assert_int_eq(spool_put(&s, bytes, 60), 40);
    ck_assert(!spool_roomy(&s));
    ck_assert_int_eq(spool_put(&s, bytes, 1), -1);
    spool_release(&s, 40);
    ck_assert_int_eq(spool_put(&s, bytes, 1), -1); /* the rest still lies behind */
    spool_release(&s, 60);
    ck_assert(spool_roomy(&s));
    ck_assert_int_eq(spool_put(&s, bytes, 60), 0);
    ck_assert_int_eq(spool_put(&s, bytes, 41), -1);
    spool_close(&s);
}
END_TEST

START_TEST(no_place_no_spool)
{
    struct spool s;
    ck_assert(!spool_open(&s, "/nonexistent", 100));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spool");
    TCase *t = tcase_create("spool");
    tcase_add_test(t, what_was_put_lies_there);
    tcase_add_test(t, the_bound_holds_until_all_is_read);
    tcase_add_test(t, no_place_no_spool);
    suite_add_tcase(s, t);
    return run_suite(s);
}
