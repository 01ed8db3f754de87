/* The first process: it forks, waits, and forks again. Called by main.c with the configuration read and the socket
 * listening; reads no client byte, so nothing that comes from outside can bring it down.
 *
 *     signalfd + poll --- SIGCHLD ---> reap all, obituary, birth (worker: socket, pidfd, mailbox -> gateway)
 *                     \-- SIGHUP ----> a next generation from the file as it is now; once it serves, the old one drains
 *                     \-- SIGUSR2 ---> the same with the binary as it is now (upgrade.c)
 *                     \-- SIGTERM ---> the gateway drains and ends, workers see the end of their sockets
 *                     \-- timeout ---> births that a brake put off, priorities that the kernel did not take at once,
 *                                      and the kill of those that do not end
 *
 * It has one thread for ever, because forking a threaded process gives a child that may not even allocate; the gateway,
 * which has threads, therefore never forks and is told of births over a socket. Spawner and gateway are separate for
 * the same reason. All waiting is the poll timeout: a spawner that slept would not reap.
 *
 * The listening socket is never closed and never bound anew, and two gateways may accept from it at once: that is why a
 * reload loses nothing. The next generation has to say that it serves before the old one is told to go; one that can't
 * costs a line in the log. */
#include "spawner_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "libc.h"
#include "log.h"
#include "notify.h"
#include "stats.h"

#define SPAWNER_READY_MS 10000 /* for the next generation to serve */

/* Generations. */

void spawner_retire(struct generation *g)
{
    g->retired = true;
    g->kill_ms = clock_ms() + g->c->grace_ms + SPAWNER_MARGIN_MS;
    if (g->gateway.pid)
        kill(g->gateway.pid, SIGUSR1);
}

/* The next one serves: the old one may go. */
static void spawner_promote(struct spawner *s)
{
    struct generation *old = s->serving;
    s->serving = s->next;
    s->next = NULL;
    s->serving->kill_ms = INT64_MAX;
    log_line(LOG_LV_INFO, "event=generation gateway=%d old=%d", (int)s->serving->gateway.pid, (int)old->gateway.pid);
    spawner_retire(old);
    notify_manager("READY=1");
}

static void spawner_abandon(struct spawner *s, const char *why)
{
    struct generation *g = s->next;
    log_line(LOG_LV_ERROR, "event=reload error=\"%s: the old one goes on\"", why);
    g->failed = g->retired = true;
    g->kill_ms = clock_ms();
    s->next = NULL;
    notify_manager("READY=1"); /* the reload is over, though in vain */
}

static void spawner_listen(struct spawner *s)
{
    bool was_ready = s->serving->ready;
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i])
            generation_hear(s->all[i]);
    if (!was_ready && s->serving->ready)
        notify_manager("READY=1");
    if (s->next && s->next->ready)
        spawner_promote(s);
}

static void spawner_reload(struct spawner *s)
{
    char err[600];
    s->reload_due = false;
    struct config *c = s->source->load(s->source->ctx, err, sizeof err);
    if (!c) {
        log_line(LOG_LV_ERROR, "event=reload error=\"%s: the old configuration stays\"", err);
        return;
    }
    if (!log_open(c->log)) /* once more: it may have been renamed, as logrotate does */
        log_line(LOG_LV_ERROR, "event=reload error=\"log %s: %s\"", c->log, strerror(errno));
    sandbox_prepare(c);
    s->next = generation_create(s, c, c);
    if (!s->next) {
        log_line(LOG_LV_ERROR, "event=reload error=\"out of memory: the old configuration stays\"");
        config_free(c);
        free(c);
        return;
    }
    s->next->kill_ms = clock_ms() + SPAWNER_READY_MS;
    log_line(LOG_LV_INFO, "event=reload");
    notify_reloading();
}

/* As soon as there is room for one more generation. */
static void spawner_reload_if_due(struct spawner *s)
{
    int living = 0;
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        living += s->all[i] != NULL;
    if (s->reload_due && !s->next && !s->stopping && living < SPAWNER_GENERATIONS)
        spawner_reload(s);
}

