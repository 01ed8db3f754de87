/* JPEG, reading: libjpeg-turbo's raw planes, one iMCU row a call. The writing half is codec_jpeg_sink.c.
 *
 * Planes come as the file subsamples them and as DCT scaling leaves them: libjpeg's upsampling and colour conversion
 * are never used. In 4:2:0 at 4/8, chroma therefore arrives at luma's size, which costs nothing and keeps its detail.
 */
#include "codec_jpeg.h"

#include <limits.h>

/* Ordinary progressive files have about ten scans, optimisers' up to some dozens; a file of thousands of empty ones is
 * an attack on the processor. */
#define MAX_SCANS 100
#define MAX_ROWS  (4 * DCTSIZE) /* of a component in an iMCU row */

struct jpeg_source {
    struct ic_source base;
    struct ic_mem *mem;              /* borrowed */
    const struct ic_source_opt *opt; /* borrowed while opening */
    struct jpeg_decompress_struct d;
    struct jpeg_trap trap;
    struct jpeg_source_mgr input;
    struct jpeg_progress_mgr progress;
    bool many_scans;
    bool ended; /* the data did, before EOI */
    bool invert_all, invert_ycc;
    uint32_t left[IC_PLANES];      /* rows still to be yielded */
    uint32_t per_strip[IC_PLANES]; /* rows of an iMCU row */
    size_t stride[IC_PLANES];
    uint8_t *strip[IC_PLANES]; /* owned */
    JSAMPROW rows[IC_PLANES][MAX_ROWS];
};

/* where libjpeg reads from: the whole file, already in memory */

static void input_nothing(j_decompress_ptr d)
{
    (void)d;
}

/* Called only where the data ends without EOI: the usual way out is to hand in one. */
static boolean input_fill(j_decompress_ptr d)
{
    static const JOCTET eoi[] = { 0xff, JPEG_EOI };
    struct jpeg_source *s = d->client_data;
    s->ended = true;
    d->src->next_input_byte = eoi;
    d->src->bytes_in_buffer = sizeof eoi;
    return TRUE;
}

static void input_skip(j_decompress_ptr d, long n)
{
    if (n <= 0)
        return;
    if ((size_t)n >= d->src->bytes_in_buffer) {
        input_fill(d);
        return;
    }
    d->src->next_input_byte += n;
    d->src->bytes_in_buffer -= (size_t)n;
}

static void on_progress(j_common_ptr cinfo)
{
    struct jpeg_source *s = cinfo->client_data;
    if (s->d.input_scan_number > MAX_SCANS) {
        struct ic_error e;
        ic_fail(&e, IC_E_LIMIT, "more than %d scans", MAX_SCANS);
        jpeg_trap_raise(&s->trap, &e);
    }
}

static enum ic_code fail_trapped(const struct jpeg_source *s, struct ic_error *e)
{
    return ic_fail(e, s->trap.code, "JPEG: %s", s->trap.text);
}

/* opening */

static enum ic_code check_header(const struct jpeg_decompress_struct *d, const struct ic_info *x, struct ic_error *e)
{
    bool same = d->image_width == x->width && d->image_height == x->height && d->num_components == x->components &&
                d->data_precision == x->depth && !d->progressive_mode == !x->progressive;
    for (int i = 0; same && i < d->num_components; i++)
        same = d->comp_info[i].h_samp_factor == x->hsamp[i] && d->comp_info[i].v_samp_factor == x->vsamp[i];
    if (same)
        return IC_OK;
    return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: its headers disagree, %ux%u and %ux%u", x->width, x->height,
                   d->image_width, d->image_height);
}

static enum ic_layout layout_of(const struct jpeg_decompress_struct *d)
{
    switch (d->jpeg_color_space) {
    case JCS_GRAYSCALE:
        return IC_GREY;
    case JCS_RGB:
        return IC_RGB;
    case JCS_CMYK:
        return IC_CMYK;
    case JCS_YCCK:
        return IC_YCCK;
    default:
        return d->num_components == 4 ? IC_CMYK : IC_YCBCR;
    }
}

/* libjpeg refuses to go beyond it for coefficients, its only large blocks; 0 would mean no limit. */
static long memory_left(const struct ic_mem *m)
{
    size_t left = m->limit - m->used;
    return left == 0 ? 1 : left > LONG_MAX ? LONG_MAX : (long)left;
}

