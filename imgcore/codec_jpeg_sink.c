/* JPEG, writing: planes as they are (raw data interface), or packed RGB rows where the caller has RGB.
 *
 * libjpeg takes raw planes one iMCU row at a time, the caller sends what it has. So rows are gathered per plane, each
 * extended to whole blocks by repeating its last sample, and handed over as soon as every plane has an iMCU row. */
#include "codec_jpeg.h"

#include <string.h>

#define MAX_SIDE 65500
#define AHEAD    16 /* luma rows that a plane may be ahead of another */
#define PLANES   3
#define MIN_ROOM 4096
#define MAX_HOLD (2 * DCTSIZE + AHEAD)

/* Rows of one plane on their way to libjpeg; no plane has more than two rows to a chroma row. */
struct hold {
    uint8_t *p; /* owned; cap rows */
    size_t stride, width, padded;
    uint32_t cap, n, per_strip;
    uint32_t left; /* rows still to come from the caller */
};

struct jpeg_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct ic_sink_opt opt;
    struct jpeg_compress_struct c;
    struct jpeg_trap trap;
    struct jpeg_destination_mgr output;
    struct hold hold[PLANES];
    const struct ic_rows *packed; /* RGB: the rows being written */
    uint32_t written;             /* RGB: rows */
};

struct sampling {
    int h, v; /* luma's factors; chroma's are 1 */
};

static struct sampling sampling_of(int chroma)
{
    switch (chroma) {
    case IC_CHROMA_444:
        return (struct sampling){ 1, 1 };
    case IC_CHROMA_422:
        return (struct sampling){ 2, 1 };
    default:
        return (struct sampling){ 2, 2 };
    }
}

static uint32_t divide_up(uint32_t n, int by)
{
    return n / (uint32_t)by + (n % (uint32_t)by != 0);
}

static struct ic_plane plane(uint32_t width, uint32_t height, int h, int v, int channels)
{
    return (struct ic_plane){ .width = divide_up(width, h),
                              .height = divide_up(height, v),
                              .channels = channels,
                              .span_w = (double)width / h,
                              .span_h = (double)height / v };
}

void jpeg_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                     struct ic_planes *out)
{
    struct sampling s = sampling_of(o->chroma);
    memset(out, 0, sizeof *out);
    out->n = 1;
    switch (layout) {
    case IC_GREY:
    case IC_GREYA:
        out->layout = IC_GREY;
        out->plane[0] = plane(width, height, 1, 1, 1);
        break;
    case IC_YCBCR:
        out->layout = IC_YCBCR;
        out->n = 3;
        out->plane[0] = plane(width, height, 1, 1, 1);
        out->plane[1] = out->plane[2] = plane(width, height, s.h, s.v, 1);
        break;
    default:
        out->layout = IC_RGB;
        out->plane[0] = plane(width, height, 1, 1, 3);
    }
}

/* where libjpeg writes to: the caller's buffer itself */

static void output_room(struct jpeg_sink *s)
{
    struct ic_buffer *b = s->base.out;
    size_t most = b->max - b->n;
    struct ic_error e;
    if (ic_buffer_reserve(b, most && most < MIN_ROOM ? most : MIN_ROOM, &e) != IC_OK)
        jpeg_trap_raise(&s->trap, &e);
    s->output.next_output_byte = b->p + b->n;
    s->output.free_in_buffer = b->cap - b->n;
}

static void output_init(j_compress_ptr c)
{
    output_room(c->client_data);
}

static boolean output_full(j_compress_ptr c)
{
    struct jpeg_sink *s = c->client_data;
    s->base.out->n = s->base.out->cap;
    output_room(s);
    return TRUE;
}

static void output_end(j_compress_ptr c)
{
    struct jpeg_sink *s = c->client_data;
    s->base.out->n = s->base.out->cap - s->output.free_in_buffer;
}

/* What libjpeg would call corrupt data is, in an encoder, a caller that breaks the rules. */
static enum ic_code fail_trapped(const struct jpeg_sink *s, struct ic_error *e)
{
    return ic_fail(e, s->trap.code == IC_E_CORRUPT ? IC_E_PARAM : s->trap.code, "%s", s->trap.text);
}

/* creating */

/* Optimised Huffman tables need a second pass over the coefficients: three times the time for 1 % of the bytes. */
static const bool optimise[10] = { [7] = true, [8] = true, [9] = true };

