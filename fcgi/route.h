/* Which handler answers which URL. */
#ifndef ROUTE_H
#define ROUTE_H

#include "request.h"

/* Fills a, always. */
void route_request(struct request *rq, struct reply *a);

/* Whether the method is in allow ("GET, HEAD"); if not, a is the 405 with Allow. */
bool route_method(const struct request *rq, const char *allow, struct reply *a);

/* One file each, named after it: api_img.c and so on. */
void api_img(struct request *rq, const char *path, struct reply *a); /* path: encoded, after /img/ */
void api_process(struct request *rq, struct reply *a);
void api_renditions(struct request *rq, struct reply *a);
void api_batch(struct request *rq, struct reply *a);
void api_info(struct request *rq, struct reply *a);
void api_jobs(struct request *rq, const char *path, struct reply *a); /* path: after /api/jobs/ */
void api_healthz(struct request *rq, struct reply *a);
void api_readyz(struct request *rq, struct reply *a);
void api_status(struct request *rq, struct reply *a);
void api_status_json(struct request *rq, struct reply *a);
void api_metrics(struct request *rq, struct reply *a);
void api_options(struct request *rq, struct reply *a);

#endif
