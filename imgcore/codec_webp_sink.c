/* WebP, writing: rows are gathered into a frame, which libwebp encodes at the end: Y, U and V, halved both ways, where
 * that is what comes, or packed RGB or RGBA.
 *
 * The frame is libwebp's own picture in our memory, planes or ARGB: gathering and importing would hold it twice. What
 * libwebp allocates beside it (the YUV copy of ARGB, its working memory) is not budgeted here; the plan predicts it. */
#include "codec_webp.h"

#include <string.h>

#include <webp/encode.h>

struct webp_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct ic_sink_opt opt;
    struct ic_error failure; /* of our writer */
    uint32_t rows[3];        /* gathered, by plane */
    uint32_t *argb;          /* owned; width * height; or NULL and: */
    uint8_t *plane[3];       /* in one block, which plane[0] begins; owned */
};

static const int methods[10] = { 0, 1, 2, 3, 4, 4, 5, 5, 6, 6 };

void webp_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                     struct ic_planes *out)
{
    bool alpha = layout == IC_RGBA || layout == IC_GREYA, planar = layout == IC_YCBCR && !o->lossless;
    struct ic_plane full = { .width = width, .height = height, .span_w = width, .span_h = height };
    struct ic_plane half = { .width = width / 2 + width % 2,
                             .height = height / 2 + height % 2,
                             .channels = 1,
                             .span_w = width / 2.0,
                             .span_h = height / 2.0 };
    full.channels = planar ? 1 : alpha ? 4 : 3;
    if (planar)
        *out = (struct ic_planes){ .layout = IC_YCBCR, .limited = true, .n = 3, .plane = { full, half, half } };
    else
        *out = (struct ic_planes){ .layout = alpha ? IC_RGBA : IC_RGB, .n = 1, .plane = { full } };
}

