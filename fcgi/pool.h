/* The pool: who may wait, who goes next, and what became of it. Lives in the gateway; any thread may call it.
 *
 *     pool_admit     -> ticket (a place in the queue and a share of the memory), or a refusal at once
 *     pool_take_turn -> a body may be read now
 *     pool_run       -> leases a worker, copies the input into its mailbox, waits for worker, client and deadline
 *     pool_leave     -> gives the ticket back
 *
 * A worker is one heap object per birth, owned by the idle list or by exactly one thread in pool_run. */
#ifndef POOL_H
#define POOL_H

#include "config.h"
#include "job.h"
#include "process.h"

#include <sys/queue.h>

#define POOL_LANES 3

enum pool_lane { LANE_INTERACTIVE, LANE_UPLOAD, LANE_BATCH };

const char *pool_lane_name(enum pool_lane lane); /* "interactive": in metrics and logs */

struct pool;

struct pool_ticket {
    struct pool *pool; /* NULL: holds nothing */
    enum pool_lane lane;
    size_t bytes;     /* of the memory budget */
    bool placed;      /* still holds its place */
    double cost_ms;   /* predicted work that is still to begin; counts as an average job's until pool_price */
    bool turn;        /* of those whose body is read */
    double waited_ms; /* for it */
    /* the pool's, while the body is read */
    TAILQ_ENTRY(pool_ticket) at;
    int64_t begun_ms, slow_ms; /* slow: when it will count as that */
    bool aside;                /* it has lost its place by it */
};

/* What a plan predicts of a job. The pool corrects it by what jobs from this format to that one lately took. */
struct pool_forecast {
    double cost_ms;         /* ic_plan's, summed over outputs that need work of their own; 0: unknown, an average job */
    enum ic_format in, out; /* out IC_FORMAT_ORIGIN: several results */
};

struct pool *pool_create(const struct config *c); /* NULL: out of memory, or the slot file can't be had (logged) */
void pool_spawner(struct pool *p, int spawner);   /* whom to ask for workers, with c->shared; borrowed */
void pool_free(struct pool *p);                   /* no thread may be inside */

/* A worker was born: takes over the three descriptors. */
void pool_born(struct pool *p, const struct ipc_born *b, int socket, int pidfd, int memfd);

/* A place in the queue and `bytes` of the memory budget, before any body is read.
 * false: nothing is held, e is IC_E_BUSY with a sentence, *retry_after_s (>= 1) the predicted drain. Never blocks. */
bool pool_admit(struct pool *p, enum pool_lane lane, size_t bytes, struct pool_ticket *t, int *retry_after_s,
                struct ic_error *e);
/* Bytes without a place, for what stands in the way of nobody's work. false: the budget is used up, t is unchanged. */
bool pool_hold(struct pool *p, size_t bytes, struct pool_ticket *t);
/* Before the body is read: waits for its turn, which pool_run gives back once a worker has the image. IC_OK; or
 * IC_E_GONE, client has hung up; or IC_E_BUSY, with *retry_after_s as from pool_admit: deadline_ms (on clock_ms()) has
 * passed. */
enum ic_code pool_take_turn(struct pool_ticket *t, int client, int64_t deadline_ms, int *retry_after_s,
                            struct ic_error *e);
void pool_end_turn(struct pool_ticket *t); /* where it is not pool_run that ends it; does nothing without a turn */
/* Around the reading, with or without a turn. In between the ticket is not to be moved: one that takes too long for the
 * n bytes that have come so far may lose its turn and its place, and has a place again at the end, even where all are
 * taken. */
void pool_read_begin(struct pool_ticket *t);
void pool_read_some(struct pool_ticket *t, size_t n); /* accepts an empty ticket */
void pool_read_end(struct pool_ticket *t);
/* Once the header is known: what the work will cost, and whether it can be done before deadline_ms (on clock_ms()).
 * false: the ticket is unchanged, e and *retry_after_s as from pool_admit. */
bool pool_price(struct pool_ticket *t, const struct pool_forecast *f, int64_t deadline_ms, int *retry_after_s,
                struct ic_error *e);
/* No work of its own, for now: it waits for the result of another. */
void pool_waive(struct pool_ticket *t);
/* More bytes for a ticket (a body of unknown length that grows). false: the budget is used up, t is unchanged. */
bool pool_grow(struct pool_ticket *t, size_t bytes);
/* Gives back what turned out not to be needed. */
void pool_shrink(struct pool_ticket *t, size_t bytes);
/* Gives back the place alone: the work is done, and the answer still holds memory. */
void pool_vacate(struct pool_ticket *t);
void pool_leave(struct pool_ticket *t); /* accepts an empty or vacated ticket */

/* One input of a job: bytes, or a regular file read at the moment a worker is free. */
struct pool_input {
    const uint8_t *p; /* NULL: from fd */
    int fd;
    size_t n;
};

struct pool_job {
    struct job job; /* inputs, outputs and recipes; in[] is filled by pool_run */
    struct pool_input in[JOB_INPUTS];
    struct pool_forecast forecast;
    const char *what;    /* for /status: "img 7f3a" (a route and an id); NULL: nothing to tell. Copied */
    int64_t deadline_ms; /* on clock_ms() */
    int client;          /* hangs up when nobody wants the result: a connection, or a pipe to read from; -1: none */
    /* Asked in this thread once client has hung up: whether somebody else still wants it. NULL: nobody. */
    bool (*wanted)(void *ctx);
    int64_t work_ms_max; /* with a worker in hand, no longer than this; 0: until deadline_ms */
    /* Called in this thread as outputs arrive. data (NULL on error) is borrowed until it returns. */
    void (*emit)(void *ctx, const struct job_output *o, const uint8_t *data);
    void *ctx;
    /* set by pool_run */
    double queue_ms, work_ms, cost_ms; /* cost_ms: as predicted, corrected */
    int worker;                        /* index, -1: none was leased */
    int retry_after_s;                 /* with IC_E_BUSY */
};

/* Runs one job. IC_OK: every output was emitted, each with its own code. Otherwise the failure of the whole:
 * IC_E_BUSY (no worker before the deadline), IC_E_DEADLINE (killed while working), IC_E_WORKER (it died), IC_E_GONE, or
 * the worker's own IC_E_CORRUPT, _LIMIT, _MEMORY... Outputs emitted before a failure stay valid. Blocks until then. */
enum ic_code pool_run(struct pool_ticket *t, struct pool_job *j, struct ic_error *e);

/* For /readyz, /status and logs. */
struct pool_state {
    int workers; /* alive, or about to be */
    int alive, idle, waiting, admitted;
    int aside; /* slow uploads, without a place for now */
    int lane_waiting[POOL_LANES];
    double lane_cost_ms[POOL_LANES]; /* predicted work of those admitted and not at work yet */
    double running_ms;               /* and what is left of those at work */
    size_t bytes, bytes_max;
};
struct pool_state pool_state(struct pool *p);

/* A worker as /status shows it. */
struct pool_worker {
    int index;
    pid_t pid;
    int64_t jobs, born_ms;
    bool busy;
    /* of the job at hand */
    int64_t since_ms;
    double cost_ms;
    char what[64];
};
/* Up to n of them; returns how many. */
int pool_list(struct pool *p, struct pool_worker *out, int n);

/* Goes on, but lets workers go that nobody waits for, all but one: another generation takes their place. */
void pool_retire(struct pool *p); /* accepts NULL */

#endif
