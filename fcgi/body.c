/* Request bodies: read to their last byte before anything is answered, or never read and the connection given up.
 *
 * What comes first is looked at before the rest has its turn: what is refused for its header is refused then, and the
 * work that waits is known. CONTENT_LENGTH may be absent, -1 or a lie, so limits count the bytes that come. The
 * deadline for reading shuts only the reading half of the socket: the 408 can still be sent. Buffers come back through
 * a bounded free list, because fresh pages cost more than the copy into them. */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "request.h"
#include "stats.h"

#define CHUNK        (256u << 10) /* read at a time, and the first buffer where the length is unknown */
#define HEAD         65536        /* looked at before the rest is read: enough for nearly every header */
#define RATE         1024         /* bytes a millisecond: a peer at least as fast never meets the timeout */
#define STREAM_RATE  32           /* the same for bodies that are read piece by piece, which may be very large */
#define END_INPUT_MS 200
#define READ_AHEAD   8192  /* libfcgi's buffer */
#define UNREAD_MAX   65536 /* a body that nobody asked for is read up to this size */

#define WARM_BUFFERS 8
#define WARM_LEAST   (HEAD + READ_AHEAD)
#define WARM_BYTES   (64u << 20)

static struct {
    pthread_mutex_t lock; /* guards the rest */
    size_t bytes;
    struct {
        uint8_t *p; /* owned */
        size_t cap;
    } buffers[WARM_BUFFERS];
} warm = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* At least n bytes; a buffer more than four times too large is left for those who need it. */
static uint8_t *warm_take(size_t n, size_t *cap)
{
    uint8_t *p = NULL;
    pthread_mutex_lock(&warm.lock);
    for (int i = 0; i < WARM_BUFFERS && p == NULL; i++) {
        if (warm.buffers[i].p == NULL || warm.buffers[i].cap < n || warm.buffers[i].cap / 4 > n)
            continue;
        p = warm.buffers[i].p;
        *cap = warm.buffers[i].cap;
        warm.buffers[i].p = NULL;
        warm.bytes -= *cap;
    }
    pthread_mutex_unlock(&warm.lock);
    if (p == NULL) {
        *cap = n;
        p = malloc(n);
    }
    return p;
}

/* Under its true size, whatever it served as: a large buffer that went by the sizes of its users would shrink in the
 * books, and be kept in place of a small one. Small ones are malloc's business. */
static void warm_give(uint8_t *p)
{
    size_t cap = malloc_usable_size(p);
    pthread_mutex_lock(&warm.lock);
    for (int i = 0; i < WARM_BUFFERS && p != NULL && cap >= WARM_LEAST && warm.bytes + cap <= WARM_BYTES; i++) {
        if (warm.buffers[i].p != NULL)
            continue;
        warm.buffers[i].p = p;
        warm.buffers[i].cap = cap;
        warm.bytes += cap;
        p = NULL;
    }
    pthread_mutex_unlock(&warm.lock);
    free(p);
}

void request_free_body(struct request *rq)
{
    if (rq->body != NULL)
        warm_give(rq->body);
    rq->body = NULL;
    rq->body_n = rq->body_cap = 0;
}

/* The stream has ended as it should, and not because the connection did. */
static bool ended(const struct request *rq)
{
    return FCGX_HasSeenEOF(rq->fx.in) == EOF && FCGX_GetError(rq->fx.in) == 0;
}

/* Up to n bytes after body_n. Each chunk moves the deadlines by what it is worth. */
static size_t read_some(struct request *rq, size_t n, int64_t until_ms)
{
    size_t before = rq->body_n;
    while (rq->body_n - before < n && FCGX_HasSeenEOF(rq->fx.in) == 0) {
        size_t left = n - (rq->body_n - before);
        dispatch_read_deadline(rq->gw->dispatch, rq->conn, until_ms + (int64_t)(rq->body_n / RATE));
        int got = FCGX_GetStr((char *)rq->body + rq->body_n, (int)(left < CHUNK ? left : CHUNK), rq->fx.in);
        if (got <= 0)
            break;
        rq->body_n += (size_t)got;
        pool_read_some(&rq->ticket, rq->body_n);
    }
    return rq->body_n - before;
}

static bool too_large(struct request *rq, struct reply *a)
{
    reply_problem(a, 413, "body_too_large", "the body is larger than %lld bytes", (long long)rq->gw->cfg->max_body);
    return false;
}

/* Goes on in a buffer of at least so many bytes. */
static bool move_to(struct request *rq, size_t n, struct reply *a)
{
    size_t cap = 0;
    if (rq->body != NULL && n <= rq->body_cap)
        return true;
    uint8_t *p = warm_take(n > 0 ? n : 1, &cap);
    if (p == NULL) {
        reply_busy(a, 1, "out of memory");
        return false;
    }
    if (rq->body_n > 0)
        memcpy(p, rq->body, rq->body_n);
    if (rq->body != NULL)
        warm_give(rq->body);
    rq->body = p;
    rq->body_cap = n; /* though the buffer may be larger */
    return true;
}

