/* The analyse step, between a plan and its refinement; run.c calls it where a plan asks.
 *
 * It goes the way of every result, as outputs whose encoders look instead of encoding: so shrink-on-load, crop and
 * orientation need no second way. A picture to choose a crop by comes from as small a decode as serves it; a border is
 * looked for at full resolution, because an edge found at 1/8 is wrong by up to eight pixels.
 *
 * All frames of an animation are cropped alike: by what its first frame shows, and by the border that all of them have
 * of the colour of the first one's. */
#include "analyse.h"

#include "decode.h"
#include "filters.h"
#include "image.h"
#include "plan.h"
#include "trim.h"

#include <math.h>

#define LOOK_SIDE 256u /* pixels of the longer side of a picture to measure entropy in */

struct analyser {
    struct ic_engine *g;
    struct ic_bytes in;
    const struct ic_plan *plan;
    struct ic_source *source; /* owned; while it is open */
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

/* At the first frame that the plan wants. */
static enum ic_code analyse_open(struct analyser *a, int scale, struct ic_error *e)
{
    const struct ic_plan *p = a->plan;
    struct ic_source_opt so = {
        .expect = &p->source, .scale = scale, .frames = p->page + p->frames > 1, .mem = &a->g->mem
    };
    enum ic_code rc = ic_codec_of(p->source.format)->open(a->in, &so, &a->source, e);
    bool more = true;

    for (uint32_t i = 0; i < p->page && more && rc == IC_OK; i++)
        rc = ic_source_next(a->source, &more, e);
    return rc == IC_OK && !more ? ic_fail(e, IC_E_CORRUPT, "the image ends before page %u", p->page) : rc;
}

static void analyse_close(struct analyser *a)
{
    ic_source_close(a->source);
    a->source = NULL;
}

static void analyse_set_trim(struct ic_trim *t, const struct ic_trim *like)
{
    t->threshold = like->threshold;
    t->right = like->right;
    t->known = like->known;
    for (int i = 0; i < 4; i++)
        t->corner[i] = like->corner[i];
}

/* The open source's frame for one output: its pixels, or its border if `like` says which. o is closed by the caller,
 * also after a failure. */
static enum ic_code analyse_frame(const struct analyser *a, const struct ic_plan *p, const struct ic_trim *like,
                                  struct ic_output *o, struct ic_error *e)
{
    const struct ic_codec *codec = like ? &ic_codec_trim : &ic_codec_pixels;
    struct ic_origin origin = { 0 }; /* colours as they are stored: nobody sees them */
    enum ic_code rc = ic_output_open_to(o, a->g, p, codec, &a->source->shape, &origin, e);

    if (rc == IC_OK && like)
        analyse_set_trim((struct ic_trim *)o->sink, like);
    return rc == IC_OK ? ic_decode_rows(a->source, o, e) : rc;
}

/* The first frame's pixels; o as above. */
static enum ic_code analyse_pixels(struct analyser *a, const struct ic_plan *p, struct ic_output *o, struct ic_error *e)
{
    enum ic_code rc = analyse_open(a, p->scale, e);

    if (rc == IC_OK)
        rc = analyse_frame(a, p, NULL, o, e);
    analyse_close(a);
    return rc;
}

/* Trim. */

/* The colour of one stored pixel, where rows would bring it too late. */
static enum ic_code analyse_corner(struct analyser *a, struct ic_box pixel, uint8_t corner[4], struct ic_error *e)
{
    struct ic_plan p = analyse_plan(a->plan, pixel, 1, 1);
    struct ic_output o = { 0 };
    enum ic_code rc = analyse_pixels(a, &p, &o, e);

    for (int i = 0; i < 4 && rc == IC_OK; i++)
        corner[i] = (uint8_t)(i < 3 ? (o.bytes.p[i] * o.bytes.p[3] + 127) / 255 : o.bytes.p[3]);
    ic_output_close(&o);
    return rc;
}

/* Which corner of what is stored is the top left one that is seen. */
static enum ic_code analyse_like(struct analyser *a, struct ic_box crop, struct ic_trim *like, struct ic_error *e)
{
    const struct ic_plan *plan = a->plan;
    struct ic_box top_left = plan->area, pixel;

