/* The dispatcher's loop: one epoll over the listening socket, the spawner, signals and every connection that waits.
 *
 *     accept -> idle (silent) -> begun (part of a header) -> ready queue -> accept thread
 *                 ^                                                          | kept | refused before its body was read
 *                 +----------------------------------------------------------+      +-> leaving -> closed
 *
 * A peer that still sends must not be answered by a reset or a broken pipe: nginx takes either for a failure of ours,
 * and its client gets a 502 in place of our answer. So the writing half is shut, a little of what is on the way is
 * read, and the rest is left in the socket, where it stops the peer from writing and lets it read; then the peer
 * closes, or is closed. That is done here because it would hold a thread for as long as the peer likes.
 *
 * A header is looked at with MSG_PEEK and left in the socket, because libfcgi parses it again: the dispatcher decides
 * only when. The price is that a peer that sends single bytes through a unix socket fills the socket's accounting after
 * some hundred of them, and meets the header timeout. Management records, which a server may send first and wait for,
 * are answered here: handed to libfcgi they would hold a thread until the request follows. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "handoff.h"
#include "log.h"
#include "process.h"
#include "record.h"

#define EVENTS           64
#define PAUSE_MS         100  /* without accepting, when descriptors run short */
#define DRAIN_SILENT_MS  1000 /* a server that has connected before a drain began may still send its request */
#define MANAGEMENTS_MAX  16   /* between two requests */
#define BODILESS_THREADS 4
#define LINGER_MS        200
#define LINGER_BYTES     65536

struct dispatch {
    struct handoff h;
    const struct config *cfg; /* borrowed */
    struct pool *pool;        /* borrowed */
    int epoll, listen_fd, spawner, signals;
    bool tcp, orphaned;
    unsigned threads;
    int conns_max;
    struct conn_list idle, begun, leaving; /* the waiting ones, oldest first */
    int64_t resume_ms;                     /* accepting pauses until then; 0: it does not */
    int64_t drain_ms;                      /* when the drain began; 0: it has not */
    uint8_t peek[RECORD_SCAN_MAX];
};

/* ---- life ------------------------------------------------------------------------------------------------- */

static bool watch(struct dispatch *d, int fd, void *tag)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = tag };
    return fd < 0 || epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* Descriptors for connections: each at work may hold a duplicate and a source file; a worker's birth brings three. */
static int room_for_conns(const struct config *c)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return 64;
    rlim_t reserve = (rlim_t)(2 * config_threads(c) + 6 * c->workers + 64);
    rlim_t room = r.rlim_cur > reserve + 16 ? r.rlim_cur - reserve : 16;
    return room < 1000000 ? (int)room : 1000000;
}

/* Threads that may read bodies at one time: those that would be left idle by a full pool, but for four. */
static int bodies_max(const struct config *c)
{
    int64_t n = config_threads(c) - c->workers - BODILESS_THREADS;
    return n > 1 ? (int)n : 1;
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
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
    if (d == NULL || !handoff_init(&d->h, bodies_max(c))) {
        free(d);
        return NULL;
    }
    d->cfg = c;
    d->pool = p;
    d->listen_fd = listen_fd;
    d->spawner = spawner;
    d->tcp = is_tcp(listen_fd);
    d->threads = (unsigned)config_threads(c);
    d->conns_max = room_for_conns(c);
    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    d->signals = signals_open();
    if (d->epoll < 0 || d->signals < 0 || !set_nonblocking(listen_fd) || !watch(d, d->signals, &d->signals) ||
        !watch(d, d->h.wake, &d->h) || !watch(d, listen_fd, &d->listen_fd) || !watch(d, spawner, &d->spawner)) {
        dispatch_free(d);
        return NULL;
    }
    return d;
}

/* ---- waiting connections ---------------------------------------------------------------------------------- */

static void waiting_remove(struct dispatch *d, struct conn *c)
{
    conn_remove(c->lingers ? &d->leaving : c->begun_ms != 0 ? &d->begun : &d->idle, c);
}

static void waiting_close(struct dispatch *d, struct conn *c)
{
    waiting_remove(d, c);
    handoff_closed(&d->h);
    close(c->fd);
    free(c);
}

static void wait_silent(struct dispatch *d, struct conn *c)
{
    c->begun_ms = 0;
    c->since_ms = clock_ms();
    conn_push(&d->idle, c);
}

static void note_first_byte(struct dispatch *d, struct conn *c)
{
    if (c->begun_ms != 0)
        return;
    conn_remove(&d->idle, c);
    c->begun_ms = clock_ms();
    conn_push(&d->begun, c);
}

