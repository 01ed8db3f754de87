/* The life of a request, in an accept thread.
 *
 * libfcgi parses the records and hands out STDIN; the answer goes out through record.c, and libfcgi's own output
 * streams are thrown away unused. libfcgi works on a duplicate of the descriptor: where it gives up it closes what it
 * holds, and the number that the dispatcher may still shut down has to stay ours.
 *
 * A connection is kept only if STDIN was read to its end and nothing else was read with it: bytes of a body that are
 * left on a kept connection would be taken for records, and a client could write them. */
#include <fastcgi.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access.h"
#include "clock.h"
#include "log.h"
#include "route.h"
#include "serving.h"

#define SENT_AT_ONCE 65536 /* bytes that a socket's buffer takes */

const char *request_param(const struct request *rq, const char *name)
{
    const char *value = FCGX_GetParam(name, rq->fx.envp);
    return value != NULL ? value : "";
}

static bool id_valid(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n >= 1 && n <= 64 && s[n] == '\0';
}

static void set_id(struct request *rq)
{
    const char *given = request_param(rq, "HTTP_X_REQUEST_ID");
    uint64_t made = 0;
    if (id_valid(given)) {
        snprintf(rq->id, sizeof rq->id, "%s", given);
        return;
    }
    if (getrandom(&made, sizeof made, GRND_NONBLOCK) != (ssize_t)sizeof made)
        made = (uint64_t)clock_us() * 2654435761u;
    snprintf(rq->id, sizeof rq->id, "%016llx", (unsigned long long)made);
}

/* Absent, empty and -1 (Caddy, chunked) mean unknown. false: not a length. */
static bool parse_length(const char *s, int64_t *out)
{
    if (*s == '\0' || strcmp(s, "-1") == 0) {
        *out = -1;
        return true;
    }
    size_t n = strspn(s, "0123456789");
    if (s[n] != '\0' || n > 18)
        return false;
    *out = strtoll(s, NULL, 10);
    return true;
}

static bool set_target(struct request *rq)
{
    const char *uri = request_param(rq, "REQUEST_URI");
    rq->method = request_param(rq, "REQUEST_METHOD");
    rq->head = strcmp(rq->method, "HEAD") == 0;
    rq->query = request_param(rq, "QUERY_STRING");
    rq->uri = strndup(uri, strcspn(uri, "?#"));
    return rq->uri != NULL;
}

/* X-Request-Deadline-Ms: less time than the configuration gives, for a client that will not wait that long. More is
 * not to be had. */
static bool set_deadline(struct request *rq)
{
    int64_t ms;
    const char *given = request_param(rq, "HTTP_X_REQUEST_DEADLINE_MS");
    if (*given == '\0')
        return true;
    if (!parse_length(given, &ms) || ms < 1)
        return false;
    if (ms < rq->gw->cfg->deadline_ms)
        rq->deadline_ms = rq->start_ms + ms;
    return true;
}

/* false: a says what is wrong with it. */
static bool understand(struct request *rq, struct reply *a)
{
    set_id(rq);
    if (!set_target(rq)) {
        rq->uri = strdup("");
        reply_busy(a, 1, "out of memory");
        return false;
    }
    if (!parse_length(request_param(rq, "CONTENT_LENGTH"), &rq->content_length)) {
        rq->content_length = INT64_MAX; /* whatever follows is not ours to judge */
        reply_problem(a, 400, "length_malformed", "CONTENT_LENGTH is not a number");
        return false;
    }
    if (!set_deadline(rq)) {
        reply_problem(a, 400, "deadline_malformed", "X-Request-Deadline-Ms is a number of milliseconds from 1 on");
        return false;
    }
    return true;
}

static bool is_nginx(const struct request *rq)
{
    return strncmp(request_param(rq, "SERVER_SOFTWARE"), "nginx/", 6) == 0;
}

/* After a body that was not read others are better told by the end of the stream: Apache would take the record for a
 * sign of life, and send its next request after it. */
