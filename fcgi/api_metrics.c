/* GET /metrics: everything that stats.c counted, and what is asked only now: queues, workers, memory. Never queued. */
#include "access.h"
#include "gauges.h"
#include "route.h"
#include "stats.h"

void api_metrics(struct request *rq, struct reply *a)
{
    size_t n;
    rq->log.route = "metrics";
    if (!route_method(rq, "GET, HEAD", a) || !access_admin_check(rq, a))
        return;
    gauges_set(rq->gw);
    char *text = stats_text(&n);
    if (!text) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_body(a, 200, "text/plain; version=0.0.4; charset=utf-8", (uint8_t *)text, n);
}
