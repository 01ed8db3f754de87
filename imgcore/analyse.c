/* The analyse step, between a plan and its refinement; run.c calls it where a plan asks.
 *
 * It goes the way of every result, as outputs whose encoders look instead of encoding: so shrink-on-load, crop and
 * orientation need no second way. A picture to choose a crop by comes from as small a decode as serves it; a border is
 * looked for at full resolution, because an edge found at 1/8 is wrong by up to eight pixels. */
#include "analyse.h"

#include "codec.h"
#include "decode.h"
#include "filters.h"
#include "halve.h"
#include "image.h"
#include "output.h"
#include "plan.h"
#include "trim.h"

#include <math.h>

#define LOOK_SIDE 256u /* pixels of the longer side of a picture to measure entropy in */

struct analyser {
    struct ic_engine *g;
    struct ic_bytes in;
    const struct ic_plan *plan;
};

/* The part `crop` of the stored source at w x h pixels. */
static struct ic_plan analyse_plan(const struct ic_plan *p, struct ic_box crop, uint32_t w, uint32_t h)
{
    struct ic_plan out = { .source = p->source, .crop = crop, .scale = 8, .scaled_w = w, .scaled_h = h };

    out.width = w;
    out.height = h;
    out.format = IC_FORMAT_PNG;
    out.alpha = p->source.alpha;
    out.kernel = IC_KERNEL_BILINEAR;
    ic_filters_init(&out.filters);
    return out;
}

static uint32_t analyse_width(struct ic_box b)
{
    return (uint32_t)(b.x1 - b.x0);
}

static uint32_t analyse_height(struct ic_box b)
{
    return (uint32_t)(b.y1 - b.y0);
}

/* Feeding. */

static enum ic_code analyse_rows(struct ic_source *s, struct ic_output *o, struct ic_halver *h, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    while (rc == IC_OK && !o->complete) {
        struct ic_rows rows = { 0 };
        bool ended = true;

        rc = ic_source_rows(s, &rows, e);
        for (int p = 0; p < IC_PLANES; p++)
            ended = ended && rows.n[p] == 0;
        if (rc == IC_OK && ended)
            rc = ic_fail(e, IC_E_CORRUPT, "the image ends before its last row");
        if (rc == IC_OK)
            rc = ic_halver_push(h, &rows, e);
        rows = ic_halver_rows(h, o->level);
        if (rc == IC_OK)
            rc = ic_output_rows(o, &rows, e);
    }
    return rc;
}

/* One decode for one output; set, if given, prepares the sink. o is closed by the caller, also after a failure. */
static enum ic_code analyse_pass(const struct analyser *a, const struct ic_plan *p, const struct ic_codec *codec,
                                 void (*set)(struct ic_sink *s, const void *from), const void *from,
                                 struct ic_output *o, struct ic_error *e)
{
    struct ic_source_opt so = { .expect = &p->source, .scale = p->scale, .mem = &a->g->mem };
    struct ic_source *source = NULL;
    struct ic_halver halver = { 0 };
    struct ic_origin origin = { 0 }; /* colours as they are stored: nobody sees them */
    enum ic_code rc = ic_codec_of(p->source.format)->open(a->in, &so, &source, e);

    if (rc == IC_OK)
        rc = ic_output_open_to(o, a->g, p, codec, &source->shape, &origin, e);
    if (rc == IC_OK && set)
        set(o->sink, from);
    if (rc == IC_OK && ic_halver_init(&halver, &a->g->mem, &source->shape, o->level) != IC_OK)
        rc = ic_fail(e, IC_E_MEMORY, "no memory for halved rows");
    if (rc == IC_OK)
        rc = analyse_rows(source, o, &halver, e);
    ic_halver_free(&halver);
    ic_source_close(source);
    return rc;
}

/* Trim. */

static void analyse_set_trim(struct ic_sink *s, const void *from)
{
    struct ic_trim *t = (struct ic_trim *)s;
    const struct ic_trim *like = from;

    t->threshold = like->threshold;
    t->right = like->right;
    t->known = like->known;
    for (int i = 0; i < 4; i++)
        t->corner[i] = like->corner[i];
}

/* The colour of one stored pixel, where rows would bring it too late. */
static enum ic_code analyse_corner(const struct analyser *a, struct ic_box pixel, uint8_t corner[4], struct ic_error *e)
{
    struct ic_plan p = analyse_plan(a->plan, pixel, 1, 1);
    struct ic_output o = { 0 };
    enum ic_code rc = analyse_pass(a, &p, &ic_codec_rgba, NULL, NULL, &o, e);

    for (int i = 0; i < 4 && rc == IC_OK; i++)
        corner[i] = (uint8_t)(i < 3 ? (o.bytes.p[i] * o.bytes.p[3] + 127) / 255 : o.bytes.p[3]);
    ic_output_close(&o);
    return rc;
}

