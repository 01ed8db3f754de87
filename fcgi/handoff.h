/* What dispatcher and accept threads share: connections on their way between them, the deadlines of those at work, and
 * the shares of threads. */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <pthread.h>
#include <stdatomic.h>

#include "dispatch.h"

struct conn_list {
    struct conn *first, *last;
    int n;
};

void conn_push(struct conn_list *l, struct conn *c); /* at the end */
void conn_remove(struct conn_list *l, struct conn *c);
struct conn *conn_pop(struct conn_list *l); /* from the front; NULL: empty */

struct handoff {
    pthread_mutex_t lock; /* guards all below but the atomics */
    pthread_cond_t more;  /* ready is not empty, or stopping */
    struct conn_list ready, busy, returned;
    int conns; /* open ones, wherever they are */
    int share[SHARES], share_max[SHARES];
    bool stopping;
    int64_t next_look_ms; /* the dispatcher looks at deadlines no later than this */
    int wake;             /* eventfd: something for the dispatcher before that */
    atomic_bool draining;
};

bool handoff_init(struct handoff *h, const int share_max[SHARES]); /* false: errno */
void handoff_free(struct handoff *h);                              /* no thread may be inside */

/* From the dispatcher. */
void handoff_opened(struct handoff *h);
void handoff_closed(struct handoff *h);
int handoff_conns(struct handoff *h);
void handoff_give(struct handoff *h, struct conn *c);
struct conn *handoff_returned(struct handoff *h); /* NULL: none */
/* Shuts down what is late, and returns when to look again; INT64_MAX: no need. */
int64_t handoff_expire(struct handoff *h, int64_t now_ms);

/* From accept threads. */
struct conn *handoff_take(struct handoff *h); /* blocks; NULL: stopping */
void handoff_return(struct handoff *h, struct conn *c);
void handoff_close(struct handoff *h, struct conn *c); /* frees it */
void handoff_deadline(struct handoff *h, struct conn *c, int64_t at_ms, int how);
bool handoff_share_take(struct handoff *h, enum share s);
void handoff_share_give(struct handoff *h, enum share s);

void handoff_stop(struct handoff *h);

#endif
