/* Animated WebP, reading: each frame as it is shown, packed RGBA, one after another through the same source.
 *
 *     ANMF chunk --libwebp--> frame --over, or instead of what is there--> canvas --> rows
 *
 * libwebpdemux's decoder would do the same with two more canvases outside of the budget, and shows nothing of a file
 * that is cut short; here the frames before the cut are shown. */
#include "codec_webp.h"
#include "probe.h"

#include <string.h>

#include <webp/decode.h>

struct frames_source {
    struct ic_source base;
    struct ic_mem *mem; /* borrowed */
    struct ic_bytes in; /* borrowed */
    size_t at;          /* of the next frame's chunk */
    uint32_t width, height;
    uint8_t *canvas, *pixels; /* owned: what is shown; the frame drawn last, of the canvas's size at most */
    struct probe_frame shown; /* it */
    bool yielded;             /* the canvas, since it changed */
};

/* Drawing. */

static uint8_t *canvas_at(const struct frames_source *s, uint32_t y)
{
    return s->canvas + 4 * ((size_t)(s->shown.y + y) * s->width + s->shown.x);
}

static void dispose(const struct frames_source *s)
{
    for (uint32_t y = 0; y < s->shown.height; y++)
        memset(canvas_at(s, y), 0, 4 * (size_t)s->shown.width);
}

/* Source over destination, neither premultiplied. */
static void blend(uint8_t *dst, const uint8_t *src)
{
    int rest = (dst[3] * (255 - src[3]) + 127) / 255, alpha = src[3] + rest;

    for (int c = 0; c < 3 && alpha; c++)
        dst[c] = (uint8_t)((src[c] * src[3] + dst[c] * rest + alpha / 2) / alpha);
    dst[3] = (uint8_t)alpha;
}

static void draw_row(uint8_t *dst, const uint8_t *src, uint32_t n)
{
    for (uint32_t x = 0; x < n; x++, dst += 4, src += 4)
        if (src[3] == 255)
            memcpy(dst, src, 4);
        else if (src[3])
            blend(dst, src);
}

static void draw(const struct frames_source *s)
{
    size_t row = 4 * (size_t)s->shown.width;

    for (uint32_t y = 0; y < s->shown.height; y++)
        if (s->shown.overwrite)
            memcpy(canvas_at(s, y), s->pixels + row * y, row);
        else
            draw_row(canvas_at(s, y), s->pixels + row * y, s->shown.width);
}

/* Decoding. */

/* What a frame declares must be what its bitstream has, and lie on the canvas. */
static enum ic_code check_frame(const struct frames_source *s, const struct probe_frame *f, struct ic_error *e)
{
    WebPBitstreamFeatures b;

    if (f->x + f->width > s->width || f->y + f->height > s->height ||
        WebPGetFeatures(f->bits.p, f->bits.n, &b) != VP8_STATUS_OK || b.width != (int)f->width ||
        b.height != (int)f->height || b.has_animation)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a broken frame in its animation");
    return IC_OK;
}

static enum ic_code decode_frame(struct frames_source *s, const struct probe_frame *f, struct ic_error *e)
{
    size_t row = 4 * (size_t)f->width;
    enum ic_code rc = check_frame(s, f, e);

    if (rc == IC_OK && !WebPDecodeRGBAInto(f->bits.p, f->bits.n, s->pixels, row * f->height, (int)row))
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a frame of its animation can't be decoded");
    return rc;
}

/* The frame at s->at. A frame that is cut off, and what may follow it, is not there. */
static enum ic_code frames_next(struct ic_source *base, bool *more, struct ic_error *e)
{
    struct frames_source *s = (struct frames_source *)base;
    struct probe_frame f;
    enum ic_code rc = probe_webp_frame(s->in, &s->at, &f, e);

    *more = false;
    if (rc == IC_E_MORE || (rc == IC_OK && f.cut))
        base->truncated = true;
    if (rc == IC_E_MORE || rc == IC_E_FORMAT || (rc == IC_OK && f.cut))
        return IC_OK;
    if (rc == IC_OK)
        rc = decode_frame(s, &f, e);
    if (rc != IC_OK)
        return rc;
    if (s->shown.dispose)
        dispose(s);
    s->shown = f;
    draw(s);
    base->animation.duration_ms = f.duration_ms;
    s->yielded = false;
    *more = true;
    return IC_OK;
}

static enum ic_code frames_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct frames_source *s = (struct frames_source *)base;

    (void)e;
    if (s->yielded)
        return IC_OK;
    rows->p[0] = s->canvas;
    rows->stride[0] = 4 * (size_t)s->width;
    rows->n[0] = s->height;
    s->yielded = true;
    return IC_OK;
}

static void frames_close(struct ic_source *base)
{
    struct frames_source *s = (struct frames_source *)base;

    ic_free(s->mem, s->canvas);
    ic_free(s->mem, s->pixels);
    ic_free(s->mem, s);
}

static const struct ic_source_ops frames_ops = { frames_rows, frames_close, frames_next };

/* Opening. */

static enum ic_code frames_alloc(struct frames_source *s, struct ic_error *e)
{
    size_t size;

    if (!ic_mul(4 * (size_t)s->width, s->height, &size))
        return ic_fail(e, IC_E_LIMIT, "WebP: too large");
    s->canvas = ic_calloc(s->mem, size);
    s->pixels = ic_alloc(s->mem, size);
    return s->canvas && s->pixels
               ? IC_OK
               : ic_fail(e, IC_E_MEMORY, "no memory for an animation of %ux%u pixels", s->width, s->height);
}

enum ic_code webp_frames_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                              struct ic_error *e)
{
    const struct ic_info *x = o->expect;
    struct ic_plane full = {
        .width = x->width, .height = x->height, .channels = 4, .span_w = x->width, .span_h = x->height
    };
    struct frames_source *s = ic_calloc(o->mem, sizeof *s);
    bool more = false;

    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a WebP decoder");
    s->base = (struct ic_source){ .ops = &frames_ops, .shape = { .layout = IC_RGBA, .n = 1, .plane = { full } } };
    s->mem = o->mem;
    s->in = in;
    s->width = x->width;
    s->height = x->height;
    probe_webp_animation(in, &s->base.animation.background, &s->base.animation.loops);
    enum ic_code rc = frames_alloc(s, e);
    if (rc == IC_OK)
        rc = frames_next(&s->base, &more, e);
    if (rc == IC_OK && !more)
        rc = ic_fail(e, IC_E_CORRUPT, "the animation ends before its first frame is whole");
    if (rc == IC_OK)
        *out = &s->base;
    else
        frames_close(&s->base);
    return rc;
}
