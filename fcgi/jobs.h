/* Background jobs of this gateway: taken over from the spool, worked on by the runners, kept within bounds.
 *
 *     draft (a request is read) -> commit -> queued on disk -> leased here -> runners -> done
 *
 * A job belongs to its directory, not to this process: whoever holds its lease works on it, and what the files say is
 * all there is. So a reload or a crash loses nothing but the items that were at work. */
#ifndef JOBS_H
#define JOBS_H

#include "dispatch.h"
#include "job_dir.h"
#include "order.h"

struct jobs;

/* g->cfg->spool_dir must be set. NULL: errno. */
struct jobs *jobs_create(struct gateway *g);
/* Stops: what is at work is given up, to be done again by whoever comes next. Accepts NULL. */
void jobs_free(struct jobs *j);

int jobs_spool(const struct jobs *j); /* a descriptor, borrowed */

/* A job that is being written. */
struct job_draft {
    struct jobs *jobs;
    char id[JOB_ID];
    char final[JOB_ID]; /* its id once it is committed */
    bool committed;
    int dir, lease;       /* owned; -1: none */
    struct json_t *items; /* owned */
    int64_t bytes;        /* written so far */
};

/* With a key (not ""), exists tells that such a job is there already, and the draft is empty.
 * false: no room or no directory, errno (ENOSPC, EAGAIN where too many jobs wait). */
bool job_draft_begin(struct job_draft *d, struct jobs *j, const char *key, bool *exists);
/* A new source, to be written through fd, which the caller closes. -1: errno. */
int job_draft_file(struct job_draft *d, const char *name);
/* The same for a watermark of all of them. */
int job_draft_mark(struct job_draft *d, int slot);
/* The newest source can't be worked on: its results say why. */
bool job_draft_refuse(struct job_draft *d, const struct order *o, const char *name, int status, const char *code,
                      const char *detail);
/* Whether n more bytes are within spool_max; makes room where it can. */
bool job_draft_room(struct job_draft *d, size_t n);
/* Makes a job of it, with what order_recipe gave. false: errno; exists: another request with the same key was first. */
bool job_draft_commit(struct job_draft *d, const struct order *o, struct json_t *recipe, bool *exists);
void job_draft_free(struct job_draft *d); /* drops what was not committed; accepts a zeroed one */

/* Stops a job and removes its sources and results. false: there is none of this id. */
bool jobs_cancel(struct jobs *j, const char *id);

/* job_state.c: what GET /api/jobs/{id} answers (malloc'd), NULL: there is no such job. prefix: of its URLs. */
char *job_state_json(int spool, const char *id);

#endif
