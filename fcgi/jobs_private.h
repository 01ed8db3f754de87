/* What the files of background jobs share: jobs.c (which jobs are ours), job_run.c (working on one), job_draft.c.
 * Nobody else includes this. */
#ifndef JOBS_PRIVATE_H
#define JOBS_PRIVATE_H

#include <pthread.h>

#include "jobs.h"
#include "marks.h"
#include "runners.h"

#define JOBS_ACTIVE 64   /* worked on at one time; others wait on disk */
#define JOBS_QUEUED 1000 /* beyond, no new one is taken */

/* A job whose lease is ours. Owned by the list in jobs, freed by the keeper. */
struct job_own {
    struct guest guest;
    struct jobs *jobs;
    char id[JOB_ID];
    int dir, lease; /* owned */
    int hangup[2];  /* owned: a pipe whose writing end closes when nobody wants the results */
    struct job_description d;
    struct order order;
    struct marks marks;
    char *uploads[IC_MARKS]; /* owned: watermarks that came with the request */
    pthread_mutex_t lock;    /* guards what follows */
    bool *done;              /* owned: by item */
    int next, open;          /* item to look at, items not done */
    bool cancelled, failed;
    TAILQ_ENTRY(job_own) at;
};

struct jobs {
    struct gateway *g;
    int spool; /* owned */
    pthread_t keeper;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t look;
    TAILQ_HEAD(, job_own) own;
    int active, queued;
    bool looking, stopping;
    int64_t bytes; /* of all files below the spool, about */
};

/* jobs.c */
bool jobs_may_queue(struct jobs *j);
/* Counts n bytes more (or fewer), and removes the oldest finished jobs where that is too much. false: it still is; then
 * nothing was counted. */
bool jobs_make_room(struct jobs *j, int64_t n);
void jobs_look(struct jobs *j); /* the keeper has something to do */

/* job_run.c */
struct job_own *job_own_open(struct jobs *j, const char *id); /* NULL: not there, finished, or somebody else's */
void job_own_free(struct job_own *o);                         /* no item may be at work */
bool job_own_ended(struct job_own *o);                        /* nothing left to do, or cancelled */
/* Marks and cleans a job that has ended. */
void job_own_finish(struct job_own *o);
void job_own_hang_up(struct job_own *o);
extern const struct guest_ops job_own_ops;

#endif
