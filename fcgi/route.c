/* From URLs to handlers, called by request.c once the params are in.
 *
 * Paths are compared as they came: an endpoint has one spelling, so what a web server allows or denies by location
 * can't be reached by another. */
#include "route.h"

#include <string.h>

static const struct route {
    const char *path;
    void (*handler)(struct request *rq, struct reply *a);
} routes[] = {
    { "/api/images/process", api_process },
    { "/api/images/renditions", api_renditions },
    { "/api/images/batch", api_batch },
    { "/api/images/info", api_info },
    { "/api/options", api_options },
    { "/healthz", api_healthz },
    { "/metrics", api_metrics },
    { "/readyz", api_readyz },
    { "/status", api_status },
    { "/status.json", api_status_json },
};

bool route_method(const struct request *rq, const char *allow, struct reply *a)
{
    size_t n = strlen(rq->method);
    for (const char *p = allow; n > 0 && *p; p += strspn(p, ", ")) {
        size_t word = strcspn(p, ",");
        if (word == n && !memcmp(p, rq->method, n))
            return true;
        p += word;
    }
    reply_problem(a, 405, "method_not_allowed", "this URL answers %s", allow);
    reply_header(a, "Allow", "%s", allow);
    return false;
}

void route_request(struct request *rq, struct reply *a)
{
    const char *images = rq->gw->cfg->image_url;
    if (!strncmp(rq->uri, "/api/jobs/", 10)) {
        api_jobs(rq, rq->uri + 10, a);
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strcmp(rq->uri, routes[i].path)) {
            routes[i].handler(rq, a);
            return;
        }
    if (!strncmp(rq->uri, images, strlen(images))) { /* last: it may be / */
        api_img(rq, rq->uri + strlen(images), a);
        return;
    }
    reply_problem(a, 404, "no_such_endpoint",
                  "no endpoint has this URL; there are GET %s{path}, GET %s{options}/{path}, "
                  "POST /api/images/process, POST /api/images/renditions, POST /api/images/batch, GET /api/jobs/{id}, "
                  "GET /api/options, "
                  "GET /healthz, GET /readyz, GET /metrics, GET /status",
                  images, images);
}
