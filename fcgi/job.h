/* A job: what a worker is asked and what it answers. The same function runs it in a worker process, in an accept
 * thread (workers = 0) and in the command line. */
#ifndef JOB_H
#define JOB_H

#include <stdint.h>

#include "../imgcore/imgcore.h"

#define JOB_INPUTS  (1 + IC_MARKS) /* the source, then marks */
#define JOB_OUTPUTS 32

enum job_kind {
    JOB_RENDER, /* recipes to images */
    JOB_INSPECT /* one output: a struct ic_facts as its bytes; recipes are not looked at */
};

/* Sent as one SEQPACKET message, cut after the last recipe in use. Offsets count from the start of the mailbox's
 * input area. */
struct job {
    uint64_t id;
    uint32_t kind; /* enum job_kind */
    uint32_t inputs, outputs;
    struct {
        uint64_t offset, length;
        uint8_t hash[IC_MARK_HASH]; /* of a mark's bytes */
    } in[JOB_INPUTS];
    struct ic_recipe recipe[JOB_OUTPUTS];
};

/* One message per output, as it is finished; `last` on the final one. Where the whole job failed: one message with
 * index -1 and last set. Offsets count from the start of the mailbox's output area. */
struct job_output {
    uint64_t id; /* the job's, so that a stray answer is recognised */
    int32_t index;
    int32_t code; /* enum ic_code */
    uint32_t last;
    uint32_t width, height, source_width, source_height;
    int32_t format, source_format; /* enum ic_format */
    uint32_t warnings;             /* bits of enum ic_warning */
    uint64_t offset, length;
    double decode_ms, transform_ms, encode_ms;
    char text[200]; /* of the error */
};

/* Bytes of the message for a job with so many outputs. */
size_t job_size(const struct job *j);
/* Whether a received message is well formed: size, counts, and every input inside in_size. */
bool job_valid(const struct job *j, size_t message_size, size_t in_size);

/* Tells of one output. data lies in the output area at o->offset. Returning false stops the job. */
typedef bool job_emit(void *ctx, const struct job_output *o);

/* Runs j on in[0 .. in_size), writes results into out[0 .. out_size) one after another, and tells of each through emit;
 * the last call has last set. Where results together do not fit in out, the ones that do not get IC_E_RESULT. */
void job_run(struct ic_engine *g, const struct job *j, const uint8_t *in, uint8_t *out, size_t out_size, job_emit *emit,
             void *ctx);

#endif
