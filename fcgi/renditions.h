/* One source, all outputs of an order, one decode: what renditions, batches, background jobs and the batch command have
 * in common.
 *
 *     renditions_plan   header -> plans: what can be refused is refused here, output by output
 *     renditions_run    one job with all the others; results are kept by whoever asked, while the worker goes on
 */
#ifndef RENDITIONS_H
#define RENDITIONS_H

#include "framing.h"
#include "marks.h"
#include "order.h"
#include "pool.h"

struct rendition {
    enum ic_code code; /* IC_OK: the result was kept */
    char text[200];    /* otherwise: why */
    uint32_t width, height, source_width, source_height;
    enum ic_format format;
    uint32_t warnings; /* bits of enum ic_warning */
    size_t n;          /* bytes of the result */
};

struct renditions {
    /* Copies the result of out[output] from data, which is borrowed. false: out[output] now says why not. Called in the
     * thread of renditions_run, while the worker may be at the next one. */
    bool (*keep)(void *ctx, int output, const uint8_t *data);
    void *ctx;
    int n;
    struct ic_info info;
    size_t reserve; /* bytes that the results should need together */
    double decode_ms, transform_ms, encode_ms;
    struct rendition out[JOB_OUTPUTS]; /* by output of the order */
    /* the job */
    const struct marks *marks;      /* borrowed, loaded; NULL: there are none */
    int jobs;                       /* recipes in it */
    int8_t job_output[JOB_OUTPUTS]; /* recipe -> output */
    struct pool_job job;
};

/* Heap, because it is large. NULL: out of memory. */
struct renditions *renditions_create(void);
void renditions_free(struct renditions *s); /* accepts NULL */

/* From the source's header, with the format negotiated from accept where an output asks for it.
 * false: the source can't be used at all, e says why. Outputs that can't be made have their code set. */
bool renditions_plan(struct renditions *s, const struct order *o, const struct config *c, const char *accept,
                     struct ic_error *e);

/* Why an output has no result. */
void rendition_fail(struct rendition *r, enum ic_code code, const char *text);

/* What an answer says of it; index, name, output and where the bytes are is for the caller to add. */
void rendition_item(const struct rendition *r, struct framing_item *i);

/* Runs what can be run; s->job says which deadlines and client. Returns the failure of the whole, as pool_run does, and
 * gives it to all outputs that have no result. */
enum ic_code renditions_run(struct renditions *s, struct pool_ticket *t, struct pool_input in, struct ic_error *e);

#endif
