/* PNG, reading: everything becomes 8-bit grey, grey+alpha, RGB or RGBA in one packed plane, except where 16 bits are
 * asked for and there. codec_png_fast.c reads what is stored like that, and libpng, here, the rest. The writing half is
 * codec_png_sink.c.
 *
 * Rows stream, unless the file is interlaced: then the whole frame is read first. Colour chunks are skipped unread;
 * pixels are taken as sRGB. */
#include "codec_png.h"

#include <isa-l.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#define STRIP      4 /* rows yielded at a time */
#define NEAR_END   8192
#define IDAT_STEP  64 /* bytes libpng asks for at once when the end is near */
#define CHUNK_MOST 65536

struct png_source {
    struct ic_source base;
    struct png_trap trap;
    png_structp png;
    png_infop info;
    const struct ic_info *expect; /* borrowed while opening */
    struct ic_bytes in;
    size_t at;
    bool ended; /* libpng wanted more than there is */
    bool interlaced, deep;
    uint32_t row;     /* yielded */
    uint32_t decoded; /* rows libpng has given, of the whole image or, if interlaced, of any pass */
    uint32_t want;    /* rows of the strip being read */
    size_t stride;
    uint8_t *rows; /* owned: a strip, or the frame if interlaced */
};

static void read_bytes(png_structp png, png_bytep to, size_t n)
{
    struct png_source *s = png_get_io_ptr(png);
    if (n > s->in.n - s->at) {
        s->ended = true;
        png_error(png, "the data ends early");
    }
    memcpy(to, s->in.p + s->at, n);
    s->at += n;
}

/* Chunks that decide nothing here: not parsed, so that flaws in their parsers are out of reach. */
static const png_byte skipped[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
                                  "tEXt\0tIME\0zTXt";

static void step_header(void *arg)
{
    struct png_source *s = arg;
    s->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &s->trap, png_trap_error, png_trap_warning, &s->trap,
                                      png_trap_malloc, png_trap_free);
    if (!s->png)
        return;
    s->info = png_create_info_struct(s->png);
    if (!s->info)
        png_error(s->png, "no memory");
    png_set_user_limits(s->png, s->expect->width, s->expect->height);
    png_set_chunk_malloc_max(s->png, CHUNK_MOST);
    png_set_keep_unknown_chunks(s->png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
    png_set_option(s->png, PNG_IGNORE_ADLER32, PNG_OPTION_ON); /* as in codec_png_fast.c: the chunks have checksums */
    png_set_read_fn(s->png, s, read_bytes);
    png_read_info(s->png, s->info);
}

static void step_start(void *arg)
{
    struct png_source *s = arg;
    png_set_expand(s->png);
    if (!s->deep)
        png_set_scale_16(s->png);
    png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
}

static enum ic_code fail_trapped(const struct png_source *s, struct ic_error *e)
{
    return png_trap_fail(&s->trap, IC_E_CORRUPT, e);
}

static enum ic_code check_header(struct png_source *s, struct ic_error *e)
{
    const struct ic_info *x = s->expect;
    uint32_t w = png_get_image_width(s->png, s->info), h = png_get_image_height(s->png, s->info);
    bool palette = png_get_color_type(s->png, s->info) == PNG_COLOR_TYPE_PALETTE;
    s->interlaced = png_get_interlace_type(s->png, s->info) != PNG_INTERLACE_NONE;
    if (w != x->width || h != x->height || png_get_bit_depth(s->png, s->info) != x->depth || palette != x->palette ||
        s->interlaced != x->progressive)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: its headers disagree, %ux%u and %ux%u", x->width, x->height, w,
                       h);
    return IC_OK;
}

static enum ic_code set_shape(struct png_source *s, struct ic_error *e)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_GREYA, IC_RGB, IC_RGBA };
    int channels = png_get_channels(s->png, s->info);
    if (channels != s->expect->components)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: %d channels where the header tells of %d", channels,
                       s->expect->components);
    uint32_t w = s->expect->width, h = s->expect->height;
    s->base.shape.layout = layouts[channels - 1];
    s->base.shape.n = 1;
    s->base.shape.plane[0] =
        (struct ic_plane){ .width = w, .height = h, .channels = channels, .span_w = w, .span_h = h };
    return IC_OK;
}

static enum ic_code alloc_rows(struct png_source *s, struct ic_error *e)
{
    const struct ic_plane *p = &s->base.shape.plane[0];
    size_t row, size;
    if (!ic_mul(p->width, (size_t)p->channels << s->deep, &row))
        return ic_fail(e, IC_E_LIMIT, "PNG: rows too wide");
    s->stride = ic_stride(row);
    if (!ic_mul(s->stride, s->interlaced ? p->height : STRIP, &size))
        return ic_fail(e, IC_E_LIMIT, "PNG: too large");
    s->rows = ic_calloc(s->trap.mem, size);
    return s->rows ? IC_OK : ic_fail(e, IC_E_MEMORY, "no memory for rows of a PNG");
}

static enum ic_code open_steps(struct png_source *s, struct ic_error *e)
{
    if (!png_guard(&s->trap, step_header, s))
        return fail_trapped(s, e);
    if (!s->png)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG decoder");
    enum ic_code rc = check_header(s, e);
    if (rc != IC_OK)
        return rc;
    if (!png_guard(&s->trap, step_start, s))
        return fail_trapped(s, e);
    rc = set_shape(s, e);
    return rc != IC_OK ? rc : alloc_rows(s, e);
}