/* From now on the ticket covers n bytes of it. */
static bool cover(struct request *rq, size_t n, struct reply *a)
{
    if (n <= rq->ticket.bytes || pool_grow(&rq->ticket, n - rq->ticket.bytes))
        return true;
    stats_add(STATS_REJECTED, 1, "memory", NULL);
    reply_busy(a, 1, "the memory for bodies is used up");
    return false;
}

/* Doubles the buffer, up to the limit, within the memory budget. */
static bool grow(struct request *rq, struct reply *a)
{
    size_t max = (size_t)rq->gw->cfg->max_body;
    if (rq->body_cap >= max)
        return too_large(rq, a);
    size_t want = rq->body_cap < CHUNK ? CHUNK : rq->body_cap * 2;
    want = want < max ? want : max;
    return cover(rq, want, a) && move_to(rq, want, a);
}

static bool read_known(struct request *rq, int64_t until_ms, struct reply *a)
{
    size_t n = (size_t)rq->content_length;
    if (!cover(rq, n, a) || !move_to(rq, n, a))
        return false;
    read_some(rq, n - rq->body_n, until_ms);
    return true;
}

static bool read_unknown(struct request *rq, int64_t until_ms, struct reply *a)
{
    size_t max = (size_t)rq->gw->cfg->max_body, got = 1;
    while (got > 0 && rq->body_n < max && FCGX_HasSeenEOF(rq->fx.in) == 0) {
        if (rq->body_n == rq->body_cap && !grow(rq, a))
            return false;
        got = read_some(rq, rq->body_cap - rq->body_n, until_ms);
    }
    return true;
}

/* The byte after the last must not exist. */
static bool surplus(struct request *rq)
{
    return FCGX_HasSeenEOF(rq->fx.in) == 0 && FCGX_GetChar(rq->fx.in) != EOF;
}

static bool judge(struct request *rq, bool more, struct reply *a)
{
    rq->body_done = !more && ended(rq);
    if (more && rq->content_length < 0)
        return too_large(rq, a);
    if (more)
        reply_problem(a, 400, "body_long", "the body is longer than its Content-Length of %lld bytes",
                      (long long)rq->content_length);
    else if (rq->conn->expired)
        reply_problem(a, 408, "body_timeout", "the body came too slowly: %zu bytes in time", rq->body_n);
    else if (!rq->body_done || (rq->content_length >= 0 && rq->body_n != (size_t)rq->content_length))
        reply_problem(a, 400, "body_short", "the body ended after %zu bytes", rq->body_n);
    else if (rq->body_n == 0)
        reply_problem(a, 400, "body_empty", "the body is empty: send the image in it");
    else
        return true;
    return false;
}

static int64_t until(const struct request *rq)
{
    return clock_ms() + rq->gw->cfg->body_timeout_ms;
}

/* No more than a body may have: beyond it request_read_body answers 413, which an admission that fails would hide. */
bool request_admit_body(struct request *rq, struct reply *a)
{
    int64_t max = rq->gw->cfg->max_body, all = rq->content_length >= 0 ? rq->content_length : HEAD;
    size_t bytes = (size_t)(all < max ? all : max);
    if (!request_admit(rq, LANE_UPLOAD, bytes, a))
        return false;
    if (bytes > HEAD)
        pool_shrink(&rq->ticket, bytes - HEAD);
    return true;
}

/* The two parts of the reading. */

static bool read_head(struct request *rq, struct reply *a)
{
    int64_t most = rq->content_length >= 0 ? rq->content_length : rq->gw->cfg->max_body;
    size_t n = most < HEAD ? (size_t)most : HEAD;
    if (!move_to(rq, n, a))
        return false;
    read_some(rq, n, until(rq));
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
    return true;
}

static bool read_rest(struct request *rq, struct reply *a)
{
    bool read = rq->content_length >= 0 ? read_known(rq, until(rq), a) : read_unknown(rq, until(rq), a);
    bool more = read && surplus(rq);
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0); /* before anybody looks at whether it has passed */
    return read && judge(rq, more, a);
}

static bool read_part(struct request *rq, bool (*read)(struct request *rq, struct reply *a), struct reply *a)
{
    int64_t from_us = clock_us();
    pool_read_begin(&rq->ticket);
    bool ok = read(rq, a);
    pool_read_end(&rq->ticket);
    int64_t took_us = clock_us() - from_us;
    rq->log.read_ms += (double)took_us / 1000;
    rq->deadline_ms += took_us / 1000;
    return ok;
}

/* Whether the rest of STDIN lies in the socket, but for what libfcgi has read ahead: to read it costs no wait. */
static bool input_is_here(const struct request *rq)
{
    int waiting = 0;
    if (rq->content_length <= READ_AHEAD)
        return true; /* or nearly so: a server sends a small or empty body together with the header */
    return rq->content_length <= UNREAD_MAX && ioctl(rq->conn->fd, FIONREAD, &waiting) == 0 &&
           waiting + READ_AHEAD >= rq->content_length;
}

