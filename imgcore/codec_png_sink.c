/* PNG, writing: packed 8-bit grey, grey+alpha, RGB or RGBA rows, deflated as they come; not interlaced. */
#include "codec_png.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

struct png_sink {
    struct ic_sink base;
    struct png_trap trap;
    png_structp png;
    png_infop info;
    struct ic_sink_opt opt;
    const struct ic_rows *rows; /* being written */
    uint32_t written;
    bool started;
    uint8_t *above; /* owned: the last row of the write before; zeros at first */
};

/* zlib's level by effort. From 4 on deflate takes twice the time for 1 % of a photograph, though 15 % of a drawing. */
static const int levels[10] = { 1, 1, 1, 2, 2, 3, 4, 5, 6, 9 };

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

static void write_bytes(png_structp png, png_bytep p, size_t n)
{
    struct png_sink *s = png_get_io_ptr(png);
    if (ic_buffer_append(s->base.out, p, n, &s->trap.own) != IC_OK)
        png_error(png, "no room");
}

static void write_flush(png_structp png)
{
    (void)png;
}

static void step_start(void *arg)
{
    static const int colour_types[] = { [IC_GREY] = PNG_COLOR_TYPE_GRAY,
                                        [IC_GREYA] = PNG_COLOR_TYPE_GRAY_ALPHA,
                                        [IC_RGB] = PNG_COLOR_TYPE_RGB,
                                        [IC_RGBA] = PNG_COLOR_TYPE_RGB_ALPHA };
    struct png_sink *s = arg;
    const struct ic_plane *p = &s->base.shape.plane[0];
    s->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &s->trap, png_trap_error, png_trap_warning, &s->trap,
                                       png_trap_malloc, png_trap_free);
    if (!s->png)
        return;
    s->info = png_create_info_struct(s->png);
    if (!s->info)
        png_error(s->png, "no memory");
    png_set_write_fn(s->png, s, write_bytes, write_flush);
    png_set_user_limits(s->png, p->width, p->height);
    png_set_IHDR(s->png, s->info, p->width, p->height, 8, colour_types[s->base.shape.layout], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_strategy(s->png, Z_DEFAULT_STRATEGY); /* libpng's Z_FILTERED loses on unfiltered rows */
    png_set_compression_level(s->png, levels[s->opt.effort]);
    /* All that choose_filter may say. With the first row libpng decides what it will keep for later ones, so that one
     * is left to it. */
    png_set_filter(s->png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE | PNG_FILTER_SUB | PNG_FILTER_UP | PNG_FILTER_AVG);
    png_write_info(s->png, s->info);
}

/* Wrapped as the filter's output is, so that 255 counts as -1. */
static uint32_t residual(int sample, int prediction)
{
    return (uint32_t)abs((int8_t)(uint8_t)(sample - prediction));
}

/* What each filter would leave of some pixels of a row. */
struct glance {
    uint32_t seen, equal; /* pixels; those that equal their left neighbour */
    uint32_t sub, up, avg;
};

static void glance_pixel(struct glance *g, const uint8_t *px, const uint8_t *above, size_t channels)
{
    bool equal = true;
    for (size_t c = 0; c < channels; c++) {
        int left = (px - channels)[c];
        equal = equal && px[c] == left;
        g->sub += residual(px[c], left);
        g->up += residual(px[c], above[c]);
        g->avg += residual(px[c], (left + above[c]) / 2);
    }
    g->seen++;
    g->equal += equal;
}

/* One filter a row, by a glance at every fifth pixel: the one that leaves least. libpng's own choice weighs all pixels
 * with all five filters, for twice the time and no fewer bytes. Where many pixels equal their left neighbour the image
 * is drawn, and any filter would break the repetitions that deflate lives on. */
static int choose_filter(const uint8_t *row, const uint8_t *above, size_t n, size_t channels)
{
    struct glance g = { 0 };
    for (size_t i = channels; i < n; i += 5 * channels)
        glance_pixel(&g, row + i, above + i, channels);
    if (g.equal * 8 > g.seen * 3)
        return PNG_FILTER_NONE;
    if (g.avg < g.sub && g.avg < g.up)
        return PNG_FILTER_AVG;
    return g.sub < g.up ? PNG_FILTER_SUB : PNG_FILTER_UP;
}

static void step_rows(void *arg)
{
    struct png_sink *s = arg;
    const struct ic_plane *p = &s->base.shape.plane[0];
    size_t channels = (size_t)p->channels, n = p->width * channels;
    const uint8_t *row = s->rows->p[0], *above = s->above;
    for (uint32_t y = 0; y < s->rows->n[0]; y++, above = row, row += s->rows->stride[0]) {
        if (s->started)
            png_set_filter(s->png, PNG_FILTER_TYPE_BASE, choose_filter(row, above, n, channels));
        s->started = true;
        png_write_row(s->png, row);
    }
    if (above != s->above)
        memcpy(s->above, above, n);
}

static void step_finish(void *arg)
{
    struct png_sink *s = arg;
    png_write_end(s->png, NULL);
}

static enum ic_code sink_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct png_sink *s = (struct png_sink *)base;
    if (rows->n[0] > base->shape.plane[0].height - s->written)
        return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    s->rows = rows;
    s->written += rows->n[0];
    return png_guard(&s->trap, step_rows, s) ? IC_OK : png_trap_fail(&s->trap, IC_E_PARAM, e);
}

static enum ic_code sink_finish(struct ic_sink *base, struct ic_error *e)
{
    struct png_sink *s = (struct png_sink *)base;
    if (s->written < base->shape.plane[0].height)
        return ic_fail(e, IC_E_PARAM, "fewer rows than the image has");
    return png_guard(&s->trap, step_finish, s) ? IC_OK : png_trap_fail(&s->trap, IC_E_PARAM, e);
}

static void sink_free(struct ic_sink *base)
{
    struct png_sink *s = (struct png_sink *)base;
    struct ic_mem *mem = s->trap.mem;
    png_destroy_write_struct(&s->png, &s->info);
    ic_free(mem, s->above);
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

enum ic_code png_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                             struct ic_sink **sink, struct ic_error *e)
{
    enum ic_code rc = check_request(shape, o, e);
    if (rc != IC_OK)
        return rc;
    struct png_sink *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->trap.mem = o->mem;
    s->opt = *o;
    s->above = ic_calloc(o->mem, (size_t)shape->plane[0].width * (size_t)shape->plane[0].channels);
    if (!s->above)
        rc = ic_fail(e, IC_E_MEMORY, "no memory for a row of a PNG");
    else if (!png_guard(&s->trap, step_start, s))
        rc = png_trap_fail(&s->trap, IC_E_PARAM, e);
    else if (!s->png)
        rc = ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    if (rc == IC_OK)
        *sink = &s->base;
    else
        sink_free(&s->base);
    return rc;
}
