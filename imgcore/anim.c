/* Animated WebP, writing, through libwebpmux: it finds what changed from frame to frame, and encodes that alone.
 *
 * Frames come as pixels and not as planes, because comparing needs RGB anyway. */
#include "anim.h"
#include "codec_webp.h"

#include <string.h>

#include <webp/encode.h>
#include <webp/mux.h>

struct ic_anim {
    struct ic_mem *mem; /* borrowed */
    uint32_t width, height;
    WebPAnimEncoder *encoder; /* owned */
    WebPConfig config;
    uint32_t *argb;   /* owned: one frame */
    uint32_t time_ms; /* when the next frame begins; libwebpmux allows it to wrap */
};

static enum ic_code fail_encoder(const struct ic_anim *a, struct ic_error *e)
{
    const char *why = WebPAnimEncoderGetError(a->encoder);

    return ic_fail(e, strstr(why, "MEMORY") || strstr(why, "memory") ? IC_E_MEMORY : IC_E_PARAM,
                   "animated WebP: the encoder failed: %.100s", why);
}

enum ic_code ic_anim_create(uint32_t width, uint32_t height, const struct ic_animation *animation,
                            const struct ic_sink_opt *o, struct ic_anim **out, struct ic_error *e)
{
    WebPAnimEncoderOptions options;
    struct ic_anim *a;

    if (width > WEBP_MAX_DIMENSION || height > WEBP_MAX_DIMENSION)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, a WebP may have %d a side", width, height, WEBP_MAX_DIMENSION);
    if (!(a = ic_calloc(o->mem, sizeof *a)))
        return ic_fail(e, IC_E_MEMORY, "no memory for an animation");
    a->mem = o->mem;
    a->width = width;
    a->height = height;
    if (webp_configure(o, &a->config) && WebPAnimEncoderOptionsInit(&options)) {
        options.anim_params.bgcolor = animation->background;
        options.anim_params.loop_count = (int)animation->loops;
        options.kmax = 0; /* frames are shown from the first on: key frames would only cost bytes */
        a->encoder = WebPAnimEncoderNew((int)width, (int)height, &options);
    }
    a->argb = ic_alloc(a->mem, (size_t)width * height * sizeof *a->argb);
    if (!a->encoder || !a->argb) {
        ic_anim_free(a);
        return ic_fail(e, IC_E_MEMORY, "no memory for an animation of %ux%u pixels", width, height);
    }
    *out = a;
    return IC_OK;
}

enum ic_code ic_anim_add(struct ic_anim *a, const uint8_t *rgba, uint32_t duration_ms, struct ic_error *e)
{
    WebPPicture picture;
    bool ok;

    if (!WebPPictureInit(&picture))
        return ic_fail(e, IC_E_PARAM, "libwebp is of another version than its headers");
    for (size_t i = 0; i < (size_t)a->width * a->height; i++, rgba += 4)
        a->argb[i] = (uint32_t)rgba[3] << 24 | (uint32_t)rgba[0] << 16 | (uint32_t)rgba[1] << 8 | rgba[2];
    picture.use_argb = 1;
    picture.width = (int)a->width;
    picture.height = (int)a->height;
    picture.argb = a->argb;
    picture.argb_stride = picture.width;
    ok = WebPAnimEncoderAdd(a->encoder, &picture, (int)a->time_ms, &a->config);
    WebPPictureFree(&picture); /* what libwebp added; the frame stays ours */
    if (!ok)
        return fail_encoder(a, e);
    a->time_ms += duration_ms;
    return IC_OK;
}

enum ic_code ic_anim_finish(struct ic_anim *a, const struct ic_attached *attached, bool alpha, struct ic_buffer *out,
                            struct ic_error *e)
{
    WebPData data;
    enum ic_code rc;

    WebPDataInit(&data);
    if (!WebPAnimEncoderAdd(a->encoder, NULL, (int)a->time_ms, NULL) || !WebPAnimEncoderAssemble(a->encoder, &data))
        return fail_encoder(a, e);
    rc = ic_buffer_append(out, data.bytes, data.size, e);
    WebPDataClear(&data);
    return rc == IC_OK ? webp_attach(out, attached, a->width, a->height, alpha, e) : rc;
}

void ic_anim_free(struct ic_anim *a)
{
    if (!a)
        return;
    WebPAnimEncoderDelete(a->encoder);
    ic_free(a->mem, a->argb);
    ic_free(a->mem, a);
}
