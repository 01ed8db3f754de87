/* An answer on its way out, as far as its reader takes it.
 *
 * The socket is never waited for while bytes are sent: what it does not take stays here, so that any thread can go on
 * with it. An accept thread waits for a moment, which is all that a web server needs; then the answer is a slow
 * reader's, and moves to leftovers.c. Each batch has write_timeout_ms: a client that takes it in that time may take as
 * long as it likes for the whole. */
#include "serving.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define PATIENCE_MS 200
#define PIECE       ((size_t)2 * RECORD_CHUNK) /* of a file, in memory at one time */

/* What goes out next, and with it the answer's end unless more of its file follows. */
static void give(struct serving *s, struct iovec head, struct iovec body)
{
    struct request *rq = &s->rq;
    record_reply_init(&s->out, (uint16_t)rq->fx.requestId, head, body);
    s->out.open = s->left > 0;
    s->out.farewell = request_parts(rq);
    s->given += head.iov_len + body.iov_len;
}

/* A file that has become shorter ends the connection: the client shall not take the piece for the whole. */
static bool give_piece(struct serving *s, struct iovec head)
{
    size_t n = s->left < PIECE ? s->left : PIECE;
    if (pread(s->a.file, s->piece, n, s->at) != (ssize_t)n)
        return false;
    s->left -= n;
    s->at += (int64_t)n;
    give(s, head, (struct iovec){ s->piece, n });
    return true;
}

static bool render(struct serving *s)
{
    struct reply *a = &s->a;
    struct iovec head = { s->head, reply_render(a, s->rq.id, s->head) };
    if (!a->from_file || s->rq.head) {
        give(s, head, (struct iovec){ a->body, s->rq.head ? 0 : a->body_n });
        return true;
    }
    s->left = a->body_n;
    s->at = a->file_at;
    s->piece = malloc(PIECE);
    return s->piece && give_piece(s, head);
}

enum sent serving_send(struct serving *s)
{
    struct request *rq = &s->rq;
    int n;
    do {
        if (!record_push(rq->conn->fd, &s->rest))
            return errno == EAGAIN ? SENT_PART : SENT_FAILED;
        rq->log.bytes_out = s->given - s->out.left[0] - s->out.left[1];
        n = record_reply_next(&s->out, s->iov);
        if (n == 0 && s->left > 0) {
            if (!give_piece(s, (struct iovec){ NULL, 0 }))
                return SENT_FAILED;
            n = record_reply_next(&s->out, s->iov);
        }
        s->rest = (struct msghdr){ .msg_iov = s->iov, .msg_iovlen = (size_t)n };
        dispatch_deadline(rq->gw->dispatch, rq->conn, n > 0 ? clock_ms() + rq->gw->cfg->write_timeout_ms : 0);
    } while (n > 0);
    return SENT_ALL;
}

/* Whether somebody else can wait for its reader. A piece of a file counts from then on, as a result does from the
 * beginning. */
static bool may_leave(struct serving *s)
{
    struct request *rq = &s->rq;
    if (!rq->gw->leftovers)
        return false;
    if (!s->piece)
        return true;
    return rq->ticket.pool ? pool_grow(&rq->ticket, PIECE) : pool_hold(rq->gw->pool, PIECE, &rq->ticket);
}

/* Where too many threads wait already and there is no memory for it either, a slow reader has to go. */
enum sent serving_begin(struct serving *s)
{
    const struct request *rq = &s->rq;
    bool may_block = rq->write_share || !rq->gw->leftovers;
    int64_t until = clock_ms() + (may_block ? PATIENCE_MS : 0);
    enum sent sent = render(s) ? SENT_PART : SENT_FAILED;
    while (sent == SENT_PART && (sent = serving_send(s)) == SENT_PART) {
        struct pollfd f = { .fd = rq->conn->fd, .events = POLLOUT };
        int64_t left = until - clock_ms();
        if (left <= 0 && may_leave(s))
            break;
        if (!may_block)
            return SENT_FAILED;
        poll(&f, 1, left > 0 ? (int)left : PATIENCE_MS);
    }
    return sent;
}
