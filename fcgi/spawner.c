/* The first process: it forks, waits, and forks again. Called by main.c with the configuration read and the socket
 * listening; reads no client byte, so nothing that comes from outside can bring it down.
 *
 *     signalfd + poll --- SIGCHLD ---> reap all, obituary, birth (worker: socket, pidfd, mailbox -> gateway)
 *                     \-- SIGTERM ---> the gateway drains and ends, workers see the end of their sockets
 *                     \-- timeout ---> births that a brake put off, and the kill of those that do not end
 *
 * It has one thread for ever, because forking a threaded process gives a child that may not even allocate; the gateway,
 * which has threads, therefore never forks and is told of births over a socket. Spawner and gateway are separate for
 * the same reason. All waiting is the poll timeout: a spawner that slept would not reap. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "dispatch.h"
#include "log.h"
#include "stats.h"

#define SPAWNER_YOUNG_MS     1000 /* dying younger, without having done anything, is a sign of a crash loop */
#define SPAWNER_BRAKE_MS     10   /* the first pause; doubles */
#define SPAWNER_BRAKE_MAX_MS 5000
#define SPAWNER_ENDING_MS    10  /* between the close of the workers' sockets and the end of the gateway that did it */
#define SPAWNER_MARGIN_MS    500 /* for the gateway to end by itself after grace, and for workers after the gateway */

/* One place for a process: the gateway's, or that of worker k. Nothing in it is handed to anybody else. */
struct life {
    char who[24];
    pid_t pid; /* 0: to be born at due_ms */
    int tally; /* eventfd that counts the jobs it received; -1: the gateway has none */
    int64_t born_ms, due_ms;
    int futile; /* deaths in a row of processes that were young and had done nothing */
};

struct spawner {
    const struct config *c;
    int listen_fd, signals;
    int to_gateway; /* births go here; -1: no gateway, or one that runs the jobs itself */
    struct life gateway;
    struct life *workers; /* owned */
    int n;
    bool stopping;
    int64_t kill_ms; /* while stopping: when whoever is left is killed */
};

/* The child's side of a fork. */

/* Closes everything from 3 on but a and b (which may be -1): descriptors of the web server that started us included. */
static void spawner_close_others(int a, int b)
{
    const int keep[2] = { a < b ? a : b, a < b ? b : a };
    unsigned from = 3;
    for (int i = 0; i < 2; i++) {
        if (keep[i] > (int)from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        if (keep[i] >= (int)from)
            from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0u, 0);
}

/* SIGINT comes to the whole foreground group, and a service manager may send SIGTERM to every process of a service:
 * the order in which processes end is the spawner's to decide, so only the gateway listens, and to SIGTERM alone. */
static void spawner_child(pid_t parent, bool worker)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, worker ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void spawner_be_gateway(const struct spawner *s, pid_t parent, int socket)
{
    spawner_child(parent, false);
    spawner_close_others(s->listen_fd, socket);
    log_role("gateway");
    exit(gateway_run(s->c, s->listen_fd, socket));
}

/* Its descriptors go to 3, 4 and 5, so that closing the rest is one call. */
_Noreturn static void spawner_be_worker(const struct spawner *s, pid_t parent, int number, const int fds[3])
{
    spawner_child(parent, true);
    stats_leave();
    int high[3];
    for (int i = 0; i < 3; i++)
        high[i] = fcntl(fds[i], F_DUPFD, 16); /* out of the way of each other's places */
    for (int i = 0; i < 3; i++)
        dup2(high[i], 3 + i);
    close_range(6, ~0u, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO); /* a terminal is nothing for a worker */
    close(null);
    worker_run(s->c, number, 3, 4, 5);
}

/* Births. */

/* A single death costs no time at all; a crash loop is slowed down to one birth in five seconds. */
static void spawner_brake(struct life *l, bool futile)
{
    l->futile = futile ? l->futile + 1 : 0;
    int64_t pause = 0;
    if (l->futile > 1)
        pause = l->futile > 10 ? SPAWNER_BRAKE_MAX_MS : (int64_t)SPAWNER_BRAKE_MS << (l->futile - 2);
    if (pause > SPAWNER_BRAKE_MAX_MS)
        pause = SPAWNER_BRAKE_MAX_MS;
    l->due_ms = clock_ms() + pause;
    if (pause)
        log_line(LOG_LV_WARN, "event=brake who=\"%s\" pause_ms=%lld", l->who, (long long)pause);
}

static void spawner_stillborn(struct life *l, const char *what)
{
    log_line(LOG_LV_ERROR, "event=birth who=\"%s\" error=\"%s: %s\"", l->who, what, strerror(errno));
    spawner_brake(l, true);
}

static void spawner_bear_gateway(struct spawner *s)
{
    int pair[2] = { -1, -1 };
    bool births = s->n > 0;
    if (births && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        spawner_stillborn(&s->gateway, "socketpair");
        return;
    }
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        spawner_be_gateway(s, parent, pair[1]);
    if (births)
        close(pair[1]);
    if (pid > 0) {
        s->gateway.pid = pid;
        s->gateway.born_ms = clock_ms();
        s->to_gateway = pair[0];
        return;
    }
    spawner_stillborn(&s->gateway, "fork");
    if (births)
        close(pair[0]);
}

/* Forks worker k on its end of the socket, and tells the gateway. Where that fails the worker finds its socket closed,
 * ends, and its death is counted as futile. NULL, or what failed. */
static const char *spawner_fork_worker(struct spawner *s, int k, const int pair[2], int memfd)
{
    struct life *l = &s->workers[k];
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        spawner_be_worker(s, parent, k + 1, (const int[3]){ pair[1], memfd, l->tally });
    if (pid < 0)
        return "fork";
    l->pid = pid;
    l->born_ms = clock_ms();
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0)
        return "pidfd";
    bool told = ipc_send_born(s->to_gateway, &(struct ipc_born){ .index = k + 1, .pid = pid }, pair[0], pidfd, memfd);
    close(pidfd);
    return told ? NULL : "telling the gateway";
}

