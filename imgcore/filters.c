/* Facts about filters that plan.c, plan_cost.c and the pixel path share; the filters themselves are in op_*.c. */
#include "filters.h"

#include "blur.h"
#include "tone.h"

#define MS_TONE  2.0
#define MS_SHARP 3.0
#define MS_BLUR  3.0
#define MS_PIXEL 0.7 /* every channel once to sum, once to fill */

static bool filters_within(double v, double min, double max)
{
    return v >= min && v <= max; /* false for NaN, too */
}

void ic_filters_init(struct ic_filters *f)
{
    *f = (struct ic_filters){ .brightness = 1,
                              .contrast = 1,
                              .saturation = 1,
                              .gamma = 1,
                              .start = { 0xc8, 0x36, 0x58, 255 },
                              .stop = { 0xd8, 0xe7, 0x4f, 255 } };
}

enum ic_code ic_filters_check(const struct ic_filters *f, struct ic_error *e)
{
    const double percent[] = { f->bri, f->con, f->sat }, factor[] = { f->brightness, f->contrast, f->saturation };
    bool sound = filters_within(f->hue, -360, 360) && filters_within(f->gamma, 0.1, 9.99);

    for (int i = 0; i < 3; i++)
        sound = sound && filters_within(percent[i], -100, 100) && filters_within(factor[i], 0, 10);
    if (!sound || f->filt < 0 || f->filt > IC_FILT_DUOTONE)
        return ic_fail(e, IC_E_PARAM, "a filter's value is out of range");
    if ((f->blur != 0 && !filters_within(f->blur, 0.3, 250)) ||
        (f->sharp != 0 && f->sharp != IC_SHARP_MILD && !filters_within(f->sharp, 0.3, 10)) ||
        !filters_within(f->usm.amount, 0, 500) || !filters_within(f->usm.threshold, 0, 255) ||
        (f->usm.amount != 0 && !filters_within(f->usm.radius, 0.3, 250)))
        return ic_fail(e, IC_E_PARAM, "a value of blur, sharp or usm is out of range");
    if (f->pixel < 0 || f->pixel > 512)
        return ic_fail(e, IC_E_PARAM, "pixel is %d, allowed 1 to 512", f->pixel);
    return IC_OK;
}

bool ic_filters_framed(const struct ic_filters *f)
{
    return f->pixel > 1 || f->blur > 0 || f->sharp != 0 || f->usm.amount > 0;
}

double ic_filters_cost(const struct ic_filters *f)
{
    int sharpens = (f->sharp != 0) + (f->usm.amount > 0);

    return (ic_tone_any(f) ? MS_TONE : 0) + sharpens * MS_SHARP + (f->blur > 0 ? MS_BLUR : 0) +
           (f->pixel > 1 ? MS_PIXEL : 0);
}

bool ic_filters_compose(const struct ic_plan *p)
{
    return p->flatten && (ic_tone_any(&p->filters) || ic_filters_framed(&p->filters));
}

uint64_t ic_filters_memory(const struct ic_filters *f, uint32_t w, uint32_t h)
{
    uint64_t plane = (uint64_t)(w + 64) * h, blur = ic_blur_memory(w, h);

    if (f->sharp != 0 || f->usm.amount > 0)
        return plane + blur;
    return f->blur > 0 ? blur : 0;
}
