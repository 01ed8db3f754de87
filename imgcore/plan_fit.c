/* Which part of the source is seen, and at which size: rect and fit, as the viewer sees the image. plan.c asks; it
 * knows of no orientation, format or limit. */
#include "plan.h"

#include "analyse.h"

#include <math.h>

/* A scale as a fraction, so that n * num / den is rounded once. */
struct ratio {
    double num, den;
};

uint32_t ic_plan_round(double v)
{
    v = floor(v + 0.5);
    return !(v >= 1.0) ? 1 : v > 4294967295.0 ? UINT32_MAX : (uint32_t)v;
}

static uint32_t plan_scaled(double n, struct ratio s)
{
    return ic_plan_round(n * s.num / s.den);
}

static double plan_len(struct ic_len l, double whole, double otherwise)
{
    switch (l.unit) {
    case IC_UNIT_PX:
        return l.value;
    case IC_UNIT_PERCENT:
        return whole * l.value / 100.0;
    default:
        return otherwise;
    }
}

/* One side of the box; 0: not given. */
static double plan_side(const struct ic_recipe *r, struct ic_len l, double whole)
{
    double dpr = l.unit == IC_UNIT_PX && r->dpr > 0 ? r->dpr : 1.0;

    return l.unit == IC_UNIT_NONE ? 0.0 : ic_plan_round(plan_len(l, whole, 0) * dpr);
}

/* Rect. */

/* [at, at + len) rounded to whole pixels and clipped to [0, n). False: nothing is left. */
static bool plan_clip(double at, double len, uint32_t n, double *from, double *to)
{
    double a = floor(at + 0.5), b = floor(at + len + 0.5);

    b = b < a + 1.0 && len > 0 ? a + 1.0 : b;
    *from = a < 0 ? 0 : a;
    *to = b > n ? n : b;
    return *to > *from; /* false for NaN, too */
}

enum ic_code ic_plan_rect(const struct ic_recipe *r, uint32_t w, uint32_t h, struct ic_box *out, struct ic_error *e)
{
    double x = plan_len(r->rect[0], w, 0), y = plan_len(r->rect[1], h, 0);
    double rw = plan_len(r->rect[2], w, w - x), rh = plan_len(r->rect[3], h, h - y);

    if (!plan_clip(x, rw, w, &out->x0, &out->x1) || !plan_clip(y, rh, h, &out->y0, &out->y1))
        return ic_fail(e, IC_E_PARAM, "rect %g,%g,%g,%g lies outside of the image, which is %ux%u", x, y, rw, rh, w, h);
    return IC_OK;
}

/* Fit. */

/* What to keep of one axis. */
struct keep {
    int halves; /* 0, 1 or 2 of what is left lies before it */
    bool focal; /* round focus, in source pixels, instead */
    double focus;
    bool whole;
};

/* 0, 1 or 2 halves: where the kept part or the placed image lies. */
static int gravity_x(int gravity)
{
    static const uint8_t at[] = {
        [IC_CENTER] = 1,    [IC_NORTH] = 1, [IC_NORTHEAST] = 2, [IC_EAST] = 2,  [IC_SOUTHEAST] = 2, [IC_SOUTH] = 1,
        [IC_SOUTHWEST] = 0, [IC_WEST] = 0,  [IC_NORTHWEST] = 0, [IC_FOCAL] = 1, [IC_SMART] = 1,     [IC_ENTROPY] = 1
    };

    return at[gravity];
}

static int gravity_y(int gravity)
{
    static const uint8_t at[] = {
        [IC_CENTER] = 1,    [IC_NORTH] = 0, [IC_NORTHEAST] = 0, [IC_EAST] = 1,  [IC_SOUTHEAST] = 2, [IC_SOUTH] = 2,
        [IC_SOUTHWEST] = 2, [IC_WEST] = 1,  [IC_NORTHWEST] = 0, [IC_FOCAL] = 1, [IC_SMART] = 1,     [IC_ENTROPY] = 1
    };

    return at[gravity];
}

/* The scale that makes w x h touch the box from inside (smaller), or cover it. */
static struct ratio fit_ratio(double w, double h, double bw, double bh, bool cover)
{
    bool by_width = bw * h <= bh * w;

    return by_width != cover ? (struct ratio){ bw, w } : (struct ratio){ bh, h };
}

static struct ratio fit_capped(struct ratio s, bool enlarge)
{
    return s.num > s.den && !enlarge ? (struct ratio){ 1, 1 } : s;
}

/* Leaves n pixels of an axis: round a focal point as far as there is room, otherwise by halves of the room. On whole
 * pixels where nothing is going to be scaled. */
