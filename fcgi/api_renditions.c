/* POST /api/images/renditions: one image in the body, all outputs in the answer, from one decode.
 *
 * The results are collected before the first byte goes out: they come from one decode and so nearly together, and a
 * slow client must not hold a worker. What fails for all of them is an answer of its own, with its status; what fails
 * for one is told in its place. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "api_store.h"
#include "async.h"
#include "framing.h"
#include "image_reply.h"
#include "renditions.h"
#include "route.h"
#include "stream.h"
#include "upload.h"

#define QUERY_MAX 8192

/* The results of one upload, in memory. */
struct made {
    struct renditions *s;
    struct pool_ticket *ticket;
    size_t used;
    uint8_t *p[JOB_OUTPUTS]; /* owned */
};

static bool room_for(struct made *m, size_t n)
{
    size_t beyond = m->used + n > m->s->reserve ? m->used + n - m->s->reserve : 0;
    if (beyond > 0 && !pool_grow(m->ticket, beyond))
        return false;
    m->used += n;
    m->s->reserve += beyond;
    return true;
}

static bool keep(void *ctx, int output, const uint8_t *data)
{
    struct made *m = ctx;
    size_t n = m->s->out[output].n;
    m->p[output] = room_for(m, n) ? malloc(n + 1) : NULL;
    if (!m->p[output])
        return false;
    memcpy(m->p[output], data, n);
    return true;
}

static bool write_stream(void *ctx, const void *p, size_t n)
{
    return stream_write(ctx, p, n);
}

static bool send_one(struct framing *f, const struct upload *u, const struct made *m, int k)
{
    const struct rendition *r = &m->s->out[k];
    unsigned char sha256[FRAMING_SHA256];
    struct framing_item i = { .name = u->name, .output = u->order.outputs[k].name, .status = 200, .fd = -1 };
    rendition_item(r, &i);
    if (r->code == IC_OK) {
        crypto_hash_sha256(sha256, m->p[k], r->n);
        i.p = m->p[k];
        i.sha256 = sha256;
    }
    return framing_item(f, &i);
}

static void send_all(struct upload *u, const struct made *m, struct request *rq, struct reply *a)
{
    struct stream st;
    struct framing f;
    char type[FRAMING_TYPE];
    if (!framing_init(&f, framing_choose(request_param(rq, "HTTP_ACCEPT")), write_stream, &st)) {
        reply_busy(a, 1, "out of memory");
        framing_free(&f);
        return;
    }
    f.named = u->order.named;
    reply_body(a, 200, framing_type(&f, type), NULL, 0);
    if (stream_begin(&st, rq, a)) {
        stream_vacate(&st);
        bool ok = framing_begin(&f);
        for (int k = 0; k < m->s->n && ok; k++)
            ok = send_one(&f, u, m, k) && stream_flush(&st);
        if (ok && framing_end(&f))
            stream_end(&st);
        else
            stream_abort(&st);
    }
    a->type = NULL; /* it was on this stack */
    framing_free(&f);
}

static void log_run(struct request *rq, const struct renditions *s)
{
    struct request_log *l = &rq->log;
    l->queue_ms = s->job.queue_ms;
    l->worker = s->job.worker;
    l->decode_ms = s->decode_ms;
    l->transform_ms = s->transform_ms;
    l->encode_ms = s->encode_ms;
    l->in = s->info.format;
    l->source_width = s->info.width;
    l->source_height = s->info.height;
}

static bool find_marks(struct upload *u, struct renditions *s, struct request *rq, struct reply *a)
{
    struct query_error qe = { .option = "" };
    struct ic_error e = { 0 };
    s->marks = &u->marks;
    if (!marks_find_all(&u->marks, rq->gw->cfg, &u->order, &qe))
        image_reply_option(a, &qe);
    else if (marks_load(&u->marks, &rq->ticket, &e) != IC_OK)
        reply_error(a, &e, 1);
    else
        return true;
    return false;
}

