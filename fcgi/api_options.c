/* GET /api/options: the option table as JSON, so that clients and the page in web/ need no copy of it. */
#include <string.h>

#include "query.h"
#include "route.h"

void api_options(struct request *rq, struct reply *a)
{
    rq->log.route = "options";
    if (!route_method(rq, "GET, HEAD", a))
        return;
    char *json = query_table_json();
    if (!json) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    reply_header(a, "Cache-Control", "public, max-age=300");
    reply_body(a, 200, "application/json", (uint8_t *)json, strlen(json));
}
