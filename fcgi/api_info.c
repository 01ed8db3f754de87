/* GET /api/images/info?src= and POST /api/images/info: what an image is, as JSON.
 *
 * The work is a worker's, as all decoding is: a job of another kind, which waits and is refused like any other. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "etag.h"
#include "image_reply.h"
#include "info_json.h"
#include "log.h"
#include "multipart.h"
#include "negotiate.h"
#include "route.h"
#include "source.h"
#include "uri.h"

struct info {
    char src[PATH_MAX]; /* "": not given */
    bool gps, gps_given;
    struct source source; /* of GET */
    struct ic_facts facts;
    size_t bytes; /* of the image */
    bool found;
    struct query guard; /* signature, expiry and the like: what any URL of an image may carry */
    /* here because threads have small stacks */
    struct query query;
    struct image_reply im;
    struct pool_job job;
};

/* Parameters. */

static bool fail_param(struct reply *a, const char *name, const char *code, const char *text)
{
    reply_problem_option(a, name, code, "%s %s", name, text);
    return false;
}

static bool take_gps(struct info *f, const char *value, struct reply *a)
{
    if (f->gps_given)
        return fail_param(a, "gps", "option_repeated", "is given twice");
    f->gps_given = true;
    f->gps = !*value || !strcmp(value, "1") || !strcmp(value, "true");
    if (f->gps || !strcmp(value, "0") || !strcmp(value, "false"))
        return true;
    return fail_param(a, "gps", "option_malformed", "must be 0 or 1");
}

/* The value of src is a path; what it may be is the source's business, except that it must be a clean one. */
static bool take_src(struct info *f, const char *encoded, size_t n, struct reply *a)
{
    const char *why;
    if (f->src[0])
        return fail_param(a, "src", "option_repeated", "is given twice");
    if (!uri_decode_value(encoded, n, true, f->src, sizeof f->src, &why))
        return fail_param(a, "src", "option_malformed", why);
    const char *path = f->src + (f->src[0] == '/');
    memmove(f->src, path, strlen(path) + 1);
    return f->src[0] || fail_param(a, "src", "option_malformed", "is empty");
}

