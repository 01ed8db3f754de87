/* ICC profiles, through lcms2, and a fast way of our own for the common kind. Owns the engine's cache of conversions;
 * run.c asks for them, colour.c applies them.
 *
 *     grey             256 values, worked out once
 *     curves, matrix   icc_matrix.c
 *     anything else    an lcms2 transform, on packed pixels
 *
 * Found again by the profile's bytes, all of them: a hash could be made to collide, and one client's profile would
 * colour another's picture. lcms2 allocates from the budget, so a hostile profile ends where a hostile image does. */
#include "icc.h"
#include "cpu.h"
#include "icc_matrix.h"
#include "icc_transform.h"

#include <lcms2_plugin.h>
#include <string.h>

#define MOST_AT_ONCE ((size_t)64 << 20) /* more at a time is asked for by broken profiles only */
#define PIECE        256                /* pixels converted at a time by lcms2 */

/* What a transform may take while it is made, and for each byte of its profile. lcms2 uses some of what it allocates
 * without asking whether it got it, so it is not begun where it would not suffice. Twice the most that was seen. */
#define TRANSFORM_ROOM  ((size_t)2 << 20)
#define TRANSFORM_SHARE 8u

enum kind { KIND_NOTHING, KIND_TABLE, KIND_MATRIX, KIND_TRANSFORM };

struct ic_icc {
    struct ic_icc *next;
    enum ic_icc_pixels pixels;
    enum kind kind;
    struct ic_bytes profile; /* behind this struct */
    size_t size;             /* bytes that all of it takes */
    cmsHTRANSFORM transform; /* owned */
    struct icc_matrix matrix;
    uint8_t table[256];
};

/* lcms2's memory. */

static struct ic_mem *mem_of(cmsContext context)
{
    struct ic_icc_cache *c = cmsGetContextUserData(context);

    return c->mem;
}

/* lcms2 fails alike for want of memory and for a broken profile; this tells them apart. */
static void *noted(cmsContext context, void *p)
{
    struct ic_icc_cache *c = cmsGetContextUserData(context);

    c->refused = c->refused || !p;
    return p;
}

static void *lcms_malloc(cmsContext context, cmsUInt32Number n)
{
    return n > MOST_AT_ONCE ? NULL : noted(context, ic_alloc(mem_of(context), n));
}

static void lcms_free(cmsContext context, void *p)
{
    ic_free(mem_of(context), p);
}

static void *lcms_realloc(cmsContext context, void *p, cmsUInt32Number n)
{
    return n > MOST_AT_ONCE ? NULL : noted(context, ic_realloc(mem_of(context), p, n));
}

/* Mutexes that are none, for there are no threads. lcms2 would write to its own without asking whether it got the
 * memory for it. */

static void *no_mutex(cmsContext context)
{
    return cmsGetContextUserData(context);
}

static void no_mutex_end(cmsContext context, void *mutex)
{
    (void)context, (void)mutex;
}

static cmsBool no_mutex_lock(cmsContext context, void *mutex)
{
    return context && mutex;
}

static bool cache_ready(struct ic_icc_cache *c)
{
    cmsPluginMutex mutex = {
        .base = { .Magic = cmsPluginMagicNumber, .ExpectedVersion = 2060, .Type = cmsPluginMutexSig },
        .CreateMutexPtr = no_mutex,
        .DestroyMutexPtr = no_mutex_end,
        .LockMutexPtr = no_mutex_lock,
        .UnlockMutexPtr = no_mutex_end
    };
    cmsPluginMemHandler plugin = { .base = { .Magic = cmsPluginMagicNumber,
                                             .ExpectedVersion = 2060,
                                             .Type = cmsPluginMemHandlerSig,
                                             .Next = &mutex.base },
                                   .MallocPtr = lcms_malloc,
                                   .FreePtr = lcms_free,
                                   .ReallocPtr = lcms_realloc };

    if (!c->encode && (c->encode = ic_alloc(c->mem, ICC_ENCODE_SIZE)))
        icc_encode_init(c->encode);
    if (!c->context)
        c->context = cmsCreateContext(&plugin, c);
    return c->encode && c->context;
}

/* Making one. */

static const cmsColorSpaceSignature spaces[] = {
    [IC_ICC_GREY] = cmsSigGrayData, [IC_ICC_RGB] = cmsSigRgbData, [IC_ICC_CMYK] = cmsSigCmykData
};

