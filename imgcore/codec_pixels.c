/* A format that only imgcore itself asks for: the result's pixels as packed RGBA, straight, rows without a gap. Code
 * that looks at pixels gets them through the same way as clients get theirs, whatever the source is. It has no source
 * of its own and is not in the table of formats. */
#include "codec.h"

static void pixels_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                              struct ic_planes *out)
{
    struct ic_plane full = { .width = width, .height = height, .channels = 4, .span_w = width, .span_h = height };

    (void)layout, (void)o;
    *out = (struct ic_planes){ .layout = IC_RGBA, .n = 1, .plane = { full } };
}

static enum ic_code pixels_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    for (uint32_t y = 0; y < rows->n[0] && rc == IC_OK; y++)
        rc = ic_buffer_append(s->out, rows->p[0] + rows->stride[0] * y, (size_t)s->shape.plane[0].width * 4, e);
    return rc;
}

static enum ic_code pixels_finish(struct ic_sink *s, struct ic_error *e)
{
    (void)s, (void)e;
    return IC_OK;
}

struct pixels_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
};

static void pixels_free(struct ic_sink *base)
{
    struct pixels_sink *s = (struct pixels_sink *)base;

    ic_free(s->mem, s);
}

static const struct ic_sink_ops sink_ops = { pixels_write, pixels_finish, pixels_free };

static enum ic_code pixels_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                  struct ic_sink **sink, struct ic_error *e)
{
    struct pixels_sink *s;
    size_t bytes;

    if (!ic_mul((size_t)shape->plane[0].width * 4, shape->plane[0].height, &bytes))
        return ic_fail(e, IC_E_MEMORY, "no memory for pixels");
    enum ic_code rc = ic_buffer_reserve(out, bytes, e);
    if (rc != IC_OK)
        return rc;
    if (!(s = ic_calloc(o->mem, sizeof *s)))
        return ic_fail(e, IC_E_MEMORY, "no memory for pixels");
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    *sink = &s->base;
    return IC_OK;
}

const struct ic_codec ic_codec_pixels = {
    .name = "pixels",
    .mime = "application/octet-stream",
    .format = IC_FORMAT_PIXELS,
    .alpha = true,
    .sink_shape = pixels_sink_shape,
    .create = pixels_create,
};
