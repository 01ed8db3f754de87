/* Everything that is laid over a result, after all other operations. Called by output.c: on strips as they pass to the
 * encoder, or on a frame where there is one anyway. So a mark costs no frame, whatever its size. */
#include "overlay.h"

#include "engine.h"
#include "op_mark.h"

bool ic_overlay_wanted(const struct ic_plan *p)
{
    for (int i = 0; i < IC_MARKS; i++)
        if (p->mark[i].input)
            return true;
    return false;
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
    return IC_OK;
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
