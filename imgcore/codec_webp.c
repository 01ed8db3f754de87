/* WebP, reading: its own Y, U and V where it is lossy and opaque, otherwise one packed plane, RGB or RGBA. The writing
 * half is codec_webp_sink.c.
 *
 * libwebp decodes a whole frame, here into our own memory on the first call for rows, through its incremental decoder:
 * that one tells how many rows of a truncated file are good. As planes the frame takes half the memory, and neither it
 * is upsampled nor converted before it is small. Of an animation the first frame is decoded, straight onto its place on
 * a transparent canvas: WebPAnimDecoder would hold two more canvases to the same end. */
#include "codec_webp.h"
#include "probe.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>

#define GREY_Y 126 /* 128 in limited range */
#define STRIP  16u /* rows yielded at a time of planes, which must advance together */

struct webp_source {
    struct ic_source base;
    struct ic_mem *mem;           /* borrowed */
    struct ic_bytes frame;        /* the bitstream to decode, borrowed: the file, or an animation's first frame */
    uint32_t x, y, width, height; /* of the frame on the canvas */
    bool decoded;
    uint32_t row; /* yielded */
    size_t stride[IC_PLANES];
    uint8_t *plane[IC_PLANES]; /* plane[0] is the canvas, packed, or begins the block of all planes; owned */
};

/* opening */

static bool same_size(const WebPBitstreamFeatures *f, const struct ic_info *x)
{
    return f->width > 0 && f->height > 0 && (uint32_t)f->width == x->width && (uint32_t)f->height == x->height;
}

static void take_still(struct webp_source *s, struct ic_bytes in, const struct ic_info *x)
{
    s->frame = in;
    s->width = x->width;
    s->height = x->height;
}

/* Found by our own walk: libwebpdemux shows nothing of a frame that is cut short. What the frame declares must be what
 * its bitstream has, and lie on the canvas. */
static enum ic_code take_first_frame(struct webp_source *s, struct ic_bytes in, const struct ic_info *x,
                                     struct ic_error *e)
{
    struct probe_frame f;
    WebPBitstreamFeatures b;
    bool ok = probe_webp_first_frame(in, &f, e) == IC_OK && f.x + f.width <= x->width && f.y + f.height <= x->height &&
              WebPGetFeatures(f.bits.p, f.bits.n, &b) == VP8_STATUS_OK && b.width == (int)f.width &&
              b.height == (int)f.height && !b.has_animation;
    if (!ok)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: its first frame is broken or missing");
    s->frame = f.bits;
    s->x = f.x;
    s->y = f.y;
    s->width = f.width;
    s->height = f.height;
    return IC_OK;
}

static enum ic_code check_header(struct webp_source *s, struct ic_bytes in, const struct ic_info *x, struct ic_error *e)
{
    WebPBitstreamFeatures f;
    VP8StatusCode status = WebPGetFeatures(in.p, in.n, &f);
    if (status != VP8_STATUS_OK)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: its header is broken");
    if (!same_size(&f, x))
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: its headers disagree, %ux%u and %dx%d", x->width, x->height,
                       f.width, f.height);
    if (f.has_animation)
        return take_first_frame(s, in, x, e);
    take_still(s, in, x);
    return IC_OK;
}

static void set_shape(struct webp_source *s, const struct ic_info *x)
{
    bool whole = s->width == x->width && s->height == x->height;
    struct ic_plane full = { .width = x->width, .height = x->height, .span_w = x->width, .span_h = x->height };
    struct ic_plane half = { .width = x->width / 2 + x->width % 2,
                             .height = x->height / 2 + x->height % 2,
                             .channels = 1,
                             .span_w = x->width / 2.0,
                             .span_h = x->height / 2.0 };

    if (!x->alpha && !x->lossless && whole) {
        full.channels = 1;
        s->base.shape =
            (struct ic_planes){ .layout = IC_YCBCR, .limited = true, .n = 3, .plane = { full, half, half } };
    } else {
        full.channels = x->alpha ? 4 : 3;
        s->base.shape = (struct ic_planes){ .layout = x->alpha ? IC_RGBA : IC_RGB, .n = 1, .plane = { full } };
    }
}