bool ic_icc_describes(struct ic_bytes profile, enum ic_icc_pixels pixels)
{
    static const char *const names[] = { [IC_ICC_GREY] = "GRAY", [IC_ICC_RGB] = "RGB ", [IC_ICC_CMYK] = "CMYK" };

    return profile.n >= 128 && memcmp(profile.p + 16, names[pixels], 4) == 0;
}

static bool usable(cmsHPROFILE profile, enum ic_icc_pixels pixels)
{
    cmsProfileClassSignature class = cmsGetDeviceClass(profile);
    cmsColorSpaceSignature space = cmsGetColorSpace(profile);
    bool device = class == cmsSigInputClass || class == cmsSigDisplayClass || class == cmsSigOutputClass ||
                  class == cmsSigColorSpaceClass;

    return device && (space == spaces[pixels] || (pixels == IC_ICC_GREY && space == cmsSigRgbData));
}

cmsHTRANSFORM icc_transform(struct ic_icc_cache *c, cmsHPROFILE profile, size_t n, int bits, cmsUInt32Number flags)
{
    cmsColorSpaceSignature space = cmsGetColorSpace(profile);
    bool deep = bits == 16;
    cmsUInt32Number grey = deep ? TYPE_GRAY_16 : TYPE_GRAY_8, rgb = deep ? TYPE_RGB_16 : TYPE_RGB_8;
    cmsUInt32Number from = space == cmsSigGrayData ? grey : space == cmsSigRgbData ? rgb : TYPE_CMYK_8_REV;

    if (c->mem->limit - c->mem->used < TRANSFORM_ROOM + TRANSFORM_SHARE * n) {
        c->refused = true;
        return NULL;
    }
    cmsHPROFILE srgb = cmsCreate_sRGBProfileTHR(c->context);
    cmsHTRANSFORM t =
        srgb ? cmsCreateTransformTHR(c->context, profile, from, srgb, rgb, INTENT_PERCEPTUAL, flags) : NULL;

    if (srgb)
        cmsCloseProfile(srgb);
    return t;
}

/* Through RGB and its green: neutral stays neutral. Not optimised, which costs the dark up to seven levels. */
static bool make_table(struct ic_icc *t, struct ic_icc_cache *c, cmsHPROFILE profile)
{
    cmsHTRANSFORM transform = icc_transform(c, profile, t->profile.n, 8, cmsFLAGS_NOOPTIMIZE);
    bool rgb = cmsGetColorSpace(profile) == cmsSigRgbData;
    bool same = true;

    for (int v = 0; transform && v < 256; v++) {
        uint8_t in[3] = { (uint8_t)v, (uint8_t)v, (uint8_t)v }, out[3] = { 0 };

        cmsDoTransform(transform, in, out, 1);
        t->table[v] = out[rgb ? 1 : 0];
        same = same && t->table[v] - v <= 1 && v - t->table[v] <= 1;
    }
    if (transform)
        cmsDeleteTransform(transform);
    t->kind = same ? KIND_NOTHING : KIND_TABLE;
    return transform != NULL;
}

static bool make_kind(struct ic_icc *t, struct ic_icc_cache *c, cmsHPROFILE profile)
{
    if (!usable(profile, t->pixels))
        return false;
    if (t->pixels == IC_ICC_GREY)
        return make_table(t, c, profile);
    if (t->pixels == IC_ICC_RGB && icc_matrix_init(&t->matrix, c->context, profile, c->encode)) {
        t->kind = icc_matrix_is_srgb(&t->matrix) ? KIND_NOTHING : KIND_MATRIX;
        return true;
    }
    t->kind = KIND_TRANSFORM;
    t->transform = icc_transform(c, profile, t->profile.n, 8, 0);
    return t->transform != NULL;
}

static void free_one(struct ic_icc_cache *c, struct ic_icc *t)
{
    if (t->transform)
        cmsDeleteTransform(t->transform);
    ic_free(c->mem, t);
}

static enum ic_code no_memory(struct ic_error *e)
{
    return ic_fail(e, IC_E_MEMORY, "no memory for a colour profile");
}

