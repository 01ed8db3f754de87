/* Watermarks in a plan: taken over from the recipe, which may come from another process, and what they cost. Called by
 * plan.c. Their own headers play no part here: the gateway plans without them. */
#include "plan.h"

#include "overlay.h"

#include <math.h>
#include <string.h>

static bool within(double v, double min, double max)
{
    return v >= min && v <= max; /* false for NaN as well */
}

static bool mark_sound(const struct ic_mark *m)
{
    bool pos = m->pos == IC_MARK_TILE || (m->pos >= 0 && m->pos <= IC_NORTHWEST);

    return pos && m->input >= 0 && m->input <= IC_MARKS && within(m->scale, 0.1, 1000) && within(m->alpha, 0, 100) &&
           within(m->rotate, -360, 360) && within(m->pad, 0, 65535) && within(m->width.value, 0, 65535) &&
           within(m->height.value, 0, 65535) && within(m->x.value, -65535, 65535) && within(m->y.value, -65535, 65535);
}

static bool text_sound(const struct ic_text *t)
{
    bool pos = t->pos == IC_MARK_TILE || (t->pos >= 0 && t->pos <= IC_NORTHWEST);

    return pos && memchr(t->text, '\0', sizeof t->text) && t->font >= 0 && within(t->size, 1, 1000) &&
           within(t->alpha, 0, 100) && within(t->pad, 0, 65535);
}

void ic_mark_init(struct ic_mark *m)
{
    *m = (struct ic_mark){ .pos = IC_SOUTHEAST, .scale = 20, .pad = 5, .alpha = 100 };
}

enum ic_code ic_plan_marks(const struct ic_recipe *r, struct ic_plan *p, struct ic_error *e)
{
    p->dpr = r->dpr;
    for (int i = 0; i < IC_MARKS; i++) {
        if (!mark_sound(&r->mark[i]))
            return ic_fail(e, IC_E_PARAM, "a value of a watermark is out of range");
        p->mark[i] = r->mark[i];
    }
    if (!text_sound(&r->text))
        return ic_fail(e, IC_E_PARAM, "a value of a text is out of range");
    p->text = r->text;
    return IC_OK;
}

bool ic_plan_marks_framed(const struct ic_plan *p)
{
    return p->source.components <= 2 && ic_overlay_wanted(p);
}

/* A mark as pixels and as a layer, ten bytes a pixel, supposed to be half as high as it is wide. */
uint64_t ic_plan_marks_memory(const struct ic_plan *p)
{
    /* A text covers half of the result at most, if it is to be read. */
    uint64_t bytes = p->text.text[0] ? (uint64_t)p->width * p->height * 5 + (256 << 10) : 0;

    for (int i = 0; i < IC_MARKS; i++) {
        const struct ic_mark *m = &p->mark[i];
        double share = m->width.unit == IC_UNIT_PERCENT ? m->width.value : m->scale;
        double w = m->width.unit == IC_UNIT_PX ? m->width.value * p->dpr : p->width * share / 100.0;

        if (m->input)
            bytes += (uint64_t)(fmin(w, 16384) * fmin(w / 2.0, p->height) * 10.0);
    }
    return bytes;
}
