/* POST /api/images/batch: many images in one form, one result for each of them and each output.
 *
 * The form is read as it arrives and its files are worked on at once, but no byte of the answer goes out before the
 * last byte of the body is in: a web server that has seen a response header stops forwarding the body, and both sides
 * would wait for ever. What concerns all files (options, outputs) must therefore come before the first of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "async.h"
#include "batch.h"
#include "clock.h"
#include "image_reply.h"
#include "multipart_reader.h"
#include "negotiate.h"
#include "order.h"
#include "route.h"
#include "stream.h"
#include "upload.h"

#define FIELD 65536 /* bytes of a field that is no file */
#define PIECE 65536 /* of a file on its way into the spool */

struct request_batch {
    struct request *rq;
    struct reply *a;
    struct order order;
    struct marks marks;
    uint8_t *watermark[IC_MARKS]; /* owned */
    struct multipart_reader form;
    struct batch *batch; /* NULL until the first file, and where it is for later */
    int files;
    bool later;  /* it becomes a background job */
    bool exists; /* which is there already */
    struct job_draft draft;
};

static bool refuse(struct request_batch *r, int status, const char *code, const char *text)
{
    reply_problem(r->a, status, code, "%s", text);
    return false;
}

static size_t read_more(void *ctx, uint8_t *to, size_t n)
{
    return request_stream_read(ctx, to, n);
}

/* Fields. */

/* The whole of a part that is no file (malloc'd); NULL: it is longer than max, there is no memory, or the body is
 * broken. */
static uint8_t *read_field(struct request_batch *r, size_t max, size_t *n)
{
    size_t room = 0;
    ssize_t got = 1;
    uint8_t *p = NULL;
    for (*n = 0; got > 0 && *n < max; *n += (size_t)got) {
        size_t want = room ? 2 * room : FIELD;
        /* The first piece is nobody's concern. */
        bool may = *n < room || room == 0 || pool_grow(&r->rq->ticket, want - room);
        uint8_t *more = *n < room ? p : may ? realloc(p, want) : NULL;
        if (!more)
            break;
        room = *n < room ? room : want;
        p = more;
        got = multipart_reader_data(&r->form, p + *n, room - *n);
        if (got < 0)
            break;
    }
    if (got == 0 && *n < max)
        return p;
    free(p);
    return NULL;
}

/* A watermark for all files. */
static bool take_watermark(struct request_batch *r, const char *name, uint8_t *p, size_t n)
{
    for (int i = 0; i < IC_MARKS; i++)
        if (!r->watermark[i]) {
            r->watermark[i] = p;
            return marks_upload(&r->marks, name, true, (struct ic_bytes){ p, n });
        }
    free(p);
    return false;
}

static bool take_field(struct request_batch *r, const struct multipart_part *part)
{
    const struct config *c = r->rq->gw->cfg;
    struct query_error e = { .option = "" };
    size_t n;
    if (r->files > 0)
        return refuse(r, 400, "operations_after_file",
                      "in a batch operations, options and watermark come before the first file, or in the query");
    bool file = part->has_filename || !strncmp(part->type, "image/", 6);
    bool watermark = file && !strncmp(part->name, "watermark", 9);
    char *value = (char *)read_field(r, watermark ? (size_t)c->max_body : FIELD, &n);
    if (!value)
        return refuse(r, 400, "multipart_malformed", "a field of the form is too long, or does not end");
    if (watermark && take_watermark(r, part->name, (uint8_t *)value, n))
        return true;
    if (watermark)
        return refuse(r, 400, "option_unknown", "watermarks are parts watermark, watermark.1 and watermark.2");
    bool ok = !strcmp(part->name, "operations") ? order_operations(&r->order, c, value, n, &e)
                                                : order_field(&r->order, c, part->name, value, n, &e);
    free(value);
    if (!ok)
        image_reply_option(r->a, &e);
    return ok;
}

/* Files. */

/* At the first file all is known that concerns each of them. */
static bool begin(struct request_batch *r)
{
    struct query_error e = { .option = "" };
    struct ic_error ie = { 0 };
    if (!order_finish(&r->order, r->rq->gw->cfg, ORDER_ANY, &e) ||
        !marks_find_all(&r->marks, r->rq->gw->cfg, &r->order, &e)) {
        image_reply_option(r->a, &e);
        return false;
    }
    if (r->later)
        return r->exists || async_marks(&r->draft, &r->marks, r->a);
    if (marks_load(&r->marks, &r->rq->ticket, &ie) != IC_OK) {
        reply_error(r->a, &ie, 1);
        return false;
    }
    r->batch = batch_create(r->rq->gw, &r->order, &r->marks, request_param(r->rq, "HTTP_ACCEPT"), r->rq->conn->fd);
    return r->batch || refuse(r, 507, "no_spool", "there is no room for the results of a batch at the moment");
}

