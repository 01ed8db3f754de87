/* A ring of the latest slow and failed requests. The log has all of them; this is what an operator wants to see first.
 * Refusals are not kept: under overload they would push everything else out, and their number says all. */
#include "recent.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

static struct {
    pthread_mutex_t lock; /* guards the rest */
    unsigned n;           /* ever */
    struct recent kept[RECENT_KEPT];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool failed(const struct reply *a)
{
    return a->status == 500 || a->status == 504 || a->status == 422;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void recent_note(const struct request *rq, const struct reply *a)
{
    const struct request_log *g = &rq->log;
    int64_t total_ms = clock_ms() - rq->start_ms, slow_ms = rq->gw->cfg->slow_ms;
    bool work = g->worker >= 0 || g->in != IC_FORMAT_ORIGIN; /* not /status itself, on a busy machine */
    bool slow = slow_ms > 0 && total_ms >= slow_ms && a->status != 503 && work;
    if (!slow && !failed(a))
        return;
    struct recent r = { .at_ms = now_ms(),
                        .status = a->status,
                        .slow = slow,
                        .total_ms = total_ms,
                        .queue_ms = g->queue_ms,
                        .read_ms = g->read_ms,
                        .decode_ms = g->decode_ms,
                        .transform_ms = g->transform_ms,
                        .encode_ms = g->encode_ms,
                        .write_ms = g->write_ms,
                        .predicted_ms = g->predicted_ms,
                        .work_ms = g->work_ms };
    snprintf(r.id, sizeof r.id, "%s", rq->id);
    snprintf(r.route, sizeof r.route, "%s", g->route != NULL ? g->route : "");
    snprintf(r.code, sizeof r.code, "%s", a->code != NULL ? a->code : "");
    snprintf(r.uri, sizeof r.uri, "%s", rq->uri);
    snprintf(r.options, sizeof r.options, "%.*s", (int)sizeof r.options - 1, g->options);
    pthread_mutex_lock(&ring.lock);
    ring.kept[ring.n++ % RECENT_KEPT] = r;
    pthread_mutex_unlock(&ring.lock);
}

int recent_list(struct recent out[RECENT_KEPT])
{
    pthread_mutex_lock(&ring.lock);
    unsigned n = ring.n < RECENT_KEPT ? ring.n : RECENT_KEPT;
    for (unsigned i = 0; i < n; i++)
        out[i] = ring.kept[(ring.n - 1 - i) % RECENT_KEPT];
    pthread_mutex_unlock(&ring.lock);
    return (int)n;
}
