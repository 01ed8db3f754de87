/* One image through the same pipeline as every result, up to where an encoder would stand. Called for watermarks.
 *
 * The encoder is one that encodes nothing: packed RGBA, row after row. So marks get exact geometry, shrink-on-load,
 * orientation and colour conversion without a second pipeline that would have to be kept alike. */
#include "decode.h"

#include "output.h"
#include "run_meta.h"

#include <string.h>

/* The encoder of nothing. */

struct rgba_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
};

static void rgba_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                            struct ic_planes *out)
{
    (void)layout, (void)o;
    *out = (struct ic_planes){ .layout = IC_RGBA, .n = 1 };
    out->plane[0] =
        (struct ic_plane){ .width = width, .height = height, .channels = 4, .span_w = width, .span_h = height };
}

static enum ic_code rgba_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e)
{
    size_t bytes = (size_t)s->shape.plane[0].width * 4;
    enum ic_code rc = IC_OK;

    for (uint32_t y = 0; y < rows->n[0] && rc == IC_OK; y++)
        rc = ic_buffer_append(s->out, rows->p[0] + rows->stride[0] * y, bytes, e);
    return rc;
}

static enum ic_code rgba_finish(struct ic_sink *s, struct ic_error *e)
{
    (void)s, (void)e;
    return IC_OK;
}

static void rgba_free(struct ic_sink *s)
{
    ic_free(((struct rgba_sink *)s)->mem, s);
}

static const struct ic_sink_ops rgba_ops = { rgba_write, rgba_finish, rgba_free };

static enum ic_code rgba_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                struct ic_sink **sink, struct ic_error *e)
{
    struct rgba_sink *s = ic_calloc(o->mem, sizeof(*s));
    size_t bytes;

    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for pixels");
    *s = (struct rgba_sink){ .base = { .ops = &rgba_ops, .shape = *shape, .out = out }, .mem = o->mem };
    *sink = &s->base;
    if (!ic_mul((size_t)shape->plane[0].width * 4, shape->plane[0].height, &bytes))
        return ic_fail(e, IC_E_MEMORY, "no memory for pixels");
    return ic_buffer_reserve(out, bytes, e);
}

const struct ic_codec ic_codec_rgba = { .name = "rgba", .sink_shape = rgba_sink_shape, .create = rgba_create };

/* Decoding. */

enum ic_code ic_decode_plan(const struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *r,
                            struct ic_plan *plan, struct ic_error *e)
{
    struct ic_info info;
    enum ic_code rc = ic_probe(in, &info, e);

    if (rc == IC_E_MORE)
        return ic_fail(e, IC_E_CORRUPT, "the image ends inside its header");
    return rc == IC_OK ? ic_plan(r, &info, &g->limits, plan, e) : rc;
}

static enum ic_code decode_rows(struct ic_source *s, struct ic_output *o, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    while (rc == IC_OK && !o->complete) {
        struct ic_rows rows;
        bool ended = true;

        rc = ic_source_rows(s, &rows, e);
        for (int p = 0; p < IC_PLANES; p++)
            ended &= rows.n[p] == 0;
        if (rc == IC_OK && ended)
            rc = ic_fail(e, IC_E_CORRUPT, "the image ends before its last row");
        if (rc == IC_OK)
            rc = ic_output_rows(o, &rows, e);
    }
    if (rc == IC_OK && s->truncated)
        rc = ic_fail(e, IC_E_CORRUPT, "the image ends before its last row");
    return rc;
}

static enum ic_code decode_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                                const struct ic_planes *shape, const struct run_meta *meta, struct ic_error *e)
{
    struct ic_origin origin = { .icc = meta->icc };

    return ic_output_open_to(o, g, plan, &ic_codec_rgba, shape, &origin, e);
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
        rc = decode_rows(source, o, e);
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
