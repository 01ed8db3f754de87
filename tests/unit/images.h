/* Images made by code, for the codec tests: encoded straight by the libraries, so that a test of our reading does not
 * rest on our writing. All hold the same picture, a ramp, whose value at any point is known (ramp_at). */
#ifndef TESTS_IMAGES_H
#define TESTS_IMAGES_H

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include <check.h>

#include "../../imgcore/codec.h"
#include "suite.h"

struct blob {
    uint8_t *p; /* owned (malloc) */
    size_t n;
};

static inline struct ic_bytes blob_bytes(struct blob b)
{
    return (struct ic_bytes){ b.p, b.n };
}

static inline void blob_add(struct blob *b, const void *p, size_t n)
{
    b->p = realloc(b->p, b->n + n);
    ck_assert_ptr_nonnull(b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* Where the first chunk of this type begins in a PNG. */
static inline size_t png_find(struct blob b, const char *type)
{
    for (size_t at = 8; at + 12 <= b.n;) {
        if (memcmp(b.p + at + 4, type, 4) == 0)
            return at;
        at += 12 + ((size_t)b.p[at] << 24 | (size_t)b.p[at + 1] << 16 | (size_t)b.p[at + 2] << 8 | b.p[at + 3]);
    }
    ck_abort_msg("no chunk %s", type);
    return 0;
}

/* Channel c of the picture at u, v (0 .. 1 across and down): each channel a ramp of its own direction. Alpha (3) never
 * gets to 0, where WebP may drop colours. */
static inline double ramp_at(int c, double u, double v)
{
    switch (c) {
    case 0:
        return 20 + 200 * u;
    case 1:
        return 230 - 200 * v;
    case 2:
        return 30 + 100 * u + 90 * v;
    default:
        return 240 - 120 * u - 60 * v;
    }
}

/* w x h pixels of n interleaved channels, for the caller to free. */
static inline uint8_t *ramp_pixels(int w, int h, int n)
{
    uint8_t *p = malloc((size_t)w * (size_t)h * (size_t)n), *to = p;
    ck_assert_ptr_nonnull(p);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < n; c++)
                *to++ = (uint8_t)lround(ramp_at(c, (x + 0.5) / w, (y + 0.5) / h));
    return p;
}

struct jpeg_spec {
    int width, height, components;
    J_COLOR_SPACE stored; /* the same channels are fed, without conversion */
    int h[4], v[4];       /* sampling factors; 0: 1 */
    bool progressive, arithmetic, no_adobe;
    bool separate; /* sequential, a scan for each of three components */
    int restart;   /* MCUs */
    int quality;   /* 0: 100 */
    int grain;     /* each sample is up to this much above its ramp, at random */
};

/* Deterministic noise, the same for every file of one size. */
static inline void add_grain(uint8_t *px, size_t n, int grain)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < n && grain; i++) {
        seed = seed * 1664525u + 1013904223u;
        int v = px[i] + (int)((seed >> 16) % (unsigned)(grain + 1));
        px[i] = (uint8_t)(v > 255 ? 255 : v);
    }
}

static const jpeg_scan_info separate_scans[] = { { 1, { 0 }, 0, 63, 0, 0 },
                                                 { 1, { 1 }, 0, 63, 0, 0 },
                                                 { 1, { 2 }, 0, 63, 0, 0 } };

static inline struct blob make_jpeg(const struct jpeg_spec *s)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    unsigned char *out = NULL;
    unsigned long n = 0;
    uint8_t *px = ramp_pixels(s->width, s->height, s->components);
    add_grain(px, (size_t)s->width * (size_t)s->height * (size_t)s->components, s->grain);
    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &n);
    c.image_width = (JDIMENSION)s->width;
    c.image_height = (JDIMENSION)s->height;
    c.input_components = s->components;
    c.in_color_space = s->stored;
    jpeg_set_defaults(&c);
    jpeg_set_colorspace(&c, s->stored);
    if (s->no_adobe)
        c.write_Adobe_marker = FALSE;
    jpeg_set_quality(&c, s->quality ? s->quality : 100, TRUE);
    for (int i = 0; i < s->components; i++) {
        c.comp_info[i].h_samp_factor = s->h[i] ? s->h[i] : 1;
        c.comp_info[i].v_samp_factor = s->v[i] ? s->v[i] : 1;
    }
    c.restart_interval = (unsigned)s->restart;
    c.arith_code = s->arithmetic;
    if (s->progressive)
        jpeg_simple_progression(&c);
    if (s->separate) {
        c.scan_info = separate_scans;
        c.num_scans = 3;
    }
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < s->height; y++) {
        JSAMPROW row = px + (size_t)y * (size_t)s->width * (size_t)s->components;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(px);
    return (struct blob){ out, n };
}