static bool take_turn(struct request *rq, struct reply *a)
{
    struct ic_error e = { 0 };
    int retry_after_s = 1;
    bool ok = pool_take_turn(&rq->ticket, rq->conn->fd, rq->deadline_ms, &retry_after_s, &e) == IC_OK;
    rq->log.queue_ms = rq->ticket.waited_ms;
    if (!ok)
        reply_error(a, &e, retry_after_s);
    return ok;
}

/* All that comes before the whole of a body is read. A small one that is here needs none of it: it costs nobody
 * anything, and what is wrong with it will be seen at once. Nor does one that has ended already. */
static bool prepare(struct request *rq, request_look *look, void *ctx, struct reply *a)
{
    if (rq->content_length >= 0 && input_is_here(rq))
        return true;
    if (!read_part(rq, read_head, a) || (look && !look(rq, ctx, a)))
        return false;
    return FCGX_HasSeenEOF(rq->fx.in) != 0 || take_turn(rq, a);
}

bool request_read_body(struct request *rq, request_look *look, void *ctx, struct reply *a)
{
    if (rq->content_length > rq->gw->cfg->max_body)
        return too_large(rq, a);
    if (!dispatch_share_take(rq->gw->dispatch, SHARE_BODIES)) {
        stats_add(STATS_REJECTED, 1, "threads", NULL);
        reply_busy(a, 1, "too many uploads at once");
        return false;
    }
    bool ok = prepare(rq, look, ctx, a) && read_part(rq, read_rest, a);
    dispatch_share_give(rq->gw->dispatch, SHARE_BODIES);
    rq->log.bytes_in = rq->body_n;
    if (!ok)
        request_free_body(rq);
    return ok;
}

/* Bodies in pieces. */

bool request_stream_begin(struct request *rq, struct reply *a)
{
    if (!dispatch_share_take(rq->gw->dispatch, SHARE_BODIES)) {
        reply_busy(a, 1, "too many uploads at once");
        return false;
    }
    rq->body_until_ms = clock_ms() + rq->gw->cfg->body_timeout_ms;
    return true;
}

/* What libfcgi holds already, after a wait for its first byte: FCGX_GetStr alone would wait for all n. */
size_t request_stream_read(struct request *rq, uint8_t *to, size_t n)
{
    int64_t from_us = clock_us();
    dispatch_read_deadline(rq->gw->dispatch, rq->conn, rq->body_until_ms + (int64_t)(rq->body_n / STREAM_RATE));
    int first = FCGX_GetChar(rq->fx.in);
    if (first == EOF)
        return 0;
    to[0] = (uint8_t)first;
    size_t here = (size_t)(rq->fx.in->stop - rq->fx.in->rdNext), rest = here < n - 1 ? here : n - 1;
    int got = rest > 0 ? FCGX_GetStr((char *)to + 1, (int)rest, rq->fx.in) : 0;
    rq->body_n += 1 + (size_t)(got > 0 ? got : 0);
    rq->log.read_ms += (double)(clock_us() - from_us) / 1000;
    return 1 + (size_t)(got > 0 ? got : 0);
}

void request_stream_paused(struct request *rq, int64_t ms)
{
    rq->body_until_ms += ms;
}

bool request_stream_end(struct request *rq, struct reply *a)
{
    bool more = a && surplus(rq);
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
    dispatch_share_give(rq->gw->dispatch, SHARE_BODIES);
    rq->log.bytes_in = rq->body_n;
    return a && judge(rq, more, a);
}

static void discard(struct request *rq)
{
    char sink[READ_AHEAD];
    for (int64_t left = rq->gw->cfg->shared ? INT64_MAX : rq->content_length;
         left > 0 && FCGX_HasSeenEOF(rq->fx.in) == 0;) {
        int got = FCGX_GetStr(sink, (int)(left < READ_AHEAD ? left : READ_AHEAD), rq->fx.in);
        if (got <= 0)
            return;
        left -= got;
    }
}

bool request_read_small(struct request *rq)
{
    if (rq->content_length < 1 || FCGX_GetError(rq->fx.in) != 0 || !input_is_here(rq))
        return false;
    size_t n = (size_t)rq->content_length;
    rq->body = warm_take(n, &rq->body_cap);
    if (rq->body == NULL)
        return false;
    read_some(rq, n, clock_ms() + END_INPUT_MS);
    rq->body_done = !surplus(rq) && ended(rq) && rq->body_n == n;
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
    rq->log.bytes_in = rq->body_n;
    return rq->body_done;
}

/* A body that nobody asked for and that is here anyway is read, so that the connection can be kept: closing one that
 * the server might use for its next request at this very moment would lose that request. mod_fcgid has all of every
 * body, and reads no answer before it has written the last byte. */
void request_end_input(struct request *rq)
{
    bool all = rq->gw->cfg->shared, begun = rq->log.bytes_in > 0 && rq->content_length > 0;
    if (rq->body_done || FCGX_GetError(rq->fx.in) != 0 || (!all && (begun || !input_is_here(rq))))
        return;
    int64_t ms = all ? rq->gw->cfg->body_timeout_ms : END_INPUT_MS;
    dispatch_read_deadline(rq->gw->dispatch, rq->conn, clock_ms() + ms);
    discard(rq);
    rq->body_done = !surplus(rq) && ended(rq);
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
}
