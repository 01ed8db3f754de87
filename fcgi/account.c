/* What an ended request adds to the metrics, once, after its answer was written; and a batch's or job's image. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "recent.h"
#include "request.h"
#include "stats.h"

static void observe(const char *stage, double ms)
{
    stats_observe(STATS_STAGE_TIME, ms / 1000, stage);
}

void account_work(double decode_ms, double transform_ms, double encode_ms)
{
    observe("decode", decode_ms);
    observe("transform", transform_ms);
    observe("encode", encode_ms);
}

/* Stages count where they happened: a health check has no decode, and its zero would hide the others'. */
static void stages(const struct request_log *g, int status)
{
    if (g->bytes_in > 0)
        observe("read", g->read_ms);
    if (g->worker >= 0)
        observe("queue", g->queue_ms);
    if (g->worker >= 0 && status / 100 == 2) /* one that failed on its way did not take so long */
        account_work(g->decode_ms, g->transform_ms, g->encode_ms);
    observe("write", g->write_ms);
}

/* 415 and 422: what was wrong with an image, by the format it had or claimed to have. */
static void decode_error(const struct request *rq, const struct reply *a)
{
    const char *format = rq->log.in != IC_FORMAT_ORIGIN ? ic_format_name(rq->log.in) : "unknown";
    stats_add(STATS_DECODE_ERRORS, 1, format, a->code);
}

void account_request(const struct request *rq, const struct reply *a)
{
    const struct request_log *g = &rq->log;
    char status[8];
    snprintf(status, sizeof status, "%d", a->status);
    stats_add(STATS_REQUESTS, 1, g->route != NULL ? g->route : "none", status);
    stats_observe(STATS_REQUEST_TIME, (double)(clock_ms() - rq->start_ms) / 1000, NULL);
    recent_note(rq, a);
    stages(g, a->status);
    stats_add(STATS_BYTES_IN, g->bytes_in, NULL, NULL);
    stats_add(STATS_BYTES_OUT, g->bytes_out, NULL, NULL);
    if (a->status == 304)
        stats_add(STATS_CACHE_HITS, 1, "not_modified", NULL);
    if (a->status == 499)
        stats_add(STATS_CANCELLED, 1, "client", NULL);
    if (a->status == 504)
        stats_add(STATS_CANCELLED, 1, "deadline", NULL);
    if ((a->status == 415 || a->status == 422) && a->code != NULL)
        decode_error(rq, a);
}
