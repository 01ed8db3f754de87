/* What the files of the pool share: pool.c (workers and who waits for them), pool_lanes.c (who goes
 * next), pool_admit.c (tickets), pool_turns.c (whose body is read), pool_price.c (predictions), pool_run.c (one job),
 * pool_slots.c (one process of many).
 * Nobody else includes this. */
#ifndef POOL_PRIVATE_H
#define POOL_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "pool.h"
#include "process.h"
#include "slots.h"

#define POOL_WAITED_MS 100 /* who has not waited is tried, whatever is predicted: the prediction may be wrong */

/* One birth. Owned by the idle list, or by the one thread that leased it; freed at death, and nothing of it (object,
 * descriptors, mailbox) serves another worker. */
struct worker {
    int index;
    pid_t pid;
    int64_t born_ms;
    int socket, pidfd, memfd; /* owned; -1 where jobs run in this process */
    struct mailbox box;
    struct ic_engine *engine; /* owned; NULL: a process of its own */
    int64_t jobs;
    double work_ms;      /* of all of them */
    struct worker *next; /* in the idle list */
    /* guarded by the pool's lock: what it works on, for predictions and /status */
    TAILQ_ENTRY(worker) all;
    bool busy;
    int64_t since_ms;
    double cost_ms;
    char what[64];
};
TAILQ_HEAD(pool_workers, worker);

/* A thread in pool_take. On its stack; in a list until `got` is set or it leaves. */
struct pool_waiter {
    int wake; /* eventfd */
    double cost_ms;
    struct worker *got;
    TAILQ_ENTRY(pool_waiter) at;
};
TAILQ_HEAD(pool_waiters, pool_waiter);
TAILQ_HEAD(pool_turns, pool_turn);
TAILQ_HEAD(pool_reading, pool_ticket);

/* What jobs took, as a multiple of what was predicted: a mean of the first ones, then a moving average. */
struct pool_ratio {
    double mean;
    int jobs;
};

struct pool {
    int workers, places; /* configured; tickets at most. With slots: of all processes */
    int places_bodies;   /* of which requests with a body may hold so many */
    int turns_max;       /* of which so many are read at one time */
    int aside_max;       /* and so many more, beside all these, while they are slow */
    size_t in_size, out_size;
    size_t bytes_max, bytes_max_bodies; /* of the budget, and of it what requests with a body may take */
    struct pool_slots *slots;           /* owned; NULL: the workers are this process's own */
    int64_t worker_jobs, deadline_ms;

    pthread_mutex_t lock; /* guards everything below; held for a few lines, never across a wait or a close */
    struct worker *idle;  /* the last used one first: its caches are warm. Not empty: only batches wait */
    struct pool_waiters waiters[POOL_LANES];
    struct pool_workers all; /* every one alive, whoever has it */
    struct pool_turns turn_waiters;
    int turns, turns_waiting;    /* taken, and how many wait for one */
    struct pool_reading reading; /* tickets whose body is being read */
    int aside;                   /* of these without a place, because they are slow */
    int lane_waiting[POOL_LANES];
    double lane_cost_ms[POOL_LANES]; /* of tickets whose work has not begun */
    double tag[POOL_LANES], clock;   /* fair queueing, see pool_lanes.c */
    int64_t interactive_ms;          /* when the last one asked for a worker */
    int alive, idle_n, waiting, admitted, bodies;
    int64_t last_death_ms;
    size_t bytes;
    double job_ms;                                   /* moving average of what jobs took */
    struct pool_ratio ratio[IC_FORMATS][IC_FORMATS]; /* by source and result */
    double booked_ms;                                /* up to when the refused were told to come back, on clock_ms() */
    bool retired;                                    /* of the idle only one is kept */
    size_t worker_memory;
    uint64_t next_id;
};

/* A worker for a job of this lane, alive a moment ago. NULL: *why is IC_E_BUSY (deadline, or no descriptors) or
 * IC_E_GONE. again: the caller had waited before and got a dead one, so it goes first. */
struct worker *pool_take(struct pool *p, const struct pool_job *j, enum pool_lane lane, bool again, enum ic_code *why);
void pool_give(struct pool *p, struct worker *w); /* to the next who waits, or idle; or to its end after worker_jobs */

/* It is dead, or may end in its own time. reason: a word for the metrics; NULL: it goes with its slot. */
void pool_bury(struct pool *p, struct worker *w, const char *reason);
void pool_kill(struct pool *p, struct worker *w, const char *reason); /* and buries it */

/* pool_lanes.c. All with the lock held. */
void pool_enter_lane(struct pool *p, struct pool_waiter *me, enum pool_lane lane, bool first);
void pool_quit_lane(struct pool *p, struct pool_waiter *me, enum pool_lane lane);
struct pool_waiter *
pool_next_waiter(struct pool *p); /* out of its lane, and charged; NULL: none may have a worker now */
bool pool_may_take(const struct pool *p, enum pool_lane lane); /* an idle one, past those who wait */
void pool_charge(struct pool *p, enum pool_lane lane, double cost_ms);
double pool_weight(enum pool_lane lane); /* needs no lock */

/* pool_admit.c. A ticket's place, and the work it stands for. Lock held. */
void pool_place_ticket(struct pool *p, struct pool_ticket *t);
void pool_unplace(struct pool *p, struct pool_ticket *t); /* its turn as well */

/* pool_turns.c. Lock held. The ticket's turn, if it has one, goes to the next. */
void pool_turn_over(struct pool *p, struct pool_ticket *t);
/* A body that comes slowly gives its place up. false: there is none. */
bool pool_make_place(struct pool *p);

/* pool_price.c. What is known of a worker's job while it is at it: the cost moves from the ticket to the worker. */
void pool_begin_job(struct pool *p, struct pool_ticket *t, struct worker *w, const struct pool_job *j);
void pool_end_job(struct pool *p, struct worker *w);
double pool_corrected_ms(struct pool *p, const struct pool_forecast *f); /* the average where it is unknown */
/* With the lock held: what is left of all that workers are at, and how long somebody who comes now waits. */
double pool_running_ms(const struct pool *p);
double pool_wait_for_ms(const struct pool *p, enum pool_lane lane);
int pool_book_s(struct pool *p, enum pool_lane lane); /* Retry-After for one more that is refused */

/* A job's time, for predictions. killed: at its deadline, so that it says little. */
void pool_took(struct pool *p, const struct pool_forecast *f, double ms, bool killed);
int pool_retry_after_s(struct pool *p, enum pool_lane lane); /* predicted drain; lock not held */
int pool_timeout_ms(int64_t deadline_ms);                    /* for poll */

/* pool_slots.c. All but the first do nothing without slots, where that makes sense. false: logged. */
bool pool_slots_create(struct pool *p, const struct config *c);
void pool_slots_free(struct pool *p);
/* Lock held, for the next four: a slot or a place for a request, and back where it is refused all the same; how long
 * one who comes now waits; what all know of bookings, before and after one. */
enum slots_answer pool_slots_enter(struct pool *p);
void pool_slots_give_back(struct pool *p);
double pool_slots_wait_ms(const struct pool *p);
void pool_slots_booked(struct pool *p, bool write);
void pool_slots_took(struct pool *p);        /* lock held: after p->job_ms changed */
int pool_slots_look(struct pool *p, int ms); /* while waiting: gets on, and says how long to wait, at most ms */
bool pool_slots_born(struct pool *p);        /* whether the worker that was born is wanted still */
void pool_slots_leave(struct pool *p);       /* the request is done */

#endif