bool request_parts(const struct request *rq)
{
    bool parts = dispatch_draining(rq->gw->dispatch) || (!rq->body_done && is_nginx(rq));
    return rq->fx.keepConnection && parts;
}

bool request_admit(struct request *rq, enum pool_lane lane, size_t bytes, struct reply *a)
{
    struct ic_error e = { 0 };
    int retry_after_s = 1;
    if (pool_admit(rq->gw->pool, lane, bytes, &rq->ticket, &retry_after_s, &e))
        return true;
    reply_error(a, &e, retry_after_s);
    return false;
}

static void add_server_timing(const struct request *rq, struct reply *a)
{
    const struct request_log *g = &rq->log;
    if (a->code == NULL && a->type != NULL && strncmp(a->type, "image/", 6) == 0)
        reply_header(a, "Server-Timing",
                     "queue;dur=%.1f, read;dur=%.1f, decode;dur=%.1f, transform;dur=%.1f, encode;dur=%.1f", g->queue_ms,
                     g->read_ms, g->decode_ms, g->transform_ms, g->encode_ms);
}

bool request_hold(struct request *rq, size_t n, struct reply *a)
{
    if (n <= SENT_AT_ONCE || rq->head ||
        rq->gw->cfg->shared) /* one request a process: nobody else waits for the thread */
        return true;
    rq->write_share = dispatch_share_take(rq->gw->dispatch, SHARE_ANSWERS);
    if (rq->write_share || rq->gw->leftovers)
        return true;
    if (!request_admit(rq, LANE_INTERACTIVE, 0, a))
        return false;
    pool_waive(&rq->ticket);
    return true;
}

/* Whoever has an answer may ask again at once, and must not meet the place that this request still holds; nor should a
 * slow reader hold it. A large answer may block its thread, though, for a moment, or for long where there are no
 * leftovers; and those who block outside of the queue need threads beside the queue's. Where their share is taken, the
 * answer is left to leftovers.c at once, or else the place is kept. */
static void leave_early(struct request *rq, const struct reply *a)
{
    if (a->body_n <= SENT_AT_ONCE) {
        request_free_body(rq);
        pool_leave(&rq->ticket);
        return;
    }
    if (!rq->write_share)
        rq->write_share = dispatch_share_take(rq->gw->dispatch, SHARE_ANSWERS);
    if (rq->write_share || rq->gw->leftovers)
        pool_vacate(&rq->ticket);
}

static enum sent answer(struct serving *s)
{
    struct request *rq = &s->rq;
    struct reply *a = &s->a;
    s->from_us = clock_us();
    if (rq->streamed)
        return rq->stream_failed ? SENT_FAILED : SENT_ALL;
    if (a->status == 0)
        reply_problem(a, 500, "internal", "no handler answered");
    if (a->status == 499)
        return SENT_FAILED;
    add_server_timing(rq, a);
    leave_early(rq, a);
    return serving_begin(s);
}

/* Whether libfcgi has read nothing beyond the end of STDIN. Its buffer is private, but a reader that is restarted
 * without a socket to read from consumes what is left there, and moves rdNext only if there is something. */
static bool at_boundary(struct request *rq)
{
    const unsigned char *before = rq->fx.in->rdNext;
    rq->fx.role = FCGI_FILTER;
    rq->fx.ipcFd = -1;
    if (FCGX_StartFilterData(rq->fx.in) != 0)
        return false;
    FCGX_GetChar(rq->fx.in);
    return rq->fx.in->rdNext == before;
}

/* A connection that is not kept says so at once: FastCGI has no word for it, and until the peer sees the end of the
 * stream it may choose this connection for its next request, whose loss it would report as our failure.
 *
 * Not so in a drain: if it began after the answer did, which therefore said no farewell, that request may be on its way
 * already. The dispatcher looks whether it is. */
