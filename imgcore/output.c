/* The way of one result through imgcore; run.c feeds it, several at a time from one decode.
 *
 *     rows of source planes --scale--> strip of channels --colour--> (frame) --interleave--> sink
 *
 * Channels are pulled from the scalers in step, a strip of 16 luma rows at a time: chroma, whose window reaches
 * further, holds luma back in its ring of few source rows rather than in a queue of finished ones. Only a result that
 * can't stream (frame.h) passes through a frame, and that is of the result's size. */
#include "output.h"

#include "filters.h"
#include "linear.h"
#include "sink_fit.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define STRIP_ROWS 16u

/* The least shrink that halving may leave to the resampler. Five widths of 1600 to 200 from one decode, encoded at
 * quality 80, PSNR against an ideal resampling: on ten photographs luma lost 0.12 dB at most, Cb 0.22 dB, both at a
 * width of 200. With 1.3 for luma, too, the loss was up to 0.6 dB; chroma, the larger part of the work at 4/8, bears
 * it. */
#define HALVED_LUMA   2.0
#define HALVED_CHROMA 1.3

double ic_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static enum ic_code output_no_memory(struct ic_error *e)
{
    return ic_fail(e, IC_E_MEMORY, "no memory for a result");
}

/* Layout. */

static bool output_has_hue(const struct ic_plan *p)
{
    const struct ic_colour *line = &p->surround.border.colour;

    if (ic_overlay_wanted(p))
        return true;
    return (p->bg.a > 0 && (p->bare || p->flatten) && (p->bg.r != p->bg.g || p->bg.g != p->bg.b)) ||
           (p->surround.border.width && (line->r != line->g || line->g != line->b));
}

enum ic_layout ic_output_packed(const struct ic_plan *p, bool grey)
{
    if (grey && !output_has_hue(p))
        return p->alpha ? IC_GREYA : IC_GREY;
    return p->alpha ? IC_RGBA : IC_RGB;
}

/* The layout to offer to the sink. A canvas is filled in RGB: its edge need not fall on the chroma grid. WebP has no
 * grey of its own, so that planes are the least work there. */
static enum ic_layout output_layout(const struct ic_output *o)
{
    const struct ic_plan *p = o->plan;
    enum ic_layout source = o->source.layout;
    bool made_grey = ic_tone_greys(&p->filters);
    bool grey = made_grey || ((source == IC_GREY || source == IC_GREYA) && !ic_tone_colours(&p->filters));
    bool planar = source == IC_YCBCR && !p->pad && !p->rgb && !o->icc;

    if (planar && !(made_grey && p->format != IC_FORMAT_WEBP))
        return IC_YCBCR;
    return ic_output_packed(p, grey);
}

static enum ic_layout output_with_alpha(enum ic_layout l)
{
    return l == IC_GREY || l == IC_GREYA ? IC_GREYA : IC_RGBA;
}

static void output_shape(struct ic_output *o, const struct ic_sink_opt *so)
{
    o->codec->sink_shape(output_layout(o), o->plan->width, o->plan->height, so, &o->shape);
}

/* The profile is kept where that is asked and the result will have pixels of its kind; colours stay as they are then.
 * Everything else becomes sRGB, which needs no profile. */
static void output_profile(struct ic_output *o, const struct ic_origin *origin, struct ic_sink_opt *so)
{
    bool ink = o->source.layout == IC_CMYK || o->source.layout == IC_YCCK;

    so->attached = origin->attached;
    output_shape(o, so);
    bool grey = o->shape.layout == IC_GREY || o->shape.layout == IC_GREYA;
    if (o->plan->keep_profile && !ink && ic_icc_describes(so->attached.profile, grey ? IC_ICC_GREY : IC_ICC_RGB))
        return;
    so->attached.profile = (struct ic_bytes){ 0 };
    o->icc = origin->icc;
    output_shape(o, so);
}

