/* Streams: the writing half of request.c for answers whose end is not known at their beginning. Called by handlers. */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "clock.h"
#include "record.h"

#define ROOM 65528 /* the content of one full record */

/* Each batch has write_timeout_ms, as in request.c. */
static bool send_part(struct request *rq, const void *p, size_t n, bool last)
{
    struct iovec iov[RECORD_IOV];
    struct record_reply out;
    int64_t from_us = clock_us();
    bool ok = !rq->stream_failed;
    int k;
    record_reply_init(&out, (uint16_t)rq->fx.requestId, (struct iovec){ (void *)p, n }, (struct iovec){ NULL, 0 });
    out.open = !last;
    out.farewell = request_parts(rq);
    while (ok && (k = record_reply_next(&out, iov)) > 0) {
        dispatch_deadline(rq->gw->dispatch, rq->conn, clock_ms() + rq->gw->cfg->write_timeout_ms);
        ok = record_send(rq->conn->fd, iov, k);
    }
    dispatch_deadline(rq->gw->dispatch, rq->conn, 0);
    rq->log.write_ms += (double)(clock_us() - from_us) / 1000;
    rq->log.bytes_out += ok ? n : 0;
    rq->stream_failed = !ok;
    return ok;
}

bool stream_begin(struct stream *s, struct request *rq, struct reply *head)
{
    char block[REPLY_HEAD];
    *s = (struct stream){ .rq = rq, .buf = malloc(ROOM) };
    if (!s->buf) {
        reply_busy(head, 1, "out of memory");
        return false;
    }
    head->no_length = true;
    access_cors(rq, head);
    reply_header(head, "X-Accel-Buffering", "no");
    size_t n = reply_render(head, rq->id, block);
    rq->streamed = true;
    send_part(rq, block, n, false);
    return true;
}

bool stream_flush(struct stream *s)
{
    bool ok = s->n == 0 ? !s->rq->stream_failed : send_part(s->rq, s->buf, s->n, false);
    s->n = 0;
    return ok;
}

bool stream_write(struct stream *s, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t k = n - at < ROOM - s->n ? n - at : ROOM - s->n;
        memcpy(s->buf + s->n, (const uint8_t *)p + at, k);
        s->n += k;
        at += k;
        if (s->n == ROOM && !stream_flush(s))
            return false;
    }
    return !s->rq->stream_failed;
}

void stream_vacate(struct stream *s)
{
    if (s->vacated || !dispatch_share_take(s->rq->gw->dispatch, SHARE_ANSWERS))
        return;
    s->vacated = true;
    pool_vacate(&s->rq->ticket);
}

static void release(struct stream *s)
{
    if (s->vacated)
        dispatch_share_give(s->rq->gw->dispatch, SHARE_ANSWERS);
    free(s->buf);
    *s = (struct stream){ .rq = s->rq };
}

bool stream_end(struct stream *s)
{
    bool ok = stream_flush(s) && send_part(s->rq, NULL, 0, true);
    release(s);
    return ok;
}

void stream_abort(struct stream *s)
{
    s->rq->stream_failed = true;
    release(s);
}
