/* From the blocks a file carries to what results do with them; run.c asks once a run, and once for each output,
 * decode.c once an image.
 *
 * A profile is tried where it is found: one that is broken, or of other pixels than the file has, costs a warning and
 * never the picture. */
#include "run_meta.h"

#include "exif.h"
#include "iptc.h"
#include "xmp.h"

#include <string.h>

static enum ic_icc_pixels pixels_of(enum ic_layout layout)
{
    switch (layout) {
    case IC_GREY:
    case IC_GREYA:
        return IC_ICC_GREY;
    case IC_CMYK:
    case IC_YCCK:
        return IC_ICC_CMYK;
    default:
        return IC_ICC_RGB;
    }
}

/* CMYK without a profile of its own: the configured one, or the plain formula. */
static enum ic_code meta_ink(struct run_meta *m, struct ic_engine *g, struct ic_error *e)
{
    struct ic_bytes profile = { g->cmyk, g->cmyk_size };

    if (profile.n)
        return ic_icc_get(&g->icc, profile, IC_ICC_CMYK, &m->icc, e);
    m->warnings |= IC_WARN_CMYK;
    return IC_OK;
}

static enum ic_code meta_colours(struct run_meta *m, struct ic_engine *g, enum ic_icc_pixels pixels, struct ic_error *e)
{
    enum ic_code rc = IC_E_FORMAT;

    if (m->meta.profile.n)
        rc = ic_icc_get(&g->icc, m->meta.profile, pixels, &m->icc, e);
    if (rc != IC_E_FORMAT)
        return rc;
    if (m->meta.profile.n || m->meta.profile_broken)
        m->warnings |= IC_WARN_PROFILE;
    m->meta.profile = (struct ic_bytes){ 0 };
    return pixels == IC_ICC_CMYK ? meta_ink(m, g, e) : IC_OK;
}

enum ic_code run_meta_open(struct run_meta *m, struct ic_engine *g, enum ic_format format, struct ic_bytes in,
                           enum ic_layout layout, struct ic_error *e)
{
    enum ic_code rc = ic_meta_read(&m->meta, &g->mem, format, in, e);

    return rc == IC_OK ? meta_colours(m, g, pixels_of(layout), e) : rc;
}

/* Metadata. */

#define TEXT_MOST 1000u /* of an artist or a copyright that is taken from XMP */

static enum ic_code origin_exif(const struct run_meta *m, const struct ic_plan *p, struct ic_origin *o,
                                struct ic_error *e)
{
    struct ic_exif_facts f = {
        .width = p->width, .height = p->height, .orientation = p->orientation, .srgb = !p->keep_profile
    };
    enum ic_code rc = ic_exif_keep(m->meta.mem, m->meta.exif, &f, &o->made[0], &o->attached.exif.n, e);

    o->attached.exif.p = o->made[0];
    return rc;
}

static enum ic_code origin_xmp(const struct run_meta *m, const struct ic_plan *p, struct ic_origin *o,
                               struct ic_error *e)
{
    struct ic_xmp_facts f = { .width = p->width, .height = p->height, .orientation = p->orientation };
    enum ic_code rc = ic_xmp_keep(m->meta.mem, m->meta.xmp, &f, &o->made[1], &o->attached.xmp.n, e);

    o->attached.xmp.p = o->made[1];
    return rc;
}

static enum ic_code origin_iptc(const struct run_meta *m, struct ic_origin *o, struct ic_error *e)
{
    enum ic_code rc = ic_iptc_keep(m->meta.mem, m->meta.iptc, &o->made[2], &o->attached.iptc.n, e);

    o->attached.iptc.p = o->made[2];
    return rc;
}

static enum ic_code origin_keep(const struct run_meta *m, const struct ic_plan *p, struct ic_origin *o,
                                struct ic_error *e)
{
    enum ic_code rc = origin_exif(m, p, o, e);

    if (rc == IC_OK)
        rc = origin_xmp(m, p, o, e);
    return rc == IC_OK ? origin_iptc(m, o, e) : rc;
}

/* From EXIF, or IPTC, or XMP, whichever has it first. buf holds what must be decoded. */
static struct ic_bytes rights_text(const struct ic_meta *m, uint16_t exif, uint8_t iptc, const char *xmp, char *buf)
{
    struct ic_bytes text = ic_exif_text(m->exif, exif);

    if (!text.n)
        text = ic_iptc_text(m->iptc, iptc);
    if (!text.n)
        text = (struct ic_bytes){ (const uint8_t *)buf, ic_xmp_text(m->xmp, xmp, buf, TEXT_MOST) };
    return text;
}

static enum ic_code origin_rights(const struct run_meta *m, struct ic_origin *o, struct ic_error *e)
{
    char creator[TEXT_MOST], owner[TEXT_MOST];
    struct ic_bytes artist = rights_text(&m->meta, IC_EXIF_ARTIST, IC_IPTC_BYLINE, "dc:creator", creator);
    struct ic_bytes copyright = rights_text(&m->meta, IC_EXIF_COPYRIGHT, IC_IPTC_COPYRIGHT, "dc:rights", owner);
    enum ic_code rc = ic_exif_rights(m->meta.mem, artist, copyright, &o->made[0], &o->attached.exif.n, e);

    o->attached.exif.p = o->made[0];
    return rc;
}

struct ic_origin run_meta_colours(const struct run_meta *m, const struct ic_plan *p)
{
    struct ic_origin o = { .icc = m->icc };

    if (p->keep_profile)
        o.attached.profile = m->meta.profile;
    return o;
}

enum ic_code run_meta_origin(const struct run_meta *m, const struct ic_plan *p, struct ic_origin *o, struct ic_error *e)
{
    *o = run_meta_colours(m, p);
    if (p->metadata == IC_METADATA_KEEP)
        return origin_keep(m, p, o, e);
    return p->metadata == IC_METADATA_COPYRIGHT ? origin_rights(m, o, e) : IC_OK;
}

void run_meta_drop(const struct run_meta *m, struct ic_origin *o)
{
    for (size_t i = 0; i < sizeof o->made / sizeof *o->made; i++)
        if (o->made[i])
            ic_free(m->meta.mem, o->made[i]);
    *o = (struct ic_origin){ 0 };
}

void run_meta_close(struct run_meta *m)
{
    ic_meta_free(&m->meta);
    *m = (struct run_meta){ 0 };
}

enum ic_code ic_engine_cmyk(struct ic_engine *g, struct ic_bytes profile, struct ic_error *e)
{
    const struct ic_icc *icc;
    enum ic_code rc = ic_icc_get(&g->icc, profile, IC_ICC_CMYK, &icc, e);
    uint8_t *copy = rc == IC_OK ? ic_alloc(&g->mem, profile.n) : NULL;

    if (rc != IC_OK)
        return rc;
    if (!copy)
        return ic_fail(e, IC_E_MEMORY, "no memory for a profile of %zu bytes", profile.n);
    memcpy(copy, profile.p, profile.n);
    ic_free(&g->mem, g->cmyk);
    g->cmyk = copy;
    g->cmyk_size = profile.n;
    return IC_OK;
}