static void spawner_bear_worker(struct spawner *s, int k)
{
    struct life *l = &s->workers[k];
    const char *failed = NULL;
    int pair[2], memfd = mailbox_create((size_t)s->c->max_body, (size_t)s->c->max_result);
    l->tally = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (memfd < 0 || l->tally < 0) {
        failed = memfd < 0 ? "mailbox" : "eventfd";
    } else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        failed = "socketpair";
    } else {
        failed = spawner_fork_worker(s, k, pair, memfd);
        int saved = errno;
        close(pair[0]); /* the gateway has it now, and nobody else: its end is the worker's end */
        close(pair[1]);
        errno = saved;
    }
    if (failed && l->pid)
        log_line(LOG_LV_ERROR, "event=birth who=\"%s\" error=\"%s: %s\"", l->who, failed, strerror(errno));
    else if (failed)
        spawner_stillborn(l, failed);
    if (memfd >= 0)
        close(memfd);
    if (!l->pid && l->tally >= 0) {
        close(l->tally);
        l->tally = -1;
    }
}

static void spawner_births(struct spawner *s)
{
    int64_t now = clock_ms();
    if (!s->gateway.pid && !s->stopping && now >= s->gateway.due_ms)
        spawner_bear_gateway(s);
    if (!s->gateway.pid) /* nobody to tell */
        return;
    for (int k = 0; k < s->n; k++) /* while draining as well: those admitted need workers */
        if (!s->workers[k].pid && now >= s->workers[k].due_ms)
            spawner_bear_worker(s, k);
}

/* Deaths. */

static void spawner_kill_workers(const struct spawner *s)
{
    for (int k = 0; k < s->n; k++)
        if (s->workers[k].pid)
            kill(s->workers[k].pid, SIGKILL);
}

static void spawner_obituary(const struct life *l, int status, int64_t age_ms, uint64_t jobs)
{
    char jobs_text[40] = "", end[48];
    if (l->tally >= 0)
        snprintf(jobs_text, sizeof jobs_text, " jobs=%llu", (unsigned long long)jobs);
    if (WIFSIGNALED(status))
        snprintf(end, sizeof end, "signal=SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
    else
        snprintf(end, sizeof end, "exit=%d", WEXITSTATUS(status));
    log_line(status == 0 ? LOG_LV_INFO : LOG_LV_WARN, "event=death who=\"%s\" pid=%d %s age_ms=%lld%s", l->who,
             (int)l->pid, end, (long long)age_ms, jobs_text);
}

/* The old gateway's workers answer to nobody and may hang in a job whose deadline no one watches any more. */
static void spawner_gateway_died(struct spawner *s)
{
    if (s->to_gateway >= 0)
        close(s->to_gateway);
    s->to_gateway = -1;
    if (s->stopping)
        s->kill_ms = clock_ms() + SPAWNER_MARGIN_MS;
    else
        spawner_kill_workers(s);
}

static void spawner_bury(struct spawner *s, struct life *l, int status)
{
    int64_t age_ms = clock_ms() - l->born_ms;
    uint64_t jobs = 0;
    if (l->tally >= 0 && read(l->tally, &jobs, sizeof jobs) < 0)
        jobs = 0; /* EAGAIN: none */
    spawner_obituary(l, status, age_ms, jobs);
    if (l->tally >= 0)
        close(l->tally);
    l->tally = -1;
    l->pid = 0;
    /* A worker that had been given jobs died of one, or of age: the next one is needed now, however many such jobs
     * come. The brake is for those that die by themselves. */
    spawner_brake(l, age_ms < SPAWNER_YOUNG_MS && jobs == 0);
    if (s->stopping && status == 0) /* because of its quota, or of a gateway that is about to end: wait for its death */
        l->due_ms += SPAWNER_ENDING_MS;
    if (l == &s->gateway)
        spawner_gateway_died(s);
}

static struct life *spawner_find(struct spawner *s, pid_t pid)
{
    if (s->gateway.pid == pid)
        return &s->gateway;
    for (int k = 0; k < s->n; k++)
        if (s->workers[k].pid == pid)
            return &s->workers[k];
    return NULL;
}

/* All of them: one SIGCHLD may stand for many deaths. */
static void spawner_reap(struct spawner *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct life *l = spawner_find(s, pid);
        if (l)
            spawner_bury(s, l, status);
    }
}

