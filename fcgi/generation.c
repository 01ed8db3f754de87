/* A generation: one gateway and the workers that were born for it. The spawner's only forks are here.
 *
 *     serving  --- it is kept alive: whoever dies is born again, with a brake on crash loops
 *     next     --- the same, but it is given up where its gateway ends before it serves
 *     retired  --- its gateway drains; of workers it keeps one at least, so that nobody admitted is left behind
 *
 * While another generation lives, all of them together have one worker more than the configuration says, and no more:
 * that one is what the next one starts with, and the others follow as old ones leave. */
#include "spawner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "dispatch.h"
#include "ledger.h"
#include "libc.h"
#include "log.h"
#include "priority.h"
#include "stats.h"

#define GENERATION_YOUNG_MS     1000 /* dying younger, without having done anything, is a sign of a crash loop */
#define GENERATION_BRAKE_MS     10   /* the first pause; doubles */
#define GENERATION_BRAKE_MAX_MS 5000
#define GENERATION_ENDING_MS    10 /* between the close of the workers' sockets and the end of the gateway that did it */

/* Life and end. */

static int free_slot(const struct spawner *s)
{
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (!s->all[i])
            return i;
    return -1;
}

struct generation *generation_create(struct spawner *s, const struct config *c, struct config *own)
{
    int slot = free_slot(s);
    struct generation *g = generation_create_at(s, slot, c, own);
    if (g)
        ledger_clear(slot);
    return g;
}

struct generation *generation_create_at(struct spawner *s, int slot, const struct config *c, struct config *own)
{
    bool has_room = slot >= 0 && slot < SPAWNER_GENERATIONS && !s->all[slot];
    struct generation *g = has_room ? calloc(1, sizeof *g) : NULL;
    if (!g || !(g->workers = calloc((size_t)c->workers + 1, sizeof *g->workers))) {
        free(g);
        return NULL;
    }
    g->c = c;
    g->own = own;
    g->place = slot;
    g->to_gateway = -1;
    g->kill_ms = g->settle_ms = INT64_MAX;
    g->n = c->shared ? 1 : (int)c->workers;
    g->slot = -1;
    g->gateway = (struct life){ .who = "gateway", .tally = -1, .autogroup = -1 };
    for (int k = 0; k < g->n; k++) {
        g->workers[k].tally = g->workers[k].autogroup = -1;
        snprintf(g->workers[k].who, sizeof g->workers[k].who, "worker %d", k + 1); /* as ps shows it */
    }
    s->all[slot] = g;
    return g;
}

static void forget_wish(struct generation *g)
{
    if (g->slot >= 0)
        close(g->slot);
    g->slot = -1;
}

void generation_free(struct spawner *s, struct generation *g)
{
    if (!g)
        return;
    if (g->to_gateway >= 0)
        close(g->to_gateway);
    forget_wish(g);
    ledger_clear(g->place);
    s->all[g->place] = NULL;
    if (g->own)
        config_free(g->own);
    free(g->own);
    free(g->workers);
    free(g);
}

/* The child's side of a fork. */

/* Closes everything from 3 on but a and b (which may be -1): descriptors of the web server that started us included. */
static void close_others(int a, int b)
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
static void be_child(pid_t parent, bool worker)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGTERM, worker ? SIG_IGN : SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void be_gateway(const struct spawner *s, const struct generation *g, pid_t parent, int socket)
{
    be_child(parent, false);
    close_others(s->listen_fd, socket);
    ledger_sit(g->place);
    log_role("gateway");
    exit(s->run ? s->run(g->c, socket) : gateway_run(g->c, s->listen_fd, socket));
}

/* Its descriptors go to 3, 4 and 5, so that closing the rest is one call. The fourth, which may be -1, to 6, where it
 * is only held. */