static enum request_end finish(struct request *rq, bool sent)
{
    bool keep = sent && rq->body_done && rq->fx.keepConnection;
    if (keep && at_boundary(rq))
        return REQUEST_KEEP;
    shutdown(rq->conn->fd, SHUT_WR);
    return sent && !rq->body_done ? REQUEST_LINGER : REQUEST_CLOSE;
}

static void give_share_back(struct request *rq)
{
    if (rq->write_share)
        dispatch_share_give(rq->gw->dispatch, SHARE_ANSWERS);
    rq->write_share = false;
}

static void release(struct serving *s)
{
    struct request *rq = &s->rq;
    free(s->piece);
    reply_free(&s->a);
    FCGX_Free(&rq->fx, 0);
    if (s->copy >= 0)
        close(s->copy);
    request_free_body(rq);
    give_share_back(rq);
    pool_leave(&rq->ticket);
    free((char *)rq->uri);
    free(s);
}

enum request_end serving_end(struct serving *s, bool sent)
{
    if (!s->rq.streamed)
        s->rq.log.write_ms = (double)(clock_us() - s->from_us) / 1000;
    enum request_end end = finish(&s->rq, sent);
    access_log(&s->rq, &s->a);
    account_request(&s->rq, &s->a);
    release(s);
    return end;
}

/* The rest of its answer needs neither a thread nor a place nor a copy of the socket, only the memory or the file in
 * which it lies. */
static enum request_end leave_rest(struct serving *s)
{
    close(s->copy); /* libfcgi has read what it will */
    s->copy = -1;
    request_free_body(&s->rq);
    give_share_back(&s->rq);
    pool_vacate(&s->rq.ticket);
    leftovers_take(s->rq.gw->leftovers, s);
    return REQUEST_LATER;
}

void request_settle(struct gateway *g, struct conn *c, enum request_end end)
{
    if (end == REQUEST_KEEP)
        dispatch_keep(g->dispatch, c);
    else if (end == REQUEST_LINGER)
        dispatch_linger(g->dispatch, c);
    else if (end == REQUEST_CLOSE)
        dispatch_close(g->dispatch, c);
}

/* Lets libfcgi read the header. The bytes are all there, so that it does not wait; but it may not agree about them. */
static bool open_request(struct request *rq, int *copy)
{
    *copy = fcntl(rq->conn->fd, F_DUPFD_CLOEXEC, 3);
    if (*copy < 0)
        return false;
    FCGX_InitRequest(&rq->fx, -1, 0);
    rq->fx.ipcFd = *copy;
    rq->fx.keepConnection = 1; /* or FCGX_Accept_r begins by closing it; then BEGIN_REQUEST's flag is stored here */
    dispatch_deadline(rq->gw->dispatch, rq->conn, clock_ms() + rq->gw->cfg->header_timeout_ms);
    int rc = FCGX_Accept_r(&rq->fx); /* on failure it has closed the copy */
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
    return rc == 0;
}

enum request_end request_serve(struct gateway *g, struct conn *c)
{
    struct serving *s = calloc(1, sizeof *s);
    if (!s)
        return REQUEST_CLOSE;
    struct request *rq = &s->rq;
    *rq = (struct request){ .gw = g, .conn = c, .content_length = -1, .log.worker = -1 };
    rq->start_ms = c->begun_ms;
    rq->deadline_ms = rq->start_ms + g->cfg->deadline_ms;
    if (!open_request(rq, &s->copy)) {
        log_line(LOG_LV_WARN, "event=request_unreadable");
        free(s);
        return REQUEST_CLOSE;
    }
    if (understand(rq, &s->a) && !access_preflight(rq, &s->a)) {
        route_request(rq, &s->a);
        access_cors(rq, &s->a);
    }
    request_end_input(rq);
    if (c->expired) /* all of it came at the last moment, but nothing can come any more */
        rq->body_done = false;
    enum sent sent = answer(s);
    return sent == SENT_PART ? leave_rest(s) : serving_end(s, sent == SENT_ALL);
}
