/* One image through the same pipeline as every result, up to where an encoder would stand. Called for watermarks; its
 * loop also by analyse.c.
 *
 * The encoder is one that encodes nothing, ic_codec_pixels. So marks get exact geometry, shrink-on-load, orientation
 * and colour conversion without a second pipeline that would have to be kept alike. */
#include "decode.h"

#include "halve.h"
#include "run_meta.h"

enum ic_code ic_decode_plan(const struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *r,
                            struct ic_plan *plan, struct ic_error *e)
{
    struct ic_info info;
    enum ic_code rc = ic_probe(in, &info, e);

    if (rc == IC_E_MORE)
        return ic_fail(e, IC_E_CORRUPT, "the image ends inside its header");
    return rc == IC_OK ? ic_plan(r, &info, &g->limits, plan, e) : rc;
}

static enum ic_code decode_rows(struct ic_source *s, struct ic_halver *h, struct ic_output *o, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    while (rc == IC_OK && !o->complete) {
        struct ic_rows rows = { 0 };

        rc = ic_source_more_rows(s, &rows, e);
        if (rc == IC_OK)
            rc = ic_halver_push(h, &rows, e);
        rows = ic_halver_rows(h, o->level);
        if (rc == IC_OK)
            rc = ic_output_rows(o, &rows, e);
    }
    return rc;
}

enum ic_code ic_decode_rows(struct ic_source *s, struct ic_output *o, struct ic_error *e)
{
    struct ic_halver halver = { 0 };
    enum ic_code rc = IC_OK;

    if (ic_halver_init(&halver, o->mem, &s->shape, o->level) != IC_OK)
        rc = ic_fail(e, IC_E_MEMORY, "no memory for halved rows");
    if (rc == IC_OK)
        rc = decode_rows(s, &halver, o, e);
    ic_halver_free(&halver);
    return rc;
}

static enum ic_code decode_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                                const struct ic_planes *shape, const struct run_meta *meta, struct ic_error *e)
{
    struct ic_origin origin = { .icc = meta->icc };

    return ic_output_open_to(o, g, plan, &ic_codec_pixels, shape, &origin, e);
}

enum ic_code ic_decode(struct ic_engine *g, struct ic_bytes in, const struct ic_plan *plan, struct ic_buffer *px,
                       struct ic_error *e)
{
    struct ic_source_opt so = { .expect = &plan->source, .scale = plan->scale, .mem = &g->mem };
    struct ic_source *source = NULL;
    struct ic_output *o = ic_calloc(&g->mem, sizeof(*o)); /* a page and more: not on the stack of a recursion */
    struct run_meta meta = { 0 };
    enum ic_code rc;

    if (!o)
        return ic_fail(e, IC_E_MEMORY, "no memory for pixels");
    rc = ic_codec_of(plan->source.format)->open(in, &so, &source, e);
    if (rc == IC_OK)
        rc = run_meta_open(&meta, g, plan->source.format, in, source->shape.layout, e);
    if (rc == IC_OK)
        rc = decode_open(o, g, plan, &source->shape, &meta, e);
    if (rc == IC_OK)
        rc = ic_decode_rows(source, o, e);
    if (rc == IC_OK && source->truncated)
        rc = ic_fail(e, IC_E_CORRUPT, "the image ends before its last row");
    if (rc == IC_OK) {
        *px = o->bytes;
        o->bytes = (struct ic_buffer){ 0 };
    }
    ic_output_close(o);
    ic_source_close(source);
    run_meta_close(&meta);
    ic_free(&g->mem, o);
    return rc;
}
