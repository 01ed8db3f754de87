/* GET /healthz and /readyz, for load balancers and service managers; never queued.
 *
 * A full queue is not "not ready": it would take a node out exactly under load, and its load would fall on the others.
 */
#include "route.h"

static void answer(struct request *rq, bool ok, const char *why, struct reply *a)
{
    if (!route_method(rq, "GET, HEAD", a))
        return;
    if (!ok) {
        reply_busy(a, 1, why);
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_text(a, 200, "text/plain", "ok\n");
}

void api_healthz(struct request *rq, struct reply *a)
{
    rq->log.route = "healthz";
    answer(rq, true, "", a);
}

void api_readyz(struct request *rq, struct reply *a)
{
    const struct gateway *g = rq->gw;
    rq->log.route = "readyz";
    if (dispatch_draining(g->dispatch))
        answer(rq, false, "draining: this instance is about to stop", a);
    else
        answer(rq, g->cfg->workers == 0 || g->cfg->shared || pool_state(g->pool).workers > 0, "no worker is alive", a);
}
