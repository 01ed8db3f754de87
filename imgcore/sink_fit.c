/* max_bytes: rows are kept, and encoded again as squeeze.c says until the result fits. A sink like any other from
 * outside. */
#include "sink_fit.h"

#include "squeeze.h"

#include <math.h>
#include <string.h>

struct fit_sink {
    struct ic_sink base;
    const struct ic_codec *codec; /* borrowed */
    struct ic_squeeze squeeze;
    bool *exceeded; /* borrowed */
    struct {
        uint8_t *p; /* owned */
        size_t stride;
        uint32_t rows;
    } plane[IC_PLANES];
};

/* Keeping. */

static enum ic_code fit_write(struct ic_sink *base, const struct ic_rows *rows, struct ic_error *e)
{
    struct fit_sink *s = (struct fit_sink *)base;

    for (int i = 0; i < base->shape.n; i++) {
        const struct ic_plane *p = &base->shape.plane[i];

        if (rows->n[i] > p->height - s->plane[i].rows)
            return ic_fail(e, IC_E_PARAM, "more rows than the image has");
        for (uint32_t y = 0; y < rows->n[i]; y++, s->plane[i].rows++)
            memcpy(s->plane[i].p + s->plane[i].stride * s->plane[i].rows, rows->p[i] + rows->stride[i] * y,
                   (size_t)p->width * (size_t)p->channels);
    }
    return IC_OK;
}

/* Encoding. */

#define STRIP 16u

/* In strips of 16 rows of the first plane, with what belongs to them of the others. */
static enum ic_code fit_feed(const struct fit_sink *s, struct ic_sink *to, struct ic_error *e)
{
    const struct ic_planes *shape = &s->base.shape;
    enum ic_code rc = IC_OK;

    for (uint32_t y = 0; y < shape->plane[0].height && rc == IC_OK; y += STRIP) {
        struct ic_rows rows = { 0 };

        for (int i = 0; i < shape->n; i++) {
            uint32_t factor = (uint32_t)lround(shape->plane[0].span_h / shape->plane[i].span_h), from = y / factor;
            uint32_t left = shape->plane[i].height - from;

            rows.p[i] = s->plane[i].p + s->plane[i].stride * from;
            rows.stride[i] = s->plane[i].stride;
            rows.n[i] = left < STRIP / factor ? left : STRIP / factor;
        }
        rc = ic_sink_write(to, &rows, e);
    }
    return rc;
}

static enum ic_code fit_encode(struct fit_sink *s, struct ic_buffer *out, struct ic_error *e)
{
    struct ic_sink *sink = NULL;
    enum ic_code rc = s->codec->create(&s->base.shape, &s->squeeze.opt, out, &sink, e);

    if (rc == IC_OK)
        rc = fit_feed(s, sink, e);
    if (rc == IC_OK)
        rc = ic_sink_finish(sink, e);
    ic_sink_free(sink);
    return rc;
}

static enum ic_code fit_finish(struct ic_sink *base, struct ic_error *e)
{
    struct fit_sink *s = (struct fit_sink *)base;
    struct ic_buffer *out = base->out;
    enum ic_code rc;

    do {
        struct ic_buffer now = { .mem = out->mem, .max = out->max };

        rc = fit_encode(s, &now, e);
        if (rc != IC_OK)
            ic_buffer_free(&now);
        if (rc != IC_OK && rc != IC_E_RESULT)
            return rc;
        ic_squeeze_judge(&s->squeeze, &now);
    } while (ic_squeeze_next(&s->squeeze));
    if (!s->squeeze.best.n)
        return rc;
    *s->exceeded = !ic_squeeze_fits(&s->squeeze);
    ic_buffer_free(out);
    *out = ic_squeeze_take(&s->squeeze);
    return IC_OK;
}

/* Opening. */

static void fit_free(struct ic_sink *base)
{
    struct fit_sink *s = (struct fit_sink *)base;

    for (int i = 0; i < IC_PLANES; i++)
        ic_free(s->squeeze.opt.mem, s->plane[i].p);
    ic_squeeze_free(&s->squeeze);
    ic_free(s->squeeze.opt.mem, s);
}

static const struct ic_sink_ops fit_ops = { fit_write, fit_finish, fit_free };

static bool fit_alloc(struct fit_sink *s)
{
    bool ok = true;

    for (int i = 0; i < s->base.shape.n && ok; i++) {
        const struct ic_plane *p = &s->base.shape.plane[i];
        size_t size;

        s->plane[i].stride = ic_stride((size_t)p->width * (size_t)p->channels);
        ok = ic_mul(s->plane[i].stride, p->height, &size) && (s->plane[i].p = ic_alloc(s->squeeze.opt.mem, size));
    }
    return ok;
}

enum ic_code ic_fit_create(const struct ic_codec *codec, const struct ic_planes *shape, const struct ic_sink_opt *o,
                           size_t max_bytes, bool *exceeded, struct ic_buffer *out, struct ic_sink **sink,
                           struct ic_error *e)
{
    struct fit_sink *s = ic_calloc(o->mem, sizeof *s);

    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for an encoder");
    s->base = (struct ic_sink){ .ops = &fit_ops, .shape = *shape, .out = out };
    s->codec = codec;
    s->squeeze = (struct ic_squeeze){ .format = codec->format, .opt = *o, .max_bytes = max_bytes };
    s->exceeded = exceeded;
    if (!fit_alloc(s)) {
        fit_free(&s->base);
        return ic_fail(e, IC_E_MEMORY, "no memory for the rows of %ux%u pixels", shape->plane[0].width,
                       shape->plane[0].height);
    }
    *sink = &s->base;
    return IC_OK;
}
