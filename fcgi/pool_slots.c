/* The pool of a process that is one of many (pixpool fcgid): it serves one request at a time, and has a worker only
 * while it holds a slot, which all processes of the user draw from (slots.h).
 *
 *     pool_admit -> a place among all, or 503
 *     pool_run   -> asks every few milliseconds for a worker's byte; then the spawner for a worker, which shares it
 *     pool_leave -> lets the worker go; with its end the slot is free
 *
 * Polling, because nobody can be woken by the death of a stranger's process: it costs a waiting process a few system
 * calls in 3 ms, and a worker's byte stays free for half of that on average. */
#include "pool_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "log.h"
#include "stats.h"

#define POOL_SLOTS_LOOK_MS 3
#define POOL_SLOTS_END_MS  100 /* for an idle worker to end: it takes less than one */

struct pool_slots {
    struct slots slots;
    struct slot held; /* by the one request there is; written by its thread, under the pool's lock */
    bool asked;       /* the spawner, for a worker that is not here yet; guarded by the pool's lock */
    int spawner;      /* borrowed; -1: unknown yet */
};

bool pool_slots_create(struct pool *p, const struct config *c)
{
    char why[600];
    p->slots = calloc(1, sizeof *p->slots);
    if (!p->slots)
        return false;
    p->slots->spawner = -1;
    p->slots->held = (struct slot){ .fd = -1, .place = -1 };
    if (slots_init(&p->slots->slots, c, why, sizeof why))
        return true;
    log_line(LOG_LV_ERROR, "event=start error=\"%s\"", why);
    pool_slots_free(p);
    return false;
}

void pool_slots_free(struct pool *p)
{
    if (!p->slots)
        return;
    slots_leave(&p->slots->held);
    slots_free(&p->slots->slots);
    free(p->slots);
    p->slots = NULL;
}

void pool_spawner(struct pool *p, int spawner)
{
    if (p->slots)
        p->slots->spawner = spawner;
}

enum slots_answer pool_slots_enter(struct pool *p)
{
    if (p->admitted > 0) /* somebody sends several at a time */
        return SLOTS_FULL;
    enum slots_answer got = slots_take(&p->slots->slots, &p->slots->held);
    double job_ms = got == SLOTS_HELD ? slots_book_read(&p->slots->slots).job_ms : 0;
    if (job_ms > 0)
        p->job_ms = job_ms;
    if (got == SLOTS_BROKEN)
        log_line(LOG_LV_ERROR, "event=slot_file error=\"%s: %s\"", p->slots->slots.file, strerror(errno));
    return got;
}

/* With a slot in hand and no worker on its way. Said once, unless that worker dies; the spawner tries until it has one.
 */
static void ask_for_worker(struct pool *p)
{
    struct pool_slots *s = p->slots;
    pthread_mutex_lock(&p->lock);
    bool ask = !s->asked;
    s->asked = true;
    pthread_mutex_unlock(&p->lock);
    if (!ask || ipc_send_word(s->spawner, IPC_WANT, s->held.fd))
        return;
    pthread_mutex_lock(&p->lock);
    s->asked = false;
    pthread_mutex_unlock(&p->lock);
}

int pool_slots_look(struct pool *p, int ms)
{
    struct pool_slots *s = p->slots;
    if (!s)
        return ms;
    pthread_mutex_lock(&p->lock);
    bool held = s->held.fd >= 0 && slots_promote(&s->slots, &s->held);
    pthread_mutex_unlock(&p->lock);
    if (held)
        ask_for_worker(p);
    return held || ms < POOL_SLOTS_LOOK_MS ? ms : POOL_SLOTS_LOOK_MS;
}

bool pool_slots_born(struct pool *p)
{
    bool wanted = true;
    pthread_mutex_lock(&p->lock);
    if (p->slots) {
        wanted = p->slots->asked && p->slots->held.worker;
        p->slots->asked = false;
    }
    pthread_mutex_unlock(&p->lock);
    return wanted;
}

/* Until it has ended, so that whoever gets the answer may ask again at once and does not meet the slot it still holds.
 */
static void see_off(const struct worker *w)
{
    struct pollfd f = { .fd = w->pidfd, .events = POLLIN };
    shutdown(w->socket, SHUT_RDWR);
    poll(&f, 1, POOL_SLOTS_END_MS);
}

void pool_slots_leave(struct pool *p)
{
    if (!p->slots)
        return;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        struct worker *w = p->idle;
        if (w) {
            p->idle = w->next;
            p->idle_n--;
        }
        pthread_mutex_unlock(&p->lock);
        if (!w)
            break;
        see_off(w);
        pool_bury(p, w, NULL);
    }
    pthread_mutex_lock(&p->lock);
    pool_slots_give_back(p);
    pthread_mutex_unlock(&p->lock);
}

void pool_slots_give_back(struct pool *p)
{
    if (p->slots->asked) /* the spawner may be unable to fork, and holds the slot until it is */
        ipc_send_word(p->slots->spawner, IPC_DROP, -1);
    p->slots->asked = false;
    slots_leave(&p->slots->held);
}

/* Those who wait, and half a job of those at work. */
double pool_slots_wait_ms(const struct pool *p)
{
    const struct pool_slots *s = p->slots;
    struct slots_load others = slots_load(&s->slots, &s->held);
    if (s->held.worker || others.workers < p->workers)
        return 0;
    int waiting = others.places > others.workers ? others.places - others.workers : 0;
    return (waiting + 0.5) * p->job_ms / p->workers;
}

/* What one process learns, all know: most have just been started. */
void pool_slots_took(struct pool *p)
{
    if (!p->slots)
        return;
    struct slots_book b = slots_book_read(&p->slots->slots);
    b.job_ms = p->job_ms;
    slots_book_write(&p->slots->slots, &b);
}

void pool_slots_booked(struct pool *p, bool write)
{
    if (!p->slots)
        return;
    struct slots_book b = slots_book_read(&p->slots->slots);
    if (b.job_ms > 0)
        p->job_ms = b.job_ms;
    if (!write) {
        p->booked_ms = b.booked_ms;
        return;
    }
    b.booked_ms = p->booked_ms;
    slots_book_write(&p->slots->slots, &b);
}
