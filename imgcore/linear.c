/* Resampling in linear light, for linear=1; output.c calls it where a plan asks.
 *
 *     source rows --inner output, 1:1--> RGB(A) or grey --light, premultiply--> floats --h--> ring --v--> bytes -->
 * outer
 *
 * Light needs colours, so this is the one resampler that comes behind the conversion: chroma is brought to full size,
 * at full scale, by an output whose encoder is this file. What leaves is a source of the result's size, which the outer
 * output copies. Horizontal first: the ring then holds rows of the result's width.
 *
 * Floats, since 16 bits of light would need more in between; sums are in one order everywhere, four channels at a time,
 * so results are the same on every machine. Weights are the 14-bit ones of all resampling, light has 16 bits: together
 * within 2 levels of 255 of a calculation in doubles. */
#include "linear.h"

#include "filters.h"
#include "saliency.h"
#include "srgb.h"

#include <math.h>
#include <string.h>

#define LIGHT_ONE  1048560.0f /* 16 times 65535 */
#define CELL       64         /* of light; no two levels end in one: the darkest are 318 apart */
#define CELLS      16384
#define WEIGHT_ONE ((float)(1 << IC_WEIGHT_BITS))
#define MARGIN     3.0 /* the widest filter reaches so far, in pixels of the result */

typedef float pixel __attribute__((vector_size(16))); /* R G B A in light, colour premultiplied */

struct ic_linear {
    struct ic_mem *mem; /* borrowed, as are outer and the weights */
    struct ic_output *outer;
    struct ic_plan inner_plan, outer_plan;
    struct ic_output inner;
    const struct ic_weights *h, *v;
    int channels;
    bool alpha;
    float light[256];
    float end[257];           /* where in light each level begins; the last is beyond all */
    uint8_t level[CELLS + 1]; /* of the light at which each cell begins */
    float *across;            /* owned, as are the rest: h's weights */
    pixel *row;               /* of the source */
    pixel *ring;              /* h's rows of the result: source row y at y % v->max_len */
    pixel *sum;
    uint8_t *bytes;
    uint32_t pushed, made;
};

/* Tables. */

static void linear_tables(struct ic_linear *l)
{
    uint16_t light[256];
    int level = 0;

    ic_light(light);
    for (int i = 0; i < 256; i++) {
        double between = srgb_light((i - 0.5) / 255.0);

        l->light[i] = light[i] * 16.0f;
        l->end[i] = (float)floor(between * (double)LIGHT_ONE + 0.5);
    }
    l->end[256] = 2.0f * LIGHT_ONE;
    for (int i = 0; i <= CELLS; i++) {
        while ((float)(i * CELL) >= l->end[level + 1])
            level++;
        l->level[i] = (uint8_t)level;
    }
}

static uint8_t linear_level(const struct ic_linear *l, float v)
{
    if (!(v > 0.0f))
        return 0;
    if (v >= LIGHT_ONE)
        return 255;
    uint8_t level = l->level[(int)v / CELL];

    return (uint8_t)(level + (v >= l->end[level + 1]));
}

/* Rows. */

static void linear_load(struct ic_linear *l, const uint8_t *px, uint32_t n)
{
    int c = l->channels;

    for (uint32_t x = 0; x < n; x++, px += c) {
        pixel p = { l->light[px[0]], l->light[px[c > 2 ? 1 : 0]], l->light[px[c > 2 ? 2 : 0]], 1.0f };

        if (l->alpha) {
            float a = (float)px[c - 1] / 255.0f;

            p *= (pixel){ a, a, a, a };
        }
        l->row[x] = p;
    }
}

static void linear_across(const struct ic_linear *l, pixel *out)
{
    const struct ic_taps *t = &l->h->taps;

    for (uint32_t x = 0; x < t->n; x++) {
        const pixel *from = l->row + l->h->lo + t->first[x];
        const float *w = l->across + (size_t)x * t->stride;
        pixel sum = { 0 };

        for (uint32_t k = 0; k < l->h->len[x]; k++)
            sum += from[k] * (pixel){ w[k], w[k], w[k], w[k] };
        out[x] = sum;
    }
}

static void linear_down(const struct ic_linear *l)
{
    uint32_t width = l->h->taps.n, first = l->v->lo + (uint32_t)l->v->taps.first[l->made];
    const int16_t *w = l->v->taps.w + (size_t)l->made * l->v->taps.stride;

    memset(l->sum, 0, width * sizeof(*l->sum));
    for (uint32_t k = 0; k < l->v->len[l->made]; k++) {
        const pixel *row = l->ring + (size_t)((first + k) % l->v->max_len) * width;
        float weight = (float)w[k] / WEIGHT_ONE;
        pixel all = { weight, weight, weight, weight };

        for (uint32_t x = 0; x < width; x++)
            l->sum[x] += row[x] * all;
    }
}

