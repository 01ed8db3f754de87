/* Connections that wait, and what decides that they no longer do. Called by the dispatcher's loop.
 *
 *     accepted -> idle (silent) -> begun (part of a header) -> handoff -> accept thread
 *                   ^                                                      | kept | body left unread
 *                   +------------------------------------------------------+      +-> leaving -> deaf -> closed
 *
 * A peer that still sends must not be answered by a reset or a broken pipe: nginx takes either for a failure of ours,
 * and its client gets a 502 in place of our answer. So the writing half is shut, a little of what is on the way is
 * read, and the rest is left in the socket, where it stops the peer from writing and lets it read; then the peer
 * closes. One that does not is deaf while it talks: Caddy looks for an answer when it has sent the whole body, and not
 * before. All of that is read then. That is done here because it would hold a thread for as long as the peer likes.
 *
 * A header is looked at with MSG_PEEK and left in the socket, because libfcgi parses it again: only the moment is
 * decided here. The price is that a peer that sends single bytes through a unix socket fills the socket's accounting
 * after some hundred of them, and meets the header timeout. Management records, which a server may send first and wait
 * for, are answered here: handed to libfcgi they would hold a thread until the request follows. */
#include "waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define DRAIN_SILENT_MS 1000  /* a server that has connected before a drain began may still send its request */
#define RETIRE_MS       10000 /* the same in a reload, and for those that are told: nginx closes once it reads that */
#define HEEDLESS_MAX    3     /* then it was not unlucky, but does not know what it is told */
#define MANAGEMENTS_MAX 16    /* between two requests */
#define LINGER_MS       200
#define LINGER_BYTES    65536
#define DEAF_BYTES      (64u << 20) /* as much as the configurations in conf/ let through */
#define DEAF_AT_ONCE    (1u << 20)  /* then others have their turn */

void waiting_init(struct waiting *w, struct handoff *h, const struct config *c, int epoll)
{
    w->h = h;
    w->cfg = c;
    w->epoll = epoll;
    w->threads = (unsigned)config_threads(c);
}

static void waiting_remove(struct waiting *w, struct conn *c)
{
    struct conn_list *answered = c->deaf ? &w->deaf : &w->leaving;
    conn_remove(c->lingers ? answered : c->begun_ms != 0 ? &w->begun : &w->idle, c);
}

static void waiting_close(struct waiting *w, struct conn *c)
{
    waiting_remove(w, c);
    handoff_closed(w->h);
    close(c->fd);
    free(c);
}

void waiting_free(struct waiting *w)
{
    while (w->idle.first != NULL)
        waiting_close(w, w->idle.first);
    while (w->begun.first != NULL)
        waiting_close(w, w->begun.first);
    while (w->leaving.first != NULL)
        waiting_close(w, w->leaving.first);
    while (w->deaf.first != NULL)
        waiting_close(w, w->deaf.first);
}

static void waiting_silent(struct waiting *w, struct conn *c)
{
    c->begun_ms = 0;
    c->since_ms = clock_ms();
    conn_push(&w->idle, c);
}

static void note_first_byte(struct waiting *w, struct conn *c)
{
    if (c->begun_ms != 0)
        return;
    conn_remove(&w->idle, c);
    c->begun_ms = clock_ms();
    conn_push(&w->begun, c);
}

/* Edge-triggered: the bytes that stay in the socket would fire a level for ever. */
static bool poll_start(struct waiting *w, struct conn *c)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    c->polled = c->polled || epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
    return c->polled;
}

/* Out of epoll for as long as a thread has it: body bytes are not our business, and a hang-up would name a
 * connection that its thread may have freed. */
static void hand_over(struct waiting *w, struct conn *c)
{
    if (c->polled)
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->polled = false;
    c->managements = 0;
    waiting_remove(w, c);
    handoff_give(w->h, c);
}

static bool send_now(const struct conn *c, const uint8_t *p, size_t n)
{
    return send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
}

/* Tells the server not to ask on this connection again: nginx closes one on which something comes unasked. A socket
 * that is full of an answer does not take it. */
