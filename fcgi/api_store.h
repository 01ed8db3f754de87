/* The part of renditions that keeps what it makes. */
#ifndef API_STORE_H
#define API_STORE_H

#include "renditions.h"
#include "upload.h"

/* Whether the query says store=1, which is no option of an image; rest (size bytes) is the query without it.
 * false: a is the error. */
bool api_store_wanted(struct request *rq, char *rest, size_t size, bool *store, struct reply *a);

/* Makes the renditions of a finished order, stores them, and fills a with the 201 or the error. */
void api_store(struct upload *u, struct request *rq, struct reply *a);

/* api_renditions.c: probes, plans, prices and runs. in_memory: the results take memory, which is reserved first.
 * false: a is the error. s->keep and ctx must be set. */
bool api_renditions_run(struct upload *u, struct renditions *s, struct request *rq, bool in_memory, struct reply *a);

#endif
