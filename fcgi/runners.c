/* Round robin over guests. The one lock is held while guests are asked, which is what makes the turn fair: whoever was
 * served goes to the end of the list, under the same lock. Called by gateway.c, batch.c, jobs.c and cmd_batch_run.c. */
#include "runners.h"

#include <pthread.h>
#include <stdlib.h>

#include "thread.h"

struct runners {
    pthread_mutex_t lock; /* guards the rest, and running of each guest */
    pthread_cond_t more;  /* something may be ready */
    pthread_cond_t rest;  /* an item came to its end */
    TAILQ_HEAD(, guest) guests;
    bool stopping;
    int n;
    pthread_t *threads; /* owned */
};

/* Lock held. */
static struct guest *next(struct runners *r, void **item)
{
    struct guest *g;
    if (r->stopping)
        return NULL;
    TAILQ_FOREACH(g, &r->guests, at)
    {
        *item = g->ops->take(g);
        if (!*item)
            continue;
        TAILQ_REMOVE(&r->guests, g, at);
        TAILQ_INSERT_TAIL(&r->guests, g, at);
        g->running++;
        return g;
    }
    return NULL;
}

static void *thread(void *arg)
{
    struct runners *r = arg;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        void *item;
        struct guest *g = next(r, &item);
        if (!g && r->stopping)
            break;
        if (!g) {
            pthread_cond_wait(&r->more, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        g->ops->run(g, item);
        pthread_mutex_lock(&r->lock);
        g->running--;
        pthread_cond_broadcast(&r->rest);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

struct runners *runners_create(int threads, unsigned stack_bytes)
{
    struct runners *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    pthread_cond_init(&r->rest, NULL);
    TAILQ_INIT(&r->guests);
    r->threads = calloc((size_t)threads, sizeof *r->threads);
    while (r->threads && r->n < threads && thread_start(&r->threads[r->n], stack_bytes, thread, r) == 0)
        r->n++;
    if (r->n == threads)
        return r;
    runners_free(r);
    return NULL;
}

void runners_stop(struct runners *r)
{
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_broadcast(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void runners_free(struct runners *r)
{
    if (!r)
        return;
    runners_stop(r);
    for (int i = 0; i < r->n; i++)
        pthread_join(r->threads[i], NULL);
    pthread_cond_destroy(&r->rest);
    pthread_cond_destroy(&r->more);
    pthread_mutex_destroy(&r->lock);
    free(r->threads);
    free(r);
}

void runners_add(struct runners *r, struct guest *g, const struct guest_ops *ops)
{
    pthread_mutex_lock(&r->lock);
    g->ops = ops;
    g->running = 0;
    TAILQ_INSERT_TAIL(&r->guests, g, at);
    pthread_cond_broadcast(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void runners_wake(struct runners *r)
{
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void runners_remove(struct runners *r, struct guest *g)
{
    pthread_mutex_lock(&r->lock);
    TAILQ_REMOVE(&r->guests, g, at);
    while (g->running > 0)
        pthread_cond_wait(&r->rest, &r->lock);
    pthread_mutex_unlock(&r->lock);
}