static enum ic_code output_choose(struct ic_output *o, const struct ic_origin *origin, struct ic_sink_opt *so,
                                  struct ic_error *e)
{
    const struct ic_plan *p = o->plan;
    bool toned = ic_tone_any(&p->filters), compose = ic_layout_alpha(o->source.layout) && ic_filters_compose(p);
    struct ic_colour bg = p->bg;

    output_profile(o, origin, so);
    o->layout = compose && ic_filters_framed(&p->filters) ? output_with_alpha(o->shape.layout) : o->shape.layout;
    /* Luma alone makes the grey of planes: chroma is not even resampled. */
    if (ic_tone_greys(&p->filters) && o->source.layout == IC_YCBCR && o->layout != IC_YCBCR && !p->rgb && !o->icc) {
        o->source.layout = IC_GREY;
        o->source.n = 1;
    }
    bg.a = compose ? 0 : bg.a;
    if (!ic_colour_init(&o->colour, o->source.layout, toned ? ic_output_tone_takes(o) : o->layout, bg))
        return ic_fail(e, IC_E_PARAM, "%s can't store this kind of image", o->codec->name);
    o->colour.icc = o->icc;
    return IC_OK;
}

/* Halving. */

/* Samples of the source that become one of the result, on the axis where they are fewer. */
static double output_shrink(const struct ic_output *o, int plane)
{
    struct ic_axis x = ic_output_axis_x(o, plane), y = ic_output_axis_y(o, plane);

    return fmin((x.x1 - x.x0) / x.dst_n, (y.x1 - y.x0) / y.dst_n);
}

/* Takes what the decoder did not shrink, for another output needs it, from the halved planes. Only of sources that
 * would have been shrunk as well for this output alone. */
static void output_halve(struct ic_output *o)
{
    if (!ic_codec_of(o->plan->source.format)->shrinks || o->plan->kernel == IC_KERNEL_NEAREST)
        return;
    for (int p = 0; p < o->source.n; p++) {
        bool chroma = p > 0 && o->source.layout == IC_YCBCR;
        double leaves = chroma ? HALVED_CHROMA : HALVED_LUMA;

        for (; o->level[p] < IC_HALVINGS && output_shrink(o, p) >= 2 * leaves; o->level[p]++)
            o->source.plane[p] = ic_halved(&o->source.plane[p]);
    }
}

/* Opening. */

static enum ic_code output_add_strip(struct ic_output *o, int channel, const struct ic_axis *x, const struct ic_axis *y)
{
    struct output_strip *s = &o->strip[channel];
    uint32_t factor = (o->plan->scaled_h + y->dst_n - 1) / y->dst_n;

    s->width = x->dst_n;
    s->height = y->dst_n;
    s->rows = factor >= STRIP_ROWS ? 1 : STRIP_ROWS / factor;
    s->stride = ic_stride(s->width);
    s->p = ic_alloc(o->mem, s->stride * s->rows);
    return s->p ? IC_OK : IC_E_MEMORY;
}

static enum ic_code output_add_plane(struct ic_output *o, struct ic_engine *g, int plane, int channel)
{
    struct ic_axis x = ic_output_axis_x(o, plane), y = ic_output_axis_y(o, plane);
    const struct ic_weights *h = ic_weights_get(&g->weights, &x), *v = ic_weights_get(&g->weights, &y);
    int channels = o->source.plane[plane].channels;
    enum ic_code rc;

    if (!h || !v)
        return IC_E_MEMORY;
    if ((rc = ic_scale_init(&o->scale[plane], o->mem, h, v, channels)) != IC_OK)
        return rc;
    /* Copied pixels keep their colour under low alpha, which premultiplying would round away. */
    o->colour.straight = h->copy && v->copy && !o->colour.over;
    o->scale[plane].premultiply = ic_layout_alpha(o->source.layout) && !o->colour.straight;
    for (int c = 0; c < channels && rc == IC_OK; c++)
        rc = output_add_strip(o, channel + c, &x, &y);
    for (int c = 2; c < 4 && o->colour.spread && rc == IC_OK; c++)
        rc = output_add_strip(o, c, &x, &y);
    return rc;
}