static bool planar(const struct webp_source *s)
{
    return s->base.shape.n == 3;
}

static enum ic_code alloc_planes(struct webp_source *s, struct ic_error *e)
{
    const struct ic_planes *shape = &s->base.shape;
    size_t row, size[IC_PLANES], all = 0;
    for (int i = 0; i < shape->n; i++) {
        if (!ic_mul(shape->plane[i].width, (size_t)shape->plane[i].channels, &row))
            return ic_fail(e, IC_E_LIMIT, "WebP: too large");
        s->stride[i] = ic_stride(row);
        if (!ic_mul(s->stride[i], shape->plane[i].height, &size[i]) || s->stride[i] > INT32_MAX)
            return ic_fail(e, IC_E_LIMIT, "WebP: too large");
        all += size[i]; /* at most 16383 rows of 2 GB */
    }
    s->plane[0] = ic_alloc(s->mem, all);
    for (int i = 1; s->plane[0] && i < shape->n; i++)
        s->plane[i] = s->plane[i - 1] + size[i - 1];
    return s->plane[0] ? IC_OK
                       : ic_fail(e, IC_E_MEMORY, "no memory for a WebP of %ux%u pixels", shape->plane[0].width,
                                 shape->plane[0].height);
}

static void source_close(struct ic_source *base)
{
    struct webp_source *s = (struct webp_source *)base;
    ic_free(s->mem, s->plane[0]);
    ic_free(s->mem, s);
}

/* decoding */

static uint8_t *frame_start(const struct webp_source *s)
{
    return s->plane[0] + s->y * s->stride[0] + (size_t)s->x * (size_t)s->base.shape.plane[0].channels;
}

static void describe_planes(const struct webp_source *s, WebPDecBuffer *b)
{
    const struct ic_plane *p = s->base.shape.plane;
    b->colorspace = MODE_YUV;
    b->is_external_memory = 1;
    b->u.YUVA = (WebPYUVABuffer){ .y = s->plane[0],
                                  .u = s->plane[1],
                                  .v = s->plane[2],
                                  .y_stride = (int)s->stride[0],
                                  .u_stride = (int)s->stride[1],
                                  .v_stride = (int)s->stride[2],
                                  .y_size = s->stride[0] * p[0].height,
                                  .u_size = s->stride[1] * p[1].height,
                                  .v_size = s->stride[2] * p[2].height };
}

static void describe_packed(const struct webp_source *s, WebPDecBuffer *b)
{
    int channels = s->base.shape.plane[0].channels;
    b->colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    b->is_external_memory = 1;
    b->u.RGBA.rgba = frame_start(s);
    b->u.RGBA.stride = (int)s->stride[0];
    b->u.RGBA.size = (s->height - 1) * s->stride[0] + (size_t)s->width * (size_t)channels;
}

static enum ic_code code_of(VP8StatusCode status)
{
    return status == VP8_STATUS_OUT_OF_MEMORY ? IC_E_MEMORY : IC_E_CORRUPT;
}

static void grey_planes(struct webp_source *s, uint32_t good)
{
    for (int i = 0; i < 3; i++) {
        uint32_t from = i ? (good + 1) / 2 : good, rows = s->base.shape.plane[i].height;
        memset(s->plane[i] + from * s->stride[i], i ? 128 : GREY_Y, (rows - from) * s->stride[i]);
    }
}

static void grey_packed(struct webp_source *s, uint32_t good)
{
    for (uint32_t y = good; y < s->height; y++)
        ic_grey_pixels(frame_start(s) + y * s->stride[0], s->width, s->base.shape.plane[0].channels);
}

