/* PNG, writing: packed grey, grey+alpha, RGB or RGBA rows of 8 bits, or 16, not interlaced.
 *
 * Each row is filtered as it comes, by the filter that leaves least, and the filtered image is compressed at the end by
 * libdeflate, which writes the same bytes on every CPU. libpng would filter and compress row by row, in less memory but
 * several times the time. */
#include "codec_png.h"
#include "cpu.h"

#include <isa-l/crc.h>
#include <libdeflate.h>
#include <string.h>

#define PAD 64u /* before a row: the zeros to its left */

/* libdeflate's levels by effort, of photographs and of drawn images, which compress in little time whatever the level.
 * Not ISA-L's deflate, though it is faster: on loaded machines its bytes were seen to differ between equal images. */
static const struct png_effort {
    int8_t deflate, drawn;
} efforts[10] = {
    { 1, 1 }, { 1, 1 }, { 1, 4 }, { 2, 6 }, { 3, 6 }, { 5, 7 }, { 6, 8 }, { 7, 9 }, { 9, 10 }, { 12, 12 },
};

struct png_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct png_effort effort;
    struct ic_attached attached;
    int depth; /* bits a sample: 8 or 16 */
    size_t bpp, row_bytes;
    void (*weigh)(uint64_t *sums, const struct ic_png_row *r);
    void (*filter)(uint8_t *dst, const struct ic_png_row *r, int filter);
    uint32_t written, drawn; /* rows; rows left unfiltered as drawn */
    uint8_t *block;          /* owned: two rows with PAD before each */
    uint8_t *row, *above;    /* in block: the row being filtered and the one before */
    uint8_t *filtered;       /* owned: height times 1 + row_bytes */
};

void png_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                    struct ic_planes *out)
{
    static const int channels[] = { [IC_GREY] = 1, [IC_GREYA] = 2, [IC_RGB] = 3, [IC_RGBA] = 4 };
    (void)o;
    if (layout > IC_RGBA)
        layout = IC_RGB;
    memset(out, 0, sizeof *out);
    out->layout = layout;
    out->n = 1;
    out->plane[0] = (struct ic_plane){
        .width = width, .height = height, .channels = channels[layout], .span_w = width, .span_h = height
    };
}

/* Filtering. */

/* The filter that leaves the least sum of sizes (PNG third edition, section 12.7). Where many pixels equal their left
 * neighbour the image is drawn, and any filter would break the repetitions that deflate lives on. */
static int sink_choose(const struct png_sink *s, const struct ic_png_row *r)
{
    uint64_t sums[IC_PNG_PAETH + 1] = { 0 };
    int best = IC_PNG_SUB;

    s->weigh(sums, r);
    if (sums[IC_PNG_NONE] * 8 > r->n / r->bpp * 3)
        return IC_PNG_NONE;
    for (int f = IC_PNG_UP; f <= IC_PNG_PAETH; f++)
        if (sums[f] < sums[best])
            best = f;
    return best;
}

/* Copied first: what comes has no zeros to its left, and may be gone when the next row needs it. */
static void sink_row(struct png_sink *s, const uint8_t *px)
{
    struct ic_png_row r = { s->row, s->above, s->row_bytes, s->bpp };
    uint8_t *to = s->filtered + s->written * (s->row_bytes + 1), *spare = s->above;

    memcpy(s->row, px, s->row_bytes);
    int filter = sink_choose(s, &r);
    *to = (uint8_t)filter;
    if (filter == IC_PNG_NONE)
        memcpy(to + 1, px, s->row_bytes);
    else
        s->filter(to + 1, &r, filter);
    s->drawn += filter == IC_PNG_NONE;
    s->written++;
    s->above = s->row;
    s->row = spare;
}

static enum ic_code sink_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct png_sink *s = (struct png_sink *)base;

    if (rows->n[0] > base->shape.plane[0].height - s->written)
        return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    for (uint32_t y = 0; y < rows->n[0]; y++)
        sink_row(s, rows->p[0] + y * rows->stride[0]);
    return IC_OK;
}

/* Chunks. */

static void store_be32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static enum ic_code put_length(struct ic_buffer *b, const char *type, uint32_t n, struct ic_error *e)
{
    uint8_t head[8];

    store_be32(head, n);
    memcpy(head + 4, type, 4);
    return ic_buffer_append(b, head, 8, e);
}

/* Ends the chunk that begins at `at`: its length, now known, and its checksum. */
static enum ic_code end_chunk(struct ic_buffer *b, size_t at, struct ic_error *e)
{
    size_t n = b->n - at - 8;
    uint8_t crc[4];

    if (n > INT32_MAX)
        return ic_fail(e, IC_E_RESULT, "the result is larger than a PNG's chunk can be");
    store_be32(b->p + at, (uint32_t)n);
    store_be32(crc, crc32_gzip_refl(0, b->p + at + 4, n + 4));
    return ic_buffer_append(b, crc, 4, e);
}

enum ic_code png_put_chunk(struct ic_buffer *b, const char *type, const uint8_t *p, size_t n, struct ic_error *e)
{
    size_t at = b->n;
    enum ic_code rc = put_length(b, type, 0, e);

    if (rc == IC_OK)
        rc = ic_buffer_append(b, p, n, e);
    return rc == IC_OK ? end_chunk(b, at, e) : rc;
}

enum ic_code png_put_header(struct ic_buffer *b, uint32_t width, uint32_t height, uint8_t bits, uint8_t colour_type,
                            struct ic_error *e)
{
    uint8_t ihdr[13] = { [8] = bits, [9] = colour_type };
    enum ic_code rc = ic_buffer_append(b, "\x89PNG\r\n\x1a\n", 8, e);