_Noreturn static void be_worker(const struct spawner *s, const struct generation *g, pid_t parent, int number,
                                const int fds[4])
{
    be_child(parent, true);
    if (!s->run) /* priority.c says why; what a command starts stays with the user's shell */
        setsid();
    stats_leave();
    ledger_sit(g->place);
    int high[4], n = fds[3] >= 0 ? 4 : 3;
    for (int i = 0; i < n; i++)
        high[i] = fcntl(fds[i], F_DUPFD, 16); /* out of the way of each other's places */
    for (int i = 0; i < n; i++)
        dup2(high[i], 3 + i);
    close_range(3 + (unsigned)n, ~0u, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, STDIN_FILENO); /* a terminal is nothing for a worker */
    close(null);
    worker_run(g->c, number, 3, 4, 5);
}

/* What the gateway says. */

/* Without workers there is no socket on which it could say that it serves. */
void generation_hear(struct generation *g)
{
    char word;
    int fd;
    if (g->gateway.pid && g->to_gateway < 0)
        g->ready = true;
    while (g->gateway.pid && g->to_gateway >= 0 && ipc_recv_word(g->to_gateway, &word, &fd)) {
        if (word == IPC_WANT || word == IPC_DROP) {
            forget_wish(g);
            g->slot = fd; /* none with IPC_DROP */
        } else if (fd >= 0) {
            close(fd);
        }
        g->ready = g->ready || word == IPC_READY;
    }
}

/* Births. */

/* A single death costs no time at all; a crash loop is slowed down to one birth in five seconds. */
static void brake(struct life *l, bool futile)
{
    l->futile = futile ? l->futile + 1 : 0;
    int64_t pause = 0;
    if (l->futile > 1)
        pause = l->futile > 10 ? GENERATION_BRAKE_MAX_MS : (int64_t)GENERATION_BRAKE_MS << (l->futile - 2);
    if (pause > GENERATION_BRAKE_MAX_MS)
        pause = GENERATION_BRAKE_MAX_MS;
    l->due_ms = clock_ms() + pause;
    if (pause)
        log_line(LOG_LV_WARN, "event=brake who=\"%s\" pause_ms=%lld", l->who, (long long)pause);
}

static void stillborn(struct life *l, const char *what)
{
    log_line(LOG_LV_ERROR, "event=birth who=\"%s\" error=\"%s: %s\"", l->who, what, strerror(errno));
    brake(l, true);
}

static void bear_gateway(struct spawner *s, struct generation *g)
{
    int pair[2] = { -1, -1 };
    bool births = g->n > 0;
    if (births && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        stillborn(&g->gateway, "socketpair");
        return;
    }
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        be_gateway(s, g, parent, pair[1]);
    if (births)
        close(pair[1]);
    if (pid > 0) {
        g->gateway.pid = pid;
        g->gateway.born_ms = clock_ms();
        g->to_gateway = pair[0];
        return;
    }
    stillborn(&g->gateway, "fork");
    if (births)
        close(pair[0]);
}

static void see_to_priority(struct generation *g, struct life *l)
{
    int64_t soon = l->born_ms + PRIORITY_RETRY_MS;
    l->autogroup = priority_open(l->pid, (int)g->c->worker_nice);
    if (l->autogroup >= 0 && soon < g->settle_ms)
        g->settle_ms = soon;
}

static void leave_priority(struct life *l)
{
    if (l->autogroup >= 0)
        close(l->autogroup);
    l->autogroup = -1;
}

void generation_settle(struct generation *g)
{
    int64_t now = clock_ms();
    if (now < g->settle_ms)
        return;
    g->settle_ms = INT64_MAX;
    for (int k = 0; k < g->n; k++) {
        struct life *l = &g->workers[k];
        if (l->autogroup >= 0 && priority_settle(l->autogroup, l->pid, (int)g->c->worker_nice))
            leave_priority(l);
        else if (l->autogroup >= 0)
            g->settle_ms = now + PRIORITY_RETRY_MS;
    }
}

/* A worker goes on when the spawner has opened what it is about to hide. Until then nobody else knows of it, so that
 * nobody waits the longer. */
static void await_spawner(const int gate[2])
{
    char none;
    close(gate[1]);
    while (read(gate[0], &none, 1) < 0 && errno == EINTR) /* it closes its end, or has ended */
        ;
}