/* The decoder wants more than there is: what it has stays, the rest is grey. */
static enum ic_code keep_rows(struct webp_source *s, WebPIDecoder *d, struct ic_error *e)
{
    int good = 0;
    const uint8_t *some = planar(s) ? WebPIDecGetYUVA(d, &good, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
                                    : WebPIDecGetRGB(d, &good, NULL, NULL, NULL);
    if (!some || good <= 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: the data ends before the first row");
    if (planar(s))
        grey_planes(s, (uint32_t)good);
    else
        grey_packed(s, (uint32_t)good);
    s->base.truncated = true;
    return IC_OK;
}

static enum ic_code decode(struct webp_source *s, struct ic_error *e)
{
    WebPDecoderConfig config;
    const struct ic_plane *p = &s->base.shape.plane[0];
    if (!WebPInitDecoderConfig(&config))
        return ic_fail(e, IC_E_FORMAT, "libwebp is of another version than its headers");
    if (s->width != p->width || s->height != p->height)
        memset(s->plane[0], 0, s->stride[0] * p->height);
    if (planar(s))
        describe_planes(s, &config.output);
    else
        describe_packed(s, &config.output);
    WebPIDecoder *d = WebPIDecode(NULL, 0, &config);
    if (!d)
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP decoder");
    VP8StatusCode status = WebPIUpdate(d, s->frame.p, s->frame.n);
    enum ic_code rc = IC_OK;
    if (status == VP8_STATUS_SUSPENDED)
        rc = keep_rows(s, d, e);
    else if (status != VP8_STATUS_OK)
        rc = ic_fail(e, code_of(status), "WebP: the decoder failed (%d)", (int)status);
    WebPIDelete(d);
    return rc;
}

/* Of rows before `to` of the image, what was not yielded yet. */
static void yield(struct webp_source *s, uint32_t to, struct ic_rows *rows)
{
    for (int i = 0; i < s->base.shape.n; i++) {
        uint32_t from = i ? s->row / 2 : s->row, until = i ? (to + 1) / 2 : to; /* s->row is even */
        rows->p[i] = s->plane[i] + from * s->stride[i];
        rows->stride[i] = s->stride[i];
        rows->n[i] = until - from;
    }
    s->row = to;
}

static enum ic_code source_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct webp_source *s = (struct webp_source *)base;
    uint32_t left = base->shape.plane[0].height - s->row;
    if (!s->decoded) {
        enum ic_code rc = decode(s, e);
        if (rc != IC_OK)
            return rc;
        s->decoded = true;
    }
    if (left)
        yield(s, s->row + (planar(s) && left > STRIP ? STRIP : left), rows);
    return IC_OK;
}

static const struct ic_source_ops source_ops = { .rows = source_rows, .close = source_close };

static enum ic_code webp_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                              struct ic_error *e)
{
    if (o->frames)
        return webp_frames_open(in, o, out, e);
    struct webp_source *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP decoder");
    s->base.ops = &source_ops;
    s->mem = o->mem;
    enum ic_code rc = check_header(s, in, o->expect, e);
    set_shape(s, o->expect);
    if (rc == IC_OK)
        rc = alloc_planes(s, e);
    if (rc == IC_OK)
        *out = &s->base;
    else
        source_close(&s->base);
    return rc;
}

static void webp_version(char *out, size_t n)
{
    int v = WebPGetDecoderVersion();
    snprintf(out, n, "webp/%d.%d.%d", v >> 16 & 255, v >> 8 & 255, v & 255);
}

const struct ic_codec ic_codec_webp = {
    .name = "webp",
    .mime = "image/webp",
    .format = IC_FORMAT_WEBP,
    .default_quality = 80,
    .alpha = true,
    .shrinks = false,
    .sink_shape = webp_sink_shape,
    .open = webp_open,
    .create = webp_sink_create,
    .version = webp_version,
};