static void fit_keep(double *from, double *to, double n, const struct keep *k)
{
    double room = *to - *from - n, at = room * k->halves / 2.0;

    if (k->focal)
        at = fmax(0.0, fmin(room, k->focus - *from - n / 2.0));
    *from += k->whole ? floor(at) : at;
    *to = *from + n;
}

/* What to centre a crop of cw x ch on, where the recipe has more to say than a direction. */
static bool fit_focus(const struct plan_fit *f, const struct ic_recipe *r, double cw, double ch, double *x, double *y)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    const struct ic_look *look;

    *x = r->focus_x * f->source_w;
    *y = r->focus_y * f->source_h;
    if (r->gravity == IC_FOCAL)
        return true;
    if (r->gravity < IC_FOCAL || !f->analysis || !f->analysis->look.rgba)
        return false;
    look = &f->analysis->look; /* of all that f->crop is */
    if (r->gravity == IC_SMART) {
        ic_attention(look, cw / w, ch / h, x, y);
        *x = f->crop.x0 + *x * w;
        *y = f->crop.y0 + *y * h;
    } else {
        ic_entropy(look, cw / w, ch / h, x, y);
        *x = f->crop.x0 + *x * w + cw / 2.0;
        *y = f->crop.y0 + *y * h + ch / 2.0;
    }
    return true;
}

/* Crops to the box's aspect; at source scale where the source is too small and may not be enlarged. */
static void fit_cover(struct plan_fit *f, double bw, double bh, const struct ic_recipe *r)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    struct ratio s = fit_ratio(w, h, bw, bh, true);
    bool whole = s.num == s.den || (s.num > s.den && !r->enlarge);
    double cw = fmin(w, bw * s.den / s.num), ch = fmin(h, bh * s.den / s.num);
    struct keep x = { .halves = gravity_x(r->gravity), .whole = whole };
    struct keep y = { .halves = gravity_y(r->gravity), .whole = whole };

    if (whole) {
        cw = ic_plan_round(cw);
        ch = ic_plan_round(ch);
    }
    x.focal = y.focal = fit_focus(f, r, cw, ch, &x.focus, &y.focus);
    fit_keep(&f->crop.x0, &f->crop.x1, cw, &x);
    fit_keep(&f->crop.y0, &f->crop.y1, ch, &y);
    f->w = ic_plan_round(whole ? cw : bw);
    f->h = ic_plan_round(whole ? ch : bh);
}

static void fit_pad(struct plan_fit *f, double bw, double bh, const struct ic_recipe *r)
{
    f->canvas_w = ic_plan_round(bw);
    f->canvas_h = ic_plan_round(bh);
    f->x = (f->canvas_w - f->w) * (uint32_t)gravity_x(r->gravity) / 2;
    f->y = (f->canvas_h - f->h) * (uint32_t)gravity_y(r->gravity) / 2;
}

void ic_plan_fit(struct plan_fit *f, const struct ic_recipe *r)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    double bw = plan_side(r, r->width, w), bh = plan_side(r, r->height, h);
    struct ratio s = { 1, 1 };
    bool box = f->boxed = bw > 0 && bh > 0;

    if (box)
        s = fit_ratio(w, h, bw, bh, r->fit == IC_FIT_OUTSIDE);
    else if (bw > 0)
        s = (struct ratio){ bw, w };
    else if (bh > 0)
        s = (struct ratio){ bh, h };
    s = fit_capped(s, r->enlarge);
    f->w = plan_scaled(w, s);
    f->h = plan_scaled(h, s);
    if (box && r->fit == IC_FIT_STRETCH) {
        f->w = ic_plan_round(r->enlarge ? bw : fmin(bw, w));
        f->h = ic_plan_round(r->enlarge ? bh : fmin(bh, h));
    }
    if (box && r->fit == IC_FIT_COVER)
        fit_cover(f, bw, bh, r);
    f->canvas_w = f->w;
    f->canvas_h = f->h;
    if (box && r->fit == IC_FIT_PAD)
        fit_pad(f, bw, bh, r);
}

void ic_plan_bound(struct plan_fit *f, const struct ic_recipe *r, uint32_t max_side)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    double bw = plan_side(r, r->width, w), bh = plan_side(r, r->height, h);

    if (r->enlarge && (!f->boxed || r->fit == IC_FIT_OUTSIDE))
        return;
    if (!r->enlarge) {
        bw = bw > 0 && r->fit != IC_FIT_OUTSIDE ? fmin(bw, w) : w;
        bh = bh > 0 && r->fit != IC_FIT_OUTSIDE ? fmin(bh, h) : h;
    }
    f->w = ic_plan_round(fmin(bw, max_side));
    f->h = ic_plan_round(fmin(bh, max_side));
    if (f->boxed && r->fit == IC_FIT_PAD)
        return;
    f->canvas_w = f->w;
    f->canvas_h = f->h;
    f->x = f->y = 0;
}