/* The most that a file in this body may have. */
static size_t file_max(const struct request *rq)
{
    int64_t max = rq->gw->cfg->max_body, left = rq->content_length - (int64_t)rq->body_n;
    int64_t window = 65536; /* read ahead already */
    return (size_t)(rq->content_length >= 0 && left + window < max ? (left > 0 ? left : 0) + window : max);
}

static struct batch_file *reserve(struct request_batch *r, const struct multipart_part *part)
{
    const struct config *c = r->rq->gw->cfg;
    int64_t from_ms = clock_ms();
    struct batch_file *f = batch_reserve(r->batch, part->filename, file_max(r->rq), c->body_timeout_ms);
    request_stream_paused(r->rq, clock_ms() - from_ms);
    return f;
}

/* Data of a file: into memory, and beyond its limit to nowhere. false: the body is broken. */
static bool read_file(struct request_batch *r, struct batch_file *f, bool *whole)
{
    uint8_t nowhere[4096];
    ssize_t got;
    *whole = true;
    do {
        size_t n = sizeof nowhere;
        uint8_t *to = *whole ? batch_room(f, &n) : NULL;
        got = multipart_reader_data(&r->form, to ? to : nowhere, n);
        *whole = *whole && (to || got == 0); /* it may end exactly where its room does */
        f->n += to && got > 0 ? (size_t)got : 0;
    } while (got > 0);
    return got == 0;
}

/* What does not fit is told as the item's result. */
static bool refuse_later(struct request_batch *r, const char *name, int fd, size_t n)
{
    bool large = n > (size_t)r->rq->gw->cfg->max_body;
    if (!large && n > 0)
        return true;
    if (ftruncate(fd, 0) < 0)
        return refuse(r, 507, "spool_full", "the spool can't be written");
    return job_draft_refuse(&r->draft, &r->order, name, large ? 413 : 400, large ? "body_too_large" : "file_empty",
                            large ? "the file is larger than max_body" : "the file is empty");
}