static void source_close(struct ic_source *base)
{
    struct png_source *s = (struct png_source *)base;
    struct ic_mem *mem = s->trap.mem;
    png_destroy_read_struct(&s->png, &s->info, NULL);
    ic_free(mem, s->rows);
    ic_free(mem, s);
}

/* yielding */

/* libpng gives up where it cannot have all it asks for. It asks for 8 KB at once, which a truncated file would lose, so
 * towards the end of the data it is made to ask for little. */
static void near_end(struct png_source *s)
{
    if (s->in.n - s->at <= NEAR_END)
        png_set_compression_buffer_size(s->png, IDAT_STEP);
}

static void step_strip(void *arg)
{
    struct png_source *s = arg;
    for (uint32_t y = 0; y < s->want; y++, s->decoded++) {
        near_end(s);
        png_read_row(s->png, s->rows + y * s->stride, NULL);
    }
}

/* Into the display row: a pass that is missing is filled with the pixels of those before it. */
static void step_frame(void *arg)
{
    struct png_source *s = arg;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (uint32_t y = 0; y < s->base.shape.plane[0].height; y++, s->decoded++) {
            near_end(s);
            png_read_row(s->png, NULL, s->rows + y * s->stride);
        }
}

/* The grey of ic_grey_pixels(), of 16 bits. */
static void grey_deep(uint8_t *px, size_t n, int channels)
{
    size_t pixel = (size_t)channels * 2;

    memset(px, 128, n * pixel);
    for (size_t i = 0; channels % 2 == 0 && i < n; i++)
        memset(px + (i + 1) * pixel - 2, 255, 2);
}

/* Rows that a truncated file lacks are grey. */
static void grey_row(const struct png_source *s, uint32_t y)
{
    const struct ic_plane *p = &s->base.shape.plane[0];
    uint8_t *row = s->rows + y * s->stride;

    if (s->deep)
        grey_deep(row, p->width, p->channels);
    else
        ic_grey_pixels(row, p->width, p->channels);
}

static enum ic_code read_rows(struct png_source *s, void (*step)(void *arg), struct ic_error *e)
{
    if (png_guard(&s->trap, step, s))
        return IC_OK;
    if (!s->ended || s->trap.no_memory || s->decoded == 0)
        return fail_trapped(s, e);
    s->base.truncated = true;
    return IC_OK;
}

static enum ic_code frame_rows(struct png_source *s, struct ic_rows *rows, struct ic_error *e)
{
    for (uint32_t y = 0; y < s->base.shape.plane[0].height; y++)
        grey_row(s, y);
    enum ic_code rc = read_rows(s, step_frame, e);
    if (rc != IC_OK)
        return rc;
    s->row = s->base.shape.plane[0].height;
    rows->n[0] = s->row;
    return IC_OK;
}

static enum ic_code strip_rows(struct png_source *s, struct ic_rows *rows, struct ic_error *e)
{
    uint32_t left = s->base.shape.plane[0].height - s->row, first = s->decoded;
    enum ic_code rc = IC_OK;
    s->want = left < STRIP ? left : STRIP;
    if (!s->base.truncated)
        rc = read_rows(s, step_strip, e);
    if (rc != IC_OK)
        return rc;
    uint32_t good = s->decoded - first;
    for (uint32_t y = good; y < s->want; y++)
        grey_row(s, y);
    s->row += s->want;
    rows->n[0] = s->want;
    return IC_OK;
}

static enum ic_code source_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct png_source *s = (struct png_source *)base;
    if (s->row == base->shape.plane[0].height)
        return IC_OK;
    rows->p[0] = s->rows;
    rows->stride[0] = s->stride;
    return s->interlaced ? frame_rows(s, rows, e) : strip_rows(s, rows, e);
}

static const struct ic_source_ops source_ops = { .rows = source_rows, .close = source_close };

static enum ic_code png_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                             struct ic_error *e)
{
    enum ic_code rc = png_fast_open(in, o, out, e);
    if (rc != IC_OK || *out)
        return rc;
    struct png_source *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG decoder");
    s->base.ops = &source_ops;
    s->trap.mem = o->mem;
    s->expect = o->expect;
    s->deep = o->deep && o->expect->depth == 16;
    s->in = in;
    rc = open_steps(s, e);
    s->expect = NULL;
    if (rc == IC_OK)
        *out = &s->base;
    else
        source_close(&s->base);
    return rc;
}

static void png_version(char *out, size_t n)
{
    snprintf(out, n, "png/%s isal/%d.%d.%d deflate/%s", png_get_libpng_ver(NULL), ISAL_MAJOR_VERSION,
             ISAL_MINOR_VERSION, ISAL_PATCH_VERSION, LIBDEFLATE_VERSION_STRING);
}

const struct ic_codec ic_codec_png = {
    .name = "png",
    .mime = "image/png",
    .format = IC_FORMAT_PNG,
    .default_quality = 0,
    .alpha = true,
    .shrinks = false,
    .sink_shape = png_sink_shape,
    .open = png_open,
    .create = png_sink_create,
    .version = png_version,
};
