/* Workers and who waits for them. Every thread of the gateway comes here through pool_run; births come from the
 * dispatcher's thread.
 *
 *     idle list  --take-->  one thread  --give-->  the first who waits, else the idle list
 *                                       --bury-->  freed
 *
 * A worker is handed over, never announced: the giver puts it into the waiter's hand under the lock and then wakes that
 * one thread, so no wake-up can be lost or stolen, and a waiter that has run out of time finds out under the same lock
 * whether it holds one. Each waits in poll, on an eventfd of its own rather than on a condition variable, because it
 * must see its client leave as well. */
#include "pool_private.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "engine.h"
#include "ledger.h"
#include "libc.h"
#include "log.h"
#include "stats.h"

#define POOL_JOB_MS 50.0 /* expected of a job before any was measured */
#define POOL_WORK_MS                                                                                                   \
    (WORKER_CPU_S * 1000.0 * 5 / 6) /* a worker is retired; what is left of its limit is the longest job */
#define POOL_REBIRTH_MS 1000        /* a death counts as survived for so long: the next worker is on its way */
#define POOL_TURNS_ADD  2           /* bodies that are read while every worker has one */

/* One request always fits, or it would be told for ever to come back. */
static size_t pool_room_for_one(const struct config *c, int64_t bytes)
{
    int64_t one = c->max_body + c->max_result;
    return (size_t)(bytes > one ? bytes : one);
}

static size_t pool_budget(const struct config *c, int workers)
{
    int64_t left = c->memory_limit - workers * c->worker_memory;
    if (c->shared) /* no more processes than these hold a body or a result */
        left /= workers + c->queue;
    return pool_room_for_one(c, left);
}

/* Uploads hold places and memory from before their bodies are read, which may take long: an eighth of both is not
 * theirs, so that slow uploads, however many, leave a way through for requests without a body. */
static int pool_places_bodies(int places)
{
    return places > 1 ? places - (places + 7) / 8 : 1;
}

/* workers = 0: the one worker is this process, on loan to one thread at a time like any other. */
static struct worker *pool_inline_worker(const struct config *c)
{
    char why[300] = "";
    struct worker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->socket = w->pidfd = w->memfd = -1;
    w->pid = getpid();
    w->born_ms = clock_ms();
    w->engine = engine_create(c, why, sizeof why);
    if (!w->engine)
        log_line(LOG_LV_ERROR, "event=start error=\"%s\"", why);
    if (w->engine && config_fonts_add(c, w->engine, NULL) &&
        mailbox_map(&w->box, -1, config_input_size(c), (size_t)c->max_result))
        return w;
    ic_engine_free(w->engine);
    free(w);
    return NULL;
}

struct pool *pool_create(const struct config *c)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->workers = c->workers > 0 ? (int)c->workers : 1;
    p->places = p->workers + (int)c->queue;
    p->places_bodies = pool_places_bodies(p->places);
    p->turns_max = p->workers + POOL_TURNS_ADD;
    p->aside_max = config_threads_aside(c);
    p->in_size = config_input_size(c);
    p->out_size = (size_t)c->max_result;
    p->worker_memory = c->workers > 0 ? (size_t)c->worker_memory : 0;
    p->bytes_max = pool_budget(c, p->workers);
    p->bytes_max_bodies = pool_room_for_one(c, (int64_t)(p->bytes_max - p->bytes_max / 8));
    p->worker_jobs = c->workers > 0 ? c->worker_jobs : 0;
    p->deadline_ms = c->deadline_ms;
    p->job_ms = POOL_JOB_MS;
    p->last_death_ms = clock_ms() - POOL_REBIRTH_MS; /* none yet */
    p->interactive_ms = INT64_MIN / 2;
    pthread_mutex_init(&p->lock, NULL);
    TAILQ_INIT(&p->all);
    TAILQ_INIT(&p->turn_waiters);
    TAILQ_INIT(&p->reading);
    for (int i = 0; i < POOL_LANES; i++)
        TAILQ_INIT(&p->waiters[i]);
    if (c->workers > 0 && !c->shared)
        return p;
    if (!c->shared)
        p->idle = pool_inline_worker(c);
    else if (pool_slots_create(p, c))
        return p;
    if (!p->idle) {
        pool_free(p);
        return NULL;
    }
    p->alive = p->idle_n = 1;
    TAILQ_INSERT_TAIL(&p->all, p->idle, all);
    return p;
}

