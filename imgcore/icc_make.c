/* A profile made of a PNG's gAMA and cHRM, so that what follows knows only of profiles, and cs=keep has one to keep.
 *
 * lcms2 stamps profiles with the time; here it is taken out, or equal pictures would give different bytes. */
#include "icc.h"

#include <lcms2.h>
#include <math.h>
#include <string.h>

#define SCREEN        (1 / 2.2)
#define SCREEN_WITHIN 0.05 /* as libpng has it: nearer than this, the difference is not meant */

#define TIME_AT   24
#define TIME_SIZE 12
#define ID_AT     84
#define ID_SIZE   16

static const double srgb_xy[8] = { 0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06 };

static bool colours(const double *xy)
{
    for (int i = 0; i < 8; i += 2)
        if (!(xy[i] >= 0 && xy[i + 1] > 0 && xy[i] + xy[i + 1] <= 1))
            return false;
    return true;
}

static cmsToneCurve *curve_of(double gamma)
{
    static const double srgb[] = { 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045 };
    if (gamma != 0 && !(gamma > 0.02 && gamma < 50))
        return NULL;
    bool screen = gamma == 0 || fabs(gamma / SCREEN - 1) < SCREEN_WITHIN;

    return screen ? cmsBuildParametricToneCurve(NULL, 4, srgb) : cmsBuildGamma(NULL, 1 / gamma);
}

static cmsCIExyY point(const double *xy)
{
    return (cmsCIExyY){ xy[0], xy[1], 1 };
}

static cmsHPROFILE build(const struct ic_icc_primaries *c, bool grey, cmsToneCurve *curve)
{
    const double *xy = c->xy[1] > 0 ? c->xy : srgb_xy;
    cmsCIExyY white = point(xy);
    cmsCIExyYTRIPLE rgb = { point(xy + 2), point(xy + 4), point(xy + 6) };

    if (!colours(xy))
        return NULL;
    return grey ? cmsCreateGrayProfile(cmsD50_xyY(), curve)
                : cmsCreateRGBProfile(&white, &rgb, (cmsToneCurve *[]){ curve, curve, curve });
}

static enum ic_code save(cmsHPROFILE profile, struct ic_mem *mem, uint8_t **out, size_t *n, struct ic_error *e)
{
    cmsUInt32Number size = 0;
    uint8_t *to;

    if (!cmsSaveProfileToMem(profile, NULL, &size))
        return IC_OK;
    if (!(to = ic_alloc(mem, size)))
        return ic_fail(e, IC_E_MEMORY, "no memory for a colour profile");
    if (!cmsSaveProfileToMem(profile, to, &size)) {
        ic_free(mem, to);
        return IC_OK;
    }
    memset(to + TIME_AT, 0, TIME_SIZE);
    memset(to + ID_AT, 0, ID_SIZE);
    *out = to;
    *n = size;
    return IC_OK;
}

/* Some kilobytes at most, whatever the chunks say: not worth a place in the budget while lcms2 works. */
enum ic_code ic_icc_of_primaries(struct ic_mem *mem, const struct ic_icc_primaries *c, bool grey, uint8_t **out,
                                 size_t *n, struct ic_error *e)
{
    cmsToneCurve *curve = curve_of(c->gamma);
    cmsHPROFILE profile = curve ? build(c, grey, curve) : NULL;
    enum ic_code rc = profile ? save(profile, mem, out, n, e) : IC_OK;

    if (curve)
        cmsFreeToneCurve(curve);
    if (profile)
        cmsCloseProfile(profile);
    return rc;
}
