/* PNG's header: IHDR and the chunks before the first IDAT (PNG third edition, sections 5 and 11).
 *
 * Chunks whose content decides the shape of the pixels (IHDR, tRNS) are believed only with a right checksum, because
 * libpng throws others away and the two would disagree. */
#include "exif.h"
#include "probe.h"

#include <string.h>

struct chunk {
    const uint8_t *type; /* 4 letters */
    const uint8_t *p;    /* n bytes, then the checksum */
    size_t n;
    bool whole; /* all of them are in view; otherwise only the head is */
};

struct png_walk {
    struct ic_info *out;
    uint32_t palette; /* entries of PLTE */
    uint8_t colour;   /* IHDR's colour type */
    bool plte, trns, actl;
};

enum { GREY = 0, RGB = 2, PALETTE = 3, GREY_ALPHA = 4, RGB_ALPHA = 6 };

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffff;
    while (n--) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static bool checksum_ok(const struct chunk *c)
{
    return crc32_of(c->type, c->n + 4) == probe_be32(c->p + c->n);
}

static bool is(const struct chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

static bool is_letters(const uint8_t *p)
{
    for (int i = 0; i < 4; i++)
        if ((p[i] | 32) < 'a' || (p[i] | 32) > 'z')
            return false;
    return true;
}

static bool depth_ok(uint8_t colour, uint8_t depth)
{
    switch (colour) {
    case GREY:
        return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case PALETTE:
        return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case RGB:
    case GREY_ALPHA:
    case RGB_ALPHA:
        return depth == 8 || depth == 16;
    default:
        return false;
    }
}

static enum ic_code check_ihdr(const struct chunk *c, struct ic_error *e)
{
    if (is(c, "CgBI"))
        return ic_fail(e, IC_E_FORMAT, "PNG in Apple's CgBI variant is not supported; standard PNG is");
    if (!is(c, "IHDR") || c->n != 13)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: it does not begin with IHDR");
    if (!checksum_ok(c))
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: wrong checksum of IHDR");
    uint32_t w = probe_be32(c->p), h = probe_be32(c->p + 4);
    if (w == 0 || h == 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: a side of 0 pixels");
    if (w > INT32_MAX || h > INT32_MAX)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: %ux%u pixels", w, h);
    if (!depth_ok(c->p[9], c->p[8]))
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: colour type %u with %u bits", c->p[9], c->p[8]);
    if (c->p[10] != 0 || c->p[11] != 0 || c->p[12] > 1)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: unknown compression, filter or interlace method");
    return IC_OK;
}

static void fill_ihdr(const struct chunk *c, struct png_walk *w)
{
    static const uint8_t components[] = { [GREY] = 1, [RGB] = 3, [PALETTE] = 3, [GREY_ALPHA] = 2, [RGB_ALPHA] = 4 };
    w->colour = c->p[9];
    w->out->format = IC_FORMAT_PNG;
    w->out->width = probe_be32(c->p);
    w->out->height = probe_be32(c->p + 4);
    w->out->depth = c->p[8];
    w->out->components = components[w->colour];
    w->out->alpha = w->colour == GREY_ALPHA || w->colour == RGB_ALPHA;
    w->out->palette = w->colour == PALETTE;
    w->out->progressive = c->p[12] == 1;
    w->out->lossless = true;
}

static enum ic_code on_plte(const struct chunk *c, struct png_walk *w, struct ic_error *e)
{
    if (w->plte)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: two palettes");
    if (w->colour == PALETTE && (c->n == 0 || c->n > 768 || c->n % 3))
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: palette of %zu bytes", c->n);
    if (w->trns && w->colour == RGB) { /* as libpng has it: a transparent colour before the palette is void */
        w->out->alpha = false;
        w->out->components = 3;
    }
    w->plte = true;
    uint32_t most = 1u << (w->out->depth < 8 ? w->out->depth : 8);
    w->palette = (uint32_t)(c->n / 3) < most ? (uint32_t)(c->n / 3) : most;
    return IC_OK;
}

/* The cases in which libpng heeds tRNS; in others it warns and goes on without. */
static bool trns_valid(const struct chunk *c, const struct png_walk *w)
{
    if (w->trns || w->out->alpha)
        return false;
    if (w->colour == PALETTE)
        return w->plte && c->n >= 1 && c->n <= w->palette && checksum_ok(c);
    return c->n == (w->colour == GREY ? 2 : 6) && checksum_ok(c);
}

static void on_trns(const struct chunk *c, struct png_walk *w)
{
    if (!trns_valid(c, w))
        return;
    w->trns = true;
    w->out->alpha = true;
    w->out->components++;
}

/* An animated PNG's frame count; its default image is what is decoded. */
static void on_actl(const struct chunk *c, struct png_walk *w)
{
    if (w->actl || c->n != 8)
        return;
    w->actl = true;
    uint32_t frames = probe_be32(c->p);
    w->out->frames = frames ? frames : 1;
}

static enum ic_code on_chunk(const struct chunk *c, struct png_walk *w, struct ic_error *e)
{
    if (is(c, "PLTE"))
        return on_plte(c, w, e);
    if (is(c, "tRNS"))
        on_trns(c, w);
    else if (is(c, "acTL"))
        on_actl(c, w);
    else if (is(c, "eXIf"))
        w->out->orientation = ic_exif_orientation((struct ic_bytes){ c->p, c->n });
    else if (!(c->type[0] & 32))
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: %.4s before the image data", (const char *)c->type);
    return IC_OK;
}

static enum ic_code read_chunk(struct ic_bytes in, size_t at, struct chunk *c, struct ic_error *e)
{
    if (in.n - at < 8)
        return probe_more(e);
    *c = (struct chunk){ in.p + at + 4, in.p + at + 8, probe_be32(in.p + at), false };
    if (c->n > INT32_MAX || !is_letters(c->type))
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: no chunk at offset %zu", at);
    c->whole = in.n - at - 8 >= c->n + 4;
    return IC_OK;
}

enum ic_code probe_png(struct ic_bytes in, struct ic_info *out, struct ic_error *e)
{
    struct png_walk w = { .out = out };
    for (size_t at = 8;;) {
        struct chunk c;
        enum ic_code rc = read_chunk(in, at, &c, e);
        if (rc != IC_OK)
            return rc;
        if (at > 8 && is(&c, "IDAT"))
            break;
        if (!c.whole && (at > 8 || c.n == 13))
            return probe_more(e);
        rc = at == 8 ? check_ihdr(&c, e) : on_chunk(&c, &w, e);
        if (rc != IC_OK)
            return rc;
        if (at == 8)
            fill_ihdr(&c, &w);
        at += 12 + c.n;
    }
    if (w.colour == PALETTE && !w.plte)
        return ic_fail(e, IC_E_CORRUPT, "corrupt PNG: the palette is missing");
    return IC_OK;
}
