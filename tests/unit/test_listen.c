/* The listening socket: every way to get one, and never the one of somebody who is alive. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/process.h"
#include "suite.h"

static char directory[] = "/tmp/test_listen.XXXXXX", path[64], address[128], err[256];
static struct config c;

static void setup(void)
{
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(address, sizeof address, "unix:%s", path);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    close(null);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    c = (struct config){ .listen = address, .socket_mode = "0640", .socket_group = "", .backlog = 16 };
    *err = '\0';
}

static void teardown(void)
{
    unlink(path);
    rmdir(directory);
}

static int open_it(void)
{
    return listen_open(&c, err, sizeof err);
}

static bool answers(int listener)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    int client = socket(a.ss_family, SOCK_STREAM, 0);
    bool ok = connect(client, (struct sockaddr *)&a, n) == 0;
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ok = ok && server >= 0 && write(client, "x", 1) == 1 && read(server, err, 1) == 1;
    close(client);
    close(server);
    return ok;
}

static void assert_serves(int fd)
{
    ck_assert_msg(fd > STDERR_FILENO, "%s", err);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(accept4(fd, NULL, NULL, 0), -1); /* does not block */
    ck_assert(answers(fd));
}

START_TEST(unix_with_mode)
{
    mode_t before = umask(0123);
    int fd = open_it();
    ck_assert_uint_eq(umask(before), 0123);
    assert_serves(fd);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    listen_remove();
    ck_assert_int_eq(stat(path, &st), -1);
    listen_remove(); /* nothing left to remove */
}
END_TEST

START_TEST(unix_with_group)
{
    struct stat st;
    if (geteuid() != 0)
        return;
    c.socket_group = "daemon";
    assert_serves(open_it());
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_gid, 1);
    listen_remove();
    c.socket_group = "no-such-group";
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "no-such-group"));
    ck_assert_int_eq(stat(path, &st), -1); /* nothing half-made is left */
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
    if (fork() == 0)
        _exit(open_it() < 0);
    int status;
    wait(&status);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    assert_serves(open_it());
}
END_TEST

START_TEST(a_live_socket_is_not)
{
    int first = open_it();
    struct stat before, after;
    stat(path, &before);
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "in use"));
    stat(path, &after);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    close(accept4(first, NULL, NULL, 0)); /* the question whether it lives */
    ck_assert(answers(first));
}
END_TEST

START_TEST(a_live_socket_with_a_full_backlog_is_not)
{
    c.backlog = 1;
    int first = open_it(), clients = 0;
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    strcpy(a.sun_path, path);
    while (clients < 100) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
            break;
        clients++;
    }
    ck_assert_int_lt(clients, 100);
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "in use"));
    close(first);
}
END_TEST

START_TEST(a_file_is_left_alone)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "not a socket"));
    ck_assert_int_eq(access(path, F_OK), 0);
    close(fd);
}
END_TEST

START_TEST(remove_spares_the_successors_socket)
{
    struct stat before, after;
    assert_serves(open_it());
    ck_assert_int_eq(unlink(path), 0);
    if (fork() == 0) {
        strcat(path, "2"); /* holds on to the first one's inode number, so that the next is another */
        struct config other = c;
        snprintf(address, sizeof address, "unix:%s", path);
        int spare = listen_open(&other, err, sizeof err);
        path[strlen(path) - 1] = '\0';
        snprintf(address, sizeof address, "unix:%s", path);
        int fd = listen_open(&other, err, sizeof err);
        strcat(path, "2");
        unlink(path);
        _exit(spare < 0 || fd < 0);
    }
    wait(NULL);
    ck_assert_int_eq(stat(path, &before), 0);
    listen_remove();
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(tcp_on_both_families)
{
    c.listen = "127.0.0.1:0";
    int fd = open_it();
    assert_serves(fd);
    char taken[64];
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    getsockname(fd, (struct sockaddr *)&a, &n);
    snprintf(taken, sizeof taken, "127.0.0.1:%d", ntohs(a.sin_port));
    c.listen = taken;
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "in use"));
    c.listen = "[::1]:0";
    fd = open_it();
    if (fd < 0) /* a machine without IPv6 */
        ck_assert_ptr_nonnull(strstr(err, strerror(EADDRNOTAVAIL)));
    else
        assert_serves(fd);
    c.listen = ":0";
    ck_assert_msg(open_it() > 2, "%s", err);
}
END_TEST

