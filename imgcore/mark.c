/* One watermark of a recipe: how large it becomes, where it lies, and its layer, from the cache or made. Called by
 * overlay.c.
 *
 * Size and place follow from the mark's header, so that a layer that is cached costs neither decoding nor a look at
 * the pixels. */
#include "mark.h"

#include "decode.h"

#include <math.h>
#include <string.h>

/* Geometry. */

/* Pixels of the result, or NAN where the length is not given. */
static double mark_length(const struct ic_len *l, double dpr, double whole)
{
    if (l->unit == IC_UNIT_NONE)
        return NAN;
    return l->unit == IC_UNIT_PERCENT ? whole * l->value / 100.0 : l->value * dpr;
}

static struct ic_len mark_side(double px)
{
    struct ic_len none = { 0, IC_UNIT_NONE };

    return isnan(px) ? none : (struct ic_len){ fmax(1.0, floor(px + 0.5)), IC_UNIT_PX };
}

/* How the mark itself is to be made: inside of the box that it is given. A share of the width alone must not make a
 * tall mark higher than the result. */
static struct ic_recipe mark_recipe(const struct ic_plan *p, const struct ic_mark *m)
{
    double w = mark_length(&m->width, p->dpr, p->width), h = mark_length(&m->height, p->dpr, p->height);
    struct ic_recipe r;

    ic_recipe_init(&r);
    if (isnan(w) && isnan(h)) {
        w = p->width * m->scale / 100.0;
        h = m->pos == IC_MARK_TILE ? p->height : p->height - 2.0 * m->pad * p->dpr;
    }
    r.width = mark_side(w);
    r.height = mark_side(h);
    r.enlarge = true;
    r.rotate = m->rotate;
    r.format = IC_FORMAT_PNG; /* keeps alpha */
    return r;
}

/* 0: at the beginning of an axis, 1: in the middle, 2: at its end. */
static int mark_side_x(int pos)
{
    bool west = pos == IC_WEST || pos == IC_NORTHWEST || pos == IC_SOUTHWEST;

    return west ? 0 : pos == IC_CENTER || pos == IC_NORTH || pos == IC_SOUTH ? 1 : 2;
}

static int mark_side_y(int pos)
{
    bool north = pos == IC_NORTH || pos == IC_NORTHWEST || pos == IC_NORTHEAST;

    return north ? 0 : pos == IC_CENTER || pos == IC_EAST || pos == IC_WEST ? 1 : 2;
}

/* One axis. In the middle only an offset of its own moves the mark. */
static int64_t mark_axis(int side, double pad, double offset, uint32_t whole, uint32_t n)
{
    double room = (double)whole - n, from = isnan(offset) ? pad : offset;

    if (side == 1)
        return (int64_t)floor(room / 2.0 + (isnan(offset) ? 0.0 : offset));
    return (int64_t)floor((side == 0 ? from : room - from) + 0.5);
}

/* Of a grid through `first` with this step, the last point that is not inside of the result or right of it. */
static int64_t mark_grid(double first, uint32_t step)
{
    int64_t at = (int64_t)floor(isnan(first) ? 0.5 : first + 0.5) % step;

    return at > 0 ? at - step : at;
}

/* Tiles lie at least so far apart: a mark of one pixel without a gap would be a blend for each pixel of the result. */
#define MARK_STEP 16u

static uint32_t mark_step(uint32_t n, double pad, uint8_t factor)
{
    uint32_t step = n + (uint32_t)floor(pad + 0.5);

    step = step < MARK_STEP ? MARK_STEP : step;
    return (step + factor - 1) / factor * factor;
}

void ic_mark_spot_place(const struct ic_mark_spot *s, const struct ic_plan *p, uint32_t w, uint32_t h,
                        struct ic_mark_place *out)
{
    if (s->pos != IC_MARK_TILE) {
        out->x = mark_axis(mark_side_x(s->pos), s->pad, s->x, p->width, w);
        out->y = mark_axis(mark_side_y(s->pos), s->pad, s->y, p->height, h);
        return;
    }
    out->step_x = mark_step(w, s->pad, s->fx);
    out->step_y = mark_step(h, s->pad, s->fy);
    out->x = mark_grid(s->x, out->step_x);
    out->y = mark_grid(s->y, out->step_y);
}