static void say_farewell(struct conn *c)
{
    uint8_t farewell[RECORD_HEADER];
    bool said = send_now(c, farewell, record_farewell(farewell, 1)); /* servers' id, one request at a time */
    c->told = c->told || said;
}

/* Takes a management record out of the socket and answers it. The connection is silent again: no request has begun. */
static bool manage(struct waiting *w, struct conn *c, const struct record_head *head)
{
    uint8_t answer[RECORD_ANSWER];
    if (++c->managements > MANAGEMENTS_MAX)
        return false;
    size_t n = record_answer(w->peek, head->length, w->threads, answer);
    if (recv(c->fd, w->peek, head->length, MSG_DONTWAIT) != (ssize_t)head->length || !send_now(c, answer, n))
        return false;
    conn_remove(&w->begun, c);
    waiting_silent(w, c);
    return true;
}

static bool refuse_role(struct conn *c, const struct record_head *head)
{
    uint8_t end[16];
    record_end(end, head->id, RECORD_UNKNOWN_ROLE);
    return send_now(c, end, sizeof end);
}

/* Whether a connection on which nothing comes is at its end. */
static bool may_end(const struct waiting *w, const struct conn *c)
{
    return w->drains && c->kept && (!w->retires || c->heedless > HEEDLESS_MAX);
}

enum next { NEXT_WAIT, NEXT_AGAIN, NEXT_CLOSE, NEXT_HAND_OVER };

