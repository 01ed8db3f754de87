/* WebP, writing: packed RGB or RGBA rows are gathered into a frame, which libwebp encodes at the end.
 *
 * The frame is libwebp's own ARGB picture in our memory: gathering RGB and importing it would hold it twice. What
 * libwebp allocates beside it (its YUV copy, its working memory) is not budgeted here; the plan predicts it. */
#include "codec_webp.h"

#include <string.h>

#include <webp/encode.h>

struct webp_sink {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    struct ic_sink_opt opt;
    struct ic_error failure; /* of our writer */
    uint32_t rows;           /* gathered */
    uint32_t *argb;          /* owned; width * height */
};

static const int methods[10] = { 0, 1, 2, 3, 4, 4, 5, 5, 6, 6 };

void webp_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                     struct ic_planes *out)
{
    (void)o;
    bool alpha = layout == IC_RGBA || layout == IC_GREYA;
    memset(out, 0, sizeof *out);
    out->layout = alpha ? IC_RGBA : IC_RGB;
    out->n = 1;
    out->plane[0] = (struct ic_plane){
        .width = width, .height = height, .channels = alpha ? 4 : 3, .span_w = width, .span_h = height
    };
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

static enum ic_code sink_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct webp_sink *s = (struct webp_sink *)base;
    const struct ic_plane *plane = &base->shape.plane[0];
    if (rows->n[0] > plane->height - s->rows)
        return ic_fail(e, IC_E_PARAM, "more rows than the image has");
    const uint8_t *p = rows->p[0];
    for (uint32_t y = 0; y < rows->n[0]; y++, p += rows->stride[0]) {
        uint32_t *to = s->argb + (size_t)s->rows++ * plane->width;
        if (plane->channels == 4)
            pack_rgba(to, p, plane->width);
        else
            pack_rgb(to, p, plane->width);
    }
    return IC_OK;
}

static int write_bytes(const uint8_t *p, size_t n, const WebPPicture *picture)
{
    struct webp_sink *s = picture->custom_ptr;
    return ic_buffer_append(s->base.out, p, n, &s->failure) == IC_OK;
}

static bool configure(const struct ic_sink_opt *o, WebPConfig *c)
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

static enum ic_code sink_finish(struct ic_sink *base, struct ic_error *e)
{
    struct webp_sink *s = (struct webp_sink *)base;
    const struct ic_plane *plane = &base->shape.plane[0];
    WebPConfig config;
    WebPPicture picture;
    if (s->rows < plane->height)
        return ic_fail(e, IC_E_PARAM, "fewer rows than the image has");
    if (!configure(&s->opt, &config) || !WebPPictureInit(&picture))
        return ic_fail(e, IC_E_PARAM, "WebP: no such quality or effort");
    picture.use_argb = 1;
    picture.width = (int)plane->width;
    picture.height = (int)plane->height;
    picture.argb = s->argb;
    picture.argb_stride = (int)plane->width;
    picture.writer = write_bytes;
    picture.custom_ptr = s;
    bool ok = WebPEncode(&config, &picture);
    WebPPictureFree(&picture); /* what libwebp added; argb stays ours */
    return ok ? IC_OK : fail_encode(s, picture.error_code, e);
}

static void sink_free(struct ic_sink *base)
{
    struct webp_sink *s = (struct webp_sink *)base;
    ic_free(s->mem, s->argb);
    ic_free(s->mem, s);
}

static const struct ic_sink_ops sink_ops = { sink_write, sink_finish, sink_free };

static enum ic_code check_request(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_error *e)
{
    const struct ic_plane *p = &shape->plane[0];
    bool rgb = shape->layout == IC_RGB && p->channels == 3, rgba = shape->layout == IC_RGBA && p->channels == 4;
    if (shape->n != 1 || (!rgb && !rgba))
        return ic_fail(e, IC_E_PARAM, "the WebP encoder does not take planes of this shape");
    if (p->width == 0 || p->height == 0 || o->effort < 0 || o->effort > 9 || o->quality < 0 || o->quality > 100)
        return ic_fail(e, IC_E_PARAM, "no WebP of %ux%u pixels, quality %d, effort %d", p->width, p->height, o->quality,
                       o->effort);
    if (p->width > WEBP_MAX_DIMENSION || p->height > WEBP_MAX_DIMENSION)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, a WebP may have %d a side", p->width, p->height,
                       WEBP_MAX_DIMENSION);
    return IC_OK;
}

enum ic_code webp_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                              struct ic_sink **sink, struct ic_error *e)
{
    enum ic_code rc = check_request(shape, o, e);
    if (rc != IC_OK)
        return rc;
    size_t row, size;
    if (!ic_mul(shape->plane[0].width, sizeof(uint32_t), &row) || !ic_mul(row, shape->plane[0].height, &size))
        return ic_fail(e, IC_E_LIMIT, "WebP: too large");
    struct webp_sink *s = ic_calloc(o->mem, sizeof *s);
    uint32_t *argb = ic_alloc(o->mem, size);
    if (!s || !argb) {
        ic_free(o->mem, argb);
        ic_free(o->mem, s);
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP of %ux%u pixels", shape->plane[0].width,
                       shape->plane[0].height);
    }
    s->base = (struct ic_sink){ .ops = &sink_ops, .shape = *shape, .out = out };
    s->mem = o->mem;
    s->opt = *o;
    s->argb = argb;
    *sink = &s->base;
    return IC_OK;
}
