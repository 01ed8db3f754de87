/* The access line: one per request, key=value, with the milliseconds of each stage; and a second, louder one for a
 * request that took longer than slow_ms, which says what was asked. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "request.h"

struct line {
    char text[3072];
    size_t n;
};

static void put(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        l->n = l->n + (size_t)n < sizeof l->text ? l->n + (size_t)n : sizeof l->text - 1;
}

static void put_image(struct line *l, const struct request_log *g)
{
    if (g->in != IC_FORMAT_ORIGIN)
        put(l, " in=%s source=%ux%u", ic_format_name(g->in), g->source_width, g->source_height);
    if (g->out != IC_FORMAT_ORIGIN)
        put(l, " out=%s size=%ux%u", ic_format_name(g->out), g->width, g->height);
}

static void put_stages(struct line *l, const struct request_log *g)
{
    put(l, " queue_ms=%.1f read_ms=%.1f", g->queue_ms, g->read_ms);
    if (g->worker >= 0 || g->decode_ms > 0)
        put(l, " decode_ms=%.1f transform_ms=%.1f encode_ms=%.1f", g->decode_ms, g->transform_ms, g->encode_ms);
    put(l, " write_ms=%.1f", g->write_ms);
}

/* All that is needed to understand it and to do it again: pixpool process IN -o OUT OPTIONS. */
static void slow_log(const struct request *rq, int64_t total_ms)
{
    const struct request_log *g = &rq->log;
    char uri[512], options[sizeof g->options * 2];
    struct line l = { .n = 0 };
    put(&l, "event=slow id=%s total_ms=%lld route=%s uri=%s", rq->id, (long long)total_ms,
        g->route != NULL ? g->route : "-", log_quote(rq->uri, uri, sizeof uri));
    put_image(&l, g);
    put_stages(&l, g);
    if (g->worker >= 0)
        put(&l, " predicted_ms=%.1f work_ms=%.1f", g->predicted_ms, g->work_ms);
    put(&l, " options=%s", log_quote(g->options, options, sizeof options));
    log_line(LOG_LV_WARN, "%s", l.text);
}

void access_log(const struct request *rq, const struct reply *a)
{
    const struct request_log *g = &rq->log;
    int64_t total_ms = clock_ms() - rq->start_ms;
    char uri[512], method[64];
    struct line l = { .n = 0 };
    put(&l, "event=request id=%s status=%d", rq->id, a->status);
    if (a->code != NULL)
        put(&l, " code=%s", a->code);
    put(&l, " route=%s method=%s uri=%s", g->route != NULL ? g->route : "-",
        log_quote(rq->method, method, sizeof method), log_quote(rq->uri, uri, sizeof uri));
    put_image(&l, g);
    if (g->cache != NULL)
        put(&l, " cache=%s", g->cache);
    put(&l, " bytes_in=%zu bytes_out=%zu", g->bytes_in, g->bytes_out);
    put_stages(&l, g);
    put(&l, " total_ms=%lld", (long long)total_ms);
    if (g->worker >= 0)
        put(&l, " worker=%d", g->worker);
    log_line(LOG_LV_INFO, "%s", l.text);
    if (total_ms >= rq->gw->cfg->slow_ms && rq->gw->cfg->slow_ms > 0)
        slow_log(rq, total_ms);
}