struct png_spec {
    int width, height, colour, depth;
    bool interlaced, trns;
};

static inline void png_to_blob(png_structp png, png_bytep p, size_t n)
{
    blob_add(png_get_io_ptr(png), p, n);
}

static inline void png_no_flush(png_structp png)
{
    (void)png;
}

/* A palette of 16 greys, of which entry 0 is transparent with trns; grey and RGB: value 0 (black) is. */
static inline void png_colours(png_structp png, png_infop info, const struct png_spec *s)
{
    png_color palette[16];
    png_byte alpha[1] = { 0 };
    png_color_16 key = { 0 };
    bool has_palette = s->colour == PNG_COLOR_TYPE_PALETTE;
    for (int i = 0; i < 16; i++)
        palette[i] = (png_color){ (png_byte)(17 * i), (png_byte)(17 * i), (png_byte)(17 * i) };
    if (has_palette)
        png_set_PLTE(png, info, palette, s->depth < 4 ? 1 << s->depth : 16);
    if (s->trns)
        png_set_tRNS(png, info, has_palette ? alpha : NULL, has_palette ? 1 : 0, has_palette ? NULL : &key);
}

/* Rows as the file stores them: ramp samples of 8 or 16 bits (both bytes alike); below 8 bits, and in palettes, the
 * bits of each byte count up. */
static inline void png_row(const struct png_spec *s, int y, uint8_t *row, size_t n)
{
    int bytes = s->depth == 16 ? 2 : 1;
    bool ramp = s->depth >= 8 && s->colour != PNG_COLOR_TYPE_PALETTE;
    int channels = s->colour == PNG_COLOR_TYPE_RGB          ? 3
                   : s->colour == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
                   : s->colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                            : 1;
    for (size_t i = 0; i < n; i++) {
        int x = (int)i / (channels * bytes), c = (int)i / bytes % channels;
        row[i] = ramp ? (uint8_t)lround(ramp_at(c, (x + 0.5) / s->width, (y + 0.5) / s->height))
                      : (uint8_t)((i + (size_t)y) % (s->depth == 8 ? 16 : 256));
    }
}

static inline struct blob make_png(const struct png_spec *s)
{
    struct blob out = { 0 };
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, png_to_blob, png_no_flush);
    png_set_IHDR(png, info, (png_uint_32)s->width, (png_uint_32)s->height, s->depth, s->colour,
                 s->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    png_colours(png, info, s);
    png_write_info(png, info);
    size_t n = png_get_rowbytes(png, info);
    png_bytepp rows = malloc((size_t)s->height * sizeof *rows);
    for (int y = 0; y < s->height; y++) {
        rows[y] = calloc(1, n);
        png_row(s, y, rows[y], n);
    }
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    for (int y = 0; y < s->height; y++)
        free(rows[y]);
    free(rows);
    return out;
}

static inline struct blob make_webp(int w, int h, bool alpha, bool lossless)
{
    uint8_t *px = ramp_pixels(w, h, alpha ? 4 : 3), *out = NULL;
    size_t n;
    if (lossless)
        n = alpha ? WebPEncodeLosslessRGBA(px, w, h, w * 4, &out) : WebPEncodeLosslessRGB(px, w, h, w * 3, &out);
    else
        n = alpha ? WebPEncodeRGBA(px, w, h, w * 4, 100, &out) : WebPEncodeRGB(px, w, h, w * 3, 100, &out);
    ck_assert_uint_gt(n, 0);
    struct blob b = { 0 };
    blob_add(&b, out, n);
    WebPFree(out);
    free(px);
    return b;
}

