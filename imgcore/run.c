/* The engine and its one operation: decode once, feed every recipe, emit each result as it is finished.
 *
 * An animation is that loop once a frame: outputs that want the frame are opened anew, and those that stay animations
 * hand their pixels on to a writer that lives as long as the run.
 *
 * Results of 16 bits go a way of their own before (deep.c).
 *
 * The loop is a pull: a few source rows, pushed through every output that still wants rows, and the source is closed as
 * soon as none does. A recipe that fails is emitted with its error and dropped; only the source's failure ends all. */
#include "analyse.h"
#include "cpu.h"
#include "deep.h"
#include "op_test.h"
#include "output.h"
#include "plan.h"
#include "run_anim.h"
#include "run_meta.h"

#include <stdlib.h>

/* Weights kept between runs; a geometry is some tens of kilobytes. */
#define WEIGHTS_KEPT (1u << 20)
/* Conversions: 20 KB for most cameras, a megabyte for a press. */
#define PROFILES_KEPT (4u << 20)
#define MAX_RECIPES   32

struct run_item {
    struct ic_plan plan;
    struct ic_output output;
    struct ic_origin origin;
    struct run_anim anim; /* of one that stays an animation */
    bool open;            /* not yet emitted */
    bool fed;             /* by the frame whose rows come now */
    double ms;            /* in ic_output_*, the encoder's share included */
    double encode_ms;     /* in the writer of an animation */
};

struct run {
    struct ic_engine *g;
    const struct ic_recipe *recipes;
    struct ic_info info;
    ic_emit *emit;
    void *ctx;
    struct run_item *item; /* n, owned */
    int n;
    struct ic_source *source;
    struct ic_halver halver;
    uint32_t frame; /* of the source: its rows come now */
    struct run_meta meta;
    struct ic_analysis seen; /* of the pixels, by the last plan that asked */
    double decode_ms;
    bool stopped; /* by emit */
};

/* Emitting. */

static void run_emit(struct run *r, int i, const struct ic_result *result, const struct ic_error *e)
{
    r->item[i].fed = false;
    r->item[i].open = false;
    if (!r->emit(r->ctx, i, result, e))
        r->stopped = true;
}

static void run_close_item(struct run *r, int i)
{
    ic_output_close(&r->item[i].output);
    run_meta_drop(&r->meta, &r->item[i].origin);
}

static void run_drop(struct run *r, int i, const struct ic_error *e)
{
    run_close_item(r, i);
    run_emit(r, i, NULL, e);
}

/* truncated: the source was. */
static void run_done(struct run *r, int i, bool truncated)
{
    const struct ic_plan *p = &r->item[i].plan;
    struct ic_output *o = &r->item[i].output;
    struct ic_error e;
    bool large = p->frames > 1 && p->max_bytes && o->bytes.n > p->max_bytes;
    struct ic_result result = { .data = { o->bytes.p, o->bytes.n },
                                .width = p->width,
                                .height = p->height,
                                .format = p->format,
                                .source_format = r->info.format,
                                .decode_ms = r->decode_ms,
                                .encode_ms = o->encode_ms,
                                .transform_ms = r->item[i].ms - o->encode_ms,
                                .warnings = r->meta.warnings };

    if (o->exceeded || large)
        result.warnings |= IC_WARN_LARGE;
    if (p->shallow)
        result.warnings |= IC_WARN_DEPTH;
    if (truncated)
        result.warnings |= IC_WARN_TRUNCATED;
    if (truncated && r->recipes[i].strict) {
        ic_fail(&e, IC_E_CORRUPT, "the image ends before its last row");
        run_drop(r, i, &e);
        return;
    }
    ic_oriented_size(&r->info, r->recipes[i].autorotate, &result.source_width, &result.source_height);
    run_emit(r, i, &result, NULL);
    run_close_item(r, i);
}

/* Before the first row. */

/* Looks at the pixels and plans again, where a plan depends on them. */
static enum ic_code run_refine(struct run *r, int i, struct ic_bytes in, struct ic_error *e)
{
    struct ic_plan *plan = &r->item[i].plan;
    double start = ic_now_ms();
    enum ic_code rc = IC_OK;

