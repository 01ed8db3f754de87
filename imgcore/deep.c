/* depth=16: one result from its source's bytes to its own; run.c asks before it opens the source for all others.
 *
 *     rows of 16 bits --load--> 26 bits, premultiplied --scale--> --store--> frame, turned and placed --> PNG
 *
 * A way of its own rather than a second depth in every kernel: it is asked for by few, who want exactness and not
 * speed, and so the way of all others stays as it is. Hence also its own decode for each result, and always a frame. */
#include "deep.h"

#include "deep_colour.h"
#include "deep_scale.h"
#include "filters.h"
#include "tone.h"

#include <string.h>

struct deep {
    struct ic_mem *mem; /* borrowed, as is plan */
    const struct ic_plan *p;
    struct ic_attached attached; /* borrowed */
    unsigned warnings;           /* bits of enum ic_warning */
    struct ic_source *source;    /* owned, as are the rest */
    struct deep_colour colour;
    struct deep_scale scale;
    enum ic_layout layout;
    int32_t *row;    /* of the source, as far as it is used; or of the result */
    uint16_t *spare; /* likewise */
    uint16_t *made;  /* a row of the result */
    uint8_t *frame;  /* the result, samples as PNG stores them */
    size_t stride;   /* of it, bytes */
    uint32_t y;      /* rows made, before the turn */
};

/* Plans. */

bool ic_deep_can(const struct ic_plan *p)
{
    for (int i = 0; i < IC_MARKS; i++)
        if (p->mark[i].input)
            return false;
    return !ic_tone_any(&p->filters) && !ic_filters_framed(&p->filters) && !p->text.text[0] && p->angle == 0 &&
           !p->surround.border.width && !(p->surround.radius > 0) && !p->palette && !p->max_bytes;
}

uint64_t ic_deep_memory(const struct ic_plan *p)
{
    uint64_t pixels = (uint64_t)p->width * p->height, channels = p->alpha || p->source.alpha ? 4 : 3;
    /* Windows reach beyond the crop, up to the source's edges. */
    double window = 8.0 * ((p->crop.y1 - p->crop.y0) / p->scaled_h) + 8.0, rows = p->source.height;
    uint64_t ring = (uint64_t)(window < rows ? window : rows) * p->scaled_w * channels * sizeof(int32_t);
    uint64_t weights = ((uint64_t)p->source.width + p->source.height + p->scaled_w + p->scaled_h) * 48;
    uint64_t stored = p->source.progressive ? (uint64_t)p->source.width * p->source.height * channels * 2 : 0;

    /* The frame, what PNG filters of it, and what it becomes. */
    return pixels * channels * 2 * 3 + ring + weights + stored + (p->linear ? 8 * 65536 : 0) +
           ((uint64_t)p->source.width + p->width) * channels * 16 + (p->effort < 8 ? 2u : 12u) * 1048576u;
}

/* Opening. */

/* Profiles never cost the picture. */
static enum ic_code deep_open_profile(struct deep *d, struct ic_engine *g, const struct ic_origin *origin,
                                      struct ic_error *e)
{
    enum ic_icc_pixels pixels = ic_layout_channels(d->layout) < 3 ? IC_ICC_GREY : IC_ICC_RGB;
    enum ic_code rc = IC_OK;

    d->attached = origin->attached;
    if (d->p->keep_profile && ic_icc_describes(d->attached.profile, pixels))
        return IC_OK;
    d->attached.profile = (struct ic_bytes){ 0 };
    if (origin->icc)
        rc = ic_icc_deep_make(&g->icc, origin->icc, &d->colour.icc, e);
    if (rc == IC_E_FORMAT)
        d->warnings |= IC_WARN_PROFILE;
    return rc == IC_E_FORMAT ? IC_OK : rc;
}

static enum ic_code deep_open_colour(struct deep *d, struct ic_engine *g, const struct ic_origin *origin,
                                     struct ic_error *e)
{
    const struct ic_plan *p = d->p;
    int from = d->source->shape.plane[0].channels;
    enum ic_code rc;

