/* PNG with a palette: the rows are gathered, quantised at the end, and written as indices of 1, 2, 4 or 8 bits.
 *
 * Indices are not filtered: their differences mean nothing. */
#include "codec_png.h"
#include "quant.h"

#include <libdeflate.h>
#include <string.h>

/* By effort: libdeflate's level, and rounds of the palette's refinement. */
static const struct palette_effort {
    int8_t level, rounds;
} efforts[10] = {
    { 1, 0 }, { 2, 1 }, { 4, 2 }, { 6, 3 }, { 7, 4 }, { 8, 5 }, { 9, 6 }, { 10, 8 }, { 11, 12 }, { 12, 16 },
};

struct palette_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct ic_sink_opt opt;
    uint32_t rows;     /* gathered */
    uint8_t *rgba;     /* owned: width * height */
    uint8_t *index;    /* owned; of the same */
    uint8_t *packed;   /* owned: rows of indices, a filter byte before each */
    uint8_t *deflated; /* owned */
};

/* Gathering. */

static void widen(uint8_t *to, const uint8_t *p, uint32_t n, int channels)
{
    bool colour = channels > 2, alpha = channels % 2 == 0;

    for (uint32_t x = 0; x < n; x++, to += 4, p += channels) {
        to[0] = p[0];
        to[1] = p[colour ? 1 : 0];
        to[2] = p[colour ? 2 : 0];
        to[3] = alpha ? p[channels - 1] : 255;
    }
}

static enum ic_code palette_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct palette_sink *s = (struct palette_sink *)base;
    const struct ic_plane *p = &base->shape.plane[0];

    if (rows->n[0] > p->height - s->rows)
        return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    for (uint32_t y = 0; y < rows->n[0]; y++, s->rows++)
        widen(s->rgba + (size_t)s->rows * p->width * 4, rows->p[0] + rows->stride[0] * y, p->width, p->channels);
    return IC_OK;
}

/* Writing. */

static uint8_t bits_for(int colours)
{
    return colours <= 2 ? 1 : colours <= 4 ? 2 : colours <= 16 ? 4 : 8;
}

static void pack_row(uint8_t *to, const uint8_t *index, uint32_t width, uint8_t bits)
{
    memset(to, 0, ((size_t)width * bits + 7) / 8);
    for (uint32_t x = 0, at = 0; x < width; x++, at += bits)
        to[at / 8] |= (uint8_t)(index[x] << (8 - bits - at % 8));
}

static enum ic_code put_palette(struct ic_buffer *b, const struct ic_palette *p, struct ic_error *e)
{
    uint8_t rgb[3 * IC_COLOURS], alpha[IC_COLOURS];
    size_t clear = 0; /* entries up to the last that is not opaque */
    enum ic_code rc;

    for (int i = 0; i < p->n; i++) {
        memcpy(rgb + 3 * (size_t)i, &p->colour[i], 3);
        alpha[i] = p->colour[i].a;
        if (alpha[i] < 255)
            clear = (size_t)i + 1;
    }
    rc = png_put_chunk(b, "PLTE", rgb, 3 * (size_t)p->n, e);
    return rc == IC_OK && clear ? png_put_chunk(b, "tRNS", alpha, clear, e) : rc;
}

static enum ic_code put_pixels(struct palette_sink *s, uint8_t bits, struct ic_error *e)
{
    const struct ic_plane *p = &s->base.shape.plane[0];
    size_t row = ((size_t)p->width * bits + 7) / 8 + 1, size = row * p->height, n;
    struct libdeflate_compressor *c;

    if (!(s->packed = ic_alloc(s->mem, size)) || !(s->deflated = ic_alloc(s->mem, size + size / 64 + 1024)))
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG of %ux%u pixels", p->width, p->height);
    for (uint32_t y = 0; y < p->height; y++) {
        s->packed[row * y] = 0; /* no filter */
        pack_row(s->packed + row * y + 1, s->index + (size_t)p->width * y, p->width, bits);
    }
    if (!(c = libdeflate_alloc_compressor(efforts[s->opt.effort].level)))
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    n = libdeflate_zlib_compress(c, s->packed, size, s->deflated, size + size / 64 + 1024);
    libdeflate_free_compressor(c);
    return png_put_chunk(s->base.out, "IDAT", s->deflated, n, e);
}

static enum ic_code palette_finish(struct ic_sink *base, struct ic_error *e)
{
    struct palette_sink *s = (struct palette_sink *)base;
    const struct ic_plane *p = &base->shape.plane[0];
    struct ic_pixels pixels = { s->rgba, (size_t)p->width * 4, p->width, p->height };
    struct ic_palette palette;
    uint8_t bits;
    enum ic_code rc;

    if (s->rows < p->height)
        return ic_fail(e, IC_E_PARAM, "fewer rows than the image has");
    rc = ic_quant_palette(pixels, s->opt.palette, efforts[s->opt.effort].rounds, s->mem, &palette, e);
    if (rc == IC_OK)
        rc = ic_quant_map(pixels, &palette, s->opt.dither, s->mem, s->index, e);
    if (rc != IC_OK)
        return rc;
    bits = bits_for(palette.n);
    if ((rc = png_put_header(base->out, p->width, p->height, bits, PNG_COLOR_TYPE_PALETTE, e)) != IC_OK ||
        (rc = png_put_attached(base->out, &s->opt.attached, s->mem, e)) != IC_OK ||
        (rc = put_palette(base->out, &palette, e)) != IC_OK || (rc = put_pixels(s, bits, e)) != IC_OK)
        return rc;
    return png_put_chunk(base->out, "IEND", NULL, 0, e);
}

/* Opening. */

static void palette_free(struct ic_sink *base)
{
    struct palette_sink *s = (struct palette_sink *)base;

    ic_free(s->mem, s->rgba);
    ic_free(s->mem, s->index);
    ic_free(s->mem, s->packed);
    ic_free(s->mem, s->deflated);
    ic_free(s->mem, s);
}

static const struct ic_sink_ops palette_ops = { palette_write, palette_finish, palette_free };

enum ic_code png_palette_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                struct ic_sink **sink, struct ic_error *e)
{
    const struct ic_plane *p = &shape->plane[0];
    struct palette_sink *s = ic_calloc(o->mem, sizeof *s);
    size_t pixels;

    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    s->base = (struct ic_sink){ .ops = &palette_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    s->opt = *o;
    if (ic_mul(p->width, p->height, &pixels) && pixels <= UINT32_MAX / 4) {
        s->rgba = ic_alloc(s->mem, pixels * 4);
        s->index = ic_alloc(s->mem, pixels);
    }
    if (s->rgba && s->index) {
        *sink = &s->base;
        return IC_OK;
    }
    palette_free(&s->base);
    return ic_fail(e, IC_E_MEMORY, "no memory for a PNG of %ux%u pixels", p->width, p->height);
}
