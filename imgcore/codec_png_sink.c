/* PNG, writing: packed 8-bit grey, grey+alpha, RGB or RGBA rows, deflated as they come; not interlaced. */
#include "codec_png.h"

#include <string.h>

struct png_sink {
    struct ic_sink base;
    struct png_trap trap;
    png_structp png;
    png_infop info;
    struct ic_sink_opt opt;
    const struct ic_rows *rows; /* being written */
    uint32_t written;
};

/* What an effort means. One fixed filter costs little and finds most; trying all of them for each row costs more time
 * than deflate at the low levels. */
static const struct {
    int level, filters;
} efforts[10] = {
    { 1, PNG_FILTER_NONE }, { 1, PNG_FILTER_SUB },  { 1, PNG_FILTER_UP },   { 2, PNG_FILTER_UP },
    { 3, PNG_FILTER_UP },   { 4, PNG_FILTER_UP },   { 5, PNG_ALL_FILTERS }, { 6, PNG_ALL_FILTERS },
    { 8, PNG_ALL_FILTERS }, { 9, PNG_ALL_FILTERS },
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
    png_set_compression_level(s->png, efforts[s->opt.effort].level);
    png_set_filter(s->png, PNG_FILTER_TYPE_BASE, efforts[s->opt.effort].filters);
    png_write_info(s->png, s->info);
}

static void step_rows(void *arg)
{
    struct png_sink *s = arg;
    for (uint32_t y = 0; y < s->rows->n[0]; y++)
        png_write_row(s->png, s->rows->p[0] + y * s->rows->stride[0]);
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
    png_destroy_write_struct(&s->png, &s->info);
    ic_free(s->trap.mem, s);
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
    if (!png_guard(&s->trap, step_start, s))
        rc = png_trap_fail(&s->trap, IC_E_PARAM, e);
    else if (!s->png)
        rc = ic_fail(e, IC_E_MEMORY, "no memory for a PNG encoder");
    if (rc == IC_OK)
        *sink = &s->base;
    else
        sink_free(&s->base);
    return rc;
}
