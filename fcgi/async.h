/* Prefer: respond-async (RFC 7240): the request becomes a background job, and its answer is where to ask for it. */
#ifndef ASYNC_H
#define ASYNC_H

#include "jobs.h"
#include "marks.h"
#include "request.h"

/* Whether the client prefers it and there is a spool; where there is none, the answer is synchronous. */
bool async_wanted(const struct request *rq);

/* Starts a draft under the request's Idempotency-Key. exists: that job is there already, the draft is empty.
 * false: a is the error. */
bool async_begin(struct job_draft *d, struct request *rq, bool *exists, struct reply *a);

/* Puts n bytes into the draft's newest source. false: a is the error. */
bool async_write(struct job_draft *d, int fd, const uint8_t *p, size_t n, struct reply *a);

/* Keeps the watermarks that came with the request. false: a is the error. */
bool async_marks(struct job_draft *d, const struct marks *m, struct reply *a);

/* Makes the draft a job, unless it exists, and a the 202. */
void async_finish(struct job_draft *d, const struct order *o, bool exists, struct reply *a);

#endif
