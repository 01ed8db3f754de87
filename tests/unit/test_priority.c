/* Standing back, with a worker that does as it is told. Kernels without autogroups have less to see. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/priority.h"
#include "suite.h"

#define NICE    7
#define SOON_MS 20000

static pid_t worker;
static int orders;

/* s a session of its own  l lower */
_Noreturn static void work(int from)
{
    char what;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(from, &what, 1) == 1) {
        if (what == 's')
            setsid();
        else
            priority_lower(NICE);
        if (write(from, &what, 1) != 1)
            break;
    }
    _exit(0);
}

static void order(char what)
{
    ck_assert_int_eq(write(orders, &what, 1), 1);
    ck_assert_int_eq(read(orders, &what, 1), 1);
}

static void setup(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    worker = fork();
    if (worker == 0) {
        close(pair[0]);
        work(pair[1]);
    }
    close(pair[1]);
    orders = pair[0];
}

static void teardown(void)
{
    close(orders);
    kill(worker, SIGKILL);
    waitpid(worker, NULL, 0);
}

/* Of its autogroup; none: there are none on this system. */
static int session_nice(pid_t pid, int none)
{
    char name[64], text[100] = "";
    int nice = none;
    snprintf(name, sizeof name, "/proc/%d/autogroup", (int)pid);
    int fd = open(name, O_RDONLY);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "/autogroup-%*d nice %d", &nice);
    if (fd >= 0)
        close(fd);
    return nice;
}

static bool settles(int fd)
{
    int64_t limit = clock_ms() + SOON_MS; /* others of this system may be changing theirs */
    bool ok = priority_settle(fd, worker, NICE);
    while (!ok && clock_ms() < limit) {
        usleep(PRIORITY_RETRY_MS * 1000);
        ok = priority_settle(fd, worker, NICE);
    }
    return ok;
}

START_TEST(the_spawner_makes_up_for_it)
{
    int fd = priority_open(worker, NICE), ours = session_nice(getpid(), 0);
    ck_assert_int_eq(fd >= 0, access("/proc/self/autogroup", F_OK) == 0);
    if (fd < 0)
        return;
    ck_assert(!priority_settle(fd, worker, NICE)); /* this session is ours as well */
    ck_assert_int_eq(session_nice(getpid(), 0), ours);
    order('s');
    ck_assert(settles(fd));
    ck_assert_int_eq(session_nice(worker, NICE), NICE);
    ck_assert_int_eq(session_nice(getpid(), 0), ours);
    ck_assert(priority_settle(fd, worker, NICE)); /* there is nothing to write, so nothing to wait for */
    close(fd);
}
END_TEST

START_TEST(a_worker_lowers_itself_and_its_own_session)
{
    int fd = priority_open(worker, NICE), ours = session_nice(getpid(), 0);
    order('l');
    ck_assert_int_eq(session_nice(getpid(), 0), ours);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, (id_t)worker), NICE);
    order('s');
    int64_t limit = clock_ms() + SOON_MS;
    for (order('l'); session_nice(worker, NICE) != NICE && clock_ms() < limit; order('l'))
        usleep(PRIORITY_RETRY_MS * 1000);
    ck_assert_int_eq(session_nice(worker, NICE), NICE);
    ck_assert_int_eq(session_nice(getpid(), 0), ours);
    close(fd);
}
END_TEST

START_TEST(nothing_is_left_to_do_for_the_dead)
{
    int fd = priority_open(worker, NICE);
    order('s');
    shutdown(orders, SHUT_RDWR);
    ck_assert_int_eq(waitid(P_PID, (id_t)worker, NULL, WEXITED | WNOWAIT), 0);
    ck_assert(fd < 0 || settles(fd));
    close(fd);
}
END_TEST

START_TEST(nor_at_nice_0)
{
    ck_assert_int_eq(priority_open(worker, 0), -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("priority");
    TCase *t = tcase_create("priority");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_spawner_makes_up_for_it);
    tcase_add_test(t, a_worker_lowers_itself_and_its_own_session);
    tcase_add_test(t, nothing_is_left_to_do_for_the_dead);
    tcase_add_test(t, nor_at_nice_0);
    suite_add_tcase(s, t);
    return run_suite(s);
}