    d->layout = ic_output_packed(p, from < 3);
    d->colour = (struct deep_colour){ .mem = d->mem,
                                      .from = from,
                                      .to = ic_layout_channels(d->layout),
                                      .over = ic_layout_alpha(d->source->shape.layout) && p->bg.a > 0,
                                      .bg = p->bg };
    rc = deep_open_profile(d, g, origin, e);
    return rc == IC_OK && p->linear ? deep_colour_light(&d->colour, e) : rc;
}

static enum ic_code deep_open_scale(struct deep *d, struct ic_error *e)
{
    const struct ic_plan *p = d->p;
    struct ic_axis axes[2] = { { p->source.width, p->scaled_w, p->crop.x0, p->crop.x1, p->kernel, 0 },
                               { p->source.height, p->scaled_h, p->crop.y0, p->crop.y1, p->kernel, 0 } };
    enum ic_code rc = deep_scale_open(&d->scale, d->mem, axes, d->colour.from, e);

    /* Copied pixels keep their colour under low alpha. */
    d->colour.straight = rc == IC_OK && d->scale.h.copy && d->scale.v.copy;
    return rc;
}

static void deep_put(uint8_t *to, uint16_t v)
{
    to[0] = (uint8_t)(v >> 8);
    to[1] = (uint8_t)v;
}

/* Of nothing but background. */
static void deep_clear(struct deep *d)
{
    uint32_t pixels = d->p->width;

    for (uint32_t x = 0; x < pixels; x++)
        for (int c = 0; c < d->colour.to; c++)
            deep_put(d->frame + (x * (size_t)d->colour.to + (size_t)c) * 2,
                     (uint16_t)(ic_colour_channel(d->layout, c, d->p->bg) * 257));
    for (uint32_t y = 1; y < d->p->height; y++)
        memcpy(d->frame + y * d->stride, d->frame, d->stride);
}

/* NULL as well where the size is no number. */
static void *deep_room(struct deep *d, size_t n, size_t size)
{
    return ic_mul(n, size, &size) ? ic_alloc(d->mem, size) : NULL;
}

static enum ic_code deep_alloc(struct deep *d, struct ic_error *e)
{
    const struct deep_axis *h = &d->scale.h;
    size_t widest = h->hi - h->lo > h->n ? h->hi - h->lo : h->n;

    d->stride = (size_t)d->p->width * (size_t)d->colour.to * 2; /* a dimension: no more than 2^34 */
    d->row = deep_room(d, widest, (size_t)d->colour.from * sizeof *d->row);
    d->spare = deep_room(d, widest, (size_t)d->colour.from * sizeof *d->spare);
    d->made = deep_room(d, h->n, (size_t)d->colour.to * sizeof *d->made);
    d->frame = deep_room(d, d->stride, d->p->height);
    if (!d->row || !d->spare || !d->made || !d->frame)
        return ic_fail(e, IC_E_MEMORY, "no memory for a 16-bit result");
    deep_clear(d);
    return IC_OK;
}

static void deep_close(struct deep *d)
{
    ic_source_close(d->source);
    deep_colour_close(&d->colour);
    deep_scale_close(&d->scale);
    ic_free(d->mem, d->row);
    ic_free(d->mem, d->spare);
    ic_free(d->mem, d->made);
    ic_free(d->mem, d->frame);
}

/* Rows. */

/* The row just made, into its place: transposed first, then mirrored. */
static void deep_place(struct deep *d)
{
    const struct ic_plan *p = d->p;
    bool swap = p->turn & IC_TURN_TRANSPOSE;
    size_t pixel = (size_t)d->colour.to * 2;
    uint32_t w = swap ? p->scaled_h : p->scaled_w, h = swap ? p->scaled_w : p->scaled_h;

    for (uint32_t i = 0; i < p->scaled_w; i++) {
        uint32_t x = swap ? d->y : i, y = swap ? i : d->y;

        x = p->place_x + (p->turn & IC_TURN_FLOP ? w - 1 - x : x);
        y = p->place_y + (p->turn & IC_TURN_FLIP ? h - 1 - y : y);
        for (int c = 0; c < d->colour.to; c++)
            deep_put(d->frame + y * d->stride + x * pixel + 2 * (size_t)c,
                     d->made[i * (size_t)d->colour.to + (size_t)c]);
    }
    d->y++;
}