START_TEST(malformed_addresses_are_explained)
{
    static const char *const bad[] = { "nonsense",
                                       "",
                                       "127.0.0.1",
                                       "127.0.0.1:",
                                       "::1:80",
                                       "unix:",
                                       "fd:",
                                       "fd:x",
                                       "fd:99",
                                       "fd:-1",
                                       "[::1]",
                                       "127.0.0.1:notaport",
                                       "127.0.0.1:999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c.listen = (char *)bad[i];
        *err = '\0';
        ck_assert_msg(open_it() == -1, "%s", bad[i]);
        ck_assert_msg(*err, "%s", bad[i]);
    }
    char longer[300];
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "unix:/", 6);
    longer[299] = '\0';
    c.listen = longer;
    ck_assert_int_eq(open_it(), -1);
}
END_TEST

START_TEST(a_listening_standard_input_goes_first)
{
    int fd = open_it();
    dup2(fd, STDIN_FILENO);
    close(fd);
    c.listen = "unix:/nowhere/at/all";
    fd = open_it();
    assert_serves(fd);
    char byte;
    ck_assert_int_eq(read(STDIN_FILENO, &byte, 1), 0); /* /dev/null took its place */
}
END_TEST

START_TEST(descriptors_by_number_must_listen)
{
    char number[16];
    int fd = open_it();
    snprintf(number, sizeof number, "fd:%d", fd);
    c.listen = number;
    ck_assert_int_eq(open_it(), fd);
    int mute = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(number, sizeof number, "fd:%d", mute);
    ck_assert_int_eq(open_it(), -1);
    ck_assert_ptr_nonnull(strstr(err, "not a listening socket"));
}
END_TEST

/* In a child, since descriptor 3 is the test runner's. Returns the step that went wrong. */
static int systemd_steps(void)
{
    char pid[16];
    struct stat socket, got;
    if (dup2(open_it(), 3) < 0 || fstat(3, &socket) < 0)
        return 1;
    c.listen = "unix:/nowhere/at/all";
    snprintf(pid, sizeof pid, "%d", (int)getppid());
    setenv("LISTEN_PID", pid, 1); /* meant for another process */
    setenv("LISTEN_FDS", "1", 1);
    if (open_it() != -1)
        return 2;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    if (open_it() != -1 || !strstr(err, "one is expected"))
        return 3;
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    if (open_it() != 3 || fstat(3, &got) < 0 || got.st_ino != socket.st_ino)
        return 4;
    if (fcntl(3, F_GETFD) != FD_CLOEXEC || accept4(3, NULL, NULL, 0) != -1 || !answers(3))
        return 5;
    return getenv("LISTEN_FDS") ? 6 : 0;
}

START_TEST(systemd_hands_over_descriptor_3)
{
    if (fork() == 0)
        _exit(systemd_steps());
    int status;
    wait(&status);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("listen");
    TCase *t = tcase_create("listen");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, unix_with_mode);
    tcase_add_test(t, unix_with_group);
    tcase_add_test(t, a_stale_socket_is_replaced);
    tcase_add_test(t, a_live_socket_is_not);
    tcase_add_test(t, a_live_socket_with_a_full_backlog_is_not);
    tcase_add_test(t, a_file_is_left_alone);
    tcase_add_test(t, remove_spares_the_successors_socket);
    tcase_add_test(t, tcp_on_both_families);
    tcase_add_test(t, malformed_addresses_are_explained);
    tcase_add_test(t, a_listening_standard_input_goes_first);
    tcase_add_test(t, descriptors_by_number_must_listen);
    tcase_add_test(t, systemd_hands_over_descriptor_3);
    suite_add_tcase(s, t);
    return run_suite(s);
}
