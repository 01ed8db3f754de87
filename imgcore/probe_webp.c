/* WebP's header: the RIFF container and the head of the first frame (developers.google.com/speed/webp/docs:
 * riff_container, RFC 6386 section 9.1, webp_lossless_bitstream_specification section 3).
 *
 * A still image needs the head of its bitstream in view, because only that tells its real size, which VP8X merely
 * repeats. Of an animation the first frame's head is needed, further ones are counted as far as they can be seen. */
#include "exif.h"
#include "probe.h"

#include <string.h>

#define VP8X_ANIMATION 0x02
#define VP8X_ALPHA     0x10
#define ANMF_HEAD      16

struct chunk {
    const uint8_t *type, *p;
    size_t n, seen; /* bytes of the payload: as declared, and in view */
};

/* The head of a VP8 or VP8L bitstream. */
struct frame {
    uint32_t width, height;
    bool alpha, lossless;
};

struct webp_walk {
    struct ic_bytes in; /* cut to the RIFF size */
    bool cut;           /* in ends before the RIFF size does */
    size_t at;
};

static bool is(const struct chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

static bool next_chunk(struct webp_walk *w, struct chunk *c)
{
    if (w->in.n - w->at < 8)
        return false;
    const uint8_t *p = w->in.p + w->at;
    size_t left = w->in.n - w->at - 8;
    *c = (struct chunk){ p, p + 8, probe_le32(p + 4), 0 };
    c->seen = c->n < left ? c->n : left;
    size_t padded = c->n + (c->n & 1);
    w->at = padded < left ? w->at + 8 + padded : w->in.n;
    return true;
}

/* The chunk is shorter than its format allows, or merely out of view. */
static enum ic_code fail_short(const struct chunk *c, size_t need, struct ic_error *e)
{
    if (c->n < need)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: chunk of %zu bytes, at least %zu needed", c->n, need);
    return probe_more(e);
}

static enum ic_code read_vp8(const struct chunk *c, struct frame *f, struct ic_error *e)
{
    if (c->seen < 10)
        return fail_short(c, 10, e);
    uint32_t tag = probe_le24(c->p);
    bool key_frame = !(tag & 1), shown = tag >> 4 & 1;
    if (!key_frame || !shown || (tag >> 1 & 7) > 3 || memcmp(c->p + 3, "\x9d\x01\x2a", 3) != 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: bad frame header");
    if (tag >> 5 >= c->n)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: the first partition is longer than the frame");
    *f = (struct frame){ .width = probe_le16(c->p + 6) & 0x3fff, .height = probe_le16(c->p + 8) & 0x3fff };
    if (f->width == 0 || f->height == 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a side of 0 pixels");
    return IC_OK;
}

static enum ic_code read_vp8l(const struct chunk *c, struct frame *f, struct ic_error *e)
{
    if (c->seen < 5)
        return fail_short(c, 5, e);
    uint32_t bits = probe_le32(c->p + 1);
    if (c->p[0] != 0x2f || bits >> 29 != 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: bad lossless header");
    *f = (struct frame){
        .width = (bits & 0x3fff) + 1, .height = (bits >> 14 & 0x3fff) + 1, .alpha = bits >> 28 & 1, .lossless = true
    };
    return IC_OK;
}

/* IC_OK with *found = false: c is no bitstream; an ALPH chunk is remembered in *alpha. */
static enum ic_code read_frame(const struct chunk *c, struct frame *f, bool *found, bool *alpha, struct ic_error *e)
{
    *found = is(c, "VP8 ") || is(c, "VP8L");
    *alpha = *alpha || is(c, "ALPH");
    if (!*found)
        return IC_OK;
    enum ic_code rc = is(c, "VP8 ") ? read_vp8(c, f, e) : read_vp8l(c, f, e);
    if (!f->lossless)
        f->alpha = *alpha;
    return rc;
}

/* The first bitstream of w, a file or the inside of an ANMF chunk. */
static enum ic_code find_frame(struct webp_walk *w, struct frame *f, struct ic_error *e)
{
    struct chunk c;
    bool found = false, alpha = false;
    while (next_chunk(w, &c)) {
        enum ic_code rc = read_frame(&c, f, &found, &alpha, e);
        if (rc != IC_OK || found)
            return rc;
        if (is(&c, "ANMF"))
            return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: an animation frame in a still image");
    }
    return w->cut ? probe_more(e) : ic_fail(e, IC_E_CORRUPT, "corrupt WebP: there is no image in it");
}

static void fill_exif(struct webp_walk w, struct ic_info *out)
{
    struct chunk c;
    while (next_chunk(&w, &c))
        if (is(&c, "EXIF")) {
            out->orientation = ic_exif_orientation((struct ic_bytes){ c.p, c.seen });
            return;
        }
}

static void fill(struct ic_info *out, const struct frame *f)
{
    out->format = IC_FORMAT_WEBP;
    out->width = f->width;
    out->height = f->height;
    out->depth = 8;
    out->alpha = f->alpha;
    out->components = f->alpha ? 4 : 3;
    out->lossless = f->lossless;
}

static enum ic_code still(struct webp_walk w, bool alpha_flag, struct ic_info *out, struct ic_error *e)
{
    uint32_t width = out->width, height = out->height;
    struct frame f = { 0 };
    struct webp_walk from_start = w;
    enum ic_code rc = find_frame(&w, &f, e);
    if (rc != IC_OK)
        return rc;
    if (f.width != width || f.height != height)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a frame of %ux%u on a canvas of %ux%u", f.width, f.height, width,
                       height);
    if (!f.lossless)
        f.alpha = f.alpha || alpha_flag;
    fill(out, &f);
    fill_exif(from_start, out);
    return IC_OK;
}

/* Further chunks up to the next ANMF, w's position then being behind it. */
static bool next_anmf(struct webp_walk *w, struct chunk *c)
{
    while (next_chunk(w, c))
        if (is(c, "ANMF"))
            return true;
    return false;
}

static enum ic_code read_anmf(const struct chunk *c, bool cut, struct probe_frame *f, struct ic_error *e)
{
    if (c->seen < ANMF_HEAD)
        return fail_short(c, ANMF_HEAD, e);
    *f = (struct probe_frame){ .bits = { c->p + ANMF_HEAD, c->seen - ANMF_HEAD },
                               .cut = cut && c->seen < c->n,
                               .x = 2 * probe_le24(c->p),
                               .y = 2 * probe_le24(c->p + 3),
                               .width = probe_le24(c->p + 6) + 1,
                               .height = probe_le24(c->p + 9) + 1,
                               .duration_ms = probe_le24(c->p + 12),
                               .dispose = c->p[15] & 1,
                               .overwrite = c->p[15] & 2 };
    return IC_OK;
}

/* Its bitstream must have the size that the frame declares, and lie on the canvas. */
static enum ic_code first_animated(const struct probe_frame *a, struct ic_info *out, struct ic_error *e)
{
    struct webp_walk inside = { .in = a->bits, .cut = a->cut, .at = 0 };
    struct frame f = { 0 };
    enum ic_code rc = find_frame(&inside, &f, e);
    if (rc != IC_OK)
        return rc;
    if (f.width != a->width || f.height != a->height || a->x + a->width > out->width || a->y + a->height > out->height)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a frame of %ux%u at %u,%u on a canvas of %ux%u", f.width,
                       f.height, a->x, a->y, out->width, out->height);
    /* Where the frame is smaller, the canvas shows around it. */
    f.alpha = f.alpha || a->width != out->width || a->height != out->height;
    f.width = out->width;
    f.height = out->height;
    fill(out, &f);
    return IC_OK;
}

static enum ic_code fail_no_frame(const struct webp_walk *w, struct ic_error *e)
{
    return w->cut ? probe_more(e) : ic_fail(e, IC_E_CORRUPT, "corrupt WebP: an animation without frames");
}

static enum ic_code animated(struct webp_walk w, bool alpha_flag, struct ic_info *out, struct ic_error *e)
{
    struct webp_walk from_start = w;
    struct chunk c;
    struct probe_frame first;
    if (!next_anmf(&w, &c))
        return fail_no_frame(&w, e);
    enum ic_code rc = read_anmf(&c, w.cut, &first, e);
    if (rc == IC_OK)
        rc = first_animated(&first, out, e);
    if (rc != IC_OK)
        return rc;
    out->frames = 1;
    while (next_anmf(&w, &c))
        out->frames++;
    out->alpha = out->alpha || alpha_flag;
    out->components = out->alpha ? 4 : 3;
    fill_exif(from_start, out);
    return IC_OK;
}

static enum ic_code extended(struct webp_walk w, const struct chunk *c, struct ic_info *out, struct ic_error *e)
{
    if (c->n != 10)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: VP8X of %zu bytes", c->n);
    if (c->seen < 10)
        return probe_more(e);
    out->width = probe_le24(c->p + 4) + 1;
    out->height = probe_le24(c->p + 7) + 1;
    if ((uint64_t)out->width * out->height > UINT32_MAX)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: a canvas of %ux%u pixels", out->width, out->height);
    bool alpha = c->p[0] & VP8X_ALPHA;
    return c->p[0] & VP8X_ANIMATION ? animated(w, alpha, out, e) : still(w, alpha, out, e);
}

static struct webp_walk walk_from_start(struct ic_bytes in)
{
    size_t riff = (size_t)probe_le32(in.p + 4) + 8;
    return (struct webp_walk){ .in = { in.p, in.n < riff ? in.n : riff }, .cut = in.n < riff, .at = 12 };
}

enum ic_code probe_webp_first_frame(struct ic_bytes in, struct probe_frame *out, struct ic_error *e)
{
    struct webp_walk w = walk_from_start(in);
    struct chunk c;
    return next_anmf(&w, &c) ? read_anmf(&c, w.cut, out, e) : fail_no_frame(&w, e);
}

enum ic_code probe_webp_frame(struct ic_bytes in, size_t *at, struct probe_frame *out, struct ic_error *e)
{
    struct webp_walk w = walk_from_start(in);
    struct chunk c;
    if (*at)
        w.at = *at;
    bool found = next_anmf(&w, &c);
    *at = w.at;
    if (found)
        return read_anmf(&c, w.cut, out, e);
    return w.cut ? probe_more(e) : ic_fail(e, IC_E_FORMAT, "the animation has no further frame");
}

void probe_webp_animation(struct ic_bytes in, uint32_t *background, uint32_t *loops)
{
    struct webp_walk w = walk_from_start(in);
    struct chunk c;
    *background = *loops = 0;
    while (next_chunk(&w, &c))
        if (is(&c, "ANIM") && c.seen >= 6) {
            *background = probe_le32(c.p);
            *loops = probe_le16(c.p + 4);
            return;
        }
}

enum ic_code probe_webp(struct ic_bytes in, struct ic_info *out, struct ic_error *e)
{
    struct webp_walk w = walk_from_start(in);
    struct chunk c;
    if (!w.cut && w.in.n < 12 + 8)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: container of %zu bytes", w.in.n);
    if (!next_chunk(&w, &c))
        return probe_more(e);
    if (is(&c, "VP8X"))
        return extended(w, &c, out, e);
    struct frame f = { 0 };
    bool found, alpha = false;
    enum ic_code rc = read_frame(&c, &f, &found, &alpha, e);
    if (rc == IC_OK && !found)
        return ic_fail(e, IC_E_CORRUPT, "corrupt WebP: it does not begin with an image");
    if (rc == IC_OK)
        fill(out, &f);
    return rc;
}
