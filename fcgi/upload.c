/* Reading one uploaded image, called by api_process.c and api_renditions.c. */
#include "upload.h"

#include <stdio.h>
#include <string.h>

#include "image_reply.h"
#include "negotiate.h"

static bool check_type(struct upload *u, const struct request *rq, struct reply *a)
{
    const char *header = request_param(rq, "CONTENT_TYPE");
    char type[128];
    negotiate_type(header, type, sizeof type);
    u->form = !strcmp(type, "multipart/form-data");
    if (!*header || u->form || !strncmp(type, "image/", 6) || !strcmp(type, "application/octet-stream"))
        return true;
    reply_problem(
        a, 415, "content_type",
        "send the image as the body with Content-Type image/* or application/octet-stream, or as part \"file\" of "
        "multipart/form-data");
    return false;
}

bool upload_begin(struct upload *u, struct request *rq, const char *query, bool record, struct reply *a)
{
    struct query_error e = { .option = "" };
    memset(u, 0, sizeof *u);
    order_init(&u->order);
    marks_init(&u->marks);
    if (!check_type(u, rq, a))
        return false;
    if (record && !order_record(&u->order)) {
        reply_busy(a, 1, "out of memory");
        return false;
    }
    if (order_url(&u->order, rq->gw->cfg, query, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

void upload_free(struct upload *u)
{
    order_free(&u->order);
    marks_free(&u->marks);
}

bool upload_is_file(const char *name)
{
    return !strcmp(name, "file") || !strcmp(name, "image") || !strcmp(name, "media");
}

static bool take_file(struct upload *u, const struct multipart_part *part, struct reply *a)
{
    if (u->file.p) {
        reply_problem(a, 400, "file_repeated", "the form holds two images; this endpoint takes one");
        return false;
    }
    if (part->data.n == 0) {
        reply_problem(a, 400, "file_empty", "the part \"%s\" is empty", part->name);
        return false;
    }
    u->file = part->data;
    snprintf(u->name, sizeof u->name, "%s", part->filename);
    return true;
}

static bool take_part(struct upload *u, const struct config *c, const struct multipart_part *part, struct reply *a)
{
    struct query_error e = { .option = "" };
    const char *value = (const char *)part->data.p;
    if (upload_is_file(part->name))
        return take_file(u, part, a);
    if (marks_upload(&u->marks, part->name, part->has_filename || !strncmp(part->type, "image/", 6), part->data))
        return true;
    bool ok = !strcmp(part->name, "operations") ? order_operations(&u->order, c, value, part->data.n, &e)
                                                : order_field(&u->order, c, part->name, value, part->data.n, &e);
    if (ok)
        return true;
    if (part->has_filename && !query_is_known(part->name))
        reply_problem_option(a, e.option, e.code, "the part %s is not known; send the image as \"file\"", e.option);
    else
        image_reply_option(a, &e);
    return false;
}

static bool read_form(struct upload *u, const struct request *rq, struct reply *a)
{
    struct multipart m;
    struct multipart_part part;
    struct ic_bytes body = { rq->body, rq->body_n };
    int got = multipart_begin(&m, body, request_param(rq, "CONTENT_TYPE")) ? 1 : -1;
    while (got > 0 && (got = multipart_next(&m, &part)) > 0)
        if (!take_part(u, rq->gw->cfg, &part, a))
            return false;
    if (got < 0) {
        reply_problem(a, 400, "multipart_malformed", "the form is not well-formed: %s", m.error);
        return false;
    }
    if (u->file.p)
        return true;
    reply_problem(
        a, 400, "file_missing",
        "the image is missing: send it as part \"file\" of the form, or as the whole body with Content-Type image/*");
    return false;
}

/* The options of a raw image are all here. What is wrong with them is told once it is whole, as for a form. */
static bool look(struct request *rq, void *ctx, struct reply *a)
{
    const struct upload *u = ctx;
    struct query q;
    struct query_error e = { .option = "" };
    query_init(&q);
    query_fill(&q, &u->order.base);
    return !query_finish(&q, rq->gw->cfg, &e) ||
           image_reply_foresee(rq, &q, (struct ic_bytes){ rq->body, rq->body_n }, a);
}

bool upload_read(struct upload *u, struct request *rq, struct reply *a)
{
    return request_admit_body(rq, a) && request_read_body(rq, u->form ? NULL : look, u, a) && upload_parse(u, rq, a);
}

bool upload_parse(struct upload *u, struct request *rq, struct reply *a)
{
    if (u->form)
        return read_form(u, rq, a);
    u->file = (struct ic_bytes){ rq->body, rq->body_n };
    return true;
}