/* Deaths. */

static void spawner_bury(struct spawner *s, pid_t pid, int status)
{
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && generation_bury(s, s->all[i], pid, status))
            return;
    upgrade_bury(s, pid, status);
}

/* All of them: one SIGCHLD may stand for many deaths. */
static void spawner_reap(struct spawner *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        spawner_bury(s, pid, status);
    /* One that was to take over from a living one is not tried again; after an upgrade there is no way back. */
    bool over = s->next && !s->next->gateway.pid && s->next->gateway.futile > 0;
    if (over && !s->serving->adopted)
        spawner_abandon(s, "the next gateway ended before it served");
}

/* What has ended for good. */
static void spawner_forget(struct spawner *s)
{
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && s->all[i]->retired && generation_deserted(s->all[i]))
            generation_free(s, s->all[i]);
}

/* The manager's watchdog: it hears nothing while the gateway stands still, and starts everything anew. */

/* As far as can be told: one that is adopted may beat where only its own spawner saw it, and one that is not there is
 * about to be born. */
static bool spawner_serving_lives(const struct spawner *s)
{
    const struct generation *g = s->serving;
    int64_t last = ledger_beat_ms(g->place);
    bool known = !g->adopted && g->gateway.pid && last > 0;
    return !known || clock_ms() - last < notify_watchdog_ms() / 2;
}

static void spawner_pulse(struct spawner *s)
{
    if (clock_ms() < s->pulse_ms)
        return;
    if (spawner_serving_lives(s))
        notify_manager("WATCHDOG=1");
    s->pulse_ms = clock_ms() + notify_watchdog_ms() / NOTIFY_BEATS;
}

/* The loop. */

static void spawner_stop(struct spawner *s, int signal_number)
{
    int64_t grace_ms = s->stopping ? 0 : s->serving->c->grace_ms + SPAWNER_MARGIN_MS; /* asked twice: at once */
    log_line(LOG_LV_INFO, "event=stop signal=SIG%s wait_ms=%lld", sigabbrev_np(signal_number), (long long)grace_ms);
    if (!s->stopping)
        notify_manager("STOPPING=1");
    s->stopping = true;
    s->kill_ms = clock_ms() + grace_ms;
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && s->all[i]->gateway.pid)
            kill(s->all[i]->gateway.pid, SIGTERM);
}

static void spawner_signal(struct spawner *s, int n)
{
    if (n == SIGTERM || n == SIGINT)
        spawner_stop(s, n);
    else if (n != SIGCHLD && !s->source)
        log_line(LOG_LV_WARN, "event=hup text=\"this one can't be reloaded: restart it\"");
    else if (n == SIGHUP)
        s->reload_due = true;
    else if (n == SIGUSR2 && s->serving->c->shared) /* fcgid closes what a predecessor would hand over */
        log_line(LOG_LV_WARN,
                 "event=upgrade text=\"the web server starts the new binary by itself, with its next process\"");
    else if (n == SIGUSR2)
        upgrade_begin(s);
}

static void spawner_signals(struct spawner *s)
{
    struct signalfd_siginfo i;
    while (read(s->signals, &i, sizeof i) == (ssize_t)sizeof i)
        spawner_signal(s, (int)i.ssi_signo);
}

static void spawner_settle(const struct spawner *s)
{
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i])
            generation_settle(s->all[i]);
}

static bool spawner_deserted(const struct spawner *s)
{
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && !generation_deserted(s->all[i]))
            return false;
    return true;
}

static void spawner_kill_overdue(struct spawner *s)
{
    int64_t now = clock_ms();
    bool all = s->stopping && now >= s->kill_ms;
    if (all)
        s->kill_ms = INT64_MAX; /* SIGKILL needs no second one; a dead gateway sets it anew for the workers */
    if (s->next && now >= s->next->kill_ms && !s->serving->adopted)
        spawner_abandon(s, "the next gateway did not serve in time");
    for (int i = 0; i < SPAWNER_GENERATIONS; i++) {
        struct generation *g = s->all[i];
        if (!g || (!all && !(g->retired && now >= g->kill_ms)))
            continue;
        g->kill_ms = INT64_MAX;
        generation_kill(g);
    }
}

