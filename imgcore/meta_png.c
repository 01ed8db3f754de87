/* A PNG's chunks of colour and metadata (PNG third edition, section 11.3): iCCP, or else sRGB, or else gAMA and cHRM,
 * which become a profile of our own; eXIf; XMP in iTXt. cICP is not heeded. Chunks after the pixels count for
 * metadata. */
#include "icc.h"
#include "inflate.h"
#include "meta.h"
#include "probe.h"

#include <isa-l/crc.h>
#include <string.h>

struct png_walk {
    struct ic_meta *m;
    struct ic_icc_primaries colour; /* of gAMA and cHRM; zeros where they are not there */
    struct ic_bytes packed;         /* iCCP's compressed profile, n is 0 without */
    bool srgb, grey, pixels;        /* pixels: IDAT was passed */
};

static bool is(const uint8_t *type, const char *name)
{
    return memcmp(type, name, 4) == 0;
}

/* Behind a name of 1 to 79 letters, its NUL and the compression method 0. */
static struct ic_bytes after_name(struct ic_bytes b)
{
    const uint8_t *end = memchr(b.p, 0, b.n < 80 ? b.n : 80);
    size_t head = end ? (size_t)(end - b.p) + 2 : 0;

    return end && end != b.p && head < b.n && end[1] == 0 ? (struct ic_bytes){ b.p + head, b.n - head }
                                                          : (struct ic_bytes){ 0 };
}

static void on_iccp(struct png_walk *w, struct ic_bytes b)
{
    w->packed = after_name(b);
    w->m->profile_broken = w->packed.n == 0;
}

static void on_chrm(struct png_walk *w, const uint8_t *p)
{
    for (int i = 0; i < 8; i++)
        w->colour.xy[i] = probe_be32(p + 4 * i) / 1e5;
}

static enum ic_code inflate_xmp(struct png_walk *w, struct ic_bytes b, struct ic_error *e)
{
    struct ic_bytes *out = &w->m->xmp;
    enum ic_code rc = ic_inflate(w->m->mem, b, IC_BLOCK_MAX, &w->m->made[IC_META_XMP], &out->n, e);

    out->p = w->m->made[IC_META_XMP];
    return rc;
}

/* keyword NUL compressed? method language NUL keyword NUL text */
static enum ic_code on_itxt(struct png_walk *w, struct ic_bytes b, struct ic_error *e)
{
    static const char keyword[] = "XML:com.adobe.xmp";
    size_t at = sizeof keyword + 2;

    if (w->m->xmp.n || b.n < at || memcmp(b.p, keyword, sizeof keyword) != 0)
        return IC_OK;
    for (int i = 0; i < 2; i++) {
        const uint8_t *nul = memchr(b.p + at, 0, b.n - at);
        if (!nul)
            return IC_OK;
        at = (size_t)(nul - b.p) + 1;
    }
    struct ic_bytes text = { b.p + at, b.n - at };
    if (b.p[sizeof keyword])
        return inflate_xmp(w, text, e);
    w->m->xmp = text;
    return IC_OK;
}

static enum ic_code on_chunk(struct png_walk *w, const uint8_t *type, struct ic_bytes b, struct ic_error *e)
{
    if (is(type, "IHDR") && b.n == 13)
        w->grey = !(b.p[9] & 2);
    else if (is(type, "IDAT"))
        w->pixels = true;
    else if (is(type, "eXIf") && !w->m->exif.n)
        w->m->exif = b;
    else if (is(type, "iTXt"))
        return on_itxt(w, b, e);
    else if (is(type, "iCCP") && !w->pixels && !w->packed.n)
        on_iccp(w, b);
    else if (is(type, "sRGB") && !w->pixels)
        w->srgb = true;
    else if (is(type, "gAMA") && !w->pixels && b.n == 4)
        w->colour.gamma = probe_be32(b.p) / 1e5;
    else if (is(type, "cHRM") && !w->pixels && b.n == 32)
        on_chrm(w, b.p);
    return IC_OK;
}

/* What counts as a chunk's data: all of it is there, and its checksum is right, which of pixels nobody asks here. */
static bool sound(struct ic_bytes in, size_t at, size_t n)
{
    const uint8_t *p = in.p + at;

    return is(p + 4, "IDAT") || crc32_gzip_refl(0, p + 4, n + 4) == probe_be32(p + 8 + n);
}

static enum ic_code unpack_profile(struct png_walk *w, struct ic_error *e)
{
    struct ic_bytes *out = &w->m->profile;
    enum ic_code rc = ic_inflate_profile(w->m->mem, w->packed, &w->m->made[IC_META_PROFILE], &out->n, e);

    out->p = w->m->made[IC_META_PROFILE];
    w->m->profile_broken = rc == IC_OK && !out->n;
    return rc;
}

static enum ic_code make_profile(struct png_walk *w, struct ic_error *e)
{
    struct ic_bytes *out = &w->m->profile;
    enum ic_code rc = ic_icc_of_primaries(w->m->mem, &w->colour, w->grey, &w->m->made[IC_META_PROFILE], &out->n, e);

    out->p = w->m->made[IC_META_PROFILE];
    w->m->profile_ours = true;
    return rc;
}

enum ic_code ic_meta_png(struct ic_meta *m, struct ic_bytes in, struct ic_error *e)
{
    struct png_walk w = { .m = m };
    enum ic_code rc = IC_OK;

    for (size_t at = 8; rc == IC_OK && at < in.n && in.n - at >= 12;) {
        size_t n = probe_be32(in.p + at);
        if (n > in.n - at - 12)
            break;
        if (sound(in, at, n))
            rc = on_chunk(&w, in.p + at + 4, (struct ic_bytes){ in.p + at + 8, n }, e);
        at += 12 + n;
    }
    if (rc == IC_OK && w.packed.n)
        rc = unpack_profile(&w, e);
    if (rc == IC_OK && !m->profile.n && !w.srgb && (w.colour.gamma > 0 || w.colour.xy[1] > 0))
        rc = make_profile(&w, e);
    return rc;
}
