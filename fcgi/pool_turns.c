/* Whose body is read: a few at a time, in the order in which they came.
 *
 * A turn lasts from before a body is read, but for its beginning, until a worker has it, so that of fast clients bodies
 * are in memory for those who are next and for nobody else, however many wait. What is not read yet stays with its
 * client: the server in front has no room for more of it, stops reading as well, and has its time for others. There are
 * more turns than workers, because no worker shall wait for a body.
 *
 * A body that comes slowly stands aside as soon as somebody wants what it has: its turn goes to the next, its place in
 * the queue to whoever comes when all are taken. It goes on being read all the while, and has a place again once it is
 * whole. What many slow clients cost others then is threads and memory, of which they have their shares. */
#include "pool_private.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "stats.h"

#define SLOW_MS   100   /* a body may take so long for nothing, */
#define SLOW_RATE 10000 /* and a millisecond more for each so many bytes that have come */

/* A thread in pool_take_turn. On its stack; in the list until it has its turn or leaves. */
struct pool_turn {
    int wake; /* eventfd */
    bool mine;
    TAILQ_ENTRY(pool_turn) at;
};

/* Turns. */

/* Lock held. The wake-up is written under it: see pool_match. */
static void turn_next(struct pool *p)
{
    struct pool_turn *next = TAILQ_FIRST(&p->turn_waiters);
    if (!next || p->turns >= p->turns_max)
        return;
    TAILQ_REMOVE(&p->turn_waiters, next, at);
    p->turns_waiting--;
    p->turns++;
    next->mine = true;
    eventfd_write(next->wake, 1);
}

void pool_turn_over(struct pool *p, struct pool_ticket *t)
{
    if (!t->turn)
        return;
    t->turn = false;
    p->turns--;
    turn_next(p);
}

void pool_end_turn(struct pool_ticket *t)
{
    if (!t->turn)
        return;
    pthread_mutex_lock(&t->pool->lock);
    pool_turn_over(t->pool, t);
    pthread_mutex_unlock(&t->pool->lock);
}

/* Slow ones. */

/* Takes the turns of slow ones away, for those who wait longest. Returns when to look again: others may have begun to
 * be read by then. */
static int64_t turns_look(struct pool *p)
{
    struct pool_ticket *t;
    int64_t now = clock_ms(), next = now + SLOW_MS;
    pthread_mutex_lock(&p->lock);
    TAILQ_FOREACH(t, &p->reading, at)
    {
        if (t->turn && t->slow_ms <= now)
            pool_turn_over(p, t);
        else if (t->turn && t->slow_ms < next)
            next = t->slow_ms;
    }
    pthread_mutex_unlock(&p->lock);
    return next;
}

bool pool_make_place(struct pool *p)
{
    struct pool_ticket *t;
    int64_t now = clock_ms();
    if (p->aside >= p->aside_max)
        return false;
    TAILQ_FOREACH(t, &p->reading, at)
    {
        if (!t->placed || t->slow_ms > now)
            continue;
        p->aside++;
        t->aside = true;
        pool_unplace(p, t);
        return true;
    }
    return false;
}

void pool_read_begin(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    t->begun_ms = clock_ms();
    t->slow_ms = t->begun_ms + SLOW_MS;
    pthread_mutex_lock(&p->lock);
    TAILQ_INSERT_TAIL(&p->reading, t, at);
    pthread_mutex_unlock(&p->lock);
}

void pool_read_some(struct pool_ticket *t, size_t n)
{
    if (!t->pool)
        return;
    pthread_mutex_lock(&t->pool->lock);
    t->slow_ms = t->begun_ms + SLOW_MS + (int64_t)(n / SLOW_RATE);
    pthread_mutex_unlock(&t->pool->lock);
}

void pool_read_end(struct pool_ticket *t)
{
    struct pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    TAILQ_REMOVE(&p->reading, t, at);
    if (t->aside) {
        p->aside--;
        pool_place_ticket(p, t);
    }
    pthread_mutex_unlock(&p->lock);
    t->aside = false;
}

/* Taking. */

/* Takes a turn, or enters the list. True: nothing to wait for. */
static bool turn_take_or_queue(struct pool *p, struct pool_turn *me)
{
    pthread_mutex_lock(&p->lock);
    me->mine = p->turns < p->turns_max;
    if (me->mine) {
        p->turns++;
    } else if (me->wake >= 0) {
        TAILQ_INSERT_TAIL(&p->turn_waiters, me, at);
        p->turns_waiting++;
    }
    bool mine = me->mine;
    pthread_mutex_unlock(&p->lock);
    return mine;
}

/* Whether it has got its turn after all; else it is out of the list. */
static bool turn_leave(struct pool *p, struct pool_turn *me)
{
    pthread_mutex_lock(&p->lock);
    if (!me->mine) {
        TAILQ_REMOVE(&p->turn_waiters, me, at);
        p->turns_waiting--;
    }
    bool mine = me->mine;
    pthread_mutex_unlock(&p->lock);
    return mine;
}

/* IC_OK, IC_E_GONE or IC_E_BUSY; whether it is our turn is told under the lock. */
static enum ic_code turn_wait(struct pool *p, const struct pool_turn *me, int client, int64_t deadline_ms)
{
    struct pollfd f[2] = { { .fd = me->wake, .events = POLLIN }, { .fd = client, .events = POLLRDHUP } };
    for (;;) {
        int64_t look = turns_look(p);
        int n = poll(f, 2, pool_timeout_ms(look < deadline_ms ? look : deadline_ms));
        if (n > 0 && f[0].revents)
            return IC_OK;
        if (n > 0 && f[1].revents)
            return IC_E_GONE;
        if (clock_ms() >= deadline_ms)
            return IC_E_BUSY;
    }
}

static enum ic_code turn_refuse(struct pool_ticket *t, enum ic_code code, int *retry_after_s, struct ic_error *e)
{
    if (code == IC_E_GONE)
        return ic_fail(e, IC_E_GONE, "the client left");
    *retry_after_s = pool_retry_after_s(t->pool, t->lane);
    stats_add(STATS_REJECTED, 1, "no_worker_in_time", NULL);
    return ic_fail(e, IC_E_BUSY, "no worker was free before the deadline");
}

enum ic_code pool_take_turn(struct pool_ticket *t, int client, int64_t deadline_ms, int *retry_after_s,
                            struct ic_error *e)
{
    struct pool_turn me = { .wake = -1 };
    int64_t from_us = clock_us();
    enum ic_code code = IC_OK;
    t->turn = turn_take_or_queue(t->pool, &me); /* the common case needs no eventfd */
    if (t->turn)
        return IC_OK;
    me.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (me.wake < 0)
        return turn_refuse(t, IC_E_BUSY, retry_after_s, e);
    if (!turn_take_or_queue(t->pool, &me))
        code = turn_wait(t->pool, &me, client, deadline_ms);
    t->turn = turn_leave(t->pool, &me);
    close(me.wake);
    t->waited_ms = (double)(clock_us() - from_us) / 1000;
    if (code == IC_OK && t->waited_ms >= POOL_WAITED_MS && (double)(deadline_ms - clock_ms()) < SLOW_MS + t->cost_ms)
        code = IC_E_BUSY; /* it would be read in vain */
    if (code != IC_OK)
        pool_end_turn(t);
    return code == IC_OK ? IC_OK : turn_refuse(t, code, retry_after_s, e);
}
