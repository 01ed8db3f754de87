/* explain=1 and pixpool process --explain: what would be done, instead of doing it. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "image_reply.h"

/* A plan as JSON (malloc'd, ends with a newline); NULL: out of memory. */
char *explain_json(const struct query *q, const struct ic_plan *p);

/* Answers with the plan, to those whom admin_allow lists; 403 otherwise. After image_reply_plan. */
void explain_reply(const struct request *rq, const struct query *q, const struct image_reply *im, struct reply *a);

#endif