/* Looks at what lies in the socket. */
static enum next look(struct waiting *w, struct conn *c, bool hangup)
{
    struct record_head head;
    ssize_t n = recv(c->fd, w->peek, sizeof w->peek, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return hangup || may_end(w, c) ? NEXT_CLOSE : NEXT_WAIT;
    if (n <= 0)
        return NEXT_CLOSE;
    note_first_byte(w, c);
    switch (record_scan(w->peek, (size_t)n, &head)) {
    case RECORD_MORE:
        return hangup || (size_t)n == sizeof w->peek ? NEXT_CLOSE : NEXT_WAIT;
    case RECORD_MANAGEMENT:
        return manage(w, c, &head) ? NEXT_AGAIN : NEXT_CLOSE;
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
static void examine(struct waiting *w, struct conn *c, bool hangup)
{
    enum next next;
    do
        next = look(w, c, hangup);
    while (next == NEXT_AGAIN);
    if (next == NEXT_HAND_OVER)
        hand_over(w, c);
    else if (next == NEXT_CLOSE || !poll_start(w, c))
        waiting_close(w, c);
}

/* Reads until c has had so many bytes of it. Whether the peer has left, or was never there. */
static bool read_away(struct conn *c, size_t bytes)
{
    static char sink[65536];
    ssize_t n = 1;
    while (c->lingered < bytes && (n = recv(c->fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
        c->lingered += (size_t)n;
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* What is left in the socket comes as an event again. */
static bool poll_again(struct waiting *w, struct conn *c)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };
    return epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

static void swallow(struct waiting *w, struct conn *c, bool hangup)
{
    size_t stop = c->lingered + DEAF_AT_ONCE;
    bool gone = read_away(c, stop), more = c->lingered >= stop;
    if (gone || c->lingered >= DEAF_BYTES || (hangup && !more) || (more && !poll_again(w, c)))
        waiting_close(w, c);
}

static void linger(struct waiting *w, struct conn *c, bool hangup)
{
    if (c->deaf)
        swallow(w, c, hangup);
    else if (read_away(c, LINGER_BYTES) || hangup || !poll_start(w, c))
        waiting_close(w, c);
}

static void take_leaving(struct waiting *w, struct conn *c)
{
    c->since_ms = clock_ms();
    c->lingered = 0;
    conn_push(&w->leaving, c);
    linger(w, c, false);
}

void waiting_returned(struct waiting *w, struct conn *c)
{
    if (c->lingers) {
        take_leaving(w, c);
        return;
    }
    c->kept = true;
    if (w->drains && w->retires) { /* its answer may have begun before the drain; said twice does no harm */
        c->heedless += c->told;
        say_farewell(c);
    }
    waiting_silent(w, c);
    examine(w, c, false);
}

void waiting_accepted(struct waiting *w, int fd)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return;
    }
    c->fd = fd;
    handoff_opened(w->h);
    waiting_silent(w, c);
    examine(w, c, false);
}

void waiting_event(struct waiting *w, struct conn *c, bool hangup)
{
    if (c->lingers)
        linger(w, c, hangup);
    else
        examine(w, c, hangup);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool speaks(const struct conn *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* c, in idle, was silent when epoll looked last. To close it over a request that has come since would lose that. */
static void end_silent(struct waiting *w, struct conn *c, int64_t now)
{
    if (speaks(c)) {
        examine(w, c, false);
    } else if (w->retires && c->kept && !c->told) {
        conn_remove(&w->idle, c);
        say_farewell(c);
        c->told = true; /* or will never be */
        c->since_ms = now;
        conn_push(&w->idle, c);
    } else {
        waiting_close(w, c);
    }
}

static int64_t expire_idle(struct waiting *w, int64_t now, int64_t timeout)
{
    while (w->idle.first != NULL) {
        int64_t due = w->idle.first->since_ms + timeout;
        if (due > now)
            return due;
        end_silent(w, w->idle.first, now);
    }
    return INT64_MAX;
}

/* Closes what has waited too long in l, whose oldest comes first. Returns when the next one will have. */
static int64_t expire_list(struct waiting *w, struct conn_list *l, int64_t now, int64_t timeout)
{
    while (l->first != NULL) {
        int64_t due = (l == &w->begun ? l->first->begun_ms : l->first->since_ms) + timeout;
        if (due > now)
            return due;
        waiting_close(w, l->first);
    }
    return INT64_MAX;
}

/* Those that did not look at their answer are listened to. */
static int64_t expire_leaving(struct waiting *w, int64_t now)
{
    struct conn *c;
    while ((c = w->leaving.first) != NULL) {
        if (c->since_ms + LINGER_MS > now)
            return c->since_ms + LINGER_MS;
        conn_remove(&w->leaving, c);
        c->deaf = true;
        c->since_ms = now;
        conn_push(&w->deaf, c);
        swallow(w, c, false);
    }
    return INT64_MAX;
}

static int64_t silence_ms(const struct waiting *w)
{
    if (!w->drains)
        return w->cfg->idle_timeout_ms;
    if (!w->retires)
        return DRAIN_SILENT_MS;
    return w->cfg->grace_ms / 2 < RETIRE_MS ? w->cfg->grace_ms / 2 : RETIRE_MS;
}

int64_t waiting_expire(struct waiting *w, int64_t now_ms)
{
    int64_t next = expire_idle(w, now_ms, silence_ms(w));
    next = sooner(next, expire_list(w, &w->begun, now_ms, w->cfg->header_timeout_ms));
    next = sooner(next, expire_leaving(w, now_ms));
    return sooner(next, expire_list(w, &w->deaf, now_ms, w->drains ? DRAIN_SILENT_MS : w->cfg->body_timeout_ms));
}

static struct conn *oldest(const struct waiting *w)
{
    if (w->deaf.first != NULL)
        return w->deaf.first;
    if (w->leaving.first != NULL)
        return w->leaving.first;
    return w->idle.first != NULL ? w->idle.first : w->begun.first;
}

bool waiting_none(const struct waiting *w)
{
    return oldest(w) == NULL;
}

void waiting_give_way(struct waiting *w)
{
    waiting_close(w, oldest(w));
}

void waiting_drain(struct waiting *w, bool retires)
{
    w->drains = true;
    w->retires = retires;
    int64_t now = clock_ms();
    for (struct conn *c = w->idle.first, *next; c != NULL; c = next) {
        next = c->next;
        if (retires)
            c->since_ms = now; /* what it is told now, it can't have heeded before */
        if (c->kept && retires)
            say_farewell(c);
        else if (c->kept)
            waiting_close(w, c);
    }
}