    if (!ic_analysis_serves(&r->seen, plan)) {
        ic_analysis_free(&r->seen);
        rc = ic_analyse(r->g, in, plan, &r->seen, e);
    }
    if (rc == IC_OK)
        rc = ic_plan_refine(&r->recipes[i], &r->info, &r->g->limits, &r->seen, plan, e);
    r->item[i].ms += ic_now_ms() - start;
    return rc;
}

static void run_plan(struct run *r, struct ic_bytes in)
{
    for (int i = 0; i < r->n && !r->stopped; i++) {
        struct ic_error e;
        enum ic_code rc = ic_plan(&r->recipes[i], &r->info, &r->g->limits, &r->item[i].plan, &e);

#ifdef PIXPOOL_TEST_OPS
        if (rc == IC_OK && r->recipes[i].test_op)
            rc = ic_op_test(r->recipes[i].test_op, &r->g->mem, &e);
#endif
        r->item[i].open = true;
        if (rc == IC_OK && r->item[i].plan.analyse)
            rc = run_refine(r, i, in, &e);
        if (rc != IC_OK)
            run_drop(r, i, &e);
    }
}

static bool run_wants(const struct run *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->item[i].open)
            return !r->stopped;
    return false;
}

/* More than the first one. */
static bool run_wants_frames(const struct run *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->item[i].open && r->item[i].plan.page + r->item[i].plan.frames > 1)
            return true;
    return false;
}

/* At the largest scale any plan needs. */
static enum ic_code run_open_source(struct run *r, struct ic_bytes in, struct ic_error *e)
{
    struct ic_source_opt o = {
        .expect = &r->info, .scale = 1, .rough = true, .frames = run_wants_frames(r), .mem = &r->g->mem
    };
    double start = ic_now_ms();
    enum ic_code rc;

    for (int i = 0; i < r->n; i++)
        if (r->item[i].open) {
            o.scale = r->item[i].plan.scale > o.scale ? r->item[i].plan.scale : o.scale;
            o.rough = o.rough && r->item[i].plan.format == IC_FORMAT_PIXELS;
        }
    rc = ic_codec_of(r->info.format)->open(in, &o, &r->source, e);
    r->decode_ms += ic_now_ms() - start;
    return rc;
}

/* A frame of an animation is but pixels: what else the file gets comes when it ends. */
static enum ic_code run_open_output(struct run *r, int i, struct ic_error *e)
{
    struct run_item *it = &r->item[i];
    enum ic_code rc;

    if (it->plan.frames > 1) {
        it->origin = run_meta_colours(&r->meta, &it->plan);
        return ic_output_open_to(&it->output, r->g, &it->plan, &ic_codec_pixels, &r->source->shape, &it->origin, e);
    }
    rc = run_meta_origin(&r->meta, &it->plan, &it->origin, e);
    return rc == IC_OK ? ic_output_open(&it->output, r->g, &it->plan, &r->source->shape, &it->origin, e) : rc;
}

static bool run_wants_frame(const struct run *r, int i)
{
    const struct ic_plan *p = &r->item[i].plan;

    return r->item[i].open && (p->frames > 1 || p->page == r->frame);
}

static void run_open_outputs(struct run *r)
{
    for (int i = 0; i < r->n && !r->stopped; i++) {
        struct run_item *it = &r->item[i];
        double start = ic_now_ms();
        struct ic_error e;

        if (!run_wants_frame(r, i))
            continue;
        it->fed = true;
        if (run_open_output(r, i, &e) != IC_OK)
            run_drop(r, i, &e);
        it->ms += ic_now_ms() - start;
    }
}

static enum ic_code run_open_halver(struct run *r, struct ic_error *e)
{
    int deepest[IC_PLANES] = { 0 };

    for (int i = 0; i < r->n; i++)
        for (int p = 0; p < IC_PLANES; p++)
            if (r->item[i].fed && r->item[i].output.level[p] > deepest[p])
                deepest[p] = r->item[i].output.level[p];
    if (ic_halver_init(&r->halver, &r->g->mem, &r->source->shape, deepest) != IC_OK)
        return ic_fail(e, IC_E_MEMORY, "no memory for halved rows");
    return IC_OK;
}

/* Frames of results that stay animations. */

