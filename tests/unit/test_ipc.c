/* Births over SEQPACKET: three descriptors arrive, and nothing leaks whatever is sent instead. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../fcgi/process.h"
#include "descriptors.h"
#include "suite.h"

static int pair[2], files[3];

static ino_t inode(int fd)
{
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

static void setup(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    for (int i = 0; i < 3; i++) {
        char name[] = "/tmp/test_ipc.XXXXXX";
        files[i] = mkstemp(name);
        ck_assert_int_ge(files[i], 0);
        unlink(name);
    }
}

static bool receive(int *index, int fds[3])
{
    struct ipc_born b;
    bool ok = ipc_recv_born(pair[1], &b, &fds[0], &fds[1], &fds[2]);
    if (ok)
        *index = b.index;
    return ok;
}

START_TEST(three_descriptors_arrive_in_order_and_close_on_exec)
{
    ck_assert(ipc_send_born(pair[0], &(struct ipc_born){ .index = 7 }, files[0], files[1], files[2]));
    int index = -1, fds[3];
    ck_assert(receive(&index, fds));
    ck_assert_int_eq(index, 7);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(inode(fds[i]), inode(files[i]));
        ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    }
}
END_TEST

START_TEST(words_come_back_with_a_descriptor_or_none)
{
    char word = 0;
    int fd = -2;
    ck_assert(!ipc_recv_word(pair[0], &word, &fd));
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(ipc_send_word(pair[1], IPC_READY, -1));
    ck_assert(ipc_send_word(pair[1], IPC_WANT, files[0]));
    ck_assert(ipc_recv_word(pair[0], &word, &fd));
    ck_assert(word == IPC_READY && fd == -1);
    ck_assert(ipc_recv_word(pair[0], &word, &fd));
    ck_assert(word == IPC_WANT);
    ck_assert_uint_eq(inode(fd), inode(files[0]));
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
}
END_TEST

START_TEST(a_word_with_too_many_descriptors_leaks_none)
{
    char word;
    int fd, before = open_descriptors();
    ck_assert(ipc_send_born(pair[1], &(struct ipc_born){ .index = 1 }, files[0], files[1], files[2]));
    ck_assert(!ipc_recv_word(pair[0], &word, &fd));
    ck_assert_int_eq(errno, EPROTO);
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(an_empty_socket_says_again)
{
    int index, fds[3];
    ck_assert(!receive(&index, fds));
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(a_closed_socket_says_end)
{
    int index, fds[3];
    close(pair[0]);
    ck_assert(!receive(&index, fds));
    ck_assert_int_eq(errno, 0);
}
END_TEST

/* n bytes with so many descriptors. */
static void send_raw(size_t n, int count)
{
    static char bytes[64];
    union {
        char space[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec body = { bytes, n };
    struct msghdr m = { .msg_iov = &body, .msg_iovlen = 1 };
    if (count > 0) {
        m.msg_control = control.space;
        m.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        for (int i = 0; i < count; i++)
            memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &files[i % 3], sizeof(int));
    }
    ck_assert_int_eq(sendmsg(pair[0], &m, 0), (ssize_t)n);
}

START_TEST(nonsense_is_refused_and_leaks_nothing)
{
    const struct {
        size_t n;
        int count;
    } bad[] = { { sizeof(struct ipc_born), 0 }, { sizeof(struct ipc_born), 2 },     { sizeof(struct ipc_born), 4 },
                { sizeof(struct ipc_born), 8 }, { sizeof(struct ipc_born) + 1, 3 }, { 1, 3 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int before = open_descriptors(), index, fds[3];
        send_raw(bad[i].n, bad[i].count);
        ck_assert_msg(!receive(&index, fds), "case %zu", i);
        ck_assert_int_eq(errno, EPROTO);
        ck_assert_int_eq(open_descriptors(), before);
    }
    send_raw(sizeof(struct ipc_born), 3); /* the one after it is whole */
    int index, fds[3];
    ck_assert(receive(&index, fds));
}
END_TEST

START_TEST(a_full_socket_fails_instead_of_blocking)
{
    int sent = 0;
    while (sent < 100000 && ipc_send_born(pair[0], &(struct ipc_born){ 0 }, files[0], files[1], files[2]))
        sent++;
    ck_assert_int_gt(sent, 0);
    ck_assert_int_lt(sent, 100000);
    close(pair[1]);
    ck_assert(!ipc_send_born(pair[0], &(struct ipc_born){ 0 }, files[0], files[1], files[2])); /* and no SIGPIPE */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ipc");
    TCase *t = tcase_create("births");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, three_descriptors_arrive_in_order_and_close_on_exec);
    tcase_add_test(t, words_come_back_with_a_descriptor_or_none);
    tcase_add_test(t, a_word_with_too_many_descriptors_leaks_none);
    tcase_add_test(t, an_empty_socket_says_again);
    tcase_add_test(t, a_closed_socket_says_end);
    tcase_add_test(t, nonsense_is_refused_and_leaks_nothing);
    tcase_add_test(t, a_full_socket_fails_instead_of_blocking);
    suite_add_tcase(s, t);
    return run_suite(s);
}