static void deep_row(struct deep *d, const uint8_t *px)
{
    const struct deep_axis *h = &d->scale.h;
    bool wants = deep_scale_wants(&d->scale);

    if (wants)
        deep_colour_load(&d->colour, px + (size_t)h->lo * (size_t)d->colour.from * 2, d->spare, d->row, h->hi - h->lo);
    deep_scale_push(&d->scale, d->row);
    while (deep_scale_pull(&d->scale, d->row)) {
        deep_colour_store(&d->colour, d->row, d->spare, d->made, h->n);
        deep_place(d);
    }
}

static enum ic_code deep_rows(struct deep *d, struct ic_error *e)
{
    while (d->y < d->p->scaled_h) {
        struct ic_rows rows = { 0 };
        enum ic_code rc = ic_source_more_rows(d->source, &rows, e);

        if (rc != IC_OK)
            return rc;
        for (uint32_t y = 0; y < rows.n[0]; y++)
            deep_row(d, rows.p[0] + y * rows.stride[0]);
    }
    return IC_OK;
}

/* The result. */

static enum ic_code deep_encode(const struct deep *d, struct ic_buffer *out, struct ic_error *e)
{
    const struct ic_codec *png = ic_codec_of(IC_FORMAT_PNG);
    struct ic_sink_opt o = { .effort = d->p->effort, .deep = true, .attached = d->attached, .mem = d->mem };
    struct ic_rows rows = { .p = { d->frame }, .stride = { d->stride }, .n = { d->p->height } };
    struct ic_sink *sink = NULL;
    struct ic_planes shape;
    enum ic_code rc;

    png->sink_shape(d->layout, d->p->width, d->p->height, &o, &shape);
    rc = png->create(&shape, &o, out, &sink, e);
    if (rc == IC_OK)
        rc = ic_sink_write(sink, &rows, e);
    if (rc == IC_OK)
        rc = ic_sink_finish(sink, e);
    ic_sink_free(sink);
    return rc;
}

static enum ic_code deep_open(struct deep *d, struct ic_engine *g, const struct ic_deep_source *from,
                              struct ic_error *e)
{
    struct ic_source_opt so = { .expect = &d->p->source, .scale = 8, .deep = true, .mem = d->mem };
    enum ic_code rc = ic_codec_of(d->p->source.format)->open(from->file, &so, &d->source, e);

    if (rc == IC_OK)
        rc = deep_open_colour(d, g, from->origin, e);
    if (rc == IC_OK)
        rc = deep_open_scale(d, e);
    return rc == IC_OK ? deep_alloc(d, e) : rc;
}

enum ic_code ic_deep_make(struct ic_engine *g, const struct ic_deep_source *from, const struct ic_plan *p,
                          struct ic_deep_result *out, struct ic_error *e)
{
    struct deep d = { .mem = &g->mem, .p = p };
    struct ic_deep_result made = { .bytes = { .mem = &g->mem, .max = g->limits.max_result } };
    double start = ic_now_ms();
    enum ic_code rc = deep_open(&d, g, from, e);

    if (rc == IC_OK)
        rc = deep_rows(&d, e);
    made.decode_ms = ic_now_ms() - start;
    made.truncated = d.source && d.source->truncated;
    made.warnings = d.warnings;
    if (rc == IC_OK)
        rc = deep_encode(&d, &made.bytes, e);
    made.encode_ms = ic_now_ms() - start - made.decode_ms;
    deep_close(&d);
    if (rc == IC_OK)
        *out = made;
    else
        ic_buffer_free(&made.bytes);
    return rc;
}