static enum ic_code output_add_planes(struct ic_output *o, struct ic_engine *g)
{
    enum ic_code rc = IC_OK;

    for (int p = 0, channel = 0; p < o->source.n && rc == IC_OK; p++) {
        rc = output_add_plane(o, g, p, channel);
        channel += o->source.plane[p].channels;
    }
    return rc;
}

static enum ic_code output_add_rows(struct ic_output *o)
{
    uint32_t widest = o->plan->width > o->plan->scaled_w ? o->plan->width : o->plan->scaled_w;

    o->opaque = ic_alloc(o->mem, widest);
    o->packed = ic_alloc(o->mem, (size_t)o->plan->width * (size_t)o->shape.plane[0].channels * STRIP_ROWS);
    if (!o->opaque || !o->packed)
        return IC_E_MEMORY;
    memset(o->opaque, 255, widest);
    return IC_OK;
}

/* Bare pixels are for ourselves: a step on the way to a result, which alone is limited. */
static enum ic_code output_add_sink(struct ic_output *o, const struct ic_sink_opt *so, size_t max_result,
                                    struct ic_error *e)
{
    bool bare = o->codec->format == IC_FORMAT_PIXELS;
    double start = ic_now_ms();
    enum ic_code rc;

    o->bytes = (struct ic_buffer){ .mem = o->mem, .max = bare ? SIZE_MAX : max_result };
    rc = o->plan->max_bytes && !bare
             ? ic_fit_create(o->codec, &o->shape, so, o->plan->max_bytes, &o->exceeded, &o->bytes, &o->sink, e)
             : o->codec->create(&o->shape, so, &o->bytes, &o->sink, e);
    o->encode_ms += ic_now_ms() - start;
    return rc;
}

enum ic_code ic_output_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                            const struct ic_planes *source, const struct ic_origin *origin, struct ic_error *e)
{
    return ic_output_open_to(o, g, plan, ic_codec_of(plan->format), source, origin, e);
}

enum ic_code ic_output_open_to(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                               const struct ic_codec *codec, const struct ic_planes *source,
                               const struct ic_origin *origin, struct ic_error *e)
{
    struct ic_sink_opt so = { .quality = plan->quality,
                              .effort = plan->effort,
                              .chroma = plan->chroma,
                              .progressive = plan->progressive,
                              .lossless = plan->lossless,
                              .palette = plan->palette,
                              .dither = plan->dither,
                              .mem = &g->mem };
    enum ic_code rc;

    if (plan->linear)
        return ic_linear_open(o, g, plan, codec, source, origin, e);
    *o = (struct ic_output){ .mem = &g->mem, .plan = plan, .codec = codec, .source = *source };
    if ((rc = output_choose(o, origin, &so, e)) != IC_OK)
        return rc;
    output_halve(o);
    if (output_add_planes(o, g) != IC_OK || output_add_rows(o) != IC_OK)
        return output_no_memory(e);
    if (ic_tone_any(&plan->filters) && ic_output_tone_open(o) != IC_OK)
        return output_no_memory(e);
    if (plan->framed && (rc = ic_frame_open(&o->frame, o->mem, plan, &o->shape, o->layout, e)) != IC_OK)
        return rc;
    o->frame.tone = o->tone;
    if ((rc = ic_overlay_open(&o->overlay, g, plan, &o->shape, e)) != IC_OK)
        return rc;
    return output_add_sink(o, &so, g->limits.max_result, e);
}

void ic_output_close(struct ic_output *o)
{
    if (!o->mem)
        return;
    ic_linear_close(o->linear);
    ic_sink_free(o->sink);
    ic_buffer_free(&o->bytes);
    ic_frame_close(&o->frame);
    ic_overlay_close(&o->overlay);
    ic_free(o->mem, o->opaque);
    ic_free(o->mem, o->packed);
    ic_free(o->mem, o->tone);
    ic_free(o->mem, o->spread);
    for (int i = 0; i < IC_PLANES; i++) {
        ic_scale_free(&o->scale[i]);
        ic_free(o->mem, o->strip[i].p);
    }
    *o = (struct ic_output){ 0 };
}