/* For poll: until the next of what is put off; -1: nothing is. */
static int spawner_timeout(const struct spawner *s)
{
    int64_t next = s->stopping ? s->kill_ms : s->trial ? s->trial_ms : INT64_MAX;
    next = s->pulse_ms < next ? s->pulse_ms : next;
    for (int i = 0; i < SPAWNER_GENERATIONS; i++) {
        if (!s->all[i])
            continue;
        int64_t due = generation_due_ms(s, s->all[i]), kill = s->all[i]->kill_ms;
        next = due < next ? due : next;
        next = kill < next ? kill : next;
        next = s->all[i]->settle_ms < next ? s->all[i]->settle_ms : next;
    }
    int64_t wait = next - clock_ms();
    return next == INT64_MAX ? -1 : wait <= 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void spawner_wait(const struct spawner *s)
{
    struct pollfd f[1 + SPAWNER_GENERATIONS] = { { .fd = s->signals, .events = POLLIN } };
    for (int i = 0; i < SPAWNER_GENERATIONS; i++) {
        const struct generation *g = s->all[i];
        bool speaks = g && g->gateway.pid && (!g->ready || g->c->shared);
        f[1 + i] = (struct pollfd){ .fd = speaks ? g->to_gateway : -1, .events = POLLIN };
    }
    poll(f, 1 + SPAWNER_GENERATIONS, spawner_timeout(s));
}

static void spawner_loop(struct spawner *s)
{
    for (;;) {
        for (int i = 0; i < SPAWNER_GENERATIONS; i++)
            if (s->all[i])
                generation_births(s, s->all[i]);
        if (s->stopping && spawner_deserted(s))
            return;
        spawner_listen(s); /* before the wait, which nothing would end where there is no socket to hear it on */
        spawner_wait(s);
        spawner_pulse(s);
        spawner_signals(s);
        spawner_reap(s);
        spawner_kill_overdue(s);
        spawner_settle(s);
        upgrade_expire(s);
        spawner_forget(s);
        spawner_reload_if_due(s);
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
    sigaddset(&set, SIGUSR2);
    signal(SIGPIPE, SIG_IGN); /* inherited by all: a log pipe may break */
    signal(SIGCHLD, SIG_DFL); /* ignored, as a parent may leave it, there would be nothing to reap */
    return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool spawner_begin(struct spawner *s, const struct config *c)
{
    s->signals = spawner_signalfd();
    s->pulse_ms = notify_watchdog_ms() > 0 ? 0 : INT64_MAX;
    log_role("spawner");
    stats_share();
    sandbox_prepare(c);
    upgrade_adopt(s, c); /* or a ledger of our own */
    struct generation *g = s->signals >= 0 ? generation_create(s, c, NULL) : NULL;
    if (s->serving)
        s->next = g;
    else
        s->serving = g;
    return g != NULL;
}

static int spawner_live(struct spawner *s, const struct config *c)
{
    bool ok = spawner_begin(s, c);
    if (ok)
        spawner_loop(s);
    else
        log_line(LOG_LV_ERROR, "event=start error=\"%s\"", strerror(errno));
    log_line(LOG_LV_INFO, "event=end");
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        generation_free(s, s->all[i]);
    close(s->signals);
    return ok ? s->run_status : 1;
}

int spawner_run(const struct config *c, int listen_fd, const struct spawner_source *source)
{
    return spawner_live(&(struct spawner){ .source = source, .listen_fd = listen_fd }, c);
}

int spawner_run_for(const struct config *c, int (*run)(const struct config *c, int births))
{
    return spawner_live(&(struct spawner){ .run = run, .listen_fd = -1 }, c);
}
