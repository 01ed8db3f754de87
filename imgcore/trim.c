/* trim=: the bounding box of all that differs from the colour of a corner, at full resolution; analyse.c feeds it.
 *
 * Colours are compared premultiplied, so that whatever a transparent pixel hides is transparent border. Of each row
 * only what may widen the box is looked at, which is next to nothing inside of a picture. */
#include "trim.h"

#include "colour.h"

#include <stdlib.h>

static void trim_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                       struct ic_planes *out)
{
    bool packed = layout == IC_GREY || layout == IC_GREYA || layout == IC_RGBA;

    (void)o;
    *out = (struct ic_planes){ .layout = packed ? layout : IC_RGB, .n = 1 };
    out->plane[0] = (struct ic_plane){
        .width = width, .height = height, .channels = ic_layout_channels(out->layout), .span_w = width, .span_h = height
    };
}

/* v is of the sink's layout, to RGBA with colour premultiplied. */
static void trim_pixel(enum ic_layout layout, const uint8_t *v, int out[4])
{
    bool grey = layout == IC_GREY || layout == IC_GREYA, alpha = ic_layout_alpha(layout);
    int a = alpha ? v[grey ? 1 : 3] : 255;

    for (int i = 0; i < 3; i++)
        out[i] = (v[grey ? 0 : i] * a + 127) / 255;
    out[3] = a;
}

struct trim_colour {
    enum ic_layout layout;
    int channels, threshold, corner[4];
};

static bool trim_differs(const struct trim_colour *c, const uint8_t *v)
{
    int p[4];

    trim_pixel(c->layout, v, p);
    for (int i = 0; i < 4; i++)
        if (abs(p[i] - c->corner[i]) > c->threshold)
            return true;
    return false;
}

/* The first pixel of [from, to) that differs, or to. */
static uint32_t trim_first(const struct trim_colour *c, const uint8_t *row, uint32_t from, uint32_t to)
{
    while (from < to && !trim_differs(c, row + (size_t)from * (size_t)c->channels))
        from++;
    return from;
}

/* One behind the last of [from, to) that differs, or from. */
static uint32_t trim_last(const struct trim_colour *c, const uint8_t *row, uint32_t from, uint32_t to)
{
    while (to > from && !trim_differs(c, row + (size_t)(to - 1) * (size_t)c->channels))
        to--;
    return to;
}

static void trim_row(struct ic_trim *t, const struct trim_colour *c, const uint8_t *row)
{
    uint32_t width = t->base.shape.plane[0].width, x0 = t->x1 ? t->x0 : width, x1 = t->x1;
    uint32_t first = trim_first(c, row, 0, x0), last = trim_last(c, row, x1, width);
    bool any = first < x0 || last > x1 || trim_first(c, row, x0, x1) < x1;

    if (any) {
        t->y0 = x1 ? t->y0 : t->y;
        t->y1 = t->y + 1;
        t->x0 = first;
        t->x1 = last;
    }
    t->y++;
}

static enum ic_code trim_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e)
{
    struct ic_trim *t = (struct ic_trim *)s;
    struct trim_colour c = { s->shape.layout, s->shape.plane[0].channels, t->threshold, { 0 } };

    (void)e;
    if (!t->known && rows->n[0]) {
        int corner[4];

        trim_pixel(c.layout, rows->p[0] + (t->right ? (size_t)(s->shape.plane[0].width - 1) * (size_t)c.channels : 0),
                   corner);
        for (int i = 0; i < 4; i++)
            t->corner[i] = (uint8_t)corner[i];
        t->known = true;
    }
    for (int i = 0; i < 4; i++)
        c.corner[i] = t->corner[i];
    for (uint32_t y = 0; y < rows->n[0]; y++)
        trim_row(t, &c, rows->p[0] + rows->stride[0] * y);
    return IC_OK;
}

static enum ic_code trim_finish(struct ic_sink *s, struct ic_error *e)
{
    (void)s, (void)e;
    return IC_OK;
}

static void trim_free(struct ic_sink *s)
{
    ic_free(((struct ic_trim *)s)->mem, s);
}

static const struct ic_sink_ops trim_ops = { trim_write, trim_finish, trim_free };

static enum ic_code trim_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                struct ic_sink **sink, struct ic_error *e)
{
    struct ic_trim *t = ic_calloc(o->mem, sizeof(*t));

    if (!t)
        return ic_fail(e, IC_E_MEMORY, "no memory to look for a border");
    t->base = (struct ic_sink){ .ops = &trim_ops, .shape = *shape, .out = out };
    t->mem = o->mem;
    *sink = &t->base;
    return IC_OK;
}

const struct ic_codec ic_codec_trim = { .name = "trim", .sink_shape = trim_shape, .create = trim_create };