/* NULL, or what failed. */
static const char *fork_worker(const struct spawner *s, struct generation *g, int k, int socket, int memfd)
{
    struct life *l = &g->workers[k];
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) < 0)
        return "pipe";
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        await_spawner(gate);
        be_worker(s, g, parent, k + 1, (const int[4]){ socket, memfd, l->tally, g->slot });
    }
    int saved = errno;
    close(gate[0]);
    if (pid > 0) {
        l->pid = pid;
        l->born_ms = clock_ms();
        if (!s->run)
            see_to_priority(g, l);
    }
    close(gate[1]);
    errno = saved;
    return pid < 0 ? "fork" : NULL;
}

/* Forks worker k on its end of the socket, and tells the gateway. Where that fails the worker finds its socket closed,
 * ends, and its death is counted as futile. NULL, or what failed. */
static const char *send_worker(const struct spawner *s, struct generation *g, int k, const int pair[2], int memfd)
{
    const char *failed = fork_worker(s, g, k, pair[1], memfd);
    if (failed)
        return failed;
    int pidfd = pidfd_open(g->workers[k].pid, 0);
    if (pidfd < 0)
        return "pidfd";
    struct ipc_born b = { .index = k + 1, .pid = g->workers[k].pid };
    bool told = ipc_send_born(g->to_gateway, &b, pair[0], pidfd, memfd);
    close(pidfd);
    if (told)
        forget_wish(g); /* it has what it shall hold; else it ends, and another one is tried */
    return told ? NULL : "telling the gateway";
}

static void bear_worker(const struct spawner *s, struct generation *g, int k)
{
    struct life *l = &g->workers[k];
    const char *failed = NULL;
    int pair[2], memfd = mailbox_create(config_input_size(g->c), (size_t)g->c->max_result);
    l->tally = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (memfd < 0 || l->tally < 0) {
        failed = memfd < 0 ? "mailbox" : "eventfd";
    } else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        failed = "socketpair";
    } else {
        failed = send_worker(s, g, k, pair, memfd);
        int saved = errno;
        close(pair[0]); /* the gateway has it now, and nobody else: its end is the worker's end */
        close(pair[1]);
        errno = saved;
    }
    if (failed && l->pid)
        log_line(LOG_LV_ERROR, "event=birth who=\"%s\" error=\"%s: %s\"", l->who, failed, strerror(errno));
    else if (failed)
        stillborn(l, failed);
    if (memfd >= 0)
        close(memfd);
    if (!l->pid && l->tally >= 0) {
        close(l->tally);
        l->tally = -1;
    }
}

static int workers_alive(const struct generation *g)
{
    int n = 0;
    for (int k = 0; g && k < g->n; k++)
        n += g->workers[k].pid != 0;
    return n;
}

/* How many more workers g may have now. */
static int workers_wanted(const struct spawner *s, const struct generation *g)
{
    int all = 0, mine = workers_alive(g);
    if (!g->gateway.pid || g->adopted) /* nobody to tell; or mailboxes of another size */
        return 0;
    if (g->c->shared)
        return g->slot >= 0 && mine == 0;
    if (g->retired || (s->stopping && g->n > 0))
        return mine == 0;
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        all += workers_alive(s->all[i]);
    int most = g->n + (all > mine);
    return most - all < g->n - mine ? most - all : g->n - mine;
}

void generation_births(struct spawner *s, struct generation *g)
{
    int64_t now = clock_ms();
    bool gateway = !g->gateway.pid && !s->stopping && !g->retired && !g->failed && !g->adopted;
    if (gateway && now >= g->gateway.due_ms)
        bear_gateway(s, g);
    for (int k = 0, left = workers_wanted(s, g); k < g->n && left > 0; k++) {
        if (g->workers[k].pid || now < g->workers[k].due_ms)
            continue;
        bear_worker(s, g, k);
        left--;
    }
}

int64_t generation_due_ms(const struct spawner *s, const struct generation *g)
{
    int64_t next = INT64_MAX;
    if (!g->gateway.pid && !s->stopping && !g->retired && !g->failed && !g->adopted)
        next = g->gateway.due_ms;
    if (workers_wanted(s, g) <= 0)
        return next;
    for (int k = 0; k < g->n; k++)
        if (!g->workers[k].pid && g->workers[k].due_ms < next)
            next = g->workers[k].due_ms;
    return next;
}

