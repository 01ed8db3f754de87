/* What GET of an image and POST of one share: from a header to a plan, from a plan to a job, from a result to a reply.
 */
#ifndef IMAGE_REPLY_H
#define IMAGE_REPLY_H

#include "cache.h"
#include "marks.h"
#include "query.h"
#include "request.h"

/* One image on its way through a request. */
struct image_reply {
    struct ic_info info;
    struct ic_recipe recipe; /* with the format that was negotiated */
    struct ic_plan plan;
    struct marks *marks; /* borrowed */
    size_t reserve;      /* bytes of the memory budget that its result should need */
};

/* Answers 400 with what the option parser said. */
void image_reply_option(struct reply *a, const struct query_error *e);

/* Probes an image that is all there: ic_probe, but a header that is cut off is a corrupt one. */
enum ic_code image_reply_probe_bytes(struct ic_bytes image, struct ic_info *out, struct ic_error *e);
/* Probes the header of a regular file. false: e says why. */
bool image_reply_probe(int fd, int64_t size, struct ic_info *out, struct ic_error *e);

/* Bytes that the result of a plan should not exceed. */
size_t image_reply_reserve(const struct ic_plan *p, size_t max_result);

/* Negotiates the format and plans, from im->info; fills the log and the image headers of a. All that can be refused
 * from the header is refused here, before admission. false: a holds the error. */
bool image_reply_plan(struct request *rq, const struct query *q, struct image_reply *im, struct reply *a);

/* From the first bytes of an upload that q is asked of: what is refused for its header, whatever follows, is refused
 * now (false: a holds the error), and the pool hears what its work will be. q: finished. */
bool image_reply_foresee(struct request *rq, const struct query *q, struct ic_bytes head, struct reply *a);

/* What the pool shall expect of it. */
struct pool_forecast image_reply_forecast(const struct image_reply *im);
/* Content-Disposition where dl or filename ask for it; name: what the source is called. After image_reply_plan. */
void image_reply_name(const struct query *q, const struct image_reply *im, const char *name, struct reply *a);

/* HEAD, from the plan alone. */
void image_reply_head(const struct image_reply *im, struct reply *a);

/* image_run.c. Runs the job and fills a with the image or the error. Needs rq->ticket; headers that a holds are kept on
 * success. key: requests with the same key get the same bytes, so that one job may answer all that are in flight, and
 * those that come later; NULL: this one is its own. */
void image_reply_run(struct request *rq, const struct image_reply *im, const struct cache_key *key,
                     struct pool_input in, struct reply *a);

/* The cache's part in an answer, as X-Cache, the log and the metrics tell it. */
enum image_cache {
    IMAGE_CACHE_HIT,
    IMAGE_CACHE_MISS,
    IMAGE_CACHE_COALESCED /* it was made for another while this one waited */
};

/* Fills a from the cache; takes over what hit holds. */
void image_reply_hit(struct request *rq, const struct cache_hit *hit, enum image_cache part, struct reply *a);
/* The headers that tell of a result, and what the log tells. */
void image_reply_told(struct request *rq, const struct job_output *o, struct reply *a);

/* Finds the watermarks of one output, before image_reply_plan; reads them, once there is a ticket.
 * false: a holds the error. */
bool image_reply_find_marks(struct image_reply *im, const struct request *rq, struct query *q, struct reply *a);
bool image_reply_load_marks(struct image_reply *im, struct request *rq, struct reply *a);

#endif