    store_be32(ihdr, width);
    store_be32(ihdr + 4, height);
    return rc == IC_OK ? png_put_chunk(b, "IHDR", ihdr, sizeof(ihdr), e) : rc;
}

static enum ic_code put_header(struct png_sink *s, struct ic_error *e)
{
    static const uint8_t colour_types[] = { 0, 0, 4, 2, 6 };
    const struct ic_plane *p = &s->base.shape.plane[0];

    return png_put_header(s->base.out, p->width, p->height, (uint8_t)s->depth, colour_types[p->channels], e);
}

/* Compressing. */

static size_t sink_size(const struct png_sink *s)
{
    return s->base.shape.plane[0].height * (s->row_bytes + 1);
}

/* libdeflate's own memory is not in the budget but in the plan. */
static enum ic_code compress_deflate(struct png_sink *s, int level, struct ic_error *e)
{
    struct ic_buffer *b = s->base.out;
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);

    if (!c)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    size_t n = libdeflate_zlib_compress(c, s->filtered, sink_size(s), b->p + b->n, b->cap - b->n);
    libdeflate_free_compressor(c);
    b->n += n;
    return n ? IC_OK : ic_fail(e, IC_E_RESULT, "the result is larger than %zu bytes", b->max);
}

/* Room for all that the image can become, or for all that it may: a buffer that grows would be copied. */
static enum ic_code reserve_most(const struct png_sink *s, struct ic_error *e)
{
    struct ic_buffer *b = s->base.out;
    size_t most = sink_size(s) + sink_size(s) / 64 + 8192, allowed = b->max - b->n;

    return ic_buffer_reserve(b, most < allowed ? most : allowed, e);
}

static enum ic_code put_image(struct png_sink *s, struct ic_error *e)
{
    size_t at = s->base.out->n;
    bool drawn = s->drawn > s->written / 2;
    enum ic_code rc = put_length(s->base.out, "IDAT", 0, e);

    if (rc == IC_OK)
        rc = reserve_most(s, e);
    if (rc != IC_OK)
        return rc;
    rc = compress_deflate(s, drawn ? s->effort.drawn : s->effort.deflate, e);
    return rc == IC_OK ? end_chunk(s->base.out, at, e) : rc;
}

static enum ic_code sink_finish(struct ic_sink *base, struct ic_error *e)
{
    struct png_sink *s = (struct png_sink *)base;
    enum ic_code rc;

    if (s->written < base->shape.plane[0].height)
        return ic_fail(e, IC_E_PARAM, "fewer rows than the image has");
    if ((rc = put_header(s, e)) != IC_OK || (rc = png_put_attached(base->out, &s->attached, s->mem, e)) != IC_OK ||
        (rc = put_image(s, e)) != IC_OK)
        return rc;
    return png_put_chunk(base->out, "IEND", NULL, 0, e);
}

/* Opening. */

static void sink_free(struct ic_sink *base)
{
    struct png_sink *s = (struct png_sink *)base;
    struct ic_mem *mem = s->mem;

    ic_free(mem, s->block);
    ic_free(mem, s->filtered);
    ic_free(mem, s);
}

static const struct ic_sink_ops sink_ops = { sink_write, sink_finish, sink_free };

static enum ic_code check_request(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_error *e)
{
    struct ic_planes takes;
    const struct ic_plane *p = &shape->plane[0];
    if (p->width == 0 || p->height == 0 || p->width > INT32_MAX || p->height > INT32_MAX || o->effort < 0 ||
        o->effort > 9)
        return ic_fail(e, IC_E_PARAM, "no PNG of %ux%u pixels, effort %d", p->width, p->height, o->effort);
    png_sink_shape(shape->layout, p->width, p->height, o, &takes);
    if (shape->layout != takes.layout || shape->n != 1 || p->channels != takes.plane[0].channels)
        return ic_fail(e, IC_E_PARAM, "the PNG encoder does not take planes of this shape");
    return IC_OK;
}

static enum ic_code sink_alloc(struct png_sink *s, struct ic_error *e)
{
    const struct ic_plane *p = &s->base.shape.plane[0];
    size_t size, stride;

    s->bpp = (size_t)(p->channels * s->depth / 8);
    s->row_bytes = p->width * s->bpp; /* below 2^33 */
    stride = ic_stride(s->row_bytes) + PAD;
    if (!ic_mul(s->row_bytes + 1, p->height, &size) || size > UINT32_MAX)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels are too many for a PNG", p->width, p->height);
    s->filtered = ic_alloc(s->mem, size);
    s->block = ic_calloc(s->mem, 2 * stride);
    if (!s->filtered || !s->block)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG of %ux%u pixels", p->width, p->height);
    s->row = s->block + PAD;
    s->above = s->row + stride;
    return IC_OK;
}

enum ic_code png_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                             struct ic_sink **sink, struct ic_error *e)
{
    enum ic_code rc = check_request(shape, o, e);
    if (rc != IC_OK)
        return rc;
    if (o->palette)
        return png_palette_create(shape, o, out, sink, e);
    struct png_sink *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    s->depth = o->deep ? 16 : 8;
    /* The other kernels know of pixels of up to four bytes. */
    s->weigh = o->deep ? ic_png_weigh_c : ic_kernels()->png_weigh;
    s->filter = o->deep ? ic_png_filter_c : ic_kernels()->png_filter;
    s->effort = efforts[o->effort];
    s->attached = o->attached;
    rc = sink_alloc(s, e);
    if (rc == IC_OK)
        *sink = &s->base;
    else
        sink_free(&s->base);
    return rc;
}
