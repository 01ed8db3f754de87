/* The tone of a result, applied to strips as they pass; planes that are to be turned wait for the frame, where luma and
 * the chroma that covers it lie together. */
#include "output.h"

#include "filters.h"

static bool tone_grey_layout(enum ic_layout l)
{
    return l == IC_GREY || l == IC_GREYA;
}

/* What a tone takes: grey as one channel, colours as three, and alpha while it is needed. */
enum ic_layout ic_output_tone_takes(const struct ic_output *o)
{
    bool alpha = ic_layout_alpha(o->layout) || (ic_layout_alpha(o->source.layout) && ic_filters_compose(o->plan));

    if (o->layout == IC_YCBCR)
        return IC_YCBCR;
    if (tone_grey_layout(o->source.layout))
        return alpha ? IC_GREYA : IC_GREY;
    return alpha ? IC_RGBA : IC_RGB;
}

enum ic_code ic_output_tone_open(struct ic_output *o)
{
    bool spread = tone_grey_layout(o->colour.to) && !tone_grey_layout(o->layout);
    const struct output_strip *s = &o->strip[0];

    if (!(o->tone = ic_alloc(o->mem, sizeof(*o->tone))))
        return IC_E_MEMORY;
    ic_tone_init(o->tone, &o->plan->filters, o->source.limited, o->shape.limited);
    if (spread && !(o->spread = ic_alloc(o->mem, 3 * s->stride * s->rows)))
        return IC_E_MEMORY;
    return IC_OK;
}

static void tone_strip_planes(struct ic_output *o)
{
    struct ic_view v = { .layout = IC_YCBCR, .width = o->strip[0].width, .height = o->strip[0].n, .n = 3 };

    for (int i = 0; i < v.n; i++) {
        const struct output_strip *s = &o->strip[i];

        v.plane[i] = (struct ic_view_plane){ .p = s->p, .stride = s->stride, .width = s->width, .height = s->n };
    }
    ic_tone_planes(o->tone, &v);
}

/* Rows come and go as strips: rows of channel c are where output_convert left them, unless they are spread. */
static struct ic_rows tone_channels(const struct ic_output *o, const struct ic_rows *rows, int in, int out)
{
    const struct output_strip *s = &o->strip[0];
    struct ic_rows to = *rows;

    for (int i = 0; i < out && o->spread; i++) {
        to.p[i] = o->spread + s->stride * s->rows * (size_t)i;
        to.stride[i] = s->stride;
        to.n[i] = rows->n[0];
    }
    to.p[out] = rows->p[in];
    to.stride[out] = rows->stride[in];
    to.n[out] = rows->n[in];
    return to;
}

struct ic_rows ic_output_tone(struct ic_output *o, const struct ic_rows *rows)
{
    int in = tone_grey_layout(o->colour.to) ? 1 : 3, out = tone_grey_layout(o->layout) ? 1 : 3;
    bool alpha = ic_layout_alpha(o->colour.to), compose = alpha && ic_filters_compose(o->plan) && !o->frame.compose;
    enum ic_layout with_alpha = out == 1 ? IC_GREYA : IC_RGBA;
    struct ic_rows to;

    if (o->layout == IC_YCBCR) {
        if (!o->plan->framed)
            tone_strip_planes(o);
        return *rows;
    }
    to = tone_channels(o, rows, in, out);
    for (uint32_t y = 0; y < rows->n[0]; y++) {
        const uint8_t *from_row[IC_PLANES];
        uint8_t *to_row[IC_PLANES];

        for (int i = 0; i < in; i++)
            from_row[i] = rows->p[i] + rows->stride[i] * y;
        for (int i = 0; i < out + alpha; i++)
            to_row[i] = (uint8_t *)to.p[i] + to.stride[i] * y; /* our own strips, which rows only lend */
        ic_tone_row(o->tone, to_row, out, from_row, in, o->strip[0].width);
        if (compose)
            ic_colour_compose(with_alpha, o->plan->bg, to_row, o->strip[0].width);
    }
    return to;
}