static void linear_store(struct ic_linear *l)
{
    int c = l->channels, colours = c - l->alpha;
    uint8_t *out = l->bytes;

    for (uint32_t x = 0; x < l->h->taps.n; x++, out += c) {
        pixel p = l->sum[x];
        float a = l->alpha ? p[3] : 1.0f, scale = a > 0.0f ? 1.0f / a : 0.0f;

        for (int i = 0; i < colours; i++)
            out[i] = linear_level(l, l->alpha ? p[i] * scale : p[i]);
        if (l->alpha)
            out[colours] = (uint8_t)(a <= 0.0f ? 0.0f : a >= 1.0f ? 255.0f : a * 255.0f + 0.5f);
    }
}

static bool linear_ready(const struct ic_linear *l)
{
    uint32_t i = l->made;

    return i < l->v->taps.n && l->pushed >= l->v->lo + (uint32_t)l->v->taps.first[i] + l->v->len[i];
}

/* One row of the source, and the rows of the result that it completes. */
static enum ic_code linear_push(struct ic_linear *l, const uint8_t *px, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    if (l->made < l->v->taps.n && l->pushed >= l->v->lo) {
        linear_load(l, px, l->inner_plan.width);
        linear_across(l, l->ring + (size_t)(l->pushed % l->v->max_len) * l->h->taps.n);
    }
    l->pushed++;
    while (rc == IC_OK && linear_ready(l)) {
        struct ic_rows rows = { .p = { l->bytes }, .n = { 1 } };

        linear_down(l);
        linear_store(l);
        l->made++;
        rc = ic_output_feed(l->outer, &rows, e);
    }
    return rc;
}

/* The inner output's encoder. */

struct linear_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct ic_linear *linear;
};

static void linear_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                         struct ic_planes *out)
{
    bool taken = layout == IC_GREY || layout == IC_GREYA || layout == IC_RGBA;

    (void)o;
    *out = (struct ic_planes){ .layout = taken ? layout : IC_RGB, .n = 1 };
    out->plane[0] = (struct ic_plane){
        .width = width, .height = height, .channels = ic_layout_channels(out->layout), .span_w = width, .span_h = height
    };
}

static enum ic_code linear_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    for (uint32_t y = 0; y < rows->n[0] && rc == IC_OK; y++)
        rc = linear_push(((struct linear_sink *)s)->linear, rows->p[0] + rows->stride[0] * y, e);
    return rc;
}

static enum ic_code linear_finish(struct ic_sink *s, struct ic_error *e)
{
    (void)s, (void)e;
    return IC_OK;
}

static void linear_free(struct ic_sink *s)
{
    ic_free(((struct linear_sink *)s)->mem, s);
}

static const struct ic_sink_ops linear_ops = { linear_write, linear_finish, linear_free };

static enum ic_code linear_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                  struct ic_sink **sink, struct ic_error *e)
{
    struct linear_sink *s = ic_calloc(o->mem, sizeof(*s));

    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory to resample in linear light");
    s->base = (struct ic_sink){ .ops = &linear_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    *sink = &s->base;
    return IC_OK;
}

static const struct ic_codec linear_codec = { .name = "linear", .sink_shape = linear_shape, .create = linear_create };

/* Opening. */

/* The source's pixels that the windows of one axis reach, whole ones. */
static void linear_span(double *from, double *to, uint32_t scaled, uint32_t n)
{
    double reach = MARGIN * fmax(1.0, (*to - *from) / scaled) + 2.0;

    *from = fmax(0.0, floor(*from - reach));
    *to = fmin(n, ceil(*to + reach));
}

static struct ic_plan linear_inner_plan(const struct ic_plan *p)
{
    struct ic_plan in = { .source = p->source, .crop = p->crop, .scale = 8, .kernel = IC_KERNEL_BILINEAR };

    linear_span(&in.crop.x0, &in.crop.x1, p->scaled_w, p->source.width);
    linear_span(&in.crop.y0, &in.crop.y1, p->scaled_h, p->source.height);
    in.width = in.scaled_w = (uint32_t)(in.crop.x1 - in.crop.x0);
    in.height = in.scaled_h = (uint32_t)(in.crop.y1 - in.crop.y0);
    in.format = IC_FORMAT_PNG;
    in.alpha = p->source.alpha;
    ic_filters_init(&in.filters);
    return in;
}

static struct ic_plan linear_outer_plan(const struct ic_plan *p)
{
    struct ic_plan out = *p;