static inline void add_le(struct blob *b, uint32_t v, size_t bytes)
{
    uint8_t p[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
    blob_add(b, p, bytes);
}

static inline void add_chunk(struct blob *b, const char *type, const void *p, size_t n)
{
    blob_add(b, type, 4);
    add_le(b, (uint32_t)n, 4);
    if (n)
        blob_add(b, p, n);
    if (n & 1)
        blob_add(b, "", 1);
}

/* A WebP container round a body of chunks; frees the body. */
static inline struct blob riff(struct blob body)
{
    struct blob b = { 0 };
    blob_add(&b, "RIFF", 4);
    add_le(&b, (uint32_t)body.n + 4, 4);
    blob_add(&b, "WEBP", 4);
    blob_add(&b, body.p, body.n);
    free(body.p);
    return b;
}

static inline void add_vp8x(struct blob *body, uint8_t flags, int w, int h)
{
    struct blob x = { 0 };
    add_le(&x, flags, 4);
    add_le(&x, (uint32_t)w - 1, 3);
    add_le(&x, (uint32_t)h - 1, 3);
    add_chunk(body, "VP8X", x.p, x.n);
    free(x.p);
}

/* The chunks of a WebP file that hold its image: without container and VP8X. */
static inline struct ic_bytes webp_image(struct blob webp)
{
    size_t skip = memcmp(webp.p + 12, "VP8X", 4) == 0 ? 12 + 18 : 12;
    return (struct ic_bytes){ webp.p + skip, webp.n - skip };
}

/* `frames` times the same frame, w x h at x, y (even) of a canvas. */
struct anim_spec {
    int canvas_w, canvas_h, x, y, w, h, frames;
    bool alpha, lossless;
};

static inline struct blob make_webp_anim(const struct anim_spec *s)
{
    struct blob body = { 0 }, still = make_webp(s->w, s->h, s->alpha, s->lossless);
    struct ic_bytes image = webp_image(still);
    add_vp8x(&body, (uint8_t)(0x02 | (s->alpha ? 0x10 : 0)), s->canvas_w, s->canvas_h);
    add_chunk(&body, "ANIM", "\xff\xff\xff\xff\0\0", 6);
    for (int i = 0; i < s->frames; i++) {
        struct blob f = { 0 };
        add_le(&f, (uint32_t)s->x / 2, 3);
        add_le(&f, (uint32_t)s->y / 2, 3);
        add_le(&f, (uint32_t)s->w - 1, 3);
        add_le(&f, (uint32_t)s->h - 1, 3);
        add_le(&f, 100, 4); /* duration, and no flags */
        blob_add(&f, image.p, image.n);
        add_chunk(&body, "ANMF", f.p, f.n);
        free(f.p);
    }
    free(still.p);
    return riff(body);
}

/* reading through the seam */

struct pulled {
    struct ic_planes shape;
    uint8_t *p[IC_PLANES]; /* tight rows, owned (malloc) */
    bool truncated;
    enum ic_code code;
    struct ic_error error;
    struct ic_mem mem; /* afterwards: used must be 0 */
};

static inline void pull_rows(struct ic_source *s, struct pulled *out)
{
    size_t at[IC_PLANES] = { 0 };
    struct ic_rows r;
    for (;;) {
        out->code = ic_source_rows(s, &r, &out->error);
        uint32_t total = r.n[0] + r.n[1] + r.n[2] + r.n[3];
        if (out->code != IC_OK || total == 0)
            break;
        for (int i = 0; i < s->shape.n; i++) {
            size_t n = (size_t)s->shape.plane[i].width * (size_t)s->shape.plane[i].channels;
            for (uint32_t y = 0; y < r.n[i]; y++, at[i] += n) {
                ck_assert_uint_le(at[i] + n, n * s->shape.plane[i].height);
                memcpy(out->p[i] + at[i], r.p[i] + y * r.stride[i], n);
            }
        }
    }
    for (int i = 0; i < s->shape.n && out->code == IC_OK; i++)
        ck_assert_uint_eq(at[i], (size_t)s->shape.plane[i].width * (size_t)s->shape.plane[i].channels *
                                     s->shape.plane[i].height);
}

/* Opens with an info that the test may have falsified. */
static inline struct pulled pull_as(struct ic_bytes in, const struct ic_info *info, int scale, size_t memory)
{
    struct pulled out = { .mem = { .limit = memory } };
    struct ic_source *s = NULL;
    struct ic_source_opt o = { .expect = info, .scale = scale, .mem = &out.mem };
    out.code = ic_codec_of(info->format)->open(in, &o, &s, &out.error);
    if (out.code != IC_OK) {
        ck_assert_ptr_null(s);
        ck_assert_uint_eq(out.mem.used, 0);
        return out;
    }
    out.shape = s->shape;
    for (int i = 0; i < s->shape.n; i++) {
        const struct ic_plane *p = &s->shape.plane[i];
        out.p[i] = malloc((size_t)p->width * p->height * (size_t)p->channels);
    }
    pull_rows(s, &out);
    out.truncated = s->truncated;
    ic_source_close(s);
    ck_assert_uint_eq(out.mem.used, 0);
    return out;
}

static inline struct pulled pull(struct ic_bytes in, int scale)
{
    struct ic_info info;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_probe(in, &info, &e) == IC_OK, "probe: %s", e.text);
    return pull_as(in, &info, scale, (size_t)1 << 28);
}

