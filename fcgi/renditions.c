/* From a source and an order to results. Any thread may call it; a struct belongs to one at a time. */
#include "renditions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_reply.h"
#include "negotiate.h"

struct renditions *renditions_create(void)
{
    return calloc(1, sizeof(struct renditions));
}

void renditions_free(struct renditions *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n; i++)
        free(s->out[i].p);
    free(s);
}

static void fail(struct rendition *r, const struct ic_error *e)
{
    r->code = e->code;
    snprintf(r->text, sizeof r->text, "%s", e->text);
}

/* One more recipe, or the reason why not. */
static void plan_output(struct renditions *s, int i, const struct query *q, const struct config *c, const char *accept)
{
    struct ic_recipe *recipe = &s->job.job.recipe[s->jobs];
    struct ic_limits limits = config_limits(c);
    struct rendition *r = &s->out[i];
    struct ic_plan plan;
    struct ic_error e = { 0 };
    *recipe = q->recipe;
    if (q->format_auto)
        recipe->format = negotiate_format(accept, s->info.alpha);
    if (ic_plan(recipe, &s->info, &limits, &plan, &e) != IC_OK) {
        fail(r, &e);
        return;
    }
    ic_fail(&e, IC_E_WORKER, "the worker sent no result"); /* until it did */
    fail(r, &e);
    r->width = plan.width;
    r->height = plan.height;
    r->format = plan.format;
    ic_oriented_size(&s->info, recipe->autorotate, &r->source_width, &r->source_height);
    s->reserve += image_reply_reserve(&plan, (size_t)c->max_result);
    s->job.forecast.cost_ms += plan.cost_ms; /* the decode again with each: the pool learns that it is one */
    s->job.forecast.in = s->info.format;
    s->job_output[s->jobs++] = (int8_t)i;
}

bool renditions_plan(struct renditions *s, const struct order *o, const struct config *c, const char *accept,
                     struct ic_error *e)
{
    s->n = o->n;
    for (int i = 0; i < o->n; i++)
        plan_output(s, i, &o->outputs[i].query, c, accept);
    if (s->reserve > (size_t)c->max_result)
        s->reserve = (size_t)c->max_result; /* of one job, all results together */
    if (s->jobs > 0)
        return true;
    ic_fail(e, s->out[0].code, "%s", s->out[0].text);
    return false;
}

/* Results, copied out of the worker's mailbox. */

struct collect {
    struct renditions *s;
    struct pool_ticket *ticket;
    size_t used, reserve;
};

static bool room_for(struct collect *c, size_t n)
{
    size_t beyond = c->used + n > c->reserve ? c->used + n - c->reserve : 0;
    if (beyond > 0 && !pool_grow(c->ticket, beyond))
        return false;
    c->used += n;
    c->reserve += beyond;
    return true;
}

static void keep(struct collect *c, struct rendition *r, const struct job_output *o, const uint8_t *data)
{
    struct ic_error e;
    r->p = room_for(c, o->length) ? malloc(o->length + 1) : NULL;
    if (!r->p) {
        ic_fail(&e, IC_E_BUSY, "no memory for the result at the moment");
        fail(r, &e);
        return;
    }
    memcpy(r->p, data, o->length);
    r->n = o->length;
    r->code = IC_OK;
    r->text[0] = '\0';
    r->width = o->width;
    r->height = o->height;
    r->source_width = o->source_width;
    r->source_height = o->source_height;
    r->format = (enum ic_format)o->format;
    r->truncated = o->truncated;
}

static void on_output(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct collect *c = ctx;
    struct renditions *s = c->s;
    struct rendition *r = &s->out[s->job_output[o->index]];
    struct ic_error e;
    s->decode_ms = o->decode_ms;
    s->transform_ms += o->transform_ms;
    s->encode_ms += o->encode_ms;
    if (data) {
        keep(c, r, o, data);
        return;
    }
    ic_fail(&e, (enum ic_code)o->code, "%s", o->text);
    fail(r, &e);
}

enum ic_code renditions_run(struct renditions *s, struct pool_ticket *t, struct pool_input in, struct ic_error *e)
{
    struct collect c = { .s = s, .ticket = t, .reserve = s->reserve };
    s->job.job.inputs = 1;
    s->job.job.outputs = (uint32_t)s->jobs;
    s->job.in[0] = in;
    s->job.emit = on_output;
    s->job.ctx = &c;
    enum ic_code rc = pool_run(t, &s->job, e);
    for (int k = 0; k < s->jobs && rc != IC_OK; k++) {
        struct rendition *r = &s->out[s->job_output[k]];
        if (!r->p)
            fail(r, e);
    }
    return rc;
}
