/* Requests for the same image, made the same way, at the same time: one works, the others wait for its result.
 *
 *     first thread  flight_join -> LEADS -> pool_run -> flight_land -+
 *     the others    flight_join ......... poll(result, client) <-----+-> FOLLOWED, or AGAIN
 *
 * This is what a cache in front can't do: nginx's lock looks again only every half second. Followers hold a place in
 * the queue like anybody else, so that their number is bounded, but they add no cost to it. Each has its own client and
 * deadline and waits in poll on an eventfd of its own, as in pool_take.
 *
 * Only what the image itself brought about is shared: a result, or that it is broken. Where the leader ran out of time,
 * lost its client or its worker, one of the followers leads next, so that one death costs one request. */
#include "flight.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "clock.h"

#define FLIGHT_KEY 256

/* A thread that waits; on its stack. In a flight's list until landed is set or it leaves. */
struct follower {
    int wake;
    bool landed, shared;
    struct flight_result result;
    SLIST_ENTRY(follower) next;
};

struct flight {
    char key[FLIGHT_KEY];
    SLIST_HEAD(, follower) followers;
    LIST_ENTRY(flight) all;
};

static struct {
    pthread_mutex_t lock; /* guards the list, every flight in it and their followers */
    LIST_HEAD(, flight) flights;
} sky = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Lock held. */
static struct flight *flight_find(const char *key)
{
    struct flight *f;
    LIST_FOREACH(f, &sky.flights, all)
    {
        if (strcmp(f->key, key) == 0)
            return f;
    }
    return NULL;
}

/* A new flight, led by the caller; NULL: no memory, or a key that is too long to be told from others. Lock held. */
static struct flight *flight_begin(const char *key)
{
    size_t n = strlen(key);
    struct flight *f = n < FLIGHT_KEY ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return NULL;
    memcpy(f->key, key, n + 1);
    SLIST_INIT(&f->followers);
    LIST_INSERT_HEAD(&sky.flights, f, all);
    return f;
}

/* Until the leader has landed. */
static enum flight_role flight_wait(const struct follower *me, int client, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd p[2] = { { .fd = me->wake, .events = POLLIN }, { .fd = client, .events = POLLRDHUP } };
        int64_t left = deadline_ms - clock_ms();
        int n = poll(p, 2, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (n > 0 && p[0].revents)
            return FLIGHT_FOLLOWED;
        if (n > 0 && p[1].revents)
            return FLIGHT_GONE;
        if (clock_ms() >= deadline_ms)
            return FLIGHT_LATE;
    }
}

/* Out of the list, or with a result that came at the last moment. */
static enum flight_role flight_leave(struct flight *f, struct follower *me, enum flight_role why,
                                     struct flight_result *out)
{
    pthread_mutex_lock(&sky.lock);
    bool landed = me->landed; /* f is gone, if so */
    if (!landed)
        SLIST_REMOVE(&f->followers, me, follower, next);
    pthread_mutex_unlock(&sky.lock);
    if (!landed)
        return why;
    *out = me->result;
    return me->shared ? FLIGHT_FOLLOWED : FLIGHT_AGAIN;
}

enum flight_role flight_join(const char *key, int client, int64_t deadline_ms, struct flight **f,
                             struct flight_result *out)
{
    struct follower me = { .wake = -1 };
    *f = NULL;
    pthread_mutex_lock(&sky.lock);
    struct flight *found = flight_find(key);
    if (found)
        me.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (me.wake >= 0)
        SLIST_INSERT_HEAD(&found->followers, &me, next);
    else if (!found)
        *f = flight_begin(key);
    pthread_mutex_unlock(&sky.lock);
    if (me.wake < 0)
        return FLIGHT_LEADS;
    enum flight_role role = flight_leave(found, &me, flight_wait(&me, client, deadline_ms), out);
    close(me.wake);
    return role;
}

bool flight_followed(struct flight *f)
{
    pthread_mutex_lock(&sky.lock);
    bool followed = f && !SLIST_EMPTY(&f->followers);
    pthread_mutex_unlock(&sky.lock);
    return followed;
}

/* Whether others would have met the same. */
static bool flight_shareable(const struct flight_result *r)
{
    return r && r->code != IC_E_BUSY && r->code != IC_E_DEADLINE && r->code != IC_E_WORKER && r->code != IC_E_GONE;
}

/* Lock held, so that the follower does not return before its eventfd is written. */
static void flight_hand_down(struct follower *to, const struct flight_result *r)
{
    to->landed = true;
    to->shared = flight_shareable(r);
    if (to->shared) {
        to->result = *r;
        if (r->body && (to->result.body = malloc(r->told.length + 1)) != NULL)
            memcpy(to->result.body, r->body, r->told.length);
        to->shared = !r->body || to->result.body;
    }
    eventfd_write(to->wake, 1);
}

void flight_land(struct flight *f, const struct flight_result *r)
{
    if (!f)
        return;
    pthread_mutex_lock(&sky.lock);
    LIST_REMOVE(f, all);
    for (struct follower *to = SLIST_FIRST(&f->followers), *next; to; to = next) {
        next = SLIST_NEXT(to, next); /* once woken it may be gone */
        flight_hand_down(to, r);
    }
    pthread_mutex_unlock(&sky.lock);
    free(f);
}