static bool is_guard(const char *name)
{
    static const char *const names[] = { "s", "sig", "signature", "k", "expires", "exp", "v", "cb" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool take_guard(struct info *f, const char *pair, size_t n, struct reply *a)
{
    struct query_error e = { .option = "" };
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)(n < sizeof text ? n : 0), pair);
    if (query_parse(&f->guard, NULL, text, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

static bool take_pair(struct info *f, const struct request *rq, const char *pair, size_t n, struct reply *a)
{
    char name[64], value[64];
    const char *equals = memchr(pair, '=', n), *why;
    size_t name_n = equals ? (size_t)(equals - pair) : n, value_n = equals ? n - name_n - 1 : 0;
    if (!uri_decode_value(pair, name_n, true, name, sizeof name, &why))
        return fail_param(a, "info", "option_unknown", "takes src and gps");
    if (query_ignored(rq->gw->cfg, name))
        return true;
    if (is_guard(name))
        return take_guard(f, pair, n, a);
    if (!strcmp(name, "src"))
        return take_src(f, pair + n - value_n, value_n, a);
    if (strcmp(name, "gps") != 0)
        return fail_param(a, name, "option_unknown", "is not known here; this endpoint takes src and gps");
    if (!uri_decode_value(pair + n - value_n, value_n, true, value, sizeof value, &why))
        return fail_param(a, "gps", "option_malformed", "must be 0 or 1");
    return take_gps(f, value, a);
}

static bool take_query(struct info *f, const struct request *rq, struct reply *a)
{
    for (const char *text = rq->query; *text;) {
        size_t n = strcspn(text, "&");
        if (n > 0 && !take_pair(f, rq, text, n, a))
            return false;
        text += n + (text[n] == '&');
    }
    return true;
}

/* The job. */

static void on_output(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct info *f = ctx;
    f->found = o->code == IC_OK && data && o->length == sizeof f->facts;
    if (f->found)
        memcpy(&f->facts, data, sizeof f->facts);
}

static bool look(struct request *rq, void *ctx, struct reply *a)
{
    const struct info *f = ctx;
    return image_reply_foresee(rq, &f->query, (struct ic_bytes){ rq->body, rq->body_n }, a);
}

static void run(struct info *f, struct request *rq, struct pool_input in, struct reply *a)
{
    struct pool_job *j = &f->job;
    struct ic_error e = { 0 };
    j->deadline_ms = rq->deadline_ms;
    j->client = rq->conn->fd;
    j->emit = on_output;
    j->ctx = f;
    j->forecast = image_reply_forecast(&f->im);
    j->worker = -1;
    j->job.kind = JOB_INSPECT;
    j->job.inputs = j->job.outputs = 1;
    ic_recipe_init(&j->job.recipe[0]);
    j->in[0] = in;
    enum ic_code rc = pool_run(&rq->ticket, j, &e);
    rq->log.queue_ms = j->queue_ms;
    rq->log.worker = j->worker;
    rq->log.decode_ms = f->facts.decode_ms;
    rq->log.transform_ms = f->facts.look_ms;
    if (rc == IC_OK && !f->found)
        rc = ic_fail(&e, IC_E_WORKER, "the worker sent no result");
    char *json = rc == IC_OK ? info_json(&f->facts, f->bytes, f->gps) : NULL;
    if (json)
        reply_body(a, 200, "application/json", (uint8_t *)json, strlen(json));
    else if (rc != IC_OK)
        reply_error(a, &e, j->retry_after_s);
    else
        reply_problem(a, 500, "memory", "out of memory");
}

/* GET. */

static bool open_source(struct info *f, const struct config *c, struct reply *a)
{
    int err = *c->image_root ? source_open(c->image_root, f->src, &f->source) : ENOENT;
    if (err && err != ENOENT) {
        log_line(LOG_LV_ERROR, "event=source_open error=\"%s\"", strerror(err));
        reply_busy(a, 1, "the source can't be opened at the moment");
        return false;
    }
    if (err) {
        reply_problem(a, 404, "no_such_image", "there is no image at %.200s", f->src);
        return false;
    }
    f->bytes = (size_t)f->source.size;
    if (f->source.size <= c->max_body)
        return true;
    struct ic_error e;
    ic_fail(&e, IC_E_LIMIT, "the source has %zu bytes, allowed are %lld", f->bytes, (long long)c->max_body);
    reply_error(a, &e, 0);
    return false;
}

static void cache_headers(const struct info *f, const struct config *c, const char *etag, struct reply *a)
{
    char date[48];
    struct tm tm;
    reply_header(a, "ETag", "%s", etag);
    reply_header(a, "Cache-Control", "public, max-age=%lld", (long long)access_maxage(&f->guard, c));
    if (gmtime_r(&f->source.mtime.tv_sec, &tm) && strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        reply_header(a, "Last-Modified", "%s", date);
}

static void answer_get(struct info *f, struct request *rq, struct reply *a)
{
    const struct config *c = rq->gw->cfg;
    struct etag_parts parts = { .path = f->src,
                                .options = f->gps ? "info,gps" : "info",
                                .format = "",
                                .versions = ic_versions(),
                                .size = f->source.size,
                                .mtime = f->source.mtime,
                                .ink = config_ink(c) };
    char etag[ETAG_SIZE];
    struct ic_error e = { 0 };
    etag_make(&parts, etag);
    if (etag_matches(request_param(rq, "HTTP_IF_NONE_MATCH"), etag)) {
        cache_headers(f, c, etag, a);
        reply_body(a, 304, NULL, NULL, 0);
        return;
    }
    if (!image_reply_probe(f->source.fd, f->source.size, &f->im.info, &e)) {
        reply_error(a, &e, 1);
        return;
    }
    if (!image_reply_plan(rq, &f->query, &f->im, a) || !request_admit(rq, LANE_INTERACTIVE, sizeof f->facts, a))
        return;
    cache_headers(f, c, etag, a);
    run(f, rq, (struct pool_input){ .p = NULL, .fd = f->source.fd, .n = f->bytes }, a);
}

static void get(struct info *f, struct request *rq, struct reply *a)
{
    if (!f->src[0])
        reply_problem_option(a, "src", "option_missing", "src is missing: the image's path below image_root");
    else if (open_source(f, rq->gw->cfg, a))
        answer_get(f, rq, a);
}

/* POST. */

static bool take_part(struct info *f, const struct multipart_part *part, struct ic_bytes *file, struct reply *a)
{
    char value[8];
    bool is_file = !strcmp(part->name, "file") || !strcmp(part->name, "image") || !strcmp(part->name, "media");
    if (is_file && file->p) {
        reply_problem(a, 400, "file_repeated", "the form holds two images; this endpoint takes one");
        return false;
    }
    if (is_file) {
        *file = part->data;
        return true;
    }
    snprintf(value, sizeof value, "%.*s", (int)(part->data.n < 7 ? part->data.n : 7), (const char *)part->data.p);
    if (!strcmp(part->name, "gps"))
        return take_gps(f, value, a);
    reply_problem_option(a, part->name, "option_unknown", "the part %.40s is not known; send the image as \"file\"",
                         part->name);
    return false;
}

static bool read_form(struct info *f, const struct request *rq, struct ic_bytes *file, struct reply *a)
{
    struct multipart m;
    struct multipart_part part;
    struct ic_bytes body = { rq->body, rq->body_n };
    int got = multipart_begin(&m, body, request_param(rq, "CONTENT_TYPE")) ? 1 : -1;
    *file = (struct ic_bytes){ NULL, 0 };
    while (got > 0 && (got = multipart_next(&m, &part)) > 0)
        if (!take_part(f, &part, file, a))
            return false;
    if (got < 0)
        reply_problem(a, 400, "multipart_malformed", "the form is not well-formed: %s", m.error);
    else if (!file->p)
        reply_problem(a, 400, "file_missing", "the image is missing: send it as part \"file\" of the form");
    return got == 0 && file->p;
}

static void post(struct info *f, struct request *rq, struct reply *a)
{
    char type[128];
    struct ic_error e = { 0 };
    if (f->src[0]) {
        reply_problem_option(a, "src", "option_clash", "src names a file for GET; POST takes the image in its body");
        return;
    }
    negotiate_type(request_param(rq, "CONTENT_TYPE"), type, sizeof type);
    bool form = !strcmp(type, "multipart/form-data");
    if (!request_admit_body(rq, a) || !request_read_body(rq, form ? NULL : look, f, a))
        return;
    struct ic_bytes file = { rq->body, rq->body_n };
    if (form && !read_form(f, rq, &file, a))
        return;
    if (image_reply_probe_bytes(file, &f->im.info, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return;
    }
    if (!image_reply_plan(rq, &f->query, &f->im, a))
        return;
    f->bytes = file.n;
    reply_header(a, "Cache-Control", "no-store");
    run(f, rq, (struct pool_input){ .p = file.p, .fd = -1, .n = file.n }, a);
}

void api_info(struct request *rq, struct reply *a)
{
    struct info *f = calloc(1, sizeof *f); /* too large for a thread's stack */
    rq->log.route = "info";
    if (!f) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    f->source.fd = -1;
    query_init(&f->guard);
    query_init(&f->query); /* what a small picture of it would need must be allowed: the same limits, from the header */
    f->query.recipe.width = f->query.recipe.height = (struct ic_len){ 1, IC_UNIT_PX };
    if (route_method(rq, "GET, HEAD, POST", a) && take_query(f, rq, a)) {
        bool sent = !strcmp(rq->method, "POST");
        if (sent && access_token(rq, a))
            post(f, rq, a);
        else if (!sent && access_signed(rq, &f->guard, a))
            get(f, rq, a);
    }
    source_close(&f->source);
    free(f);
}