static void run_frame_done(struct run *r, int i)
{
    struct run_item *it = &r->item[i];
    double start = ic_now_ms();
    struct ic_error e;
    enum ic_code rc = run_anim_add(&it->anim, &it->plan, &r->source->animation, &it->output.bytes, &e);

    it->fed = false;
    run_close_item(r, i);
    it->encode_ms += ic_now_ms() - start;
    it->ms += ic_now_ms() - start;
    if (rc != IC_OK)
        run_drop(r, i, &e);
}

/* Profile and metadata of an animation, as of a still image. */
static enum ic_code run_end_anim(struct run *r, int i, struct ic_error *e)
{
    struct run_item *it = &r->item[i];
    struct ic_attached *a = &it->origin.attached;
    enum ic_code rc = run_meta_origin(&r->meta, &it->plan, &it->origin, e);

    if (!ic_icc_describes(a->profile, IC_ICC_RGB))
        a->profile = (struct ic_bytes){ 0 };
    return rc == IC_OK ? run_anim_end(&it->anim, &it->plan, a, &it->output.bytes, e) : rc;
}

/* After the last frame: what is still open is an animation, or wants a frame that a cut file does not have. */
static void run_end_item(struct run *r, int i, bool *again)
{
    struct run_item *it = &r->item[i];
    double start = ic_now_ms();
    struct ic_error e;
    enum ic_code rc;

    it->output = (struct ic_output){ .mem = &r->g->mem };
    it->output.bytes = (struct ic_buffer){ .mem = &r->g->mem, .max = r->g->limits.max_result };
    it->anim.again = false;
    rc = run_end_anim(r, i, &e);
    it->ms += ic_now_ms() - start;
    it->encode_ms += ic_now_ms() - start;
    it->output.encode_ms = it->encode_ms;
    if (rc != IC_OK)
        run_drop(r, i, &e);
    else if (it->anim.again)
        run_close_item(r, i);
    else
        run_done(r, i, r->source->truncated);
    *again = *again || it->anim.again;
}

/* Rows. */

static void run_feed(struct run *r, int i)
{
    struct run_item *it = &r->item[i];
    struct ic_rows rows = ic_halver_rows(&r->halver, it->output.level);
    double start = ic_now_ms();
    struct ic_error e;
    enum ic_code rc = ic_output_rows(&it->output, &rows, &e);

    it->ms += ic_now_ms() - start;
    if (rc != IC_OK)
        run_drop(r, i, &e);
    else if (it->output.complete && it->plan.frames > 1)
        run_frame_done(r, i);
    else if (it->output.complete)
        run_done(r, i, r->source->truncated);
}

static bool run_feeds(const struct run *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->item[i].fed)
            return !r->stopped;
    return false;
}

static enum ic_code run_rows(struct run *r, struct ic_error *e)
{
    while (run_feeds(r)) {
        struct ic_rows rows = { 0 };
        double start = ic_now_ms();
        enum ic_code rc = ic_source_more_rows(r->source, &rows, e);

        if (rc == IC_OK)
            rc = ic_halver_push(&r->halver, &rows, e);
        r->decode_ms += ic_now_ms() - start;
        if (rc != IC_OK)
            return rc;
        for (int i = 0; i < r->n && !r->stopped; i++)
            if (r->item[i].fed)
                run_feed(r, i);
    }
    return IC_OK;
}

static enum ic_code run_next(struct run *r, bool *more, struct ic_error *e)
{
    double start = ic_now_ms();
    enum ic_code rc = ic_source_next(r->source, more, e);

    r->decode_ms += ic_now_ms() - start;
    return rc;
}

/* One frame through every output that wants it. */
static enum ic_code run_frame(struct run *r, struct ic_error *e)
{
    enum ic_code rc;

    run_open_outputs(r);
    if ((rc = run_open_halver(r, e)) == IC_OK)
        rc = run_rows(r, e);
    ic_halver_free(&r->halver);
    return rc;
}

/* Results of 16 bits. */

static bool run_wants_deep(const struct run *r)
{
    for (int i = 0; i < r->n; i++)
        if (r->item[i].open && r->item[i].plan.deep)
            return !r->stopped;
    return false;
}