/* To the sink. */

/* Rows of one plane a channel, as many of the first as a strip has, to one packed plane of the first n channels. */
static struct ic_rows output_pack(const struct ic_output *o, const struct ic_rows *rows, int n)
{
    const struct ic_kernels *k = o->colour.k;
    size_t width = o->plan->width, stride = width * (size_t)n;

    for (uint32_t y = 0; y < rows->n[0]; y++) {
        const uint8_t *src[IC_PLANES];
        uint8_t *dst = o->packed + stride * y;

        for (int c = 0; c < n; c++)
            src[c] = rows->p[c] + rows->stride[c] * y;
        if (n == 2)
            k->interleave2(dst, src, width);
        else if (n == 3)
            k->interleave3(dst, src, width);
        else
            k->interleave4(dst, src, width);
    }
    return (struct ic_rows){ .p = { o->packed }, .stride = { stride }, .n = { rows->n[0] } };
}

static enum ic_code output_write(struct ic_output *o, const struct ic_rows *rows, struct ic_error *e)
{
    int channels = o->shape.plane[0].channels;
    struct ic_rows out = channels > 1 ? output_pack(o, rows, channels) : *rows;
    double start = ic_now_ms();
    enum ic_code rc = ic_sink_write(o->sink, &out, e);

    o->encode_ms += ic_now_ms() - start;
    return rc;
}

static enum ic_code output_write_frame(struct ic_output *o, struct ic_error *e)
{
    enum ic_code rc = ic_frame_finish(&o->frame, e);

    if (rc == IC_OK && o->overlay.n > 0) {
        struct ic_view whole = ic_frame_whole(&o->frame);

        ic_overlay_blend(&o->overlay, &whole, 0);
    }
    for (uint32_t s = 0; s * STRIP_ROWS < o->plan->height && rc == IC_OK; s++) {
        struct ic_rows rows = ic_frame_rows(&o->frame, s, STRIP_ROWS);

        rc = output_write(o, &rows, e);
    }
    return rc;
}

static enum ic_code output_finish(struct ic_output *o, struct ic_error *e)
{
    enum ic_code rc = o->plan->framed ? output_write_frame(o, e) : IC_OK;
    double start = ic_now_ms();

    if (rc == IC_OK)
        rc = ic_sink_finish(o->sink, e);
    o->encode_ms += ic_now_ms() - start;
    o->complete = rc == IC_OK;
    return rc;
}

/* Strips. */

static uint32_t strip_target(const struct output_strip *s)
{
    return s->height - s->y < s->rows ? s->height - s->y : s->rows;
}

static bool output_fill_plane(struct ic_output *o, int plane, int channel)
{
    struct output_strip *s = &o->strip[channel];
    uint8_t *out[IC_PLANES];

    while (s->n < strip_target(s)) {
        for (int c = 0; c < o->source.plane[plane].channels; c++)
            out[c] = s[c].p + s[c].stride * s->n;
        if (!ic_scale_pull(&o->scale[plane], out))
            return false;
        for (int c = 0; c < o->source.plane[plane].channels; c++)
            s[c].n++;
    }
    return true;
}

static bool output_fill(struct ic_output *o)
{
    bool full = true;

    for (int p = 0, channel = 0; p < o->source.n; p++) {
        full = output_fill_plane(o, p, channel) && full;
        channel += o->source.plane[p].channels;
    }
    return full;
}

/* The strip's YCbCr to the range that the sink takes, or to the full one, which becomes RGB. */
static void output_range(struct ic_output *o)
{
    for (int c = 0; c < ic_layout_channels(o->source.layout); c++)
        for (uint32_t y = 0; y < o->strip[c].n; y++)
            ic_colour_range(o->strip[c].p + o->strip[c].stride * y, o->strip[c].width, c, o->shape.limited);
}