static void set_colour(struct jpeg_sink *s)
{
    enum ic_layout layout = s->base.shape.layout;
    bool grey = layout == IC_GREY;
    s->c.input_components = grey ? 1 : 3;
    s->c.in_color_space = grey ? JCS_GRAYSCALE : layout == IC_RGB ? JCS_RGB : JCS_YCbCr;
    jpeg_set_defaults(&s->c);
    s->c.raw_data_in = layout != IC_RGB;
    if (grey)
        return;
    struct sampling f = sampling_of(s->opt.chroma);
    s->c.comp_info[0].h_samp_factor = f.h;
    s->c.comp_info[0].v_samp_factor = f.v;
}

static void step_start(void *arg)
{
    struct jpeg_sink *s = arg;
    jpeg_create_compress(&s->c);
    s->c.client_data = s;
    s->c.dest = &s->output;
    s->c.image_width = s->base.shape.plane[0].width;
    s->c.image_height = s->base.shape.plane[0].height;
    set_colour(s);
    jpeg_set_quality(&s->c, s->opt.quality, TRUE);
    s->c.dct_method = JDCT_ISLOW;
    s->c.optimize_coding = optimise[s->opt.effort];
    if (s->opt.progressive)
        jpeg_simple_progression(&s->c);
    jpeg_start_compress(&s->c, TRUE);
    jpeg_write_attached(&s->c, &s->opt.attached);
}

static enum ic_code alloc_holds(struct jpeg_sink *s, struct ic_error *e)
{
    if (s->base.shape.layout == IC_RGB)
        return IC_OK;
    for (int i = 0; i < s->base.shape.n; i++) {
        const jpeg_component_info *c = &s->c.comp_info[i];
        struct hold *h = &s->hold[i];
        h->per_strip = (uint32_t)c->v_samp_factor * DCTSIZE;
        h->cap = h->per_strip + (uint32_t)(AHEAD * c->v_samp_factor / s->c.max_v_samp_factor);
        h->left = s->base.shape.plane[i].height;
        h->width = s->base.shape.plane[i].width;
        h->padded = (size_t)c->width_in_blocks * DCTSIZE;
        h->stride = ic_stride(h->padded);
        h->p = ic_alloc(s->mem, h->stride * h->cap); /* at most 64 KB by 32 rows: MAX_SIDE was checked */
        if (!h->p)
            return ic_fail(e, IC_E_MEMORY, "no memory for rows of a JPEG");
    }
    return IC_OK;
}

/* writing */

static void step_strip(void *arg)
{
    struct jpeg_sink *s = arg;
    JSAMPROW rows[PLANES][MAX_HOLD];
    JSAMPARRAY planes[PLANES] = { rows[0], rows[1], rows[2] };
    for (int i = 0; i < s->base.shape.n; i++) {
        const struct hold *h = &s->hold[i];
        for (uint32_t y = 0; y < h->per_strip; y++) /* below the image its last row is repeated */
            rows[i][y] = h->p + (y < h->n ? y : h->n - 1) * h->stride;
    }
    jpeg_write_raw_data(&s->c, planes, (JDIMENSION)(s->c.max_v_samp_factor * DCTSIZE));
}

/* Takes what fits of the n rows at p and returns how many. */
static uint32_t hold_take(struct hold *h, const uint8_t *p, size_t stride, uint32_t n)
{
    uint32_t room = h->cap - h->n, take = n < room ? n : room;
    for (uint32_t y = 0; y < take; y++, p += stride) {
        uint8_t *to = h->p + (h->n + y) * h->stride;
        memcpy(to, p, h->width);
        memset(to + h->width, to[h->width - 1], h->padded - h->width);
    }
    h->n += take;
    h->left -= take;
    return take;
}

static void hold_drop(struct hold *h)
{
    uint32_t n = h->n < h->per_strip ? h->n : h->per_strip;
    h->n -= n;
    memmove(h->p, h->p + n * h->stride, h->n * h->stride);
}

/* Every plane has an iMCU row, or all that is left of it and at least one. */
static bool strip_ready(const struct jpeg_sink *s)
{
    for (int i = 0; i < s->base.shape.n; i++) {
        const struct hold *h = &s->hold[i];
        if (h->n < h->per_strip && (h->left || h->n == 0))
            return false;
    }
    return true;
}

static enum ic_code send_strips(struct jpeg_sink *s, struct ic_error *e)
{
    while (strip_ready(s)) {
        if (!jpeg_guard(&s->trap, step_strip, s))
            return fail_trapped(s, e);
        for (int i = 0; i < s->base.shape.n; i++)
            hold_drop(&s->hold[i]);
    }
    return IC_OK;
}

