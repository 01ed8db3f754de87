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
#include "negotiate.h"

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

/* From im->info. */
static enum ic_code plan(const struct request *rq, const struct query *q, struct image_reply *im, struct ic_error *e)
{
    struct ic_limits limits = config_limits(rq->gw->cfg);
    im->recipe = q->recipe;
    if (q->format_auto)
        im->recipe.format = negotiate_format(request_param(rq, "HTTP_ACCEPT"), im->info.alpha);
    return ic_plan(&im->recipe, &im->info, &limits, &im->plan, e);
}

bool image_reply_plan(struct request *rq, const struct query *q, struct image_reply *im, struct reply *a)
{
    struct ic_error e = { 0 };
    rq->log.in = im->info.format;
    if (plan(rq, q, im, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return false;
    }
    im->reserve = image_reply_reserve(&im->plan, (size_t)rq->gw->cfg->max_result);
    log_plan(&rq->log, q, im);
    return true;
}

/* Of a header that is not here as a whole, or not all that counts is in it, the whole image will tell. */
static enum ic_code plan_ahead(const struct request *rq, const struct query *q, struct ic_bytes head,
                               struct image_reply *im, struct ic_error *e)
{
    enum ic_code rc = tells_at_end(head) ? IC_E_MORE : ic_probe(head, &im->info, e);
    return rc == IC_OK ? plan(rq, q, im, e) : rc;
}

bool image_reply_foresee(struct request *rq, const struct query *q, struct ic_bytes head, struct reply *a)
{
    struct image_reply im = { .marks = NULL };
    struct ic_error e = { 0 };
    int retry_after_s = 0;
    enum ic_code rc = plan_ahead(rq, q, head, &im, &e);
    bool refused = rc == IC_E_FORMAT || rc == IC_E_LIMIT || rc == IC_E_MEMORY;
    if (rc == IC_OK) {
        struct pool_forecast f = image_reply_forecast(&im);
        refused = !pool_price(&rq->ticket, &f, rq->deadline_ms, &retry_after_s, &e);
    }
    if (refused)
        reply_error(a, &e, retry_after_s);
    return !refused;
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

void image_reply_told(struct request *rq, const struct job_output *o, struct reply *a)
{
    char text[120];
    const char *warning = ic_warnings_text(o->warnings, text, sizeof text);
    rq->log.width = o->width;
    rq->log.height = o->height;
    rq->log.source_width = o->source_width;
    rq->log.source_height = o->source_height;
    rq->log.out = (enum ic_format)o->format;
    size_headers(a, &rq->log, true);
    if (o->warnings & IC_WARN_LARGE)
        reply_header(a, "X-Max-Bytes", "exceeded");
    if (warning)
        reply_header(a, "X-Image-Warning", "%s", warning);
}
