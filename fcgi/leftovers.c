/* Answers whose readers are slow: one thread waits for all of them, so that none of them holds an accept thread or a
 * place in the queue.
 *
 *     accept thread --(the socket is full, and stays so)--> leftovers_take --> poll --> serving_send --> serving_end
 *
 * Behind nginx, which takes answers whole, there is hardly ever anything here; Apache and others pass on how slowly
 * their clients read, and a hostile one does not read at all. Such an answer still counts against memory_limit, and
 * each batch of it has write_timeout, which the dispatcher enforces as for any connection at work. A thread for each of
 * them would need as many threads as there are slow readers; making the dispatcher send would let one large answer
 * delay all. */
#include "leftovers.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "serving.h"
#include "thread.h"

struct leftovers {
    struct gateway *g; /* borrowed */
    pthread_t thread;
    int wake; /* eventfd */
    pthread_mutex_t lock;
    struct serving *come; /* guarded by lock, as is stopping */
    bool stopping;
    atomic_int waiting;
    /* the thread's own */
    struct serving **all;
    struct pollfd *polled; /* one more than n: wake comes last */
    int n, room;
};

static void leftovers_wake(struct leftovers *l)
{
    eventfd_write(l->wake, 1);
}

int leftovers_waiting(const struct leftovers *l)
{
    return l ? atomic_load(&l->waiting) : 0;
}

void leftovers_take(struct leftovers *l, struct serving *s)
{
    atomic_fetch_add(&l->waiting, 1);
    if (s->a.from_file)
        dispatch_holds_file(l->g->dispatch, 1);
    pthread_mutex_lock(&l->lock);
    s->next = l->come;
    l->come = s;
    pthread_mutex_unlock(&l->lock);
    leftovers_wake(l);
}

static void leftovers_end(struct leftovers *l, struct serving *s, bool sent)
{
    struct conn *c = s->rq.conn;
    bool file = s->a.from_file;
    atomic_fetch_sub(&l->waiting, 1);
    enum request_end end = serving_end(s, sent); /* closes the file */
    if (file)
        dispatch_holds_file(l->g->dispatch, -1);
    request_settle(l->g, c, end);
}

/* false: no memory for one more. */
static bool leftovers_room(struct leftovers *l)
{
    if (l->n < l->room)
        return true;
    int room = l->room ? 2 * l->room : 64;
    struct serving **all = realloc(l->all, (size_t)room * sizeof(struct serving *));
    if (all)
        l->all = all;
    struct pollfd *polled = all ? realloc(l->polled, ((size_t)room + 1) * sizeof *polled) : NULL;
    if (!polled)
        return false;
    l->polled = polled;
    l->room = room;
    return true;
}

/* Those that have come. false: it is over. */
static bool leftovers_gather(struct leftovers *l)
{
    pthread_mutex_lock(&l->lock);
    struct serving *s = l->come;
    bool goes_on = !l->stopping;
    l->come = NULL;
    pthread_mutex_unlock(&l->lock);
    for (struct serving *next; s; s = next) {
        next = s->next;
        if (leftovers_room(l))
            l->all[l->n++] = s;
        else
            leftovers_end(l, s, false);
    }
    return goes_on;
}

static void leftovers_wait(struct leftovers *l)
{
    for (int i = 0; i < l->n; i++)
        l->polled[i] = (struct pollfd){ .fd = l->all[i]->rq.conn->fd, .events = POLLOUT };
    l->polled[l->n] = (struct pollfd){ .fd = l->wake, .events = POLLIN };
    if (poll(l->polled, (nfds_t)l->n + 1, -1) <= 0)
        for (int i = 0; i <= l->n; i++)
            l->polled[i].revents = 0;
    eventfd_t n;
    if (l->polled[l->n].revents)
        eventfd_read(l->wake, &n);
}

/* A deadline shows as a socket that is shut, and so can be written to: in vain. */
static void leftovers_send(struct leftovers *l)
{
    int kept = 0;
    for (int i = 0; i < l->n; i++) {
        struct serving *s = l->all[i];
        enum sent sent = l->polled[i].revents ? serving_send(s) : SENT_PART;
        if (sent == SENT_PART)
            l->all[kept++] = s;
        else
            leftovers_end(l, s, sent == SENT_ALL);
    }
    l->n = kept;
}

static void *leftovers_run(void *arg)
{
    struct leftovers *l = arg;
    while (leftovers_gather(l)) {
        leftovers_wait(l);
        leftovers_send(l);
    }
    return NULL;
}

struct leftovers *leftovers_create(struct gateway *g)
{
    struct leftovers *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->g = g;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&l->lock, NULL);
    if (l->wake >= 0 && leftovers_room(l) && thread_start(&l->thread, THREAD_STACK, leftovers_run, l) == 0)
        return l;
    if (l->wake >= 0)
        close(l->wake);
    free(l->all);
    free(l->polled);
    free(l);
    return NULL;
}

void leftovers_free(struct leftovers *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_mutex_unlock(&l->lock);
    leftovers_wake(l);
    pthread_join(l->thread, NULL);
    close(l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l->all);
    free(l->polled);
    free(l);
}