bool api_renditions_run(struct upload *u, struct renditions *s, struct request *rq, bool in_memory, struct reply *a)
{
    struct pool_input in = { .p = u->file.p, .fd = -1, .n = u->file.n };
    struct ic_error e = { 0 };
    if (!find_marks(u, s, rq, a)) /* before the plan, which takes the recipes over */
        return false;
    if (image_reply_probe_bytes(u->file, &s->info, &e) != IC_OK ||
        !renditions_plan(s, &u->order, rq->gw->cfg, request_param(rq, "HTTP_ACCEPT"), &e)) {
        reply_error(a, &e, 0);
        return false;
    }
    if (in_memory && !pool_grow(&rq->ticket, s->reserve)) {
        reply_busy(a, 1, "no memory for the results at the moment");
        return false;
    }
    s->job.what = rq->log.route;
    s->job.deadline_ms = rq->deadline_ms;
    s->job.client = rq->conn->fd;
    if (!pool_price(&rq->ticket, &s->job.forecast, rq->deadline_ms, &s->job.retry_after_s, &e)) {
        reply_error(a, &e, s->job.retry_after_s);
        return false;
    }
    enum ic_code rc = renditions_run(s, &rq->ticket, in, &e);
    log_run(rq, s);
    if (rc != IC_OK)
        reply_error(a, &e, s->job.retry_after_s);
    return rc == IC_OK;
}

static bool make(struct upload *u, struct made *m, struct request *rq, struct reply *a)
{
    m->s->keep = keep;
    m->s->ctx = m;
    return api_renditions_run(u, m->s, rq, true, a);
}

static bool finish_order(struct upload *u, struct request *rq, struct reply *a)
{
    struct query_error e = { .option = "" };
    if (order_finish(&u->order, rq->gw->cfg, ORDER_SET, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

/* In the background: what is no image at all is still told at once. */
static void answer_later(struct upload *u, struct request *rq, struct reply *a)
{
    struct job_draft d = { .dir = -1, .lease = -1 };
    struct query_error qe = { .option = "" };
    struct ic_error e = { 0 };
    struct ic_info info;
    bool exists;
    order_note(&u->order, "accept", request_param(rq, "HTTP_ACCEPT"), strlen(request_param(rq, "HTTP_ACCEPT")));
    if (image_reply_probe_bytes(u->file, &info, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return;
    }
    if (!marks_find_all(&u->marks, rq->gw->cfg, &u->order, &qe)) {
        image_reply_option(a, &qe);
        return;
    }
    if (!async_begin(&d, rq, &exists, a))
        return;
    int fd = exists ? -1 : job_draft_file(&d, u->name);
    if (exists || (async_marks(&d, &u->marks, a) && async_write(&d, fd, u->file.p, u->file.n, a)))
        async_finish(&d, &u->order, exists, a);
    if (fd >= 0)
        close(fd);
    job_draft_free(&d);
}

static void answer_now(struct upload *u, struct request *rq, struct reply *a)
{
    struct made m = { .s = renditions_create(), .ticket = &rq->ticket };
    if (!m.s)
        reply_busy(a, 1, "out of memory");
    else if (make(u, &m, rq, a)) {
        reply_header(a, "Cache-Control", "no-store");
        send_all(u, &m, rq, a);
    }
    for (int k = 0; k < JOB_OUTPUTS; k++)
        free(m.p[k]);
    renditions_free(m.s);
}

void api_renditions(struct request *rq, struct reply *a)
{
    struct upload u;
    char query[QUERY_MAX];
    bool store;
    rq->log.route = "renditions";
    if (!route_method(rq, "POST", a) || !access_token(rq, a) || !api_store_wanted(rq, query, sizeof query, &store, a))
        return;
    bool later = !store && async_wanted(rq), ok = upload_begin(&u, rq, query, later, a) && upload_read(&u, rq, a);
    if (ok && finish_order(&u, rq, a))
        (store ? api_store : later ? answer_later : answer_now)(&u, rq, a);
    upload_free(&u);
}