static enum ic_code make(struct ic_icc_cache *c, struct ic_bytes bytes, enum ic_icc_pixels pixels, struct ic_icc **out,
                         struct ic_error *e)
{
    size_t before = c->mem->used;
    struct ic_icc *t = cache_ready(c) ? ic_calloc(c->mem, sizeof *t + bytes.n) : NULL;
    cmsHPROFILE profile;

    if (!t)
        return no_memory(e);
    c->refused = false;
    memcpy(t + 1, bytes.p, bytes.n);
    t->profile = (struct ic_bytes){ (const uint8_t *)(t + 1), bytes.n };
    t->pixels = pixels;
    profile = cmsOpenProfileFromMemTHR(c->context, bytes.p, (cmsUInt32Number)bytes.n);
    bool ok = profile && make_kind(t, c, profile);
    if (profile)
        cmsCloseProfile(profile);
    if (!ok) {
        free_one(c, t);
        return c->refused ? no_memory(e)
                          : ic_fail(e, IC_E_FORMAT, "the colour profile is broken, or of another kind of pixels");
    }
    t->size = c->mem->used > before ? c->mem->used - before : 0;
    *out = t;
    return IC_OK;
}

struct ic_bytes ic_icc_source(const struct ic_icc *t, enum ic_icc_pixels *pixels)
{
    *pixels = t->pixels;
    return t->profile;
}

/* The cache. */

/* Unlinks the conversion; NULL: it is not there. */
static struct ic_icc *take(struct ic_icc_cache *c, struct ic_bytes profile, enum ic_icc_pixels pixels)
{
    for (struct ic_icc **at = &c->first; *at; at = &(*at)->next) {
        struct ic_icc *t = *at;
        if (t->pixels != pixels || t->profile.n != profile.n || memcmp(t->profile.p, profile.p, profile.n) != 0)
            continue;
        *at = t->next;
        return t;
    }
    return NULL;
}

enum ic_code ic_icc_get(struct ic_icc_cache *c, struct ic_bytes profile, enum ic_icc_pixels pixels,
                        const struct ic_icc **out, struct ic_error *e)
{
    struct ic_icc *t = take(c, profile, pixels);

    if (!t) {
        enum ic_code rc = make(c, profile, pixels, &t, e);
        if (rc != IC_OK)
            return rc;
    }
    t->next = c->first;
    c->first = t;
    *out = t->kind == KIND_NOTHING ? NULL : t;
    return IC_OK;
}

void ic_icc_trim(struct ic_icc_cache *c, size_t most)
{
    struct ic_icc **at = &c->first;

    for (size_t used = 0; *at;) {
        struct ic_icc *t = *at;
        used += t->size;
        if (used <= most) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        used -= t->size;
        free_one(c, t);
    }
}

void ic_icc_cache_free(struct ic_icc_cache *c)
{
    ic_icc_trim(c, 0);
    if (c->context)
        cmsDeleteContext(c->context);
    ic_free(c->mem, c->encode);
    *c = (struct ic_icc_cache){ .mem = c->mem };
}

/* Rows. */

static void row_table(const struct ic_icc *t, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = t->table[p[i]];
}

/* lcms2 takes planes only where they are equally far apart, which ours need not be. */
static void row_transform(const struct ic_icc *t, uint8_t *const *p, size_t n)
{
    const struct ic_kernels *k = ic_kernels();
    uint8_t in[PIECE * 4], out[PIECE * 3];

    for (size_t x = 0; x < n; x += PIECE) {
        size_t m = n - x < PIECE ? n - x : PIECE;
        const uint8_t *from[4] = { p[0] + x, p[1] + x, p[2] + x, t->pixels == IC_ICC_CMYK ? p[3] + x : NULL };

        if (t->pixels == IC_ICC_CMYK)
            k->interleave4(in, from, m);
        else
            k->interleave3(in, from, m);
        cmsDoTransform(t->transform, in, out, (cmsUInt32Number)m);
        k->deinterleave3((uint8_t *[]){ p[0] + x, p[1] + x, p[2] + x }, out, m);
    }
}

void ic_icc_row(const struct ic_icc *t, uint8_t *const *p, size_t n)
{
    if (t->kind == KIND_TABLE)
        row_table(t, p[0], n);
    else if (t->kind == KIND_MATRIX)
        icc_matrix_row(&t->matrix, p, n);
    else if (t->kind == KIND_TRANSFORM)
        row_transform(t, p, n);
}