static void pack_rgb(uint32_t *to, const uint8_t *p, uint32_t n)
{
    for (uint32_t x = 0; x < n; x++, p += 3)
        to[x] = 0xff000000u | (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static void pack_rgba(uint32_t *to, const uint8_t *p, uint32_t n)
{
    for (uint32_t x = 0; x < n; x++, p += 4)
        to[x] = (uint32_t)p[3] << 24 | (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static void take_argb(struct webp_sink *s, const uint8_t *p, uint32_t y)
{
    const struct ic_plane *plane = &s->base.shape.plane[0];
    uint32_t *to = s->argb + (size_t)y * plane->width;
    if (plane->channels == 4)
        pack_rgba(to, p, plane->width);
    else
        pack_rgb(to, p, plane->width);
}

static enum ic_code sink_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct webp_sink *s = (struct webp_sink *)base;
    for (int i = 0; i < base->shape.n; i++) {
        const struct ic_plane *plane = &base->shape.plane[i];
        if (rows->n[i] > plane->height - s->rows[i])
            return ic_fail(e, IC_E_PARAM, "more rows than the image has");
        const uint8_t *p = rows->p[i];
        for (uint32_t y = 0; y < rows->n[i]; y++, p += rows->stride[i], s->rows[i]++)
            if (s->argb)
                take_argb(s, p, s->rows[i]);
            else
                memcpy(s->plane[i] + (size_t)s->rows[i] * plane->width, p, plane->width);
    }
    return IC_OK;
}

static int write_bytes(const uint8_t *p, size_t n, const WebPPicture *picture)
{
    struct webp_sink *s = picture->custom_ptr;
    return ic_buffer_append(s->base.out, p, n, &s->failure) == IC_OK;
}

bool webp_configure(const struct ic_sink_opt *o, WebPConfig *c)
{
    if (!WebPConfigInit(c))
        return false;
    if (o->lossless) /* levels of libwebp's own, which set method and quality */
        return WebPConfigLosslessPreset(c, o->effort);
    c->quality = (float)o->quality;
    c->method = methods[o->effort];
    return WebPValidateConfig(c);
}

static enum ic_code fail_encode(const struct webp_sink *s, WebPEncodingError error, struct ic_error *e)
{
    if (s->failure.code != IC_OK)
        return ic_fail(e, s->failure.code, "%s", s->failure.text);
    if (error == VP8_ENC_ERROR_OUT_OF_MEMORY || error == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY)
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP encoder");
    return ic_fail(e, IC_E_PARAM, "WebP: the encoder failed (%d)", (int)error);
}

static void describe(struct webp_sink *s, WebPPicture *picture)
{
    const struct ic_planes *shape = &s->base.shape;
    picture->width = (int)shape->plane[0].width;
    picture->height = (int)shape->plane[0].height;
    picture->writer = write_bytes;
    picture->custom_ptr = s;
    picture->use_argb = s->argb != NULL;
    if (s->argb) {
        picture->argb = s->argb;
        picture->argb_stride = picture->width;
        return;
    }
    picture->colorspace = WEBP_YUV420;
    picture->y = s->plane[0];
    picture->u = s->plane[1];
    picture->v = s->plane[2];
    picture->y_stride = picture->width;
    picture->uv_stride = (int)shape->plane[1].width;
}

static bool complete(const struct webp_sink *s)
{
    bool all = true;
    for (int i = 0; i < s->base.shape.n; i++)
        all = all && s->rows[i] == s->base.shape.plane[i].height;
    return all;
}

static enum ic_code sink_finish(struct ic_sink *base, struct ic_error *e)
{
    struct webp_sink *s = (struct webp_sink *)base;
    WebPConfig config;
    WebPPicture picture;
    if (!complete(s))
        return ic_fail(e, IC_E_PARAM, "fewer rows than the image has");
    if (!webp_configure(&s->opt, &config) || !WebPPictureInit(&picture))
        return ic_fail(e, IC_E_PARAM, "WebP: no such quality or effort");
    describe(s, &picture);
    bool ok = WebPEncode(&config, &picture);
    WebPPictureFree(&picture); /* what libwebp added; the frame stays ours */
    if (!ok)
        return fail_encode(s, picture.error_code, e);
    const struct ic_plane *p = &base->shape.plane[0];
    return webp_attach(base->out, &s->opt.attached, p->width, p->height, p->channels == 4, e);
}

static void sink_free(struct ic_sink *base)
{
    struct webp_sink *s = (struct webp_sink *)base;
    ic_free(s->mem, s->argb);
    ic_free(s->mem, s->plane[0]);
    ic_free(s->mem, s);
}

static const struct ic_sink_ops sink_ops = { sink_write, sink_finish, sink_free };

static bool same_shape(const struct ic_planes *a, const struct ic_planes *b)
{
    bool same = a->layout == b->layout && a->limited == b->limited && a->n == b->n;
    for (int i = 0; same && i < b->n; i++)
        same = a->plane[i].width == b->plane[i].width && a->plane[i].height == b->plane[i].height &&
               a->plane[i].channels == b->plane[i].channels;
    return same;
}

static enum ic_code check_request(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_error *e)
{
    const struct ic_plane *p = &shape->plane[0];
    struct ic_planes takes;
    if (p->width == 0 || p->height == 0 || o->effort < 0 || o->effort > 9 || o->quality < 0 || o->quality > 100)
        return ic_fail(e, IC_E_PARAM, "no WebP of %ux%u pixels, quality %d, effort %d", p->width, p->height, o->quality,
                       o->effort);
    if (p->width > WEBP_MAX_DIMENSION || p->height > WEBP_MAX_DIMENSION)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, a WebP may have %d a side", p->width, p->height,
                       WEBP_MAX_DIMENSION);
    webp_sink_shape(shape->layout, p->width, p->height, o, &takes);
    if (!same_shape(shape, &takes))
        return ic_fail(e, IC_E_PARAM, "the WebP encoder does not take planes of this shape");
    return IC_OK;
}

/* No side is beyond 16383, so nothing overflows. */
static enum ic_code alloc_frame(struct webp_sink *s, struct ic_error *e)
{
    const struct ic_plane *p = s->base.shape.plane;
    size_t full = (size_t)p[0].width * p[0].height, half = (size_t)p[1].width * p[1].height;
    if (s->base.shape.n == 1) {
        s->argb = ic_alloc(s->mem, full * sizeof *s->argb);
    } else if ((s->plane[0] = ic_alloc(s->mem, full + 2 * half))) {
        s->plane[1] = s->plane[0] + full;
        s->plane[2] = s->plane[1] + half;
    }
    return s->argb || s->plane[0]
               ? IC_OK
               : ic_fail(e, IC_E_MEMORY, "no memory for a WebP of %ux%u pixels", p[0].width, p[0].height);
}

enum ic_code webp_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                              struct ic_sink **sink, struct ic_error *e)
{
    enum ic_code rc = check_request(shape, o, e);
    if (rc != IC_OK)
        return rc;
    struct webp_sink *s = ic_calloc(o->mem, sizeof *s);
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP encoder");
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    s->opt = *o;
    rc = alloc_frame(s, e);
    if (rc == IC_OK)
        *sink = &s->base;
    else
        sink_free(&s->base);
    return rc;
}
