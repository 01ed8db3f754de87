/* The dispatcher's loop: one epoll over the listening socket, the spawner, signals and every connection that waits.
 *
 *     listening socket -> waiting.c -> handoff.c -> accept threads -> handoff.c -> waiting.c
 *
 * One thread does all of it, so that connections that wait need no lock. It never blocks but in epoll_wait, and reads
 * no byte of a request: what a peer sends is for waiting.c to look at and for the accept threads to read. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "ledger.h"
#include "libc.h"
#include "log.h"
#include "notify.h"
#include "process.h"
#include "waiting.h"

#define EVENTS           64
#define PAUSE_MS         100 /* without accepting, when descriptors run short */
#define BODILESS_THREADS 4

struct dispatch {
    struct handoff h;
    struct waiting w;
    const struct config *cfg; /* borrowed */
    struct pool *pool;        /* borrowed */
    int epoll, listen_fd, spawner, signals;
    bool tcp, orphaned, told;
    int conns_max;
    atomic_int files;  /* of slow readers, which have no thread whose share they would be */
    int64_t resume_ms; /* accepting pauses until then; 0: it does not */
    int64_t drain_ms;  /* when the drain began; 0: it has not */
    int64_t beat_ms;   /* how often somebody wants to know that this loop goes round; 0: nobody does */
};

/* Life and end. */

static bool watch(struct dispatch *d, int fd, void *tag)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = tag };
    return fd < 0 || epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

unsigned long dispatch_descriptors(const struct config *c)
{
    /* A request at work holds a duplicate of its connection, a source or a result, and its turn in the cache; a worker
     * a socket, a pidfd and a mailbox, twice while one replaces another. */
    return 3 * (unsigned long)config_threads(c) + 6 * (unsigned long)c->workers + 64;
}

static int room_for_conns(const struct config *c)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return 64;
    rlim_t reserve = dispatch_descriptors(c);
    rlim_t room = r.rlim_cur > reserve + 16 ? r.rlim_cur - reserve : 16;
    return room < 1000000 ? (int)room : 1000000;
}

static int at_least_one(int64_t n)
{
    return n > 1 ? (int)n : 1;
}

/* Bodies: those threads that would be left idle by a full pool. Answers: those that neither the queue nor slow uploads
 * may fill; with threads = workers + queue + 8, the least, half of these. */
