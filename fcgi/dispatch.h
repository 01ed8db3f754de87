/* The dispatcher: the gateway's main thread, in front of libfcgi.
 *
 * It accepts, waits until a connection holds a whole request header, and only then hands it to an accept thread, so
 * that idle, half-open and dripping peers hold a descriptor and nothing else. It also enforces every deadline on a
 * connection by shutdown(2), which wakes the thread that is blocked in it. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "pool.h"

struct dispatch;
struct cache;
struct jobs;
struct leftovers;
struct runners;

/* One per gateway process; everything a request handler needs. */
struct gateway {
    const struct config *cfg;
    int64_t start_ms; /* on clock_ms() */
    bool sandboxed;   /* has given up other programs and processes */
    struct pool *pool;
    struct dispatch *dispatch;
    struct runners *runners;
    struct jobs *jobs;           /* NULL: no spool_dir */
    struct cache *cache;         /* NULL: no cache_dir */
    struct leftovers *leftovers; /* NULL: a slow reader holds its thread */
};

/* One FastCGI connection. Owned by the dispatcher, or by one accept thread while it serves a request. */
struct conn {
    int fd;
    int64_t deadline_ms; /* on clock_ms(); 0: none. Set by dispatch_deadline only */
    int how;             /* what the deadline shuts: SHUT_RD, SHUT_RDWR */
    bool expired;        /* a deadline of this request passed; the owner may look once it is disarmed */
    int64_t begun_ms;    /* the first byte of the header now waiting; the start of its request */
    /* the dispatcher's own */
    int64_t since_ms; /* silent since */
    bool kept;        /* has served a request */
    bool told;        /* its peer was told to ask no more */
    int heedless;     /* answers that it has asked for all the same */
    bool polled;      /* registered with epoll */
    bool lingers;     /* answered; what it still sends is read for a moment, then it is closed */
    bool deaf;        /* that moment is over and it did not look: all it sends is read */
    size_t lingered;  /* bytes read so far since it was answered */
    int managements;  /* management records answered since the last request */
    struct conn *prev, *next;
};

/* From an accept thread: the connection is shut down when clock_ms() reaches at_ms; 0 disarms. */
void dispatch_deadline(struct dispatch *d, struct conn *c, int64_t at_ms);
/* The same for reading only: what came too late can still be told so. */
void dispatch_read_deadline(struct dispatch *d, struct conn *c, int64_t at_ms);

/* What accept threads may do for long without a place in the queue, or in hope of one. Each has its share of the
 * threads, beside which four always remain for requests without a body. */
enum share {
    SHARE_BODIES,  /* read bodies, or wait for their turn; where all are taken, answer 503 */
    SHARE_ANSWERS, /* write a large answer; or else keep the place */
    SHARES
};
bool dispatch_share_take(struct dispatch *d, enum share s); /* false: all are taken */
void dispatch_share_give(struct dispatch *d, enum share s);

/* One more (1) or less (-1) of the connections without a thread also holds a file: it takes the place of another one.
 */
void dispatch_holds_file(struct dispatch *d, int by);

bool dispatch_draining(struct dispatch *d);
int dispatch_connections(struct dispatch *d); /* open ones, at work or waiting */

/* The gateway process from fork to exit: threads, dispatcher, drain on SIGTERM, or on SIGUSR1 where another one has
 * taken over. spawner is the SEQPACKET socket on which births arrive (-1: none, workers = 0). Returns the exit status.
 */
int gateway_run(const struct config *c, int listen_fd, int spawner);

/* Between gateway.c and dispatch.c. */

/* Descriptors that a gateway with this configuration may hold beside those of connections that wait. */
unsigned long dispatch_descriptors(const struct config *c);

/* listen_fd and spawner are borrowed and may be -1; SIGTERM and SIGINT must be blocked. NULL: errno. */
struct dispatch *dispatch_create(const struct config *c, struct pool *p, int listen_fd, int spawner);
void dispatch_free(struct dispatch *d); /* no thread may be inside; closes what still waits */

enum dispatch_end { DISPATCH_DRAINED, DISPATCH_GRACE_OVER, DISPATCH_ORPHANED };

/* The loop. Returns when drained, when the grace period is over, or when the spawner is gone and its last requests
 * with it. */
enum dispatch_end dispatch_run(struct dispatch *d);

/* An accept thread's turn: waits for a connection that holds a request header (NULL: the gateway ends), then gives it
 * back at a record boundary, or for a lingering close, or closes it. */
struct conn *dispatch_take(struct dispatch *d);
void dispatch_keep(struct dispatch *d, struct conn *c);
void dispatch_linger(struct dispatch *d, struct conn *c);
void dispatch_close(struct dispatch *d, struct conn *c);
/* Every dispatch_take returns NULL from now on. */
void dispatch_stop(struct dispatch *d);

#endif