/* The loop. */

static void spawner_stop(struct spawner *s, int signal_number)
{
    int64_t grace_ms = s->stopping ? 0 : s->c->grace_ms + SPAWNER_MARGIN_MS; /* asked twice: at once */
    log_line(LOG_LV_INFO, "event=stop signal=SIG%s wait_ms=%lld", sigabbrev_np(signal_number), (long long)grace_ms);
    s->stopping = true;
    s->kill_ms = clock_ms() + grace_ms;
    if (s->gateway.pid)
        kill(s->gateway.pid, SIGTERM);
}

static void spawner_signals(struct spawner *s)
{
    struct signalfd_siginfo i;
    while (read(s->signals, &i, sizeof i) == (ssize_t)sizeof i) {
        if (i.ssi_signo == SIGTERM || i.ssi_signo == SIGINT)
            spawner_stop(s, (int)i.ssi_signo);
        if (i.ssi_signo == SIGHUP)
            log_line(LOG_LV_WARN, "event=hup text=\"the configuration is read at the start only: restart instead\"");
    }
}

static bool spawner_deserted(const struct spawner *s)
{
    for (int k = 0; k < s->n; k++)
        if (s->workers[k].pid)
            return false;
    return !s->gateway.pid;
}

static void spawner_kill_overdue(struct spawner *s)
{
    if (!s->stopping || clock_ms() < s->kill_ms)
        return;
    s->kill_ms = INT64_MAX; /* SIGKILL needs no second one; a dead gateway sets it anew for the workers */
    if (s->gateway.pid)
        kill(s->gateway.pid, SIGKILL);
    else
        spawner_kill_workers(s);
}

/* For poll: until the next birth that was put off, or the kill; -1: nothing is planned. */
static int spawner_timeout(const struct spawner *s)
{
    int64_t next = s->stopping ? s->kill_ms : INT64_MAX;
    if (!s->gateway.pid && !s->stopping && s->gateway.due_ms < next)
        next = s->gateway.due_ms;
    for (int k = 0; k < s->n && s->gateway.pid; k++)
        if (!s->workers[k].pid && s->workers[k].due_ms < next)
            next = s->workers[k].due_ms;
    int64_t wait = next - clock_ms();
    return next == INT64_MAX ? -1 : wait <= 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void spawner_loop(struct spawner *s)
{
    for (;;) {
        spawner_births(s);
        if (s->stopping && spawner_deserted(s))
            return;
        poll(&(struct pollfd){ .fd = s->signals, .events = POLLIN }, 1, spawner_timeout(s));
        spawner_signals(s);
        spawner_reap(s);
        spawner_kill_overdue(s);
    }
}

static int spawner_signalfd(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN); /* inherited by all: a log pipe may break */
    signal(SIGCHLD, SIG_DFL); /* ignored, as a parent may leave it, there would be nothing to reap */
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int spawner_run(const struct config *c, int listen_fd)
{
    struct spawner s = { .c = c, .listen_fd = listen_fd, .to_gateway = -1, .n = (int)c->workers };
    s.gateway = (struct life){ .who = "gateway", .tally = -1 };
    s.workers = calloc((size_t)s.n + 1, sizeof *s.workers);
    s.signals = spawner_signalfd();
    log_role("spawner");
    stats_share();
    sandbox_prepare(c);
    if (!s.workers || s.signals < 0) {
        log_line(LOG_LV_ERROR, "event=start error=\"%s\"", strerror(errno));
        free(s.workers);
        return 1;
    }
    for (int k = 0; k < s.n; k++) {
        s.workers[k].tally = -1;
        snprintf(s.workers[k].who, sizeof s.workers[k].who, "worker %d", k + 1); /* as ps shows it */
    }
    spawner_loop(&s);
    log_line(LOG_LV_INFO, "event=end");
    close(s.signals);
    free(s.workers);
    return 0;
}
