/* The part of a request that is the same for GET and POST of one image, called by api_img and api_process.
 *
 * The plan is made in the gateway, from the header alone, although the worker plans again: so limits answer at once,
 * however long the queue is, and HEAD costs no worker. */
#include "image_reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disposition.h"
#include "flight.h"
#include "negotiate.h"
#include "stats.h"

#define HEAD_FIRST 65536 /* bytes of a file that are looked at first: enough for nearly every header */
#define RESULT_MIN 65536

void image_reply_option(struct reply *a, const struct query_error *e)
{
    if (!strcmp(e->code, "busy"))
        reply_busy(a, 1, e->text);
    else if (e->option[0])
        reply_problem_option(a, e->option, e->code, "%s", e->text);
    else
        reply_problem(a, 400, e->code, "%s", e->text);
}

/* Bytes from the start of fd; fewer where the file was cut since. */
static size_t read_head(int fd, uint8_t *to, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = pread(fd, to + have, n - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

#define WEBP_MORE (0x08 | 0x02) /* flags of VP8X: EXIF, animation */

/* An extended WebP that announces EXIF, which comes behind the pixels and holds the orientation, or frames to count. */
static bool tells_at_end(struct ic_bytes head)
{
    return head.n > 20 && !memcmp(head.p, "RIFF", 4) && !memcmp(head.p + 8, "WEBPVP8X", 8) && (head.p[20] & WEBP_MORE);
}

enum ic_code image_reply_probe_bytes(struct ic_bytes image, struct ic_info *out, struct ic_error *e)
{
    if (image.n == 0)
        return ic_fail(e, IC_E_CORRUPT, "the image is empty");
    enum ic_code rc = ic_probe(image, out, e);
    return rc == IC_E_MORE ? ic_fail(e, IC_E_CORRUPT, "the image ends inside its header") : rc;
}

bool image_reply_probe(int fd, int64_t size, struct ic_info *out, struct ic_error *e)
{
    size_t all = (size_t)size, want = all < HEAD_FIRST ? all : HEAD_FIRST;
    for (;;) {
        uint8_t *p = malloc(want + 1);
        if (!p)
            return ic_fail(e, IC_E_BUSY, "out of memory for the header of a file") == IC_OK;
        struct ic_bytes head = { p, read_head(fd, p, want) };
        bool last = tells_at_end(head), whole = want == all || head.n < want;
        enum ic_code rc = whole ? image_reply_probe_bytes(head, out, e) : ic_probe(head, out, e);
        free(p);
        if (whole || (rc == IC_OK && !last) || (rc != IC_OK && rc != IC_E_MORE))
            return rc == IC_OK;
        want = last || want > all / 4 ? all : want * 4;
    }
}

/* One byte a pixel where an encoder loses detail, else all of the pixels. */
size_t image_reply_reserve(const struct ic_plan *p, size_t max_result)
{
    bool exact = p->format == IC_FORMAT_PNG || p->lossless;
    uint64_t bytes = (uint64_t)p->width * p->height * (exact ? 3 + p->alpha : 1) + RESULT_MIN;
    return bytes < max_result ? (size_t)bytes : max_result;
}

static void log_plan(struct request_log *l, const struct query *q, const struct image_reply *im)
{
    char canonical[QUERY_CANONICAL];
    query_canonical(q, canonical, sizeof canonical);
    snprintf(l->options, sizeof l->options, "%.*s", (int)sizeof l->options - 1, canonical);
    ic_oriented_size(&im->info, im->recipe.autorotate, &l->source_width, &l->source_height);
    l->in = im->info.format;
    l->out = im->plan.format;
    l->width = im->plan.width;
    l->height = im->plan.height;
}

struct pool_forecast image_reply_forecast(const struct image_reply *im)
{
    return (struct pool_forecast){ .cost_ms = im->plan.cost_ms, .in = im->info.format, .out = im->plan.format };
}

bool image_reply_plan(struct request *rq, const struct query *q, struct image_reply *im, struct reply *a)
{
    const struct config *c = rq->gw->cfg;
    struct ic_limits limits = config_limits(c);
    struct ic_error e = { 0 };
    rq->log.in = im->info.format;
    im->recipe = q->recipe;
    if (q->format_auto)
        im->recipe.format = negotiate_format(request_param(rq, "HTTP_ACCEPT"), im->info.alpha);
    if (ic_plan(&im->recipe, &im->info, &limits, &im->plan, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return false;
    }
    im->reserve = image_reply_reserve(&im->plan, (size_t)c->max_result);
    log_plan(&rq->log, q, im);
    return true;
}

bool image_reply_find_marks(struct image_reply *im, const struct request *rq, struct query *q, struct reply *a)
{
    struct query_error e = { .option = "" };
    if (marks_find(im->marks, rq->gw->cfg, q, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

bool image_reply_load_marks(struct image_reply *im, struct request *rq, struct reply *a)
{
    struct ic_error e = { 0 };
    if (marks_load(im->marks, &rq->ticket, &e) == IC_OK)
        return true;
    reply_error(a, &e, 1);
    return false;
}

/* sized: the result's size is known; where pixels decide, a plan only knows a bound. */
static void size_headers(struct reply *a, const struct request_log *l, bool sized)
{
    if (sized) {
        reply_header(a, "X-Image-Width", "%u", l->width);
        reply_header(a, "X-Image-Height", "%u", l->height);
    }
    reply_header(a, "X-Source-Width", "%u", l->source_width);
    reply_header(a, "X-Source-Height", "%u", l->source_height);
}

void image_reply_name(const struct query *q, const struct image_reply *im, const char *name, struct reply *a)
{
    char value[DISPOSITION_SIZE];
    if (q->dl || *q->filename)
        reply_header(a, "Content-Disposition", "%s",
                     disposition(q->dl, *q->filename ? q->filename : name, im->plan.format, value));
}

void image_reply_head(const struct image_reply *im, struct reply *a)
{
    struct request_log l = { .width = im->plan.width, .height = im->plan.height };
    ic_oriented_size(&im->info, im->recipe.autorotate, &l.source_width, &l.source_height);
    size_headers(a, &l, im->plan.sized);
    reply_body(a, 200, ic_format_mime(im->plan.format), NULL, 0);
    a->no_length = true;
}

/* The one output of the job, copied out of the worker's mailbox. */
struct output {
    struct pool_ticket *ticket;
    struct flight *flight;
    size_t reserve;
    struct flight_result r; /* body owned */
    bool no_room;
};

static void on_output(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct output *out = ctx;
    out->r.told = *o;
    if (o->code != IC_OK || !data)
        return;
    if (o->length > out->reserve && !pool_grow(out->ticket, o->length - out->reserve)) {
        out->no_room = true;
        return;
    }
    out->r.body = malloc(o->length + 1);
    if (out->r.body)
        memcpy(out->r.body, data, o->length);
    else
        out->no_room = true;
}

static bool still_wanted(void *ctx)
{
    return flight_followed(((struct output *)ctx)->flight);
}

static void log_output(struct request_log *l, const struct pool_job *j, const struct job_output *o)
{
    l->queue_ms = j->queue_ms;
    l->worker = j->worker;
    l->predicted_ms = j->cost_ms;
    l->work_ms = j->work_ms;
    l->decode_ms = o->decode_ms;
    l->transform_ms = o->transform_ms;
    l->encode_ms = o->encode_ms;
}

/* All headers but those of the body. */
static void reply_told(struct request *rq, const struct job_output *o, struct reply *a)
{
    char warnings[120];
    rq->log.width = o->width;
    rq->log.height = o->height;
    rq->log.source_width = o->source_width;
    rq->log.source_height = o->source_height;
    rq->log.out = (enum ic_format)o->format;
    size_headers(a, &rq->log, true);
    if (o->exceeded)
        reply_header(a, "X-Max-Bytes", "exceeded");
    if (o->warnings)
        reply_header(a, "X-Image-Warning", "%s", ic_warnings_text(o->warnings, warnings, sizeof warnings));
}

static void reply_image(struct request *rq, struct output *out, struct reply *a)
{
    const struct job_output *o = &out->r.told;
    reply_told(rq, o, a);
    reply_body(a, 200, ic_format_mime((enum ic_format)o->format), out->r.body, o->length);
    out->r.body = NULL;
}

void image_reply_hit(struct request *rq, const struct cache_hit *hit, struct reply *a)
{
    rq->log.in = (enum ic_format)hit->told.source_format;
    reply_told(rq, &hit->told, a);
    reply_header(a, "X-Cache", "hit");
    reply_file(a, 200, ic_format_mime((enum ic_format)hit->told.format), hit->fd, hit->at, hit->told.length);
}

/* The job's failure, or that of its one output, becomes the result's. */
static void judge(struct output *out)
{
    struct flight_result *r = &out->r;
    if (r->code != IC_OK)
        return;
    if (r->told.code != IC_OK)
        r->code = ic_fail(&r->e, (enum ic_code)r->told.code, "%s", r->told.text);
    else if (out->no_room)
        r->code = ic_fail(&r->e, IC_E_BUSY, "no memory for the result at the moment");
    else if (!r->body)
        r->code = ic_fail(&r->e, IC_E_WORKER, "the worker sent no result");
}

/* A job of our own. Returns Retry-After for a 503. */
static int run_job(struct request *rq, const struct image_reply *im, struct pool_input in, struct output *out)
{
    char what[64];
    struct pool_job j = { .forecast = image_reply_forecast(im),
                          .what = what,
                          .deadline_ms = rq->deadline_ms,
                          .client = rq->conn->fd,
                          .wanted = still_wanted,
                          .emit = on_output,
                          .ctx = out };
    snprintf(what, sizeof what, "%s %.40s", rq->log.route, rq->id);
    j.worker = -1;
    j.job.inputs = j.job.outputs = 1;
    marks_hand(im->marks, &j.job, j.in);
    j.job.recipe[0] = im->recipe;
    j.in[0] = in;
    if (!pool_price(&rq->ticket, &j.forecast, rq->deadline_ms, &j.retry_after_s, &out->r.e)) {
        out->r.code = IC_E_BUSY;
        return j.retry_after_s;
    }
    out->r.code = pool_run(&rq->ticket, &j, &out->r.e);
    log_output(&rq->log, &j, &out->r.told);
    judge(out);
    flight_land(out->flight, &out->r);
    out->flight = NULL;
    return j.retry_after_s;
}

/* Somebody else's job, where there is one. false: it has to be our own. */
static bool share_job(struct request *rq, const char *key, struct output *out, struct reply *a)
{
    enum flight_role role;
    pool_waive(&rq->ticket);
    do
        role = flight_join(key, rq->conn->fd, rq->deadline_ms, &out->flight, &out->r);
    while (role == FLIGHT_AGAIN);
    if (role == FLIGHT_LEADS)
        return false;
    if (role == FLIGHT_GONE)
        out->r.code = ic_fail(&out->r.e, IC_E_GONE, "the client left");
    if (role == FLIGHT_LATE)
        out->r.code = ic_fail(&out->r.e, IC_E_DEADLINE, "the deadline passed while an equal request was at work");
    if (role != FLIGHT_FOLLOWED)
        return true;
    size_t n = out->r.told.length;
    if (out->r.body && n > out->reserve && !pool_grow(out->ticket, n - out->reserve))
        out->r.code = ic_fail(&out->r.e, IC_E_BUSY, "no memory for the result at the moment");
    reply_header(a, "X-Cache", "coalesced");
    stats_add(STATS_CACHE_HITS, 1, "coalesced", NULL);
    return true;
}

static void keep(struct request *rq, const struct cache_key *key, const struct output *out, struct reply *a)
{
    reply_header(a, "X-Cache", "miss");
    if (out->r.code == IC_OK)
        cache_keep(rq->gw->cache, key, &out->r.told, out->r.body);
}

void image_reply_run(struct request *rq, const struct image_reply *im, const struct cache_key *key,
                     struct pool_input in, struct reply *a)
{
    struct output out = { .ticket = &rq->ticket, .reserve = im->reserve };
    int retry_after_s = 1;
    if (!key || !share_job(rq, key->etag, &out, a)) {
        retry_after_s = run_job(rq, im, in, &out);
        if (key && rq->gw->cache)
            keep(rq, key, &out, a);
    }
    flight_land(out.flight, NULL); /* where the job was refused */
    if (out.r.code != IC_OK)
        reply_error(a, &out.r.e, retry_after_s);
    else
        reply_image(rq, &out, a);
    free(out.r.body);
}