/* Converts the strip where it lies; the rows returned point into it. */
static struct ic_rows output_convert(struct ic_output *o)
{
    int from = o->colour.spread ? IC_PLANES : ic_layout_channels(o->source.layout);
    struct ic_rows rows = { 0 };

    for (int c = 2; c < from && o->colour.spread; c++)
        o->strip[c].n = o->strip[0].n;
    if (o->source.limited != o->shape.limited && !(o->tone && o->layout == IC_YCBCR))
        output_range(o);
    for (int c = 0; c < o->colour.channels; c++) {
        const struct output_strip *s = &o->strip[o->colour.map[c] < 0 ? 0 : o->colour.map[c]];

        rows.p[c] = o->colour.map[c] < 0 ? o->opaque : s->p;
        rows.stride[c] = o->colour.map[c] < 0 ? 0 : s->stride;
        rows.n[c] = s->n;
    }
    for (uint32_t y = 0; y < o->strip[0].n && o->shape.layout != IC_YCBCR; y++) {
        uint8_t *p[IC_PLANES];

        for (int c = 0; c < from; c++)
            p[c] = o->strip[c].p + o->strip[c].stride * y;
        ic_colour_row(&o->colour, p, o->strip[0].width);
    }
    return o->tone ? ic_output_tone(o, &rows) : rows;
}

static void output_put(struct ic_output *o, const struct ic_rows *rows)
{
    for (int c = 0; c < ic_layout_channels(o->layout); c++) {
        const struct output_strip *s = &o->strip[o->layout == IC_YCBCR ? c : 0];

        ic_frame_put(&o->frame, c, s->width, s->height, rows, s->y);
    }
}

/* Marks the strip where it lies. Its channels are rows of their own: what shares them is framed. */
static void output_overlay(struct ic_output *o, const struct ic_rows *rows)
{
    struct ic_view v = { .layout = o->layout,
                         .limited = o->shape.limited,
                         .width = o->plan->width,
                         .height = o->strip[0].n,
                         .n = ic_layout_channels(o->layout) };

    for (int c = 0; c < v.n; c++)
        v.plane[c] = (struct ic_view_plane){ .p = (uint8_t *)rows->p[c], /* our own, which rows only lend */
                                             .stride = rows->stride[c],
                                             .width = o->strip[o->layout == IC_YCBCR ? c : 0].width,
                                             .height = rows->n[c] };
    ic_overlay_blend(&o->overlay, &v, o->strip[0].y);
}

static enum ic_code output_deliver(struct ic_output *o, struct ic_error *e)
{
    struct ic_rows rows = output_convert(o);
    enum ic_code rc = IC_OK;

    if (o->plan->framed) {
        output_put(o, &rows);
    } else {
        if (o->overlay.n > 0)
            output_overlay(o, &rows);
        rc = output_write(o, &rows, e);
    }
    for (int c = 0; c < IC_PLANES; c++) {
        o->strip[c].y += o->strip[c].n;
        o->strip[c].n = 0;
    }
    return rc;
}

/* Every strip the rows so far suffice for. */
static enum ic_code output_pump(struct ic_output *o, struct ic_error *e)
{
    while (!o->complete && output_fill(o)) {
        enum ic_code rc = output_deliver(o, e);

        if (rc == IC_OK && o->strip[0].y == o->strip[0].height)
            rc = output_finish(o, e);
        if (rc != IC_OK)
            return rc;
    }
    return IC_OK;
}

enum ic_code ic_output_rows(struct ic_output *o, const struct ic_rows *rows, struct ic_error *e)
{
    return o->linear ? ic_linear_rows(o->linear, rows, e) : ic_output_feed(o, rows, e);
}

enum ic_code ic_output_feed(struct ic_output *o, const struct ic_rows *rows, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    for (int p = 0; p < o->source.n; p++)
        for (uint32_t y = 0; y < rows->n[p] && rc == IC_OK && !o->complete; y++) {
            rc = ic_scale_push(&o->scale[p], rows->p[p] + rows->stride[p] * y, e);
            if (rc == IC_OK)
                rc = output_pump(o, e);
        }
    return rc;
}