static enum ic_code write_planes(struct jpeg_sink *s, const struct ic_rows *r, struct ic_error *e)
{
    uint32_t done[PLANES] = { 0 };
    for (int i = 0; i < s->base.shape.n; i++)
        if (r->n[i] > s->hold[i].left)
            return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < s->base.shape.n; i++) {
            const uint8_t *p = r->n[i] ? r->p[i] + done[i] * r->stride[i] : NULL;
            uint32_t took = hold_take(&s->hold[i], p, r->stride[i], r->n[i] - done[i]);
            done[i] += took;
            moved = moved || took;
        }
        enum ic_code rc = send_strips(s, e);
        if (rc != IC_OK)
            return rc;
    }
    for (int i = 0; i < s->base.shape.n; i++)
        if (done[i] < r->n[i])
            return ic_fail(e, IC_E_PARAM, "a plane runs ahead of the others");
    return IC_OK;
}

static void step_packed(void *arg)
{
    struct jpeg_sink *s = arg;
    for (uint32_t y = 0; y < s->packed->n[0]; y++) {
        /* libjpeg only reads the row, though its type does not say so. */
        JSAMPROW row = (JSAMPROW)(uintptr_t)(s->packed->p[0] + y * s->packed->stride[0]);
        jpeg_write_scanlines(&s->c, &row, 1);
    }
}

static enum ic_code jpeg_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct jpeg_sink *s = (struct jpeg_sink *)base;
    if (base->shape.layout != IC_RGB)
        return write_planes(s, rows, e);
    if (rows->n[0] > base->shape.plane[0].height - s->written)
        return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    s->packed = rows;
    s->written += rows->n[0];
    return jpeg_guard(&s->trap, step_packed, s) ? IC_OK : fail_trapped(s, e);
}

static void step_finish(void *arg)
{
    struct jpeg_sink *s = arg;
    jpeg_finish_compress(&s->c);
}

static enum ic_code jpeg_finish(struct ic_sink *base, struct ic_error *e)
{
    struct jpeg_sink *s = (struct jpeg_sink *)base;
    return jpeg_guard(&s->trap, step_finish, s) ? IC_OK : fail_trapped(s, e);
}

static void jpeg_free(struct ic_sink *base)
{
    struct jpeg_sink *s = (struct jpeg_sink *)base;
    jpeg_destroy_compress(&s->c); /* cannot fail, accepts a zeroed struct */
    for (int i = 0; i < PLANES; i++)
        ic_free(s->mem, s->hold[i].p);
    ic_free(s->mem, s);
}

static const struct ic_sink_ops sink_ops = { jpeg_write, jpeg_finish, jpeg_free };

static enum ic_code check_request(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_error *e)
{
    struct ic_planes takes;
    uint32_t w = shape->plane[0].width, h = shape->plane[0].height;
    if (w == 0 || h == 0 || o->quality < 1 || o->quality > 100 || o->effort < 0 || o->effort > 9)
        return ic_fail(e, IC_E_PARAM, "no JPEG of %ux%u pixels, quality %d, effort %d", w, h, o->quality, o->effort);
    if (w > MAX_SIDE || h > MAX_SIDE)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, a JPEG may have %d a side", w, h, MAX_SIDE);
    jpeg_sink_shape(shape->layout, w, h, o, &takes);
    bool same = shape->layout == takes.layout && shape->n == takes.n;
    for (int i = 0; same && i < takes.n; i++)
        same = shape->plane[i].width == takes.plane[i].width && shape->plane[i].height == takes.plane[i].height &&
               shape->plane[i].channels == takes.plane[i].channels;
    return same ? IC_OK : ic_fail(e, IC_E_PARAM, "the JPEG encoder does not take planes of this shape");
}

enum ic_code jpeg_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                              struct ic_sink **sink, struct ic_error *e)
{
    enum ic_code rc = check_request(shape, o, e);
    if (rc != IC_OK)
        return rc;
    struct jpeg_sink *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a JPEG encoder");
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    s->opt = *o;
    s->c.err = jpeg_trap_init(&s->trap);
    s->output = (struct jpeg_destination_mgr){ .init_destination = output_init,
                                               .empty_output_buffer = output_full,
                                               .term_destination = output_end };
    rc = jpeg_guard(&s->trap, step_start, s) ? alloc_holds(s, e) : fail_trapped(s, e);
    if (rc == IC_OK)
        *sink = &s->base;
    else
        jpeg_free(&s->base);
    return rc;
}
