/* Everything that is laid over a result, after all other operations. Called by output.c: on strips as they pass to the
 * encoder, or on a frame where there is one anyway. So a mark costs no frame, whatever its size. */
#include "overlay.h"

#include "engine.h"
#include "op_mark.h"

#include <math.h>

bool ic_overlay_wanted(const struct ic_plan *p)
{
    if (p->text.text[0])
        return true;
    for (int i = 0; i < IC_MARKS; i++)
        if (p->mark[i].input)
            return true;
    return false;
}

/* The block that pos and pad speak of is the text; what hangs over its edges lies in the margin round it. */
static void overlay_place_text(const struct ic_text *t, const struct ic_plan *p, const struct ic_planes *shape,
                               const struct ic_text_pixels *px, struct ic_mark_place *out)
{
    struct ic_layer_shape plain = ic_mark_layer_shape(p, shape, out, 0, 0);
    struct ic_mark_spot spot = { .pos = t->pos, .pad = t->pad, .x = NAN, .y = NAN, .fx = plain.fx, .fy = plain.fy };

    ic_mark_spot_place(&spot, p, px->w - 2 * px->margin, px->h - 2 * px->margin, out);
    out->x -= px->margin;
    out->y -= px->margin;
}

static enum ic_code overlay_text(struct ic_overlay *o, struct ic_engine *g, const struct ic_plan *p,
                                 const struct ic_planes *shape, struct ic_error *e)
{
    struct ic_mark_place *at = &o->place[o->n];
    struct ic_text t = p->text;
    struct ic_text_pixels px;
    struct ic_mark_key k = { .alpha = (uint8_t)lround(t.alpha * 2.55) };

    t.size = fmin(t.size * p->dpr, 4000);
    t.pad *= p->dpr;
    *at = (struct ic_mark_place){ 0 };
    enum ic_code rc =
        ic_text_draw(g->fonts, &g->mem, &t, fmax(p->width - 2 * t.pad, 1), fmax(p->height - 2 * t.pad, 1), &px, e);
    if (rc == IC_OK && px.p) {
        overlay_place_text(&t, p, shape, &px, at);
        k.width = px.w;
        k.height = px.h;
        k.shape = ic_mark_layer_shape(p, shape, at, px.w, px.h);
        at->entry = ic_mark_make_alone(&g->mem, &k, px.p);
        o->n += at->entry != NULL;
        rc = at->entry ? IC_OK : ic_fail(e, IC_E_MEMORY, "no memory for text");
    }
    ic_free(&g->mem, px.p);
    return rc;
}

enum ic_code ic_overlay_open(struct ic_overlay *o, struct ic_engine *g, const struct ic_plan *p,
                             const struct ic_planes *shape, struct ic_error *e)
{
    *o = (struct ic_overlay){ 0 };
    for (int i = 0; i < IC_MARKS; i++) {
        enum ic_code rc = p->mark[i].input ? ic_mark_take(g, p, &p->mark[i], shape, &o->place[o->n], e) : IC_OK;

        if (rc != IC_OK)
            return rc;
        o->n += p->mark[i].input != 0;
    }
    return p->text.text[0] ? overlay_text(o, g, p, shape, e) : IC_OK;
}

/* All repetitions of one row of a grid. */
static void overlay_row(const struct ic_mark_place *at, const struct ic_view *v, int64_t y, uint32_t y0)
{
    int64_t x = at->x;

    do {
        ic_op_mark(v, at->entry->layer, x, y, y0);
        x += at->step_x;
    } while (at->step_x && x < v->width);
}

static void overlay_place(const struct ic_mark_place *at, const struct ic_view *v, uint32_t y0)
{
    int64_t y = at->y, end = (int64_t)y0 + v->height;

    do {
        if (y < end && y + at->entry->layer->height > y0)
            overlay_row(at, v, y, y0);
        y += at->step_y;
    } while (at->step_y && y < end);
}

void ic_overlay_blend(const struct ic_overlay *o, const struct ic_view *v, uint32_t y0)
{
    for (int i = 0; i < o->n; i++)
        overlay_place(&o->place[i], v, y0);
}

void ic_overlay_close(struct ic_overlay *o)
{
    for (int i = 0; i < o->n; i++)
        ic_mark_give(o->place[i].entry);
    o->n = 0;
}