static inline void pulled_free(struct pulled *p)
{
    for (int i = 0; i < IC_PLANES; i++)
        free(p->p[i]);
}

/* The largest difference from the ramp, of channel c (of interleaved ones) of plane i, where the ramp's channel is
 * `ramp`. Positions follow from the spans, so wrong spans show as wrong values. `edge` samples at each side don't
 * count. */
static inline double ramp_error(const struct pulled *p, int i, int c, int ramp, uint32_t edge)
{
    const struct ic_plane *q = &p->shape.plane[i];
    double worst = 0;
    for (uint32_t y = edge; y + edge < q->height; y++)
        for (uint32_t x = edge; x + edge < q->width; x++) {
            double want = ramp_at(ramp, (x + 0.5) / q->span_w, (y + 0.5) / q->span_h);
            double got = p->p[i][((size_t)y * q->width + x) * (size_t)q->channels + (size_t)c];
            worst = fmax(worst, fabs(got - want));
        }
    return worst;
}

/* writing through the seam */

/* Fills planes with the ramp, plane (or channel of a packed plane) k showing channel k, and sends them in pieces of
 * `step` rows of plane 0 (others in proportion). */
static inline enum ic_code push_ramp(struct ic_sink *s, uint32_t step, struct ic_error *e)
{
    uint8_t *px[IC_PLANES] = { 0 };
    uint32_t at[IC_PLANES] = { 0 };
    enum ic_code rc = IC_OK;
    const struct ic_planes *sh = &s->shape;
    for (int i = 0; i < sh->n; i++) {
        const struct ic_plane *q = &sh->plane[i];
        uint8_t *to = px[i] = malloc((size_t)q->width * q->height * (size_t)q->channels);
        for (uint32_t y = 0; y < q->height; y++)
            for (uint32_t x = 0; x < q->width; x++)
                for (int c = 0; c < q->channels; c++)
                    *to++ = (uint8_t)lround(ramp_at(i + c, (x + 0.5) / q->span_w, (y + 0.5) / q->span_h));
    }
    for (uint32_t y = 0; y < sh->plane[0].height && rc == IC_OK; y += step) {
        struct ic_rows r = { 0 };
        for (int i = 0; i < sh->n; i++) {
            const struct ic_plane *q = &sh->plane[i];
            bool last = y + step >= sh->plane[0].height;
            uint32_t until = last ? q->height : (uint32_t)((uint64_t)(y + step) * q->height / sh->plane[0].height);
            r.stride[i] = (size_t)q->width * (size_t)q->channels;
            r.p[i] = px[i] + at[i] * r.stride[i];
            r.n[i] = until - at[i];
            at[i] = until;
        }
        rc = ic_sink_write(s, &r, e);
    }
    for (int i = 0; i < IC_PLANES; i++)
        free(px[i]);
    return rc == IC_OK ? ic_sink_finish(s, e) : rc;
}

/* Encodes the ramp as layout; the result goes to out, whose memory is *mem. */
static inline enum ic_code encode_ramp(enum ic_format f, enum ic_layout layout, uint32_t w, uint32_t h,
                                       const struct ic_sink_opt *o, uint32_t step, struct ic_buffer *out,
                                       struct ic_error *e)
{
    const struct ic_codec *codec = ic_codec_of(f);
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    size_t before = o->mem->used;
    codec->sink_shape(layout, w, h, o, &shape);
    enum ic_code rc = codec->create(&shape, o, out, &s, e);
    if (rc == IC_OK)
        rc = push_ramp(s, step, e);
    ic_sink_free(s);
    if (!out->p)
        ck_assert_uint_eq(o->mem->used, before);
    return rc;
}

static inline int run_image_suite(Suite *s)
{
    ic_init();
    return run_suite(s);
}

#endif
