/* POST /api/images/process: one image in the body, the processed one in the answer. */
#include "access.h"
#include "image_reply.h"
#include "route.h"
#include "upload.h"

static void answer(struct upload *u, struct request *rq, struct reply *a)
{
    struct query_error qe = { .option = "" };
    struct ic_error e = { 0 };
    struct image_reply im;
    if (!order_finish(&u->order, rq->gw->cfg, ORDER_ONE, &qe)) {
        image_reply_option(a, &qe);
        return;
    }
    if (image_reply_probe_bytes(u->file, &im.info, &e) != IC_OK) {
        reply_error(a, &e, 0);
        return;
    }
    if (!image_reply_plan(rq, &u->order.outputs[0].query, &im, a))
        return;
    if (!pool_grow(&rq->ticket, im.reserve)) {
        reply_busy(a, 1, "no memory for the result at the moment");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    image_reply_run(rq, &im, NULL, (struct pool_input){ .p = u->file.p, .fd = -1, .n = u->file.n }, a);
}

void api_process(struct request *rq, struct reply *a)
{
    struct upload u;
    rq->log.route = "process";
    if (!route_method(rq, "POST", a) || !access_token(rq, a))
        return;
    if (upload_begin(&u, rq, rq->query, a) && upload_read(&u, rq, a))
        answer(&u, rq, a);
    upload_free(&u);
}