static void step_header(void *arg)
{
    struct jpeg_source *s = arg;
    jpeg_create_decompress(&s->d);
    s->d.client_data = s;
    s->d.src = &s->input;
    s->d.progress = &s->progress;
    s->d.mem->max_memory_to_use = memory_left(s->mem);
    jpeg_read_header(&s->d, TRUE);
}

static void step_start(void *arg)
{
    struct jpeg_source *s = arg;
    s->d.raw_data_out = TRUE;
    s->d.out_color_space = s->d.jpeg_color_space;
    s->d.do_fancy_upsampling = FALSE;
    s->d.do_block_smoothing = FALSE;
    s->d.dct_method = JDCT_ISLOW;
    s->d.scale_num = (unsigned)s->opt->scale;
    s->d.scale_denom = 8;
    s->d.buffered_image = s->d.progressive_mode && s->opt->scale < DCTSIZE;
    jpeg_start_decompress(&s->d);
    if (s->d.buffered_image)
        jpeg_scans_read(&s->d);
    s->many_scans = jpeg_has_multiple_scans(&s->d);
}

/* Spans are exact: what the image's real size comes to after subsampling and scaling, before rounding. */
static struct ic_plane plane_of(const struct jpeg_decompress_struct *d, const jpeg_component_info *c)
{
    double w = (double)d->image_width * c->h_samp_factor * c->DCT_scaled_size;
    double h = (double)d->image_height * c->v_samp_factor * c->DCT_scaled_size;
    return (struct ic_plane){ .width = c->downsampled_width,
                              .height = c->downsampled_height,
                              .channels = 1,
                              .span_w = w / (d->max_h_samp_factor * DCTSIZE),
                              .span_h = h / (d->max_v_samp_factor * DCTSIZE) };
}

static void set_shape(struct jpeg_source *s)
{
    s->base.shape.layout = layout_of(&s->d);
    s->base.shape.n = s->d.num_components;
    for (int i = 0; i < s->d.num_components; i++) {
        s->base.shape.plane[i] = plane_of(&s->d, &s->d.comp_info[i]);
        s->left[i] = s->base.shape.plane[i].height;
    }
    /* libjpeg leaves Adobe's ink values as they are. YCCK (always Adobe's) codes ink amounts in YCC, though. */
    s->invert_all = s->base.shape.layout == IC_CMYK && !s->d.saw_Adobe_marker;
    s->invert_ycc = s->base.shape.layout == IC_YCCK;
}

/* Rows as wide as the component's blocks, since libjpeg writes whole ones. */
static enum ic_code alloc_strips(struct jpeg_source *s, struct ic_error *e)
{
    for (int i = 0; i < s->d.num_components; i++) {
        const jpeg_component_info *c = &s->d.comp_info[i];
        size_t width, size;
        s->per_strip[i] = (uint32_t)(c->v_samp_factor * c->DCT_scaled_size);
        if (!ic_mul((size_t)c->width_in_blocks + MAX_SAMP_FACTOR, (size_t)c->DCT_scaled_size, &width))
            return ic_fail(e, IC_E_LIMIT, "JPEG: rows too wide");
        s->stride[i] = ic_stride(width);
        if (!ic_mul(s->stride[i], s->per_strip[i], &size))
            return ic_fail(e, IC_E_LIMIT, "JPEG: rows too wide");
        s->strip[i] = ic_calloc(s->mem, size);
        if (!s->strip[i])
            return ic_fail(e, IC_E_MEMORY, "no memory for rows of a JPEG");
        for (uint32_t y = 0; y < s->per_strip[i]; y++)
            s->rows[i][y] = s->strip[i] + y * s->stride[i];
    }
    return IC_OK;
}

/* Several scans are read to the end at the start: a missing end may be a missing scan. In a single one only data that
 * a block wanted counts, so that a file which lacks nothing but its EOI is whole, and one that has it too early is not.
 * Arithmetic coding goes on with zeros without a word, as its encoder leaves them out: there a file that lacks only its
 * EOI can't be told from one that was cut, nor one that has it too early from a whole one. */
static void note_end(struct jpeg_source *s)
{
    if (s->trap.starved || (s->ended && (s->many_scans || s->d.arith_code)))
        s->base.truncated = true;
}