static enum ic_code analyse_trim(const struct analyser *a, struct ic_box *found, struct ic_error *e)
{
    const struct ic_plan *plan = a->plan;
    struct ic_box crop = ic_plan_stored(plan, plan->area), top_left = plan->area, pixel;
    struct ic_plan p = analyse_plan(plan, crop, analyse_width(crop), analyse_height(crop));
    struct ic_trim like = { .threshold = plan->trim };
    struct ic_output o = { 0 };
    enum ic_code rc = IC_OK;

    top_left.x1 = top_left.x0 + 1;
    top_left.y1 = top_left.y0 + 1;
    pixel = ic_plan_stored(plan, top_left);
    like.right = pixel.x0 != crop.x0;
    like.known = pixel.y0 != crop.y0;
    if (like.known)
        rc = analyse_corner(a, pixel, like.corner, e);
    if (rc == IC_OK)
        rc = analyse_pass(a, &p, &ic_codec_trim, analyse_set_trim, &like, &o, e);
    if (rc == IC_OK) {
        const struct ic_trim *t = (const struct ic_trim *)o.sink;
        struct ic_box box = { crop.x0 + t->x0, crop.y0 + t->y0, crop.x0 + t->x1, crop.y0 + t->y1 };

        *found = t->x1 ? ic_plan_shown(plan, box) : plan->area;
    }
    ic_output_close(&o);
    return rc;
}

/* Look. */

/* Attention wants its cells, whatever the aspect, by the filter that its model uses; entropy a picture. */
static struct ic_plan analyse_look_plan(const struct ic_plan *plan, struct ic_box crop)
{
    uint32_t w = analyse_width(crop), h = analyse_height(crop), longer = w > h ? w : h;
    double s = longer > LOOK_SIDE ? (double)LOOK_SIDE / longer : 1.0;
    struct ic_plan p = analyse_plan(plan, crop, ic_plan_round(w * s), ic_plan_round(h * s));

    if (plan->gravity == IC_SMART) {
        p.width = p.height = p.scaled_w = p.scaled_h = IC_ATTENTION_CELLS;
        p.kernel = IC_KERNEL_LANCZOS3;
        s = (double)IC_ATTENTION_CELLS / (w < h ? w : h);
    }
    while (p.scale > 1 && ic_codec_of(p.source.format)->shrinks && s * 16.0 <= p.scale)
        p.scale /= 2;
    return p;
}

static enum ic_code analyse_look(const struct analyser *a, struct ic_analysis *out, struct ic_error *e)
{
    const struct ic_plan *plan = a->plan;
    struct ic_box crop = ic_plan_stored(plan, out->trimmed ? out->trim : out->area);
    struct ic_plan p = analyse_look_plan(plan, crop);
    struct ic_output o = { 0 };
    enum ic_code rc;

    p.turn = plan->orient;
    p.framed = p.turn != 0;
    if (p.turn & IC_TURN_TRANSPOSE) {
        p.width = p.scaled_h;
        p.height = p.scaled_w;
    }
    rc = analyse_pass(a, &p, &ic_codec_rgba, NULL, NULL, &o, e);
    if (rc == IC_OK) {
        out->pixels = o.bytes;
        o.bytes = (struct ic_buffer){ 0 };
        out->look = (struct ic_look){ out->pixels.p, (size_t)p.width * 4, p.width, p.height };
    }
    ic_output_close(&o);
    return rc;
}

enum ic_code ic_analyse(struct ic_engine *g, struct ic_bytes in, const struct ic_plan *plan, struct ic_analysis *out,
                        struct ic_error *e)
{
    struct analyser a = { g, in, plan };
    struct ic_analysis found = { .done = plan->analyse,
                                 .area = plan->area,
                                 .orient = plan->orient,
                                 .threshold = plan->trim,
                                 .gravity = plan->gravity,
                                 .trimmed = plan->analyse & IC_ANALYSE_TRIM };
    enum ic_code rc = IC_OK;

    if (found.trimmed)
        rc = analyse_trim(&a, &found.trim, e);
    if (rc == IC_OK && plan->analyse & IC_ANALYSE_LOOK)
        rc = analyse_look(&a, &found, e);
    if (rc == IC_OK)
        *out = found;
    return rc;
}

bool ic_analysis_serves(const struct ic_analysis *a, const struct ic_plan *plan)
{
    const struct ic_box *b = &a->area, *c = &plan->area;
    bool trim = plan->analyse & IC_ANALYSE_TRIM;

    return a->done && (plan->analyse & ~a->done) == 0 && trim == a->trimmed && (!trim || a->threshold == plan->trim) &&
           (!(plan->analyse & IC_ANALYSE_LOOK) || a->gravity == plan->gravity) && a->orient == plan->orient &&
           b->x0 == c->x0 && b->y0 == c->y0 && b->x1 == c->x1 && b->y1 == c->y1;
}

void ic_analysis_free(struct ic_analysis *a)
{
    if (a->pixels.mem)
        ic_buffer_free(&a->pixels);
    *a = (struct ic_analysis){ 0 };
}
