/* The shared memory: its shape, its seals, and that pages of large jobs go back. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../fcgi/process.h"
#include "suite.h"

#define MEGA ((size_t)1 << 20)

static size_t resident(int memfd)
{
    struct stat st;
    ck_assert_int_eq(fstat(memfd, &st), 0);
    return (size_t)st.st_blocks * 512;
}

START_TEST(two_mappings_share_both_areas)
{
    int fd = mailbox_create(5000, 100); /* neither is a multiple of a page */
    struct mailbox a, b;
    ck_assert_int_ge(fd, 0);
    ck_assert(mailbox_map(&a, fd, 5000, 100) && mailbox_map(&b, fd, 5000, 100));
    ck_assert_ptr_ne(a.in, b.in);
    ck_assert_uint_eq((uintptr_t)a.out % 64, 0);
    memset(a.in, 1, a.in_size);
    memset(a.out, 2, a.out_size);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_uint_eq(b.in[i], 1); /* out does not overlap in */
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(b.out[i], 2);
    mailbox_unmap(&a);
    mailbox_unmap(&b);
    ck_assert_ptr_null(b.in);
    mailbox_unmap(&b); /* accepts a zeroed one */
}
END_TEST

START_TEST(size_is_sealed_for_ever)
{
    int fd = mailbox_create(MEGA, MEGA);
    ck_assert_int_eq(ftruncate(fd, 4096), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(fd, (off_t)(4 * MEGA)), -1);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    struct mailbox m;
    ck_assert_int_eq(mailbox_create(SIZE_MAX, 1), -1);
    ck_assert_int_eq(mailbox_create(MEGA, SIZE_MAX - 4096), -1); /* the sum would wrap to less than a megabyte */
    ck_assert(!mailbox_map(&m, -1, SIZE_MAX, 1));
}
END_TEST

START_TEST(punching_returns_pages_of_large_jobs_only)
{
    int fd = mailbox_create(16 * MEGA, 16 * MEGA);
    struct mailbox m;
    ck_assert(mailbox_map(&m, fd, 16 * MEGA, 16 * MEGA));
    memset(m.in, 1, 3 * MEGA);
    mailbox_punch(&m, fd, 3 * MEGA, 0);
    ck_assert_uint_eq(m.in[3 * MEGA - 1], 1); /* still warm */
    ck_assert_uint_eq(resident(fd), 3 * MEGA);

    memset(m.in, 1, 16 * MEGA);
    memset(m.out, 1, 10 * MEGA);
    mailbox_punch(&m, fd, 16 * MEGA, 10 * MEGA);
    ck_assert_uint_eq(resident(fd), 8 * MEGA); /* the first 4 MB of each */
    ck_assert_uint_eq(m.in[4 * MEGA - 1], 1);
    ck_assert_uint_eq(m.in[4 * MEGA], 0);
    ck_assert_uint_eq(m.out[10 * MEGA - 1], 0);
}
END_TEST

START_TEST(private_memory_has_the_same_shape)
{
    struct mailbox m;
    ck_assert(mailbox_map(&m, -1, 9 * MEGA, MEGA));
    memset(m.in, 1, m.in_size);
    memset(m.out, 2, m.out_size);
    ck_assert_uint_eq(m.in[m.in_size - 1], 1);
    mailbox_punch(&m, -1, m.in_size, m.out_size);
    ck_assert_uint_eq(m.in[0], 1);
    ck_assert_uint_eq(m.in[m.in_size - 1], 0);
    ck_assert_uint_eq(m.out[0], 2);
    mailbox_unmap(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mailbox");
    TCase *t = tcase_create("mailbox");
    tcase_add_test(t, two_mappings_share_both_areas);
    tcase_add_test(t, size_is_sealed_for_ever);
    tcase_add_test(t, sizes_that_overflow_are_refused);
    tcase_add_test(t, punching_returns_pages_of_large_jobs_only);
    tcase_add_test(t, private_memory_has_the_same_shape);
    suite_add_tcase(s, t);
    return run_suite(s);
}
