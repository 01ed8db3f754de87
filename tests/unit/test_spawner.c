/* Births, deaths and the end, with a gateway and workers made for the test: the gateway reports every birth over what
 * would be its listening socket, and passes one-letter orders on to workers. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/dispatch.h"
#include "../../fcgi/process.h"
#include "suite.h"

/* As c->queue: the gateway ignores SIGTERM. As c->worker_jobs: workers ignore the end of their socket. */
#define DEAF 77

struct report {
    int index; /* of a worker, from 0; -1: the gateway itself */
    pid_t worker, gateway;
    int births; /* the gateway's descriptor for them */
};

struct order {
    char what; /* j job  c crash after a job  x crash without one  e end of its socket */
    int index;
};

/* The gateway and the workers. */

static int report_fd, sockets[16];
static bool deaf;

static pid_t pid_of(int pidfd)
{
    char name[64], line[200];
    int pid = -1;
    snprintf(name, sizeof name, "/proc/self/fdinfo/%d", pidfd);
    FILE *f = fopen(name, "re");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "Pid: %d", &pid);
    if (f)
        fclose(f);
    return pid;
}

static void take_birth(int births)
{
    struct ipc_born b;
    int socket, pidfd, memfd;
    if (!ipc_recv_born(births, &b, &socket, &pidfd, &memfd))
        do
            pause(); /* the spawner is gone */
        while (deaf);
    struct mailbox m;
    if (!mailbox_map(&m, memfd, 1 << 20, 1 << 20))
        _exit(8);
    mailbox_unmap(&m);
    sockets[b.index - 1] = socket;
    struct report r = { .index = b.index - 1, .worker = pid_of(pidfd), .gateway = getpid(), .births = births };
    close(pidfd);
    close(memfd);
    send(report_fd, &r, sizeof r, MSG_NOSIGNAL);
}

static void take_order(void)
{
    struct order o;
    if (recv(report_fd, &o, sizeof o, 0) != (ssize_t)sizeof o)
        return;
    if (o.what == 'e')
        close(sockets[o.index]);
    else
        send(sockets[o.index], &o.what, 1, MSG_NOSIGNAL);
}

static void end_well(int s)
{
    (void)s;
    _exit(0);
}

int gateway_run(const struct config *c, int listen_fd, int births)
{
    report_fd = listen_fd;
    deaf = c->queue == DEAF;
    signal(SIGTERM, deaf ? SIG_IGN : end_well);
    struct report r = { .index = -1, .gateway = getpid(), .births = births };
    send(report_fd, &r, sizeof r, MSG_NOSIGNAL);
    for (;;) {
        struct pollfd f[2] = { { .fd = births, .events = POLLIN }, { .fd = report_fd, .events = POLLIN } };
        poll(f, 2, -1);
        if (f[0].revents)
            take_birth(births);
        if (f[1].revents & POLLIN)
            take_order();
    }
}

_Noreturn void worker_run(const struct config *c, int index, int socket, int memfd, int tally)
{
    char what;
    uint64_t one = 1;
    (void)index, (void)memfd;
    while (recv(socket, &what, 1, 0) > 0) {
        if (what != 'x' && write(tally, &one, sizeof one) < 0)
            _exit(3);
        if (what != 'j')
            raise(SIGABRT); /* sanitizers leave it alone */
    }
    while (c->worker_jobs == DEAF)
        pause();
    _exit(0);
}

/* The house. */

#define SOON_MS 20000 /* for what happens at once: machines are busy, and sanitizers slow */

static struct config cfg;
static pid_t spawner, gateway, worker[16];
static int reports, births_fd;
static char log_name[] = "/tmp/test_spawner.XXXXXX";

static bool next_report_within(int ms)
{
    struct report r;
    struct pollfd f = { .fd = reports, .events = POLLIN };
    if (poll(&f, 1, ms) != 1 || recv(reports, &r, sizeof r, 0) != (ssize_t)sizeof r)
        return false;
    gateway = r.gateway;
    births_fd = r.births;
    if (r.index >= 0)
        worker[r.index] = r.worker;
    return true;
}

static void next_report(void)
{
    ck_assert(next_report_within(SOON_MS));
}

static void order(char what, int index)
{
    struct order o = { what, index };
    ck_assert_int_eq(send(reports, &o, sizeof o, 0), (ssize_t)sizeof o);
}

static void open_house(int workers)
{
    int pair[2];
    cfg.workers = workers;
    cfg.max_body = cfg.max_result = 1 << 20;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    strcpy(log_name + strlen(log_name) - 6, "XXXXXX");
    int log = mkstemp(log_name);
    spawner = fork();
    if (spawner == 0) {
        dup2(log, STDERR_FILENO);
        close(pair[0]);
        dup2(log, STDIN_FILENO);
        int stray = dup(log), high = fcntl(log, F_DUPFD, 500); /* as a web server may leave them */
        (void)stray, (void)high;
        _exit(spawner_run(&cfg, pair[1], NULL));
    }
    close(pair[1]);
    close(log);
    reports = pair[0];
    for (int i = 0; i <= workers; i++)
        next_report();
}