void dispatch_free(struct dispatch *d)
{
    if (d == NULL)
        return;
    while (d->idle.first != NULL)
        waiting_close(d, d->idle.first);
    while (d->begun.first != NULL)
        waiting_close(d, d->begun.first);
    while (d->leaving.first != NULL)
        waiting_close(d, d->leaving.first);
    if (d->epoll >= 0)
        close(d->epoll);
    if (d->signals >= 0)
        close(d->signals);
    handoff_free(&d->h);
    free(d);
}

/* Edge-triggered: the bytes that stay in the socket would fire a level for ever. */
static bool poll_start(struct dispatch *d, struct conn *c)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    c->polled = c->polled || epoll_ctl(d->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
    return c->polled;
}

/* Out of epoll for as long as a thread has it: body bytes are not the dispatcher's business, and a hang-up would name a
 * connection that its thread may have freed. */
static void hand_over(struct dispatch *d, struct conn *c)
{
    if (c->polled)
        epoll_ctl(d->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->polled = false;
    c->managements = 0;
    waiting_remove(d, c);
    handoff_give(&d->h, c);
}

static bool send_now(const struct conn *c, const uint8_t *p, size_t n)
{
    return send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

/* Takes a management record out of the socket and answers it. */
static bool manage(struct dispatch *d, struct conn *c, const struct record_head *head)
{
    uint8_t answer[RECORD_ANSWER];
    if (++c->managements > MANAGEMENTS_MAX)
        return false;
    size_t n = record_answer(d->peek, head->length, d->threads, answer);
    return recv(c->fd, d->peek, head->length, MSG_DONTWAIT) == (ssize_t)head->length && send_now(c, answer, n);
}

static bool refuse_role(struct conn *c, const struct record_head *head)
{
    uint8_t end[16];
    record_end(end, head->id, RECORD_UNKNOWN_ROLE);
    return send_now(c, end, sizeof end);
}

enum next { NEXT_WAIT, NEXT_AGAIN, NEXT_CLOSE, NEXT_HAND_OVER };

/* Looks at what lies in the socket. */
static enum next look(struct dispatch *d, struct conn *c, bool hangup)
{
    struct record_head head;
    ssize_t n = recv(c->fd, d->peek, sizeof d->peek, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return hangup || (d->drain_ms != 0 && c->kept) ? NEXT_CLOSE : NEXT_WAIT;
    if (n <= 0)
        return NEXT_CLOSE;
    note_first_byte(d, c);
    switch (record_scan(d->peek, (size_t)n, &head)) {
    case RECORD_MORE:
        return hangup || (size_t)n == sizeof d->peek ? NEXT_CLOSE : NEXT_WAIT;
    case RECORD_MANAGEMENT:
        return manage(d, c, &head) ? NEXT_AGAIN : NEXT_CLOSE;
    case RECORD_REQUEST:
        if (head.role == RECORD_RESPONDER)
            return NEXT_HAND_OVER;
        refuse_role(c, &head);
        return NEXT_CLOSE;
    case RECORD_BAD:
    default:
        return NEXT_CLOSE;
    }
}

/* c is in idle or begun. It may be gone afterwards. */
static void examine(struct dispatch *d, struct conn *c, bool hangup)
{
    enum next next;
    do
        next = look(d, c, hangup);
    while (next == NEXT_AGAIN);
    if (next == NEXT_HAND_OVER)
        hand_over(d, c);
    else if (next == NEXT_CLOSE || !poll_start(d, c))
        waiting_close(d, c);
}

/* Whether it may be closed: the peer has left, or was never there. */
static bool linger_over(struct conn *c, bool hangup)
{
    static char sink[8192];
    ssize_t n = 1;
    while (c->lingered < LINGER_BYTES && (n = recv(c->fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
        c->lingered += (size_t)n;
    return hangup || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void linger(struct dispatch *d, struct conn *c, bool hangup)
{
    if (linger_over(c, hangup) || !poll_start(d, c))
        waiting_close(d, c);
}

static void take_leaving(struct dispatch *d, struct conn *c)
{
    c->since_ms = clock_ms();
    c->lingered = 0;
    conn_push(&d->leaving, c);
    linger(d, c, false);
}

/* Connections that a thread gives back are lingering ones, or stand at a record boundary, where the next request may
 * lie already. */
static void take_returned(struct dispatch *d)
{
    struct conn *c;
    while ((c = handoff_returned(&d->h)) != NULL) {
        if (c->lingers) {
            take_leaving(d, c);
            continue;
        }
        c->kept = true;
        wait_silent(d, c);
        examine(d, c, false);
    }
}

/* ---- accepting -------------------------------------------------------------------------------------------- */

static void accept_pause(struct dispatch *d)
{
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->listen_fd, NULL);
    d->resume_ms = clock_ms() + PAUSE_MS;
}

static struct conn *oldest_waiting(const struct dispatch *d)
{
    if (d->leaving.first != NULL)
        return d->leaving.first;
    return d->idle.first != NULL ? d->idle.first : d->begun.first;
}

/* At the limit the oldest that waits goes: first the answered, then the silent, then the half-sent; never one at work.
 */
static bool full_of_work(struct dispatch *d)
{
    return handoff_conns(&d->h) >= d->conns_max && oldest_waiting(d) == NULL;
}

static void make_room(struct dispatch *d)
{
    if (handoff_conns(&d->h) >= d->conns_max)
        waiting_close(d, oldest_waiting(d));
}

static void opened(struct dispatch *d, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return;
    }
    if (d->tcp)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    c->fd = fd;
    handoff_opened(&d->h);
    wait_silent(d, c);
    examine(d, c, false);
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
            make_room(d);
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

/* ---- signals, births, drain ------------------------------------------------------------------------------- */

static void drain_begin(struct dispatch *d)
{
    if (d->drain_ms != 0)
        return;
    d->drain_ms = clock_ms();
    d->resume_ms = 0;
    atomic_store(&d->h.draining, true);
    if (d->listen_fd >= 0)
        epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->listen_fd, NULL);
    log_line(LOG_LV_INFO, "event=drain connections=%d", handoff_conns(&d->h));
    for (struct conn *c = d->idle.first, *next; c != NULL; c = next) {
        next = c->next;
        if (c->kept)
            waiting_close(d, c);
    }
}

static void take_signals(struct dispatch *d)
{
    struct signalfd_siginfo s;
    while (read(d->signals, &s, sizeof s) == (ssize_t)sizeof s)
        drain_begin(d);
}

/* Without a spawner nobody replaces workers and nobody passes the socket on: finish what runs, and go. */
static void take_birth(struct dispatch *d)
{
    struct ipc_born b;
    int socket, pidfd, memfd;
    if (ipc_recv_born(d->spawner, &b, &socket, &pidfd, &memfd)) {
        pool_born(d->pool, b.index, socket, pidfd, memfd);
        return;
    }
    if (errno == EAGAIN || errno == EPROTO) /* nothing, or a message cut short for want of descriptors */
        return;
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->spawner, NULL);
    log_line(LOG_LV_ERROR, "event=spawner_gone");
    d->orphaned = true;
    drain_begin(d);
}

/* ---- the loop --------------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Closes what has waited too long in l, whose oldest comes first. Returns when the next one will have. */
static int64_t expire_list(struct dispatch *d, struct conn_list *l, int64_t now, int64_t timeout)
{
    while (l->first != NULL) {
        int64_t due = (l == &d->begun ? l->first->begun_ms : l->first->since_ms) + timeout;
        if (due > now)
            return due;
        waiting_close(d, l->first);
    }
    return INT64_MAX;
}

/* Everything that time brings. Returns when to come back. */
static int64_t expire(struct dispatch *d)
{
    int64_t now = clock_ms();
    bool drains = d->drain_ms != 0;
    if (d->resume_ms != 0 && d->resume_ms <= now)
        d->resume_ms = watch(d, d->listen_fd, &d->listen_fd) ? 0 : now + PAUSE_MS;
    int64_t silent = drains ? DRAIN_SILENT_MS : d->cfg->idle_timeout_ms;
    int64_t next = expire_list(d, &d->idle, now, silent);
    next = sooner(next, expire_list(d, &d->begun, now, d->cfg->header_timeout_ms));
    next = sooner(next, expire_list(d, &d->leaving, now, LINGER_MS));
    next = sooner(next, handoff_expire(&d->h, now));
    if (d->resume_ms != 0)
        next = sooner(next, d->resume_ms);
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
        struct conn *c = is_connection(d, ev[i].data.ptr) ? ev[i].data.ptr : NULL;
        if (c != NULL && c->lingers)
            linger(d, c, hangup);
        else if (c != NULL)
            examine(d, c, hangup);
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

/* ---- for the accept threads ------------------------------------------------------------------------------- */

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

bool dispatch_body_begin(struct dispatch *d)
{
    return handoff_body_begin(&d->h);
}

void dispatch_body_end(struct dispatch *d)
{
    handoff_body_end(&d->h);
}

bool dispatch_draining(struct dispatch *d)
{
    return atomic_load(&d->h.draining);
}