/* Shape. */

static uint8_t mark_factor(double whole, double span)
{
    return (uint8_t)lround(whole / span);
}

/* Pixels of the layer before the result's end, where that cuts a chroma sample and the layer reaches it. */
static uint32_t mark_end(int64_t at, uint32_t n, uint32_t whole, uint8_t factor)
{
    return whole % factor && at < whole && at + n >= whole ? (uint32_t)(whole - at) : 0;
}

struct ic_layer_shape ic_mark_layer_shape(const struct ic_plan *p, const struct ic_planes *shape,
                                          const struct ic_mark_place *at, uint32_t w, uint32_t h)
{
    struct ic_layer_shape s = { .layout = shape->layout, .limited = shape->limited, .fx = 1, .fy = 1 };

    if (shape->layout == IC_YCBCR) {
        s.fx = mark_factor(p->width, shape->plane[1].span_w);
        s.fy = mark_factor(p->height, shape->plane[1].span_h);
    }
    s.px = (uint8_t)(((at->x % s.fx) + s.fx) % s.fx);
    s.py = (uint8_t)(((at->y % s.fy) + s.fy) % s.fy);
    s.end_x = mark_end(at->x, w, p->width, s.fx);
    s.end_y = mark_end(at->y, h, p->height, s.fy);
    return s;
}

/* The layer. */

static enum ic_code mark_decode(struct ic_engine *g, const struct ic_mark_bytes *in, const struct ic_plan *plan,
                                const struct ic_mark_key *k, struct ic_mark_entry **out, struct ic_error *e)
{
    struct ic_buffer px = { 0 };
    enum ic_code rc = ic_decode(g, in->bytes, plan, &px, e);

    if (rc == IC_OK && !(*out = ic_mark_make(&g->marks, &g->mem, k, px.p)))
        rc = ic_fail(e, IC_E_MEMORY, "no memory for its pixels");
    ic_buffer_free(&px);
    return rc;
}

static enum ic_code mark_take(struct ic_engine *g, const struct ic_plan *plan, const struct ic_mark *m,
                              const struct ic_planes *shape, struct ic_mark_place *out, struct ic_error *e)
{
    const struct ic_mark_bytes *in = &g->lent[m->input - 1];
    struct ic_recipe r = mark_recipe(plan, m);
    struct ic_mark_spot spot = { .pos = m->pos, .pad = m->pad * plan->dpr };
    struct ic_layer_shape plain = ic_mark_layer_shape(plan, shape, out, 0, 0);
    struct ic_plan own;
    enum ic_code rc = ic_decode_plan(g, in->bytes, &r, &own, e);

    if (rc != IC_OK)
        return rc;
    spot.x = mark_length(&m->x, plan->dpr, plan->width);
    spot.y = mark_length(&m->y, plan->dpr, plan->height);
    spot.fx = plain.fx;
    spot.fy = plain.fy;
    ic_mark_spot_place(&spot, plan, own.width, own.height, out);
    struct ic_mark_key k = { .width = own.width,
                             .height = own.height,
                             .rotate = m->rotate,
                             .alpha = (uint8_t)lround(m->alpha * 2.55),
                             .shape = ic_mark_layer_shape(plan, shape, out, own.width, own.height) };
    memcpy(k.hash, in->hash, sizeof k.hash);
    if ((out->entry = ic_mark_find(&g->marks, &k)))
        return IC_OK;
    return mark_decode(g, in, &own, &k, &out->entry, e);
}

enum ic_code ic_mark_take(struct ic_engine *g, const struct ic_plan *plan, const struct ic_mark *m,
                          const struct ic_planes *shape, struct ic_mark_place *out, struct ic_error *e)
{
    struct ic_error own = { 0 };
    enum ic_code rc;

    *out = (struct ic_mark_place){ 0 };
    if (m->input < 1 || m->input > g->lent_n)
        return ic_fail(e, IC_E_PARAM, "a watermark is asked for that was not handed over");
    rc = mark_take(g, plan, m, shape, out, &own);
    return rc == IC_OK ? rc : ic_fail(e, rc, "the watermark: %.180s", own.text);
}
