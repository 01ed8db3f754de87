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
    free(s);
}

void rendition_fail(struct rendition *r, enum ic_code code, const char *text)
{
    r->code = code;
    snprintf(r->text, sizeof r->text, "%s", text);
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
        rendition_fail(r, e.code, e.text);
        return;
    }
    rendition_fail(r, IC_E_WORKER, "the worker sent no result"); /* until it did */
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

void rendition_item(const struct rendition *r, struct framing_item *i)
{
    bool ok = r->code == IC_OK;
    i->status = ok ? 200 : reply_status(r->code);
    i->code = ok ? NULL : ic_code_name(r->code);
    i->detail = ok ? NULL : r->text;
    i->width = r->width;
    i->height = r->height;
    i->source_width = r->source_width;
    i->source_height = r->source_height;
    i->format = r->format;
    i->warnings = r->warnings;
    i->n = ok ? r->n : 0;
}

static void on_output(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct renditions *s = ctx;
    int output = s->job_output[o->index];
    struct rendition *r = &s->out[output];
    s->decode_ms = o->decode_ms;
    s->transform_ms += o->transform_ms;
    s->encode_ms += o->encode_ms;
    if (!data) {
        rendition_fail(r, (enum ic_code)o->code, o->text);
        return;
    }
    r->n = o->length;
    r->width = o->width;
    r->height = o->height;
    r->source_width = o->source_width;
    r->source_height = o->source_height;
    r->format = (enum ic_format)o->format;
    r->warnings = o->warnings;
    r->code = IC_OK;
    if (!s->keep(s->ctx, output, data) && r->code == IC_OK)
        rendition_fail(r, IC_E_BUSY, "no room for the result at the moment");
}

enum ic_code renditions_run(struct renditions *s, struct pool_ticket *t, struct pool_input in, struct ic_error *e)
{
    s->job.job.inputs = 1;
    if (s->marks)
        marks_hand(s->marks, &s->job.job, s->job.in);
    s->job.job.outputs = (uint32_t)s->jobs;
    s->job.in[0] = in;
    s->job.emit = on_output;
    s->job.ctx = s;
    enum ic_code rc = pool_run(t, &s->job, e);
    for (int k = 0; k < s->jobs && rc != IC_OK; k++) {
        struct rendition *r = &s->out[s->job_output[k]];
        if (r->code == IC_E_WORKER)
            rendition_fail(r, e->code, e->text);
    }
    return rc;
}