/* Dead, though perhaps not reaped yet: orphans wait for whoever is process 1 here. */
static bool dead(pid_t pid)
{
    char name[64], text[200] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    int fd = open(name, O_RDONLY);
    if (fd < 0)
        return true;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *end = strrchr(text, ')');
    return n <= 0 || (end && strchr("ZX", end[2]));
}

static bool gone(pid_t pid)
{
    int64_t limit = clock_ms() + SOON_MS;
    while (!dead(pid) && clock_ms() < limit)
        usleep(500);
    return dead(pid);
}

static bool logged(const char *text)
{
    static char all[65536];
    int fd = open(log_name, O_RDONLY);
    ssize_t n = read(fd, all, sizeof all - 1);
    close(fd);
    all[n > 0 ? n : 0] = '\0';
    return strstr(all, text) != NULL;
}

static bool logged_soon(const char *text)
{
    int64_t limit = clock_ms() + SOON_MS;
    while (!logged(text) && clock_ms() < limit)
        usleep(1000);
    return logged(text);
}

/* Sends nothing: waits for the spawner's own end. Returns its exit status. */
static int spawner_end(void)
{
    int status = -1;
    int64_t limit = clock_ms() + SOON_MS;
    while (waitpid(spawner, &status, WNOHANG) == 0 && clock_ms() < limit)
        usleep(1000);
    ck_assert(WIFEXITED(status));
    for (int i = 0; i < cfg.workers; i++)
        ck_assert(gone(worker[i]));
    ck_assert(gone(gateway));
    return WEXITSTATUS(status);
}

static void close_house(void)
{
    kill(spawner, SIGKILL); /* unless it ended; the others go with it */
    unlink(log_name);
}

/* Tests. */

static void descriptors_of(pid_t pid, char *list, size_t n)
{
    char name[64];
    bool open[1024] = { false };
    snprintf(name, sizeof name, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(name);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (*e->d_name != '.' && atoi(e->d_name) < 1024)
            open[atoi(e->d_name)] = true;
    closedir(d);
    *list = '\0';
    for (int i = 0; i < 1024; i++)
        if (open[i])
            snprintf(list + strlen(list), n - strlen(list), "%d ", i);
}

START_TEST(every_worker_is_born_once_and_owns_little)
{
    open_house(3);
    char list[200], link[100] = "", name[64];
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(kill(worker[i], 0), 0);
        ck_assert_int_ne(worker[i], worker[(i + 1) % 3]);
        for (int tries = 0; tries < SOON_MS; tries++) { /* it may still be closing */
            descriptors_of(worker[i], list, sizeof list);
            if (strcmp(list, "0 1 2 3 4 5 ") == 0)
                break;
            usleep(1000);
        }
        ck_assert_str_eq(list, "0 1 2 3 4 5 ");
        snprintf(name, sizeof name, "/proc/%d/fd/0", (int)worker[i]);
        ck_assert_int_gt(readlink(name, link, sizeof link - 1), 0);
        ck_assert_str_eq(link, "/dev/null");
    }
    ck_assert(!next_report_within(100));
    descriptors_of(gateway, list, sizeof list);
    ck_assert_ptr_null(strstr(list, "500 "));
}
END_TEST

START_TEST(all_die_with_the_spawner)
{
    cfg.queue = DEAF; /* nobody looks at his sockets */
    cfg.worker_jobs = DEAF;
    open_house(2);
    kill(spawner, SIGKILL);
    waitpid(spawner, NULL, 0);
    ck_assert(gone(gateway));
    ck_assert(gone(worker[0]));
    ck_assert(gone(worker[1]));
}
END_TEST

START_TEST(a_crash_is_replaced_at_once_and_mourned)
{
    open_house(2);
    pid_t before = worker[1];
    order('x', 1);
    next_report();
    ck_assert(!logged("event=brake"));
    ck_assert_int_ne(worker[1], before);
    ck_assert(gone(before));
    char line[100];
    snprintf(line, sizeof line, "who=\"worker 2\" pid=%d signal=SIGABRT", (int)before);
    ck_assert(logged(line));
    ck_assert(logged("jobs=0"));
}
END_TEST

START_TEST(a_crash_loop_is_braked)
{
    open_house(1);
    int64_t start = clock_ms();
    for (int i = 0; i < 6; i++) {
        order('x', 0);
        next_report();
    }
    ck_assert_int_ge(clock_ms() - start, 10 + 20 + 40 + 80 + 160);
    ck_assert(logged("event=brake who=\"worker 1\" pause_ms=10\n"));
    ck_assert(logged("event=brake who=\"worker 1\" pause_ms=160\n"));
    ck_assert(!logged("pause_ms=320"));
}
END_TEST