/* Deaths. */

static void kill_workers(const struct generation *g)
{
    for (int k = 0; k < g->n; k++)
        if (g->workers[k].pid)
            kill(g->workers[k].pid, SIGKILL);
}

void generation_kill(const struct generation *g)
{
    if (g->gateway.pid)
        kill(g->gateway.pid, SIGKILL);
    else
        kill_workers(g);
}

bool generation_deserted(const struct generation *g)
{
    return !g->gateway.pid && workers_alive(g) == 0;
}

static void obituary(const struct life *l, int status, int64_t age_ms, uint64_t jobs)
{
    struct ledger_death d = { .at_s = time(NULL), .pid = l->pid, .age_ms = age_ms, .jobs = (int64_t)jobs };
    char jobs_text[40] = "", end[48];
    if (l->tally >= 0)
        snprintf(jobs_text, sizeof jobs_text, " jobs=%llu", (unsigned long long)jobs);
    if (WIFSIGNALED(status))
        snprintf(end, sizeof end, "signal=SIG%s", sigabbrev_np(WTERMSIG(status)) ?: "?");
    else
        snprintf(end, sizeof end, "exit=%d", WEXITSTATUS(status));
    log_line(status == 0 ? LOG_LV_INFO : LOG_LV_WARN, "event=death who=\"%s\" pid=%d %s age_ms=%lld%s", l->who,
             (int)l->pid, end, (long long)age_ms, jobs_text);
    if (status == 0)
        return; /* of age */
    snprintf(d.who, sizeof d.who, "%s", l->who);
    snprintf(d.end, sizeof d.end, "%s", end);
    ledger_mourn(&d);
}

/* The old gateway's workers answer to nobody and may hang in a job whose deadline no one watches any more. */
static void gateway_died(struct spawner *s, struct generation *g)
{
    if (g->to_gateway >= 0)
        close(g->to_gateway);
    g->to_gateway = -1;
    forget_wish(g);
    ledger_clear(g->place);
    if (s->stopping)
        s->kill_ms = clock_ms() + SPAWNER_MARGIN_MS;
    else if (g->retired)
        g->kill_ms = clock_ms() + SPAWNER_MARGIN_MS; /* they see the end of their sockets */
    else
        kill_workers(g);
}

static void bury(struct spawner *s, struct generation *g, struct life *l, int status)
{
    int64_t age_ms = clock_ms() - l->born_ms;
    uint64_t jobs = 0;
    if (l->tally >= 0 && read(l->tally, &jobs, sizeof jobs) < 0)
        jobs = 0;                                         /* EAGAIN: none */
    if (status != 0 || !g->c->shared || l == &g->gateway) /* there one comes and goes with each request */
        obituary(l, status, age_ms, jobs);
    if (l->tally >= 0)
        close(l->tally);
    l->tally = -1;
    leave_priority(l);
    l->pid = 0;
    /* A worker that had been given jobs died of one, or of age: the next one is needed now, however many such jobs
     * come. The brake is for those that die by themselves. One that left its draining gateway did as it was told. */
    brake(l, age_ms < GENERATION_YOUNG_MS && jobs == 0 && !(status == 0 && g->retired));
    if (s->stopping && status == 0) /* because of its quota, or of a gateway that is about to end: wait for its death */
        l->due_ms += GENERATION_ENDING_MS;
    if (l == &g->gateway)
        gateway_died(s, g);
}

bool generation_bury(struct spawner *s, struct generation *g, pid_t pid, int status)
{
    struct life *l = g->gateway.pid == pid ? &g->gateway : NULL;
    for (int k = 0; k < g->n && !l; k++)
        if (g->workers[k].pid == pid)
            l = &g->workers[k];
    if (l == &g->gateway && s->run) { /* its work is done, or it is lost */
        s->run_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        s->stopping = true;
    }
    if (l)
        bury(s, g, l, status);
    return l != NULL;
}