    top_left.x1 = top_left.x0 + 1;
    top_left.y1 = top_left.y0 + 1;
    pixel = ic_plan_stored(plan, top_left);
    *like = (struct ic_trim){ .threshold = plan->trim, .right = pixel.x0 != crop.x0, .known = pixel.y0 != crop.y0 };
    return like->known ? analyse_corner(a, pixel, like->corner, e) : IC_OK;
}

/* The open frame's picture, added to what is in `found` (x1 = 0: nothing), which holds the corner from then on. */
static enum ic_code analyse_trim_frame(const struct analyser *a, const struct ic_plan *p, struct ic_trim *found,
                                       struct ic_error *e)
{
    struct ic_output o = { 0 };
    enum ic_code rc = analyse_frame(a, p, found, &o, e);
    const struct ic_trim *t = (const struct ic_trim *)o.sink;

    if (rc == IC_OK) {
        bool first = found->x1 == 0;

        found->known = true;
        for (int i = 0; i < 4; i++)
            found->corner[i] = t->corner[i];
        if (t->x1) {
            found->x0 = first || t->x0 < found->x0 ? t->x0 : found->x0;
            found->y0 = first || t->y0 < found->y0 ? t->y0 : found->y0;
            found->x1 = t->x1 > found->x1 ? t->x1 : found->x1;
            found->y1 = t->y1 > found->y1 ? t->y1 : found->y1;
        }
    }
    ic_output_close(&o);
    return rc;
}

static enum ic_code analyse_trim(struct analyser *a, struct ic_box *out, struct ic_error *e)
{
    const struct ic_plan *plan = a->plan;
    struct ic_box crop = ic_plan_stored(plan, plan->area);
    struct ic_plan p = analyse_plan(plan, crop, analyse_width(crop), analyse_height(crop));
    struct ic_trim found;
    enum ic_code rc = analyse_like(a, crop, &found, e);
    bool more = true;

    if (rc == IC_OK)
        rc = analyse_open(a, p.scale, e);
    for (uint32_t i = 0; i < plan->frames && more && rc == IC_OK; i++) {
        rc = analyse_trim_frame(a, &p, &found, e);
        if (rc == IC_OK && i + 1 < plan->frames)
            rc = ic_source_next(a->source, &more, e);
    }
    analyse_close(a);
    if (rc == IC_OK) {
        struct ic_box box = { crop.x0 + found.x0, crop.y0 + found.y0, crop.x0 + found.x1, crop.y0 + found.y1 };

        *out = found.x1 ? ic_plan_shown(plan, box) : plan->area;
    }
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

static enum ic_code analyse_look(struct analyser *a, struct ic_analysis *out, struct ic_error *e)
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
    rc = analyse_pixels(a, &p, &o, e);
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
    struct analyser a = { .g = g, .in = in, .plan = plan };
    struct ic_analysis found = { .done = plan->analyse,
                                 .area = plan->area,
                                 .page = plan->page,
                                 .frames = plan->frames,
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

    return a->done && (plan->analyse & ~a->done) == 0 && a->page == plan->page && trim == a->trimmed &&
           (!trim || (a->threshold == plan->trim && a->frames == plan->frames)) &&
           (!(plan->analyse & IC_ANALYSE_LOOK) || a->gravity == plan->gravity) && a->orient == plan->orient &&
           b->x0 == c->x0 && b->y0 == c->y0 && b->x1 == c->x1 && b->y1 == c->y1;
}

void ic_analysis_free(struct ic_analysis *a)
{
    if (a->pixels.mem)
        ic_buffer_free(&a->pixels);
    *a = (struct ic_analysis){ 0 };
}