START_TEST(deaths_of_jobs_are_not_braked)
{
    open_house(1);
    for (int i = 0; i < 20; i++) {
        order('j', 0);
        order(i % 2 ? 'c' : 'e', 0); /* a crash, or the end of its quota */
        next_report();
    }
    ck_assert(logged("signal=SIGABRT"));
    ck_assert(logged("exit=0"));
    ck_assert(logged("jobs=2")); /* j and c */
    ck_assert(!logged("event=brake"));
}
END_TEST

START_TEST(many_deaths_at_once_are_all_seen)
{
    open_house(8);
    pid_t before[8];
    memcpy(before, worker, sizeof before);
    kill(spawner, SIGSTOP); /* so that one SIGCHLD stands for all */
    for (int i = 0; i < 8; i++)
        kill(before[i], SIGKILL);
    usleep(20000);
    kill(spawner, SIGCONT);
    for (int i = 0; i < 8; i++)
        next_report();
    for (int i = 0; i < 8; i++) {
        ck_assert_int_ne(worker[i], before[i]);
        ck_assert(gone(before[i]));
    }
}
END_TEST

START_TEST(a_dead_gateway_is_replaced_with_all_its_workers)
{
    cfg.worker_jobs = DEAF; /* workers in a job that hangs */
    open_house(2);
    pid_t old = gateway, before[2] = { worker[0], worker[1] };
    kill(gateway, SIGKILL);
    for (int i = 0; i < 3; i++)
        next_report();
    ck_assert_int_ne(gateway, old);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_ne(worker[i], before[i]);
        ck_assert(gone(before[i]));
        ck_assert_int_eq(kill(worker[i], 0), 0);
    }
}
END_TEST

START_TEST(sigterm_ends_all)
{
    cfg.grace_ms = 60000;
    open_house(2);
    kill(spawner, SIGTERM);
    ck_assert_int_eq(spawner_end(), 0);
}
END_TEST

START_TEST(a_gateway_that_does_not_drain_is_killed)
{
    cfg.grace_ms = 200;
    cfg.queue = DEAF;
    cfg.worker_jobs = DEAF;
    open_house(2);
    int64_t start = clock_ms();
    kill(spawner, SIGINT);
    ck_assert_int_eq(spawner_end(), 0);
    ck_assert_int_ge(clock_ms() - start, 200);
    ck_assert(logged("who=gateway") || logged("who=\"gateway\""));
}
END_TEST

START_TEST(asked_twice_it_does_not_wait)
{
    cfg.grace_ms = 60000;
    cfg.queue = DEAF;
    open_house(1);
    kill(spawner, SIGTERM);
    ck_assert(logged_soon("event=stop")); /* two signals at a time are one */
    ck_assert_int_eq(kill(gateway, 0), 0);
    kill(spawner, SIGTERM);
    ck_assert_int_eq(spawner_end(), 0);
}
END_TEST

START_TEST(workers_are_born_while_the_gateway_drains)
{
    cfg.grace_ms = 2000;
    cfg.queue = DEAF;
    open_house(1);
    kill(spawner, SIGTERM);
    order('c', 0);
    next_report();
    ck_assert_int_eq(kill(worker[0], 0), 0);
    ck_assert_int_eq(spawner_end(), 0);
}
END_TEST

START_TEST(signals_for_the_group_leave_workers_alone)
{
    open_house(1);
    kill(worker[0], SIGTERM);
    kill(worker[0], SIGINT);
    kill(gateway, SIGINT);
    kill(spawner, SIGHUP);
    ck_assert(!next_report_within(200)); /* nobody died */
    ck_assert_int_eq(kill(worker[0], 0), 0);
    ck_assert(logged_soon("event=hup"));
}
END_TEST

START_TEST(without_workers_there_is_a_gateway_only)
{
    cfg.grace_ms = 60000;
    open_house(0);
    ck_assert_int_eq(births_fd, -1);
    kill(gateway, SIGKILL);
    next_report();
    kill(spawner, SIGTERM);
    ck_assert_int_eq(spawner_end(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spawner");
    TCase *t = tcase_create("spawner");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, close_house);
    tcase_add_test(t, every_worker_is_born_once_and_owns_little);
    tcase_add_test(t, all_die_with_the_spawner);
    tcase_add_test(t, a_crash_is_replaced_at_once_and_mourned);
    tcase_add_test(t, a_crash_loop_is_braked);
    tcase_add_test(t, deaths_of_jobs_are_not_braked);
    tcase_add_test(t, many_deaths_at_once_are_all_seen);
    tcase_add_test(t, a_dead_gateway_is_replaced_with_all_its_workers);
    tcase_add_test(t, sigterm_ends_all);
    tcase_add_test(t, a_gateway_that_does_not_drain_is_killed);
    tcase_add_test(t, asked_twice_it_does_not_wait);
    tcase_add_test(t, workers_are_born_while_the_gateway_drains);
    tcase_add_test(t, signals_for_the_group_leave_workers_alone);
    tcase_add_test(t, without_workers_there_is_a_gateway_only);
    suite_add_tcase(s, t);
    return run_suite(s);
}
