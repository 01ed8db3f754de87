/* A job's way through imgcore, and the checks on its message. Called by worker processes, by accept threads
 * (workers = 0) and by the command line.
 *
 * Results are copied one after another into the output area; imgcore could encode straight into it, but its buffers
 * grow by moving, and the copy of a result costs less than a hundredth of making it. */
#include "job.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define JOB_ALIGN 64u

size_t job_size(const struct job *j)
{
    return offsetof(struct job, recipe) + j->outputs * sizeof j->recipe[0];
}

bool job_valid(const struct job *j, size_t message_size, size_t in_size)
{
    if (message_size < offsetof(struct job, recipe) || message_size > sizeof *j)
        return false;
    if (j->inputs < 1 || j->inputs > JOB_INPUTS || j->outputs < 1 || j->outputs > JOB_OUTPUTS)
        return false;
    if (j->kind != JOB_RENDER && (j->kind != JOB_INSPECT || j->outputs != 1))
        return false;
    if (message_size != job_size(j))
        return false;
    for (uint32_t i = 0; i < j->inputs; i++)
        if (j->in[i].offset > in_size || j->in[i].length > in_size - j->in[i].offset)
            return false;
    return true;
}

struct job_run {
    const struct job *job;
    uint8_t *out;
    size_t out_size, used;
    uint32_t done;
    bool stopped;
    job_emit *emit;
    void *ctx;
};

static void job_fail(struct job_output *o, enum ic_code code, const char *text)
{
    o->code = (int32_t)code;
    snprintf(o->text, sizeof o->text, "%s", text);
}

/* Copies a result behind the ones before it. */
static void job_place(struct job_run *run, struct job_output *o, const struct ic_result *r)
{
    o->width = r->width;
    o->height = r->height;
    o->source_width = r->source_width;
    o->source_height = r->source_height;
    o->format = (int32_t)r->format;
    o->source_format = (int32_t)r->source_format;
    o->warnings = r->warnings;
    o->decode_ms = r->decode_ms;
    o->transform_ms = r->transform_ms;
    o->encode_ms = r->encode_ms;

    size_t at = (run->used + JOB_ALIGN - 1) / JOB_ALIGN * JOB_ALIGN;
    if (at > run->out_size || r->data.n > run->out_size - at) {
        job_fail(o, IC_E_RESULT, "the results together are larger than max_result");
        return;
    }
    memcpy(run->out + at, r->data.p, r->data.n);
    o->offset = at;
    o->length = r->data.n;
    run->used = at + r->data.n;
}

static bool job_on_result(void *ctx, int index, const struct ic_result *r, const struct ic_error *e)
{
    struct job_run *run = ctx;
    struct job_output o;
    memset(&o, 0, sizeof o); /* padding too: it goes to another process */
    o.id = run->job->id;
    o.index = index;
    if (r)
        job_place(run, &o, r);
    else
        job_fail(&o, e->code, e->text);
    o.last = ++run->done == run->job->outputs;
    run->stopped = !run->emit(run->ctx, &o);
    return !run->stopped;
}

static enum ic_code job_inspect(struct ic_engine *g, struct ic_bytes source, struct job_run *run, struct ic_error *e)
{
    struct ic_facts facts;
    enum ic_code rc = ic_inspect(g, source, &facts, e);
    struct ic_result r = { .data = { (const uint8_t *)&facts, sizeof facts } };
    if (rc != IC_OK)
        return rc;
    r.width = r.source_width = facts.width;
    r.height = r.source_height = facts.height;
    r.format = r.source_format = facts.info.format;
    r.decode_ms = facts.decode_ms;
    r.transform_ms = facts.look_ms;
    r.warnings = facts.truncated ? IC_WARN_TRUNCATED : 0;
    job_on_result(run, 0, &r, NULL);
    return IC_OK;
}

/* What recipes mean by mark 1, 2, 3: the inputs behind the source. */
static void job_lend_marks(struct ic_engine *g, const struct job *j, const uint8_t *in)
{
    struct ic_mark_bytes marks[IC_MARKS];
    int n = (int)j->inputs - 1;
    for (int i = 0; i < n; i++) {
        marks[i].bytes = (struct ic_bytes){ in + j->in[1 + i].offset, j->in[1 + i].length };
        memcpy(marks[i].hash, j->in[1 + i].hash, sizeof marks[i].hash);
    }
    ic_engine_lend_marks(g, marks, n);
}

void job_run(struct ic_engine *g, const struct job *j, const uint8_t *in, uint8_t *out, size_t out_size, job_emit *emit,
             void *ctx)
{
    struct job_run run = { .job = j, .out = out, .out_size = out_size, .emit = emit, .ctx = ctx };
    struct ic_bytes source = { in + j->in[0].offset, j->in[0].length };
    struct ic_error e = { 0 };
    job_lend_marks(g, j, in);
    enum ic_code rc = j->kind == JOB_INSPECT ? job_inspect(g, source, &run, &e)
                                             : ic_run(g, source, j->recipe, (int)j->outputs, job_on_result, &run, &e);
    if (run.stopped || run.done == j->outputs)
        return;
    assert(rc != IC_OK); /* imgcore promised an answer to every recipe */
    struct job_output o;
    memset(&o, 0, sizeof o);
    o.id = j->id;
    o.index = -1;
    o.last = 1;
    job_fail(&o, rc, e.text);
    emit(ctx, &o);
}
