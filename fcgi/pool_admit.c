/* Tickets: who may come in at all. Called by accept threads once a request's parameters are read and before its body.
 *
 * Both bounds, places and bytes, are taken at once and given back at once, and nobody waits here: what does not fit is
 * told so within microseconds, with the time after which it probably will. The prediction is the number of tickets
 * times what jobs lately took, shared among the workers. */
#include "pool_private.h"

#include <math.h>

#include "stats.h"

#define POOL_SMOOTH 8.0 /* jobs that the moving average remembers, about */

/* Milliseconds until those ahead are done. Lock held. */
static double pool_predict_ms(const struct pool *p)
{
    return p->admitted * p->job_ms / p->workers;
}

/* Rounded up, and dealt out over half as long again, so that those who obey do not all come back together. Lock held.
 */
static int pool_drain_s(struct pool *p)
{
    double s = ceil(pool_predict_ms(p) / 1000.0);
    unsigned least = s < 1 ? 1 : s > 3600 ? 3600 : (unsigned)s;
    return (int)(least + p->refusals++ % (least / 2 + 1));
}

int pool_retry_after_s(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    int s = pool_drain_s(p);
    pthread_mutex_unlock(&p->lock);
    return s;
}

void pool_took(struct pool *p, double ms)
{
    pthread_mutex_lock(&p->lock);
    p->job_ms += (ms - p->job_ms) / POOL_SMOOTH;
    pthread_mutex_unlock(&p->lock);
}

/* Why a request is refused: a word for the metrics, a sentence for the client. */
struct pool_refusal {
    const char *reason, *text;
};
static const struct pool_refusal refused_drain = { "draining", "this instance is shutting down" },
                                 refused_queue = { "queue", "the queue is full" },
                                 refused_uploads = { "uploads", "the queue is full of uploads" },
                                 refused_bytes = { "memory", "the memory for requests in flight is used up" },
                                 refused_late = { "deadline", "the queue takes longer than the deadline" };

/* Why not, or NULL. Lock held. */
static const struct pool_refusal *pool_refusal(const struct pool *p, enum pool_lane lane, size_t bytes)
{
    if (p->draining)
        return &refused_drain;
    if (p->admitted >= p->places)
        return &refused_queue;
    if (lane != LANE_INTERACTIVE && p->bodies >= p->places_bodies)
        return &refused_uploads;
    if (bytes > p->bytes_max - p->bytes)
        return &refused_bytes;
    if (pool_predict_ms(p) > (double)p->deadline_ms)
        return &refused_late;
    return NULL;
}

static bool pool_refuse(const struct pool_refusal *why, struct ic_error *e)
{
    stats_add(STATS_REJECTED, 1, why->reason, NULL);
    return ic_fail(e, IC_E_BUSY, "%s", why->text) == IC_OK;
}

bool pool_admit(struct pool *p, enum pool_lane lane, size_t bytes, struct pool_ticket *t, int *retry_after_s,
                struct ic_error *e)
{
    pthread_mutex_lock(&p->lock);
    const struct pool_refusal *refusal = pool_refusal(p, lane, bytes);
    if (!refusal) {
        p->admitted++;
        p->bodies += lane != LANE_INTERACTIVE;
        p->bytes += bytes;
    } else {
        *retry_after_s = pool_drain_s(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (refusal)
        return pool_refuse(refusal, e);
    *t = (struct pool_ticket){ .pool = p, .lane = lane, .bytes = bytes, .placed = true };
    return true;
}

bool pool_grow(struct pool_ticket *t, size_t bytes)
{
    struct pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    bool fits = bytes <= p->bytes_max - p->bytes;
    if (fits)
        p->bytes += bytes;
    pthread_mutex_unlock(&p->lock);
    if (fits)
        t->bytes += bytes;
    return fits;
}

/* Lock held. */
static void pool_unplace(struct pool *p, struct pool_ticket *t)
{
    p->admitted -= t->placed;
    p->bodies -= t->placed && t->lane != LANE_INTERACTIVE;
    t->placed = false;
}

void pool_vacate(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    pool_unplace(p, t);
    pthread_mutex_unlock(&p->lock);
}

void pool_leave(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    pool_unplace(p, t);
    p->bytes -= t->bytes;
    pthread_mutex_unlock(&p->lock);
    *t = (struct pool_ticket){ 0 };
}

void pool_drain(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->draining = true;
    pthread_mutex_unlock(&p->lock);
}