static void jpeg_close(struct ic_source *base)
{
    struct jpeg_source *s = (struct jpeg_source *)base;
    jpeg_destroy_decompress(&s->d); /* cannot fail, accepts a zeroed struct */
    for (int i = 0; i < IC_PLANES; i++)
        ic_free(s->mem, s->strip[i]);
    ic_free(s->mem, s);
}

static enum ic_code open_steps(struct jpeg_source *s, const struct ic_source_opt *o, struct ic_error *e)
{
    if (!jpeg_guard(&s->trap, step_header, s))
        return fail_trapped(s, e);
    enum ic_code rc = check_header(&s->d, o->expect, e);
    if (rc != IC_OK)
        return rc;
    if (!jpeg_guard(&s->trap, step_start, s))
        return fail_trapped(s, e);
    set_shape(s);
    if (s->d.buffered_image && !s->ended)
        s->ended = !jpeg_scans_end(&s->d);
    note_end(s);
    return alloc_strips(s, e);
}

/* yielding */

static void step_strip(void *arg)
{
    struct jpeg_source *s = arg;
    JSAMPARRAY planes[IC_PLANES] = { s->rows[0], s->rows[1], s->rows[2], s->rows[3] };
    jpeg_read_raw_data(&s->d, planes, (JDIMENSION)(s->d.max_v_samp_factor * s->d.min_DCT_scaled_size));
}

static void invert(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)~p[i];
}

/* 256 - v, not 255 - v: chroma's zero is 128. */
static void invert_chroma(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = p[i] ? (uint8_t)(256 - p[i]) : 255;
}

static void normalise_ink(struct jpeg_source *s)
{
    for (int i = 0; i < s->base.shape.n; i++) {
        size_t n = s->stride[i] * s->per_strip[i];
        if (s->invert_all || (s->invert_ycc && i == 0))
            invert(s->strip[i], n);
        else if (s->invert_ycc && i < 3)
            invert_chroma(s->strip[i], n);
    }
}

static enum ic_code jpeg_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct jpeg_source *s = (struct jpeg_source *)base;
    if (s->d.output_scanline >= s->d.output_height)
        return IC_OK;
    if (!jpeg_guard(&s->trap, step_strip, s))
        return fail_trapped(s, e);
    note_end(s);
    normalise_ink(s);
    for (int i = 0; i < base->shape.n; i++) {
        uint32_t n = s->left[i] < s->per_strip[i] ? s->left[i] : s->per_strip[i];
        s->left[i] -= n;
        rows->p[i] = s->strip[i];
        rows->stride[i] = s->stride[i];
        rows->n[i] = n;
    }
    return IC_OK;
}

static const struct ic_source_ops source_ops = { .rows = jpeg_rows, .close = jpeg_close };

static enum ic_code jpeg_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                              struct ic_error *e)
{
    if (o->rough && o->scale == 1 && (*out = jpeg_dc_open(in, o)))
        return IC_OK;
    struct jpeg_source *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a JPEG decoder");
    s->base.ops = &source_ops;
    s->mem = o->mem;
    s->opt = o;
    s->d.err = jpeg_trap_init(&s->trap);
    s->progress.progress_monitor = on_progress;
    s->input = (struct jpeg_source_mgr){ .next_input_byte = in.p,
                                         .bytes_in_buffer = in.n,
                                         .init_source = input_nothing,
                                         .fill_input_buffer = input_fill,
                                         .skip_input_data = input_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = input_nothing };
    enum ic_code rc = open_steps(s, o, e);
    s->opt = NULL;
    if (rc == IC_OK)
        *out = &s->base;
    else
        jpeg_close(&s->base);
    return rc;
}

/* libjpeg-turbo 2.1 has no way to ask at run time. */
#define STRING(x)  STRING_(x)
#define STRING_(x) #x

static void jpeg_version(char *out, size_t n)
{
    snprintf(out, n, "jpeg-turbo/%s", STRING(LIBJPEG_TURBO_VERSION));
}

const struct ic_codec ic_codec_jpeg = {
    .name = "jpeg",
    .mime = "image/jpeg",
    .format = IC_FORMAT_JPEG,
    .default_quality = 80,
    .alpha = false,
    .shrinks = true,
    .sink_shape = jpeg_sink_shape,
    .open = jpeg_open,
    .create = jpeg_sink_create,
    .version = jpeg_version,
};