/* A file on its way into the spool. */
static bool take_file_for_later(struct request_batch *r, const struct multipart_part *part)
{
    size_t n = 0, max = (size_t)r->rq->gw->cfg->max_body;
    ssize_t got = -1;
    bool ok = true;
    uint8_t *piece = malloc(PIECE);
    int fd = r->exists ? -1 : job_draft_file(&r->draft, part->filename);
    while (ok && piece && (got = multipart_reader_data(&r->form, piece, PIECE)) > 0) {
        n += (size_t)got;
        ok = fd < 0 || n > max || async_write(&r->draft, fd, piece, (size_t)got, r->a);
    }
    free(piece);
    if (ok && !r->exists && fd < 0)
        ok = refuse(r, 507, "spool_full", "the spool can't be written");
    ok = ok && got == 0 && (r->exists || refuse_later(r, part->filename, fd, n));
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool take_file(struct request_batch *r, const struct multipart_part *part)
{
    bool whole;
    if (r->files == 0 && !begin(r))
        return false;
    if (++r->files > r->rq->gw->cfg->batch_max) {
        reply_problem(r->a, 400, "files_many", "a batch has at most %lld files", (long long)r->rq->gw->cfg->batch_max);
        return false;
    }
    if (r->later)
        return take_file_for_later(r, part);
    struct batch_file *f = reserve(r, part);
    if (!f)
        return refuse(r, 503, "busy", "out of memory");
    bool read = read_file(r, f, &whole);
    if (read && whole && f->n > 0) {
        batch_put(r->batch, f);
        return true;
    }
    if (!f->reserved)
        batch_refuse(r->batch, f, 503, "busy", "no memory for this file was free in time");
    else if (f->n == 0 && read)
        batch_refuse(r->batch, f, 400, "file_empty", "the file is empty");
    else
        batch_refuse(r->batch, f, 413, "body_too_large", "the file is larger than max_body");
    return read;
}

/* The form. */

static bool read_form(struct request_batch *r)
{
    struct multipart_part part;
    int got;
    while ((got = multipart_reader_next(&r->form, &part)) > 0)
        if (!(upload_is_file(part.name) ? take_file(r, &part) : take_field(r, &part)))
            break;
    if (got == 0)
        return r->files > 0 || refuse(r, 400, "file_missing", "no image: send each as a part \"file\" of the form");
    if (!r->a->code)
        reply_problem(r->a, 400, "multipart_malformed", "the form is not well-formed: %s", r->form.m.error);
    return false;
}

/* What stands behind the last delimiter. */
static void skip_epilogue(struct request *rq)
{
    uint8_t nowhere[4096];
    while (request_stream_read(rq, nowhere, sizeof nowhere) > 0)
        continue;
}

/* Whether the body came to its end as it should; what is wrong with the body itself is told rather than what the form
 * looks like because of it. */
static bool read_body(struct request_batch *r)
{
    struct request *rq = r->rq;
    struct reply body = { 0 };
    if (!request_stream_begin(rq, r->a))
        return false;
    bool form = read_form(r);
    if (form)
        skip_epilogue(rq);
    bool cut = !form && FCGX_HasSeenEOF(rq->fx.in) != 0;
    bool whole = request_stream_end(rq, form || cut ? &body : NULL);
    if ((form || cut) && !whole) {
        reply_free(r->a);
        *r->a = body;
        return false;
    }
    reply_free(&body);
    return form;
}

/* The answer. */

static bool write_stream(void *ctx, const void *p, size_t n)
{
    return stream_write(ctx, p, n);
}

static bool send_results(struct request_batch *r, struct framing *f, struct stream *s)
{
    struct batch_result *result;
    bool gone, ok = framing_begin(f);
    while (ok && (result = batch_next(r->batch, &gone))) {
        ok = framing_item(f, &result->item) && stream_flush(s);
        batch_sent(r->batch, result);
        if (batch_done(r->batch))
            stream_vacate(s);
    }
    return ok && !gone && framing_end(f);
}

static void answer(struct request_batch *r)
{
    batch_all_in(r->batch);
    struct stream s;
    struct framing f;
    char type[FRAMING_TYPE];
    if (!framing_init(&f, framing_choose(request_param(r->rq, "HTTP_ACCEPT")), write_stream, &s)) {
        reply_busy(r->a, 1, "out of memory");
        framing_free(&f);
        return;
    }
    f.named = r->order.named;
    f.many = true;
    reply_header(r->a, "Cache-Control", "no-store");
    reply_body(r->a, 200, framing_type(&f, type), NULL, 0);
    if (stream_begin(&s, r->rq, r->a)) {
        if (send_results(r, &f, &s))
            stream_end(&s);
        else
            stream_abort(&s);
    }
    r->a->type = NULL; /* it was on this stack */
    framing_free(&f);
}

static bool is_form(struct request_batch *r)
{
    char type[128];
    negotiate_type(request_param(r->rq, "CONTENT_TYPE"), type, sizeof type);
    if (strcmp(type, "multipart/form-data"))
        return refuse(r, 415, "content_type", "send a batch as multipart/form-data with the images as parts \"file\"");
    if (multipart_reader_begin(&r->form, request_param(r->rq, "CONTENT_TYPE"), read_more, r->rq))
        return true;
    reply_problem(r->a, 400, "multipart_malformed", "the form is not well-formed: %s", r->form.m.error);
    return false;
}

static bool begin_order(struct request_batch *r)
{
    struct query_error e = { .option = "" };
    order_init(&r->order);
    marks_init(&r->marks);
    if (r->later && !order_record(&r->order))
        return refuse(r, 503, "busy", "out of memory");
    order_note(&r->order, "accept", request_param(r->rq, "HTTP_ACCEPT"), strlen(request_param(r->rq, "HTTP_ACCEPT")));
    if (order_url(&r->order, r->rq->gw->cfg, r->rq->query, &e))
        return true;
    image_reply_option(r->a, &e);
    return false;
}

/* A place; the work is its files', each of which is priced when a worker takes it. */
static bool admit(struct request_batch *r)
{
    if (!request_admit(r->rq, LANE_BATCH, 0, r->a))
        return false;
    pool_waive(&r->rq->ticket);
    return !r->later || async_begin(&r->draft, r->rq, &r->exists, r->a);
}

void api_batch(struct request *rq, struct reply *a)
{
    struct request_batch r = { .rq = rq, .a = a, .later = async_wanted(rq), .draft = { .dir = -1, .lease = -1 } };
    rq->log.route = "batch";
    if (!route_method(rq, "POST", a) || !access_token(rq, a))
        return;
    if (begin_order(&r) && is_form(&r) && admit(&r) && read_body(&r)) {
        if (r.later)
            async_finish(&r.draft, &r.order, r.exists, a);
        else
            answer(&r);
    }
    job_draft_free(&r.draft);
    batch_free(r.batch);
    multipart_reader_free(&r.form);
    marks_free(&r.marks);
    for (int i = 0; i < IC_MARKS; i++)
        free(r.watermark[i]);
    order_free(&r.order);
}