static void pool_free_worker(struct worker *w)
{
    if (w->socket >= 0)
        close(w->socket); /* if it still lives, this is how it learns that it may end */
    if (w->pidfd >= 0)
        close(w->pidfd);
    if (w->memfd >= 0)
        close(w->memfd);
    mailbox_unmap(&w->box);
    ic_engine_free(w->engine);
    free(w);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    for (struct worker *w = p->idle, *next; w; w = next) {
        next = w->next;
        pool_free_worker(w);
    }
    ledger_unbook(p->bytes);
    pool_slots_free(p);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Giving. */

/* Lock held. Idle workers to those who wait, as far as they may have them. The wake-up is written under the lock: once
 * it is released, a waiter that timed out at this moment may see its worker, return, and close the eventfd. */
static void pool_match(struct pool *p)
{
    struct pool_waiter *next;
    while (p->idle && (next = pool_next_waiter(p)) != NULL) {
        next->got = p->idle;
        p->idle = p->idle->next;
        p->idle_n--;
        eventfd_write(next->wake, 1);
    }
}

/* Lock held. */
static void pool_place(struct pool *p, struct worker *w)
{
    w->next = p->idle;
    p->idle = w;
    p->idle_n++;
    pool_match(p);
}

/* Lock held. One that nobody needs any more, out of the idle list; NULL: there is none. */
static struct worker *pool_surplus(struct pool *p)
{
    struct worker *w = p->retired && p->idle_n > 1 ? p->idle : NULL;
    if (w) {
        p->idle = w->next;
        p->idle_n--;
    }
    return w;
}

void pool_give(struct pool *p, struct worker *w)
{
    bool old = (p->worker_jobs > 0 && w->jobs >= p->worker_jobs) || w->work_ms > POOL_WORK_MS;
    pthread_mutex_lock(&p->lock);
    old = old && !p->retired; /* nobody might replace it */
    struct worker *surplus = NULL;
    if (!old) {
        pool_place(p, w);
        surplus = pool_surplus(p);
    }
    pthread_mutex_unlock(&p->lock);
    if (old)
        pool_bury(p, w, "quota");
    else if (surplus)
        pool_bury(p, surplus, "retired");
}

void pool_retire(struct pool *p)
{
    struct worker *w;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    bool first = !p->retired;
    p->retired = true;
    pthread_mutex_unlock(&p->lock);
    if (first) /* for the worker that stays, beside those of the next generation */
        ledger_book(p->worker_memory, SIZE_MAX);
    do {
        pthread_mutex_lock(&p->lock);
        w = pool_surplus(p);
        pthread_mutex_unlock(&p->lock);
        if (w)
            pool_bury(p, w, "retired");
    } while (w);
}

void pool_bury(struct pool *p, struct worker *w, const char *reason)
{
    if (reason)
        stats_add(STATS_RESTARTS, 1, reason, NULL);
    pthread_mutex_lock(&p->lock);
    TAILQ_REMOVE(&p->all, w, all);
    pthread_mutex_unlock(&p->lock);
    pool_free_worker(w);
    pthread_mutex_lock(&p->lock);
    p->alive--;
    p->last_death_ms = clock_ms();
    pthread_mutex_unlock(&p->lock);
}

void pool_kill(struct pool *p, struct worker *w, const char *reason)
{
    pidfd_send_signal(w->pidfd, SIGKILL, NULL, 0); /* by descriptor: never another process with its number */
    pool_bury(p, w, reason);
}

/* Death in idleness. */

/* An idle worker has nothing to say: any event on its socket is its end, or should be. */
static bool pool_lives(const struct worker *w)
{
    struct pollfd f = { .fd = w->socket, .events = POLLIN };
    return w->engine || poll(&f, 1, 0) == 0;
}

/* Takes the dead out of the idle list, so that they hold no memory and are not counted. */
static void pool_sweep(struct pool *p)
{
    struct worker *dead = NULL;
    pthread_mutex_lock(&p->lock);
    for (struct worker **at = &p->idle; *at;) {
        struct worker *w = *at;
        if (pool_lives(w)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        p->idle_n--;
        w->next = dead;
        dead = w;
    }
    pthread_mutex_unlock(&p->lock);
    for (struct worker *next; dead; dead = next) {
        next = dead->next;
        pool_kill(p, dead, "idle");
    }
}

void pool_born(struct pool *p, const struct ipc_born *b, int socket, int pidfd, int memfd)
{
    pool_sweep(p); /* its predecessor may have died unnoticed */
    struct worker *w = calloc(1, sizeof *w);
    if (w)
        *w = (struct worker){
            .index = b->index, .pid = b->pid, .born_ms = clock_ms(), .socket = socket, .pidfd = pidfd, .memfd = memfd
        };
    if (w && pool_slots_born(p) && mailbox_map(&w->box, memfd, p->in_size, p->out_size)) {
        pthread_mutex_lock(&p->lock);
        p->alive++;
        TAILQ_INSERT_TAIL(&p->all, w, all);
        pool_place(p, w);
        pthread_mutex_unlock(&p->lock);
        return;
    }
    free(w);
    close(socket); /* the worker ends, and the spawner tries again more slowly */
    close(pidfd);
    close(memfd);
}

/* Taking. */

int pool_timeout_ms(int64_t deadline_ms)
{
    int64_t left = deadline_ms - clock_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Nobody tells a batch that the second is over for which a worker was kept from it. */
#define POOL_BATCH_LOOK_MS 200

static int pool_wait_ms(const struct pool *p, const struct pool_job *j, enum pool_lane lane)
{
    int ms = pool_timeout_ms(j->deadline_ms);
    return lane == LANE_BATCH && p->workers > 2 && ms > POOL_BATCH_LOOK_MS ? POOL_BATCH_LOOK_MS : ms;
}

/* Until a worker is in hand, the client leaves, or the deadline passes. */
static enum ic_code pool_wait(struct pool *p, const struct pool_waiter *me, const struct pool_job *j,
                              enum pool_lane lane)
{
    int client = j->client;
    for (;;) {
        struct pollfd f[2] = { { .fd = me->wake, .events = POLLIN }, { .fd = client, .events = POLLRDHUP } };
        int n = poll(f, 2, pool_slots_look(p, pool_wait_ms(p, j, lane)));
        if (n > 0 && f[0].revents)
            return IC_OK;
        if (n > 0 && f[1].revents) {
            if (!j->wanted || !j->wanted(j->ctx))
                return IC_E_GONE;
            client = -1;
        }
        if (clock_ms() >= j->deadline_ms)
            return IC_E_BUSY;
        pthread_mutex_lock(&p->lock);
        pool_match(p);
        pthread_mutex_unlock(&p->lock);
    }
}

/* Leaves the list; a worker that was handed over at the last moment goes on to the next. */
static void pool_leave_list(struct pool *p, struct pool_waiter *me, enum pool_lane lane)
{
    pthread_mutex_lock(&p->lock);
    if (me->got)
        pool_place(p, me->got);
    else
        pool_quit_lane(p, me, lane);
    pthread_mutex_unlock(&p->lock);
}

/* Enters the list, or takes an idle worker: one decision under one lock. True: *w is set, nothing to wait for. */
static bool pool_take_or_queue(struct pool *p, struct pool_waiter *me, enum pool_lane lane, bool again,
                               struct worker **w)
{
    pthread_mutex_lock(&p->lock);
    *w = NULL;
    if (lane == LANE_INTERACTIVE)
        p->interactive_ms = clock_ms();
    if (pool_may_take(p, lane)) {
        *w = p->idle;
        p->idle = (*w)->next;
        p->idle_n--;
        pool_charge(p, lane, me->cost_ms);
    } else if (me->wake >= 0) {
        pool_enter_lane(p, me, lane, again);
    }
    pthread_mutex_unlock(&p->lock);
    return *w != NULL;
}

static struct worker *pool_take_any(struct pool *p, const struct pool_job *j, enum pool_lane lane, bool again,
                                    enum ic_code *why)
{
    struct worker *w;
    struct pool_waiter me = { .wake = -1, .cost_ms = j->cost_ms };
    if (pool_take_or_queue(p, &me, lane, again, &w)) /* the common case needs no eventfd */
        return w;
    me.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    *why = IC_E_BUSY;
    if (me.wake < 0)
        return NULL;
    if (!pool_take_or_queue(p, &me, lane, again, &w)) {
        *why = pool_wait(p, &me, j, lane);
        if (*why != IC_OK) {
            pool_leave_list(p, &me, lane);
        } else {
            /* The lock orders the giver's write before our read, and its use of wake before the close. */
            pthread_mutex_lock(&p->lock);
            w = me.got;
            pthread_mutex_unlock(&p->lock);
        }
    }
    close(me.wake);
    return w;
}

struct worker *pool_take(struct pool *p, const struct pool_job *j, enum pool_lane lane, bool again, enum ic_code *why)
{
    for (;;) {
        struct worker *w = pool_take_any(p, j, lane, again, why);
        if (!w || pool_lives(w))
            return w;
        pool_kill(p, w, "idle"); /* it died while idle: nobody's job was lost, so nobody hears of it */
        again = true;
    }
}

/* Its state. */

const char *pool_lane_name(enum pool_lane lane)
{
    static const char *const names[POOL_LANES] = { "interactive", "upload", "batch" };
    return names[lane];
}

int pool_list(struct pool *p, struct pool_worker *out, int n)
{
    int found = 0;
    const struct worker *w;
    pthread_mutex_lock(&p->lock);
    TAILQ_FOREACH(w, &p->all, all)
    {
        if (found == n)
            break;
        struct pool_worker *o = &out[found++];
        *o = (struct pool_worker){ .index = w->index,
                                   .pid = w->pid,
                                   .jobs = w->jobs,
                                   .born_ms = w->born_ms,
                                   .busy = w->busy,
                                   .since_ms = w->since_ms,
                                   .cost_ms = w->cost_ms };
        memcpy(o->what, w->what, sizeof o->what);
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

struct pool_state pool_state(struct pool *p)
{
    pool_sweep(p);
    pthread_mutex_lock(&p->lock);
    struct pool_state s = { .workers = p->alive,
                            .alive = p->alive,
                            .idle = p->idle_n,
                            .waiting = p->waiting + p->turns_waiting,
                            .admitted = p->admitted,
                            .aside = p->aside,
                            .bytes = p->bytes,
                            .bytes_max = p->bytes_max };
    memcpy(s.lane_waiting, p->lane_waiting, sizeof s.lane_waiting);
    s.lane_waiting[LANE_UPLOAD] += p->turns_waiting;
    memcpy(s.lane_cost_ms, p->lane_cost_ms, sizeof s.lane_cost_ms);
    s.running_ms = pool_running_ms(p);
    /* With one worker a crash, or worker_jobs = 1, must not make the node unready for the 0.3 ms of a birth. */
    if (s.workers == 0 && clock_ms() - p->last_death_ms < POOL_REBIRTH_MS)
        s.workers = 1;
    pthread_mutex_unlock(&p->lock);
    return s;
}
