/* Profiles for 16-bit samples: lcms2 without its shortcuts, which are made for 8 bits. Called by deep.c.
 *
 * Not kept between runs: 16-bit results are rare, and making one costs less than a row of a large image. */
#include "icc_transform.h"

#define PIECE 256 /* pixels converted at a time */

struct ic_icc_deep {
    struct ic_mem *mem;      /* borrowed */
    cmsHTRANSFORM transform; /* owned; to RGB */
    bool grey;               /* the pixels have one channel */
    int takes;               /* channels of the profile: grey pixels may have one of RGB */
};

enum ic_code ic_icc_deep_make(struct ic_icc_cache *c, const struct ic_icc *t, struct ic_icc_deep **out,
                              struct ic_error *e)
{
    enum ic_icc_pixels pixels;
    struct ic_bytes bytes = ic_icc_source(t, &pixels);
    struct ic_icc_deep *d = ic_calloc(c->mem, sizeof *d);
    cmsHPROFILE profile;

    c->refused = !d;
    profile = d ? cmsOpenProfileFromMemTHR(c->context, bytes.p, (cmsUInt32Number)bytes.n) : NULL;
    if (profile) {
        *d = (struct ic_icc_deep){ .mem = c->mem, .grey = pixels == IC_ICC_GREY };
        d->takes = cmsGetColorSpace(profile) == cmsSigGrayData ? 1 : 3;
        d->transform = icc_transform(c, profile, bytes.n, 16, cmsFLAGS_NOOPTIMIZE);
        cmsCloseProfile(profile);
    }
    if (profile && d->transform) {
        *out = d;
        return IC_OK;
    }
    ic_free(c->mem, d);
    return c->refused ? ic_fail(e, IC_E_MEMORY, "no memory for a colour profile")
                      : ic_fail(e, IC_E_FORMAT, "the colour profile can't be used for 16 bits");
}

void ic_icc_deep_free(struct ic_icc_deep *t)
{
    if (!t)
        return;
    cmsDeleteTransform(t->transform);
    ic_free(t->mem, t);
}

static void deep_piece(const struct ic_icc_deep *t, uint16_t *px, size_t n, size_t step)
{
    uint16_t in[PIECE * 3] = { 0 }, out[PIECE * 3], *to = in;

    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < t->takes; c++)
            *to++ = px[i * step + (t->grey ? 0 : (size_t)c)];
    cmsDoTransform(t->transform, in, out, (cmsUInt32Number)n);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < (t->grey ? 1 : 3); c++)
            px[i * step + c] = out[i * 3 + (t->grey ? 1 : c)]; /* green: neutral stays neutral */
}

void ic_icc_deep_row(const struct ic_icc_deep *t, uint16_t *px, size_t n, size_t step)
{
    for (size_t x = 0; x < n; x += PIECE)
        deep_piece(t, px + x * step, n - x < PIECE ? n - x : PIECE, step);
}
