/* POST /api/images/process: one image in the body, the processed one in the answer.
 *
 * The body is the image itself, or a form with the image in a part `file` and options beside it. What the URL and the
 * headers say is checked before admission, so that nobody uploads megabytes to learn of a misspelt option. */
#include <string.h>
#include <strings.h>

#include "access.h"
#include "image_reply.h"
#include "multipart.h"
#include "negotiate.h"
#include "route.h"

#define BODY_START 262144 /* bytes reserved for a body of unknown length; request_read_body grows it */

struct process {
    struct query query;
    bool form;            /* multipart/form-data */
    bool operations;      /* the part was seen */
    struct ic_bytes file; /* borrowed from the body; p NULL: not seen */
};

static bool check_type(struct process *p, const struct request *rq, struct reply *a)
{
    const char *header = request_param(rq, "CONTENT_TYPE");
    char type[128];
    negotiate_type(header, type, sizeof type);
    p->form = !strcmp(type, "multipart/form-data");
    if (!*header || p->form || !strncmp(type, "image/", 6) || !strcmp(type, "application/octet-stream"))
        return true;
    reply_problem(
        a, 415, "content_type",
        "send the image as the body with Content-Type image/* or application/octet-stream, or as part \"file\" of "
        "multipart/form-data");
    return false;
}

static bool parse_url(struct process *p, const struct request *rq, struct reply *a)
{
    struct query_error e = { .option = "" };
    query_init(&p->query);
    if (query_parse(&p->query, rq->gw->cfg, rq->query, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

/* No more than a body may have: beyond it request_read_body answers 413, which an admission that fails would hide. */
static bool admit(struct request *rq, struct reply *a)
{
    int64_t max = rq->gw->cfg->max_body;
    int64_t bytes = rq->content_length >= 0 ? rq->content_length : BODY_START;
    return request_admit(rq, LANE_UPLOAD, (size_t)(bytes < max ? bytes : max), a);
}

static bool is_file(const char *name)
{
    return !strcmp(name, "file") || !strcmp(name, "image") || !strcmp(name, "media");
}

static bool take_file(struct process *p, const struct multipart_part *part, struct reply *a)
{
    if (p->file.p) {
        reply_problem(a, 400, "file_repeated", "the form holds two images; this endpoint takes one");
        return false;
    }
    if (part->data.n == 0) {
        reply_problem(a, 400, "file_empty", "the part \"%s\" is empty", part->name);
        return false;
    }
    p->file = part->data;
    return true;
}

static bool take_operations(struct process *p, const struct config *c, struct ic_bytes json, struct query_error *e)
{
    if (p->operations) {
        *e = (struct query_error){ "operations", "option_repeated", "operations is given twice" };
        return false;
    }
    p->operations = true;
    return query_parse_json(&p->query, c, (const char *)json.p, json.n, e);
}

static bool take_part(struct process *p, const struct config *c, const struct multipart_part *part, struct reply *a)
{
    struct query_error e = { .option = "" };
    if (is_file(part->name))
        return take_file(p, part, a);
    bool ok = !strcmp(part->name, "operations")
                  ? take_operations(p, c, part->data, &e)
                  : query_set(&p->query, c, part->name, (const char *)part->data.p, part->data.n, &e);
    if (ok)
        return true;
    if (part->has_filename && !query_is_known(part->name))
        reply_problem_option(a, e.option, e.code, "the part %s is not known; send the image as \"file\"", e.option);
    else
        image_reply_option(a, &e);
    return false;
}

static bool read_form(struct process *p, const struct request *rq, struct reply *a)
{
    struct multipart m;
    struct multipart_part part;
    struct ic_bytes body = { rq->body, rq->body_n };
    int got = multipart_begin(&m, body, request_param(rq, "CONTENT_TYPE")) ? 1 : -1;
    while (got > 0 && (got = multipart_next(&m, &part)) > 0)
        if (!take_part(p, rq->gw->cfg, &part, a))
            return false;
    if (got < 0) {
        reply_problem(a, 400, "multipart_malformed", "the form is not well-formed: %s", m.error);
        return false;
    }
    if (p->file.p)
        return true;
    reply_problem(
        a, 400, "file_missing",
        "the image is missing: send it as part \"file\" of the form, or as the whole body with Content-Type image/*");
    return false;
}

static void answer(struct process *p, struct request *rq, struct reply *a)
{
    struct query_error qe = { .option = "" };
    struct ic_error e = { 0 };
    struct image_reply im;
    if (!query_finish(&p->query, rq->gw->cfg, &qe)) {
        image_reply_option(a, &qe);
        return;
    }
    if (image_reply_probe_bytes(p->file, &im.info, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return;
    }
    if (!image_reply_plan(rq, &p->query, &im, a))
        return;
    if (!pool_grow(&rq->ticket, im.reserve)) {
        reply_busy(a, 1, "no memory for the result at the moment");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    image_reply_run(rq, &im, (struct pool_input){ .p = p->file.p, .fd = -1, .n = p->file.n }, a);
}

void api_process(struct request *rq, struct reply *a)
{
    struct process p = { .form = false };
    rq->log.route = "process";
    if (!route_method(rq, "POST", a) || !access_token(rq, a) || !check_type(&p, rq, a) || !parse_url(&p, rq, a))
        return;
    if (!admit(rq, a) || !request_read_body(rq, a))
        return;
    p.file = (struct ic_bytes){ p.form ? NULL : rq->body, p.form ? 0 : rq->body_n };
    if (!p.form || read_form(&p, rq, a))
        answer(&p, rq, a);
}
