/* The bounded set of threads that work on what has many items: batches and background jobs.
 *
 * As many threads as workers, so that a batch may use all of them, and no more, so that at most so many of its items
 * stand in the pool's queue. Guests are served in turn, an item each: a batch of 500 is one guest at the table. */
#ifndef RUNNERS_H
#define RUNNERS_H

#include <stdbool.h>
#include <sys/queue.h>

struct runners;
struct guest;

struct guest_ops {
    /* The next item, NULL: none is ready. Called under the runners' lock: it must not block or call back. */
    void *(*take)(struct guest *g);
    /* Works on it, in one of the threads; several may do so for one guest. */
    void (*run)(struct guest *g, void *item);
};

/* Embedded in what has items. Its owner touches none of it. */
struct guest {
    const struct guest_ops *ops;
    int running;
    TAILQ_ENTRY(guest) at;
};

struct runners *runners_create(int threads, unsigned stack_bytes); /* NULL: errno */
/* Lets every running item come to its end, then joins the threads. No guest may be left that needs one. */
void runners_free(struct runners *r);
/* No item is taken from now on; those running go on. */
void runners_stop(struct runners *r);

void runners_add(struct runners *r, struct guest *g, const struct guest_ops *ops);
/* Something may be ready now. Must not be called with a lock held that take() needs. */
void runners_wake(struct runners *r);
/* Returns once none of its items is running, and none will. */
void runners_remove(struct runners *r, struct guest *g);

#endif