    out.linear = false;
    out.crop = (struct ic_box){ 0, 0, p->scaled_w, p->scaled_h };
    out.source.width = p->scaled_w;
    out.source.height = p->scaled_h;
    return out;
}

static enum ic_code linear_weights(struct ic_linear *l, struct ic_engine *g, const struct ic_plan *p)
{
    const struct ic_plan *in = &l->inner_plan;
    struct ic_axis x = { in->width, p->scaled_w, p->crop.x0 - in->crop.x0, p->crop.x1 - in->crop.x0, p->kernel, 0 };
    struct ic_axis y = { in->height, p->scaled_h, p->crop.y0 - in->crop.y0, p->crop.y1 - in->crop.y0, p->kernel, 0 };

    l->h = ic_weights_get(&g->weights, &x);
    l->v = ic_weights_get(&g->weights, &y);
    return l->h && l->v ? IC_OK : IC_E_MEMORY;
}

static enum ic_code linear_alloc(struct ic_linear *l)
{
    uint32_t width = l->h->taps.n;

    size_t taps = (size_t)width * l->h->taps.stride;

    l->across = ic_alloc(l->mem, taps * sizeof(float));
    for (size_t i = 0; l->across && i < taps; i++)
        l->across[i] = (float)l->h->taps.w[i] / WEIGHT_ONE;
    l->row = ic_alloc(l->mem, l->inner_plan.width * sizeof(pixel));
    l->ring = ic_alloc(l->mem, (size_t)l->v->max_len * width * sizeof(pixel));
    l->sum = ic_alloc(l->mem, width * sizeof(pixel));
    l->bytes = ic_alloc(l->mem, (size_t)width * (size_t)l->channels);
    return l->across && l->row && l->ring && l->sum && l->bytes ? IC_OK : IC_E_MEMORY;
}

/* Colours are sRGB by now. */
static enum ic_code linear_open_outer(struct ic_linear *l, struct ic_engine *g, const struct ic_codec *codec,
                                      const struct ic_origin *origin, struct ic_error *e)
{
    struct ic_planes made = l->inner.shape;
    struct ic_origin left = { .attached = origin->attached };

    l->channels = made.plane[0].channels;
    l->alpha = ic_layout_alpha(made.layout);
    if (linear_alloc(l) != IC_OK)
        return ic_fail(e, IC_E_MEMORY, "no memory to resample in linear light");
    made.plane[0].width = l->outer_plan.scaled_w;
    made.plane[0].height = l->outer_plan.scaled_h;
    made.plane[0].span_w = made.plane[0].width;
    made.plane[0].span_h = made.plane[0].height;
    return ic_output_open_to(l->outer, g, &l->outer_plan, codec, &made, &left, e);
}

enum ic_code ic_linear_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                            const struct ic_codec *codec, const struct ic_planes *source,
                            const struct ic_origin *origin, struct ic_error *e)
{
    struct ic_linear *l = ic_calloc(&g->mem, sizeof(*l));
    struct ic_origin colours = { .icc = origin->icc };
    enum ic_code rc;

    *o = (struct ic_output){ .mem = &g->mem };
    if (!l)
        return ic_fail(e, IC_E_MEMORY, "no memory to resample in linear light");
    l->mem = &g->mem;
    l->outer = o;
    l->inner_plan = linear_inner_plan(plan);
    l->outer_plan = linear_outer_plan(plan);
    linear_tables(l);
    rc = ic_output_open_to(&l->inner, g, &l->inner_plan, &linear_codec, source, &colours, e);
    if (rc == IC_OK && linear_weights(l, g, plan) != IC_OK)
        rc = ic_fail(e, IC_E_MEMORY, "no memory to resample in linear light");
    if (rc == IC_OK) {
        ((struct linear_sink *)l->inner.sink)->linear = l;
        rc = linear_open_outer(l, g, codec, origin, e);
    }
    o->linear = l; /* opening o has cleared it */
    return rc;
}

enum ic_code ic_linear_rows(struct ic_linear *l, const struct ic_rows *rows, struct ic_error *e)
{
    return ic_output_rows(&l->inner, rows, e);
}

void ic_linear_close(struct ic_linear *l)
{
    if (!l)
        return;
    ic_output_close(&l->inner);
    ic_free(l->mem, l->across);
    ic_free(l->mem, l->row);
    ic_free(l->mem, l->ring);
    ic_free(l->mem, l->sum);
    ic_free(l->mem, l->bytes);
    ic_free(l->mem, l);
}

uint64_t ic_linear_memory(const struct ic_plan *p)
{
    double shrink = fmax(1.0, (p->crop.y1 - p->crop.y0) / p->scaled_h), taps = 2.0 * MARGIN * shrink + 3.0;
    double across = 2.0 * MARGIN * fmax(1.0, (p->crop.x1 - p->crop.x0) / p->scaled_w) + 11.0;

    return (uint64_t)((taps + 2.0) * p->scaled_w * sizeof(pixel) + across * p->scaled_w * sizeof(float)) +
           (uint64_t)p->source.width * (sizeof(pixel) + 64) + sizeof(struct ic_linear) + 65536;
}
