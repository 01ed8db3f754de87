/* Who goes next: weighted fair queueing over three lanes, first come first served within each.
 *
 * Every lane has a tag: the virtual time at which the work it was given so far would be done, had it its share of the
 * workers all to itself. The lane whose next job would be done first goes first, and the clock follows the job that was
 * chosen; a lane that was empty starts from the clock, so that nobody saves up turns (self-clocked fair queueing,
 * Golestani 1994). Costs, not counts: a batch of large images gets no more of the machine than one of small ones. Not
 * strict priorities: under steady interactive load an upload would never be served, only refused.
 *
 * What is handed out is charged whether or not anybody waited, and is never given back: a job that ends early or is
 * cancelled costs its lane a little of its share.
 *
 * With three or more workers a batch leaves one idle while an interactive request came within the last second: the next
 * one then finds it free instead of waiting for the end of a large image. */
#include "clock.h"
#include "pool_private.h"

#define LANES_KEEP_MS 1000
#define LANES_KEEP_OF 3 /* workers; with fewer it would cost the batch too much */

static const double lane_weights[POOL_LANES] = { [LANE_INTERACTIVE] = 8, [LANE_UPLOAD] = 4, [LANE_BATCH] = 1 };

double pool_weight(enum pool_lane lane)
{
    return lane_weights[lane];
}

/* As a lane gets something to do. */
static void lane_wakes(struct pool *p, enum pool_lane lane)
{
    if (p->lane_waiting[lane] == 0 && p->tag[lane] < p->clock)
        p->tag[lane] = p->clock;
}

static void lane_served(struct pool *p, enum pool_lane lane, double cost_ms)
{
    p->tag[lane] += cost_ms / lane_weights[lane];
    if (p->clock < p->tag[lane])
        p->clock = p->tag[lane];
}

void pool_charge(struct pool *p, enum pool_lane lane, double cost_ms)
{
    lane_wakes(p, lane);
    lane_served(p, lane, cost_ms);
}

void pool_enter_lane(struct pool *p, struct pool_waiter *me, enum pool_lane lane, bool first)
{
    lane_wakes(p, lane);
    p->waiting++;
    p->lane_waiting[lane]++;
    if (first)
        TAILQ_INSERT_HEAD(&p->waiters[lane], me, at);
    else
        TAILQ_INSERT_TAIL(&p->waiters[lane], me, at);
}

void pool_quit_lane(struct pool *p, struct pool_waiter *me, enum pool_lane lane)
{
    TAILQ_REMOVE(&p->waiters[lane], me, at);
    p->waiting--;
    p->lane_waiting[lane]--;
}

static bool lane_kept_from(const struct pool *p, enum pool_lane lane)
{
    return lane == LANE_BATCH && p->workers >= LANES_KEEP_OF && !p->slots && p->idle_n < 2 &&
           clock_ms() - p->interactive_ms < LANES_KEEP_MS;
}

bool pool_may_take(const struct pool *p, enum pool_lane lane)
{
    return p->idle && !lane_kept_from(p, lane);
}

struct pool_waiter *pool_next_waiter(struct pool *p)
{
    int best = -1;
    double best_tag = 0;
    for (int i = 0; i < POOL_LANES; i++) {
        const struct pool_waiter *w = TAILQ_FIRST(&p->waiters[i]);
        if (!w || lane_kept_from(p, (enum pool_lane)i))
            continue;
        double tag = p->tag[i] + w->cost_ms / lane_weights[i];
        if (best < 0 || tag < best_tag) { /* of equals the more urgent lane */
            best = i;
            best_tag = tag;
        }
    }
    if (best < 0)
        return NULL;
    struct pool_waiter *next = TAILQ_FIRST(&p->waiters[best]);
    pool_quit_lane(p, next, (enum pool_lane)best);
    lane_served(p, (enum pool_lane)best, next->cost_ms);
    return next;
}