static void share_out(const struct config *c, int out[SHARES])
{
    int64_t idle = config_threads(c) - c->workers - BODILESS_THREADS;
    out[SHARE_BODIES] = at_least_one(idle);
    out[SHARE_ANSWERS] = at_least_one(idle - c->queue - config_threads_aside(c));
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool is_tcp(int fd)
{
    struct sockaddr_storage a = { 0 };
    socklen_t n = sizeof a;
    return fd >= 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0 && a.ss_family != AF_UNIX;
}

static bool set_nonblocking(int fd)
{
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : 0;
    return fd < 0 || (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

struct dispatch *dispatch_create(const struct config *c, struct pool *p, int listen_fd, int spawner)
{
    struct dispatch *d = calloc(1, sizeof *d);
    int shares[SHARES];
    share_out(c, shares);
    if (d == NULL || !handoff_init(&d->h, shares)) {
        free(d);
        return NULL;
    }
    d->cfg = c;
    d->pool = p;
    d->listen_fd = listen_fd;
    d->spawner = spawner;
    d->tcp = is_tcp(listen_fd);
    d->conns_max = room_for_conns(c);
    d->beat_ms = notify_watchdog_ms() / NOTIFY_BEATS;
    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    d->signals = signals_open();
    waiting_init(&d->w, &d->h, c, d->epoll);
    if (d->epoll < 0 || d->signals < 0 || !set_nonblocking(listen_fd) || !watch(d, d->signals, &d->signals) ||
        !watch(d, d->h.wake, &d->h) || !watch(d, listen_fd, &d->listen_fd) || !watch(d, spawner, &d->spawner)) {
        dispatch_free(d);
        return NULL;
    }
    return d;
}

void dispatch_free(struct dispatch *d)
{
    if (d == NULL)
        return;
    waiting_free(&d->w);
    if (d->epoll >= 0)
        close(d->epoll);
    if (d->signals >= 0)
        close(d->signals);
    handoff_free(&d->h);
    free(d);
}

/* Accepting. */

static void accept_pause(struct dispatch *d)
{
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->listen_fd, NULL);
    d->resume_ms = clock_ms() + PAUSE_MS;
}

static bool full(struct dispatch *d)
{
    return handoff_conns(&d->h) + atomic_load(&d->files) >= d->conns_max;
}

/* At the limit one that waits goes for each that comes; never one at work. */
static bool full_of_work(struct dispatch *d)
{
    return full(d) && waiting_none(&d->w);
}

static void opened(struct dispatch *d, int fd)
{
    if (full(d))
        waiting_give_way(&d->w);
    if (d->tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    waiting_accepted(&d->w, fd);
}

/* Until the backlog is empty, or a round's share is taken: deadlines have to be looked at in between. */
static void accept_some(struct dispatch *d)
{
    for (int i = 0; i < EVENTS && d->drain_ms == 0; i++) {
        if (full_of_work(d)) {
            accept_pause(d);
            return;
        }
        int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            opened(d, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_line(LOG_LV_WARN, "event=accept_paused error=%s", strerrorname_np(errno));
            accept_pause(d);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* Signals, births, drain. */

static void drain_begin(struct dispatch *d, bool retires)
{
    if (d->drain_ms != 0)
        return;
    d->drain_ms = clock_ms();
    d->resume_ms = 0;
    atomic_store(&d->h.draining, true);
    if (d->listen_fd >= 0)
        epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->listen_fd, NULL);
    log_line(LOG_LV_INFO, "event=drain connections=%d", handoff_conns(&d->h));
    waiting_drain(&d->w, retires);
    pool_retire(d->pool);
}

static void take_signals(struct dispatch *d)
{
    struct signalfd_siginfo s;
    while (read(d->signals, &s, sizeof s) == (ssize_t)sizeof s)
        drain_begin(d, s.ssi_signo == SIGUSR1);
}

/* To the spawner, once: there is a worker, and there were threads before. It may let the generation before this go. */
static void tell_ready(struct dispatch *d)
{
    if (!d->told)
        d->told = ipc_send_word(d->spawner, IPC_READY, -1);
}

/* Without a spawner nobody replaces workers and nobody passes the socket on: finish what runs, and go. */
static void take_birth(struct dispatch *d)
{
    struct ipc_born b;
    int socket, pidfd, memfd;
    if (ipc_recv_born(d->spawner, &b, &socket, &pidfd, &memfd)) {
        pool_born(d->pool, &b, socket, pidfd, memfd);
        tell_ready(d);
        return;
    }
    if (errno == EAGAIN || errno == EPROTO) /* nothing, or a message cut short for want of descriptors */
        return;
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->spawner, NULL);
    log_line(LOG_LV_ERROR, "event=spawner_gone");
    d->orphaned = true;
    drain_begin(d, false);
}

/* The loop. */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Everything that time brings. Returns when to come back. */
static int64_t expire(struct dispatch *d)
{
    int64_t now = clock_ms();
    bool drains = d->drain_ms != 0;
    if (d->resume_ms != 0 && d->resume_ms <= now)
        d->resume_ms = watch(d, d->listen_fd, &d->listen_fd) ? 0 : now + PAUSE_MS;
    int64_t next = sooner(waiting_expire(&d->w, now), handoff_expire(&d->h, now));
    if (d->resume_ms != 0)
        next = sooner(next, d->resume_ms);
    if (d->beat_ms != 0) {
        ledger_beat(now);
        next = sooner(next, now + d->beat_ms);
    }
    if (drains)
        next = sooner(next, sooner(d->drain_ms + d->cfg->grace_ms, now + PAUSE_MS));
    return next;
}

static int timeout_of(int64_t at_ms)
{
    if (at_ms == INT64_MAX)
        return -1;
    int64_t left = at_ms - clock_ms();
    if (left < 0)
        return 0;
    return left < 60000 ? (int)left : 60000;
}

static void take_returned(struct dispatch *d)
{
    struct conn *c;
    while ((c = handoff_returned(&d->h)) != NULL)
        waiting_returned(&d->w, c);
}

static bool is_connection(const struct dispatch *d, const void *tag)
{
    return tag != &d->signals && tag != &d->h && tag != &d->listen_fd && tag != &d->spawner;
}

/* Connections first: what follows may close others of them, whose events would then point to freed memory. */
static void take_events(struct dispatch *d, const struct epoll_event *ev, int n)
{
    uint64_t count;
    for (int i = 0; i < n; i++) {
        bool hangup = ev[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
        if (is_connection(d, ev[i].data.ptr))
            waiting_event(&d->w, ev[i].data.ptr, hangup);
    }
    for (int i = 0; i < n; i++) {
        if (ev[i].data.ptr == &d->signals)
            take_signals(d);
        else if (ev[i].data.ptr == &d->spawner)
            take_birth(d);
        else if (ev[i].data.ptr == &d->listen_fd)
            accept_some(d);
        else if (ev[i].data.ptr == &d->h && read(d->h.wake, &count, sizeof count) > 0)
            take_returned(d);
    }
}

enum dispatch_end dispatch_run(struct dispatch *d)
{
    struct epoll_event ev[EVENTS];
    if (d->cfg->shared)
        tell_ready(d); /* it has no worker until a request needs one */
    for (;;) {
        int n = epoll_wait(d->epoll, ev, EVENTS, timeout_of(expire(d)));
        take_events(d, ev, n);
        if (d->drain_ms == 0)
            continue;
        if (handoff_conns(&d->h) == 0)
            return d->orphaned ? DISPATCH_ORPHANED : DISPATCH_DRAINED;
        if (clock_ms() >= d->drain_ms + d->cfg->grace_ms)
            return d->orphaned ? DISPATCH_ORPHANED : DISPATCH_GRACE_OVER;
    }
}

/* For the accept threads. */

struct conn *dispatch_take(struct dispatch *d)
{
    return handoff_take(&d->h);
}

void dispatch_keep(struct dispatch *d, struct conn *c)
{
    handoff_return(&d->h, c);
}

void dispatch_linger(struct dispatch *d, struct conn *c)
{
    c->lingers = true;
    handoff_return(&d->h, c);
}

void dispatch_close(struct dispatch *d, struct conn *c)
{
    handoff_close(&d->h, c);
}

void dispatch_stop(struct dispatch *d)
{
    handoff_stop(&d->h);
}

void dispatch_deadline(struct dispatch *d, struct conn *c, int64_t at_ms)
{
    handoff_deadline(&d->h, c, at_ms, SHUT_RDWR);
}

void dispatch_read_deadline(struct dispatch *d, struct conn *c, int64_t at_ms)
{
    handoff_deadline(&d->h, c, at_ms, SHUT_RD);
}

bool dispatch_share_take(struct dispatch *d, enum share s)
{
    return handoff_share_take(&d->h, s);
}

void dispatch_share_give(struct dispatch *d, enum share s)
{
    handoff_share_give(&d->h, s);
}

void dispatch_holds_file(struct dispatch *d, int by)
{
    atomic_fetch_add(&d->files, by);
}

bool dispatch_draining(struct dispatch *d)
{
    return atomic_load(&d->h.draining);
}

int dispatch_connections(struct dispatch *d)
{
    return handoff_conns(&d->h);
}
