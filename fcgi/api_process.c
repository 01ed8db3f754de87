/* POST /api/images/process: one image in the body, the processed one in the answer. */
#include "access.h"
#include "explain.h"
#include "image_reply.h"
#include "route.h"
#include "stats.h"
#include "upload.h"

/* From the image to a plan: all that can be wrong with it before any work. */
static bool understand(struct upload *u, struct request *rq, struct image_reply *im, struct reply *a)
{
    struct query_error qe = { .option = "" };
    struct ic_error e = { 0 };
    if (!order_finish(&u->order, rq->gw->cfg, ORDER_ONE, &qe)) {
        image_reply_option(a, &qe);
        return false;
    }
    if (!image_reply_find_marks(im, rq, &u->order.outputs[0].query, a))
        return false;
    if (image_reply_probe_bytes(u->file, &im->info, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return false;
    }
    return image_reply_plan(rq, &u->order.outputs[0].query, im, a);
}

/* The queue is full and a holds the 503; but an image that is refused anyway, and is here already, as bombs are because
 * they are small, is told so: its client would come back for nothing. */
static void forbid(struct upload *u, struct request *rq, struct reply *a)
{
    struct image_reply im = { .marks = &u->marks };
    struct reply other = { 0 };
    if (!request_read_small(rq))
        return;
    if (!upload_parse(u, rq, &other) || !understand(u, rq, &im, &other)) {
        reply_free(a);
        *a = other;
    }
}

static void answer(struct upload *u, struct request *rq, struct reply *a)
{
    struct image_reply im = { .marks = &u->marks };
    if (!understand(u, rq, &im, a))
        return;
    if (u->order.outputs[0].query.explain) {
        explain_reply(rq, &u->order.outputs[0].query, &im, a);
        return;
    }
    if (!pool_grow(&rq->ticket, im.reserve)) {
        stats_add(STATS_REJECTED, 1, "memory", NULL);
        reply_busy(a, 1, "no memory for the result at the moment");
        return;
    }
    if (!image_reply_load_marks(&im, rq, a))
        return;
    reply_header(a, "Cache-Control", "no-store");
    image_reply_name(&u->order.outputs[0].query, &im, u->name, a);
    image_reply_run(rq, &im, NULL, (struct pool_input){ .p = u->file.p, .fd = -1, .n = u->file.n }, a);
}

void api_process(struct request *rq, struct reply *a)
{
    struct upload u;
    rq->log.route = "process";
    if (!route_method(rq, "POST", a) || !access_token(rq, a))
        return;
    bool begun = upload_begin(&u, rq, rq->query, false, a);
    if (begun && upload_read(&u, rq, a))
        answer(&u, rq, a);
    else if (begun && !rq->ticket.pool)
        forbid(&u, rq, a);
    upload_free(&u);
}