static void run_deep_item(struct run *r, int i, struct ic_bytes in)
{
    struct run_item *it = &r->item[i];
    double start = ic_now_ms(), decoded = r->decode_ms;
    struct ic_deep_source from = { in, &it->origin };
    struct ic_deep_result made;
    struct ic_error e;
    enum ic_code rc = run_meta_origin(&r->meta, &it->plan, &it->origin, &e);

    if (rc == IC_OK)
        rc = ic_deep_make(r->g, &from, &it->plan, &made, &e);
    if (rc != IC_OK) {
        run_drop(r, i, &e);
        return;
    }
    it->output = (struct ic_output){ .mem = &r->g->mem, .bytes = made.bytes, .encode_ms = made.encode_ms };
    it->ms += ic_now_ms() - start - made.decode_ms;
    r->decode_ms = made.decode_ms;
    r->meta.warnings |= made.warnings;
    run_done(r, i, made.truncated);
    r->decode_ms = decoded;
}

static enum ic_code run_deep(struct run *r, struct ic_bytes in, struct ic_error *e)
{
    enum ic_layout layout = r->info.components < 3 ? IC_GREY : IC_RGB;
    enum ic_code rc = run_meta_open(&r->meta, r->g, r->info.format, in, layout, e);

    for (int i = 0; i < r->n && rc == IC_OK && !r->stopped; i++)
        if (r->item[i].open && r->item[i].plan.deep)
            run_deep_item(r, i, in);
    run_meta_close(&r->meta);
    return rc;
}

/* The door. */

/* All frames that are wanted, from the source's first. *again: some animation wants them once more. */
static enum ic_code run_pass(struct run *r, struct ic_bytes in, bool *again, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    *again = false;
    r->frame = 0;
    for (bool more = true; more && run_wants(r) && rc == IC_OK; r->frame++) {
        rc = run_frame(r, e);
        if (rc == IC_OK && run_wants(r))
            rc = run_next(r, &more, e);
    }
    for (int i = 0; i < r->n && rc == IC_OK && !r->stopped; i++)
        if (r->item[i].open)
            run_end_item(r, i, again);
    if (!*again)
        return rc;
    ic_source_close(r->source);
    r->source = NULL;
    return run_open_source(r, in, e);
}

static enum ic_code run_all(struct run *r, struct ic_bytes in, struct ic_error *e)
{
    enum ic_code rc;
    bool again = true;

    run_plan(r, in);
    if (run_wants_deep(r) && (rc = run_deep(r, in, e)) != IC_OK)
        return rc;
    if (!run_wants(r))
        return IC_OK;
    if ((rc = run_open_source(r, in, e)) != IC_OK)
        return rc;
    if ((rc = run_meta_open(&r->meta, r->g, r->info.format, in, r->source->shape.layout, e)) != IC_OK)
        return rc;
    while (again && rc == IC_OK)
        rc = run_pass(r, in, &again, e);
    return rc;
}

static void run_close(struct run *r)
{
    size_t share = r->g->limits.max_memory / 16;

    for (int i = 0; i < r->n; i++) {
        run_close_item(r, i);
        run_anim_free(&r->item[i].anim);
    }
    ic_halver_free(&r->halver);
    ic_source_close(r->source);
    run_meta_close(&r->meta);
    ic_analysis_free(&r->seen);
    ic_free(&r->g->mem, r->item);
    ic_weights_trim(&r->g->weights, share < WEIGHTS_KEPT ? share : WEIGHTS_KEPT);
    ic_icc_trim(&r->g->icc, share < PROFILES_KEPT ? share : PROFILES_KEPT);
}

enum ic_code ic_run(struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *recipes, int n, ic_emit *emit,
                    void *ctx, struct ic_error *e)
{
    struct run r = { .g = g, .recipes = recipes, .emit = emit, .ctx = ctx, .n = n };
    enum ic_code rc;

    if (n < 1 || n > MAX_RECIPES)
        return ic_fail(e, IC_E_PARAM, "%d outputs, allowed 1 to %d", n, MAX_RECIPES);
    rc = ic_probe(in, &r.info, e);
    if (rc == IC_E_MORE)
        return ic_fail(e, IC_E_CORRUPT, "the image ends inside its header");
    if (rc != IC_OK)
        return rc;
    if (!(r.item = ic_calloc(&g->mem, (size_t)n * sizeof(*r.item))))
        return ic_fail(e, IC_E_MEMORY, "no memory for %d outputs", n);
    rc = run_all(&r, in, e);
    run_close(&r);
    return rc;
}
