/* Tickets: who may come in at all. Called by accept threads once a request's parameters are read and before its body.
 *
 * All bounds, places, bytes and predicted time, are taken at once and given back at once, and nobody waits here: what
 * does not fit is told so within microseconds, with the time after which it probably will. pool_price.c predicts. */
#include "pool_private.h"

#include "clock.h"
#include "ledger.h"
#include "stats.h"

/* Why a request is refused: a word for the metrics, a sentence for the client. */
struct pool_refusal {
    const char *reason, *text;
};
static const struct pool_refusal refused_queue = { "queue", "the queue is full" },
                                 refused_uploads = { "uploads", "the queue is full of uploads" },
                                 refused_slots = { "slot_file", "the file that counts workers can't be had" },
                                 refused_bytes = { "memory", "the memory for requests in flight is used up" },
                                 refused_late = { "deadline", "the queue takes longer than the deadline" };

/* The budget is one for all generations, so every byte goes through the ledger. Lock held. */
static bool pool_book(struct pool *p, enum pool_lane lane, size_t bytes)
{
    bool fits = ledger_book(bytes, lane == LANE_INTERACTIVE ? p->bytes_max : p->bytes_max_bodies);
    p->bytes += fits ? bytes : 0;
    return fits;
}

static void pool_unbook(struct pool *p, size_t bytes)
{
    p->bytes -= bytes;
    ledger_unbook(bytes);
}

/* The same for one process of many. */
static const struct pool_refusal *pool_slot_refusal(struct pool *p, enum pool_lane lane, size_t bytes)
{
    enum slots_answer got = pool_slots_enter(p);
    if (got != SLOTS_HELD)
        return got == SLOTS_FULL ? &refused_queue : &refused_slots;
    const struct pool_refusal *refusal = NULL;
    if (pool_wait_for_ms(p, lane) > (double)p->deadline_ms)
        refusal = &refused_late;
    else if (!pool_book(p, lane, bytes))
        refusal = &refused_bytes;
    if (refusal)
        pool_slots_give_back(p);
    return refusal;
}

/* Why not, or NULL: then the bytes are booked. Lock held. */
static const struct pool_refusal *pool_refusal(struct pool *p, enum pool_lane lane, size_t bytes)
{
    if (p->slots)
        return pool_slot_refusal(p, lane, bytes);
    while (p->admitted >= p->places)
        if (!pool_make_place(p))
            return &refused_queue;
    while (lane != LANE_INTERACTIVE && p->bodies >= p->places_bodies)
        if (!pool_make_place(p))
            return &refused_uploads;
    if (pool_wait_for_ms(p, lane) > (double)p->deadline_ms)
        return &refused_late;
    return pool_book(p, lane, bytes) ? NULL : &refused_bytes; /* last: it is booked then */
}

static bool pool_refuse(const struct pool_refusal *why, struct ic_error *e)
{
    stats_add(STATS_REJECTED, 1, why->reason, NULL);
    return ic_fail(e, IC_E_BUSY, "%s", why->text) == IC_OK;
}

void pool_place_ticket(struct pool *p, struct pool_ticket *t)
{
    t->placed = true;
    t->cost_ms = p->job_ms; /* until it has a price */
    p->admitted++;
    p->bodies += t->lane != LANE_INTERACTIVE;
    p->lane_cost_ms[t->lane] += t->cost_ms;
}

bool pool_admit(struct pool *p, enum pool_lane lane, size_t bytes, struct pool_ticket *t, int *retry_after_s,
                struct ic_error *e)
{
    pthread_mutex_lock(&p->lock);
    const struct pool_refusal *refusal = pool_refusal(p, lane, bytes);
    if (!refusal) {
        *t = (struct pool_ticket){ .pool = p, .lane = lane, .bytes = bytes };
        pool_place_ticket(p, t);
    } else {
        *retry_after_s = pool_book_s(p, lane);
    }
    pthread_mutex_unlock(&p->lock);
    return !refusal || pool_refuse(refusal, e);
}

bool pool_price(struct pool_ticket *t, const struct pool_forecast *f, int64_t deadline_ms, int *retry_after_s,
                struct ic_error *e)
{
    struct pool *p = t->pool;
    double cost_ms = pool_corrected_ms(p, f);
    pthread_mutex_lock(&p->lock);
    p->lane_cost_ms[t->lane] -= t->cost_ms;
    double wait_ms = pool_wait_for_ms(p, t->lane), left_ms = (double)(deadline_ms - clock_ms());
    /* What would be late in an empty house as well is tried: the prediction may be wrong, "come back" surely is. */
    bool fits = wait_ms + cost_ms <= left_ms || wait_ms <= 0;
    if (fits)
        t->cost_ms = cost_ms;
    else
        *retry_after_s = pool_book_s(p, t->lane);
    p->lane_cost_ms[t->lane] += t->cost_ms;
    pthread_mutex_unlock(&p->lock);
    return fits || pool_refuse(&refused_late, e);
}

void pool_waive(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    p->lane_cost_ms[t->lane] -= t->cost_ms;
    t->cost_ms = 0;
    pthread_mutex_unlock(&p->lock);
}

bool pool_hold(struct pool *p, size_t bytes, struct pool_ticket *t)
{
    pthread_mutex_lock(&p->lock);
    bool fits = pool_book(p, LANE_INTERACTIVE, bytes);
    pthread_mutex_unlock(&p->lock);
    if (fits)
        *t = (struct pool_ticket){ .pool = p, .bytes = bytes };
    return fits;
}

bool pool_grow(struct pool_ticket *t, size_t bytes)
{
    struct pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    bool fits = pool_book(p, t->lane, bytes);
    pthread_mutex_unlock(&p->lock);
    if (fits)
        t->bytes += bytes;
    return fits;
}

void pool_shrink(struct pool_ticket *t, size_t bytes)
{
    struct pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    pool_unbook(p, bytes);
    pthread_mutex_unlock(&p->lock);
    t->bytes -= bytes;
}

void pool_unplace(struct pool *p, struct pool_ticket *t)
{
    p->admitted -= t->placed;
    p->bodies -= t->placed && t->lane != LANE_INTERACTIVE;
    p->lane_cost_ms[t->lane] -= t->cost_ms;
    t->cost_ms = 0;
    t->placed = false;
    pool_turn_over(p, t);
}

void pool_vacate(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    if (!p)
        return;
    bool placed = t->placed;
    pthread_mutex_lock(&p->lock);
    pool_unplace(p, t);
    pthread_mutex_unlock(&p->lock);
    if (placed)
        pool_slots_leave(p);
}

void pool_leave(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    if (!p)
        return;
    bool placed = t->placed;
    pthread_mutex_lock(&p->lock);
    pool_unplace(p, t);
    pool_unbook(p, t->bytes);
    pthread_mutex_unlock(&p->lock);
    if (placed)
        pool_slots_leave(p);
    *t = (struct pool_ticket){ 0 };
}
