/* Predictions: what a job will cost, how long somebody waits, and when the refused shall come back.
 *
 *     cost = ic_plan's, from sizes alone  x  what jobs from this format to that one lately took of their prediction
 *     wait = (left of those at work + what goes first) / workers
 *
 * Wall time of a worker is what is learnt, not its CPU time: on a busy machine a queue drains as slowly as it drains.
 *
 * The refused are booked like guests of a full restaurant, one after another behind those who wait, so that they find
 * room when they return instead of meeting each other: where all were told the same second, all but a queue's worth of
 * them would be refused again. Bookings reach half a minute ahead and then begin anew, because most of those who are
 * refused for so long never come back. */
#include "pool_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

#define PRICE_SMOOTH   8.0 /* jobs that the average remembers, about */
#define PRICE_LEARN    16  /* the same for the ratio of one pair of formats */
#define PRICE_SURPRISE 4.0 /* a job that was killed counts as so many times the expected at most */
#define PRICE_LEAST_MS 0.05
#define BOOK_MS        30000.0
#define BOOK_PLACES    0.75 /* of the queue that may be told the same second */
#define BOOK_SPARE     1.25 /* predictions are not that good, and others come as well */

/* Learning. */

static struct pool_ratio *ratio_of(struct pool *p, const struct pool_forecast *f)
{
    bool known = f->cost_ms > 0 && f->in > IC_FORMAT_ORIGIN && f->in < IC_FORMATS && f->out >= IC_FORMAT_ORIGIN &&
                 f->out < IC_FORMATS;
    return known ? &p->ratio[f->in][f->out] : NULL;
}

double pool_corrected_ms(struct pool *p, const struct pool_forecast *f)
{
    pthread_mutex_lock(&p->lock);
    const struct pool_ratio *ratio = ratio_of(p, f);
    double ms = p->job_ms;
    if (ratio)
        ms = fmax(f->cost_ms, PRICE_LEAST_MS) * (ratio->jobs > 0 ? ratio->mean : 1);
    pthread_mutex_unlock(&p->lock);
    return ms;
}

/* One that was killed would have taken longer, who knows how long; but mostly it is not like the others. */
static void ratio_learn(struct pool_ratio *r, double now, bool killed)
{
    double old = r->jobs > 0 ? r->mean : 1;
    if (killed)
        now = fmin(now, PRICE_SURPRISE * old);
    if (r->jobs < PRICE_LEARN)
        r->jobs++;
    r->mean = old + (now - old) / r->jobs;
}

void pool_took(struct pool *p, const struct pool_forecast *f, double ms, bool killed)
{
    pthread_mutex_lock(&p->lock);
    struct pool_ratio *ratio = ratio_of(p, f);
    p->job_ms += ((killed ? fmin(ms, PRICE_SURPRISE * p->job_ms) : ms) - p->job_ms) / PRICE_SMOOTH;
    if (ratio)
        ratio_learn(ratio, ms / fmax(f->cost_ms, PRICE_LEAST_MS), killed);
    pool_slots_took(p);
    pthread_mutex_unlock(&p->lock);
}

/* At work. */

void pool_begin_job(struct pool *p, struct pool_ticket *t, struct worker *w, const struct pool_job *j)
{
    pthread_mutex_lock(&p->lock);
    double moved = fmin(t->cost_ms, j->cost_ms);
    t->cost_ms -= moved;
    p->lane_cost_ms[t->lane] -= moved;
    w->busy = true;
    w->since_ms = clock_ms();
    w->cost_ms = j->cost_ms;
    snprintf(w->what, sizeof w->what, "%s", j->what ? j->what : "");
    pthread_mutex_unlock(&p->lock);
}

void pool_end_job(struct pool *p, struct worker *w)
{
    pthread_mutex_lock(&p->lock);
    w->busy = false;
    w->what[0] = '\0';
    pthread_mutex_unlock(&p->lock);
}

/* Waiting. */

double pool_running_ms(const struct pool *p)
{
    const struct worker *w;
    double left = 0, now = (double)clock_ms();
    TAILQ_FOREACH(w, &p->all, all)
    left += w->busy ? fmax(0, (double)w->since_ms + w->cost_ms - now) : 0;
    return left;
}

/* What is admitted in the lane itself, and of the others what their weights let go before its end. */
double pool_wait_for_ms(const struct pool *p, enum pool_lane lane)
{
    if (p->slots)
        return pool_slots_wait_ms(p);
    double own = fmax(0, p->lane_cost_ms[lane]), all = own + pool_running_ms(p);
    for (int i = 0; i < POOL_LANES; i++)
        if (i != (int)lane)
            all += fmin(fmax(0, p->lane_cost_ms[i]), own * pool_weight((enum pool_lane)i) / pool_weight(lane));
    return all / p->workers;
}

/* Coming back. */

int pool_book_s(struct pool *p, enum pool_lane lane)
{
    pool_slots_booked(p, false);
    double now = (double)clock_ms(), drained = now + pool_wait_for_ms(p, lane);
    double step = fmax(BOOK_SPARE * p->job_ms / p->workers, 1000.0 / fmax(1, p->places * BOOK_PLACES));
    if (p->booked_ms < drained || p->booked_ms > drained + BOOK_MS)
        p->booked_ms = drained;
    p->booked_ms += step;
    pool_slots_booked(p, true);
    double s = ceil((p->booked_ms - now) / 1000.0);
    return s < 1 ? 1 : s > 3600 ? 3600 : (int)s;
}

int pool_retry_after_s(struct pool *p, enum pool_lane lane)
{
    pthread_mutex_lock(&p->lock);
    int s = pool_book_s(p, lane);
    pthread_mutex_unlock(&p->lock);
    return s;
}
