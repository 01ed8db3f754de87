/* The hand-over between the dispatcher and the accept threads, under one mutex.
 *
 * A deadline is a field of the connection, and the dispatcher walks the connections at work (as many as there are
 * threads and slow readers): cheaper than a heap that every request would change several times. Because a connection
 * leaves the list under the same mutex before its descriptor is closed, the dispatcher never shuts down a number that
 * was given out again. While anything is at work the dispatcher looks every LOOK_MS, so that arming a deadline hardly
 * ever has to wake it. */
#include "handoff.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define LOOK_MS 100

/* Lists. */

void conn_push(struct conn_list *l, struct conn *c)
{
    c->next = NULL;
    c->prev = l->last;
    if (l->last != NULL)
        l->last->next = c;
    else
        l->first = c;
    l->last = c;
    l->n++;
}

void conn_remove(struct conn_list *l, struct conn *c)
{
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        l->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        l->last = c->prev;
    c->prev = c->next = NULL;
    l->n--;
}

struct conn *conn_pop(struct conn_list *l)
{
    struct conn *c = l->first;
    if (c != NULL)
        conn_remove(l, c);
    return c;
}

/* Life and end. */

bool handoff_init(struct handoff *h, const int share_max[SHARES])
{
    *h = (struct handoff){ .wake = -1 };
    memcpy(h->share_max, share_max, sizeof h->share_max);
    h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->wake < 0)
        return false;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    return true;
}

static void drop(struct conn_list *l)
{
    struct conn *c;
    while ((c = conn_pop(l)) != NULL) {
        close(c->fd);
        free(c);
    }
}

void handoff_free(struct handoff *h)
{
    drop(&h->ready);
    drop(&h->busy);
    drop(&h->returned);
    pthread_cond_destroy(&h->more);
    pthread_mutex_destroy(&h->lock);
    close(h->wake);
}

void handoff_stop(struct handoff *h)
{
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->more);
    pthread_mutex_unlock(&h->lock);
}

/* The counter cannot overflow, and a full one wakes as well: nothing to check. */
static void wake(struct handoff *h)
{
    ssize_t n = write(h->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
    (void)n;
}

/* The dispatcher's side. */

static void count(struct handoff *h, int by)
{
    pthread_mutex_lock(&h->lock);
    h->conns += by;
    pthread_mutex_unlock(&h->lock);
}

void handoff_opened(struct handoff *h)
{
    count(h, 1);
}

void handoff_closed(struct handoff *h)
{
    count(h, -1);
}

int handoff_conns(struct handoff *h)
{
    pthread_mutex_lock(&h->lock);
    int n = h->conns;
    pthread_mutex_unlock(&h->lock);
    return n;
}

void handoff_give(struct handoff *h, struct conn *c)
{
    pthread_mutex_lock(&h->lock);
    conn_push(&h->ready, c);
    pthread_cond_signal(&h->more);
    pthread_mutex_unlock(&h->lock);
}

struct conn *handoff_returned(struct handoff *h)
{
    pthread_mutex_lock(&h->lock);
    struct conn *c = conn_pop(&h->returned);
    pthread_mutex_unlock(&h->lock);
    return c;
}

int64_t handoff_expire(struct handoff *h, int64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    int64_t look = h->busy.n + h->ready.n > 0 ? now_ms + LOOK_MS : INT64_MAX;
    for (struct conn *c = h->busy.first; c != NULL; c = c->next) {
        if (c->deadline_ms != 0 && c->deadline_ms <= now_ms) {
            shutdown(c->fd, c->how);
            c->deadline_ms = 0;
            c->expired = true;
        } else if (c->deadline_ms != 0 && c->deadline_ms < look) {
            look = c->deadline_ms;
        }
    }
    h->next_look_ms = look;
    pthread_mutex_unlock(&h->lock);
    return look;
}

/* The threads' side. */

struct conn *handoff_take(struct handoff *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->ready.n == 0 && !h->stopping)
        pthread_cond_wait(&h->more, &h->lock);
    struct conn *c = h->stopping ? NULL : conn_pop(&h->ready);
    if (c != NULL) {
        c->deadline_ms = 0;
        c->expired = false;
        conn_push(&h->busy, c);
    }
    pthread_mutex_unlock(&h->lock);
    return c;
}

void handoff_return(struct handoff *h, struct conn *c)
{
    pthread_mutex_lock(&h->lock);
    conn_remove(&h->busy, c);
    conn_push(&h->returned, c);
    bool first = h->returned.n == 1;
    pthread_mutex_unlock(&h->lock);
    if (first)
        wake(h);
}

void handoff_close(struct handoff *h, struct conn *c)
{
    pthread_mutex_lock(&h->lock);
    conn_remove(&h->busy, c);
    h->conns--;
    pthread_mutex_unlock(&h->lock);
    close(c->fd);
    free(c);
}

void handoff_deadline(struct handoff *h, struct conn *c, int64_t at_ms, int how)
{
    pthread_mutex_lock(&h->lock);
    c->deadline_ms = at_ms;
    c->how = how;
    bool sooner = at_ms != 0 && at_ms < h->next_look_ms;
    if (sooner)
        h->next_look_ms = at_ms;
    pthread_mutex_unlock(&h->lock);
    if (sooner)
        wake(h);
}

bool handoff_share_take(struct handoff *h, enum share s)
{
    pthread_mutex_lock(&h->lock);
    bool room = h->share[s] < h->share_max[s];
    h->share[s] += room;
    pthread_mutex_unlock(&h->lock);
    return room;
}

void handoff_share_give(struct handoff *h, enum share s)
{
    pthread_mutex_lock(&h->lock);
    h->share[s]--;
    pthread_mutex_unlock(&h->lock);
}
