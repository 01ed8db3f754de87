/* What a recipe means for an image: sizes, crop, turn, shrink-on-load, encoder settings. Pure functions from recipe and
 * header to struct ic_plan, so the gateway can price and refuse a request, answer HEAD, and the worker gets the same.
 *
 * Geometry is decided as the viewer sees the image (oriented) and mapped into stored coordinates at the end, so that
 * the decoder and the resampler never know of orientation:
 *
 *     oriented: rect -> fit (crop, size, canvas) -> rotate, flip of the canvas
 *     stored:   crop, scaled size, one turn that composes orientation, rotate and flip */
#include "plan.h"

#include "codec.h"
#include "filters.h"
#include "image.h"

#include <math.h>

/* The smallest shrink the resampler must be left with for a DCT scale to be used. Measured on 11 photographs at widths
 * of 200 to 1600, quality 80: PSNR of the encoded result against an ideal resampling of the full decode, in dB above
 * sharp's, and CPU time as a share of sharp's:
 *
 *     left at least   1.3    1.4    1.6    1.8    2.0
 *     mean           +0.62  +0.67  +0.71  +0.77  +0.77
 *     least          -0.01  -0.01  -0.01  -0.01  -0.01
 *     time            0.63   0.65   0.66   0.68   0.68
 *
 * Where 1.2 would be left, detailed photographs fall up to 1.6 dB behind. */
#define MIN_SHRINK 1.3

/* From this quality on, JPEG keeps chroma at full size: below, its quantisation hides the difference. */
#define QUALITY_444 90

/* A recipe's fit for one area of the source, all as the viewer sees it. */
struct fit {
    struct ic_box crop;          /* source pixels */
    uint32_t w, h;               /* of the resampled crop */
    uint32_t canvas_w, canvas_h; /* of the result before rotate and flip */
    uint32_t x, y;               /* of the resampled crop in the canvas */
};

/* A scale as a fraction, so that n * num / den is rounded once. */
struct ratio {
    double num, den;
};

/* Lengths. */

/* Half up, at least 1, also of what is no number. */
static uint32_t plan_round(double v)
{
    v = floor(v + 0.5);
    return !(v >= 1.0) ? 1 : v > 4294967295.0 ? UINT32_MAX : (uint32_t)v;
}

static uint32_t plan_scaled(double n, struct ratio s)
{
    return plan_round(n * s.num / s.den);
}

static double plan_rect_len(struct ic_len l, double whole, double otherwise)
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

    return l.unit == IC_UNIT_NONE ? 0.0 : plan_round(plan_rect_len(l, whole, 0) * dpr);
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

static enum ic_code plan_rect(const struct ic_recipe *r, uint32_t w, uint32_t h, struct ic_box *out, struct ic_error *e)
{
    double x = plan_rect_len(r->rect[0], w, 0), y = plan_rect_len(r->rect[1], h, 0);
    double rw = plan_rect_len(r->rect[2], w, w - x), rh = plan_rect_len(r->rect[3], h, h - y);

    if (!plan_clip(x, rw, w, &out->x0, &out->x1) || !plan_clip(y, rh, h, &out->y0, &out->y1))
        return ic_fail(e, IC_E_PARAM, "rect %g,%g,%g,%g lies outside of the image, which is %ux%u", x, y, rw, rh, w, h);
    return IC_OK;
}

/* Fit. */

/* 0, 1 or 2 halves: where the kept part or the placed image lies. */
static int gravity_x(int gravity)
{
    static const uint8_t at[] = {
        [IC_CENTER] = 1, [IC_NORTH] = 1,     [IC_NORTHEAST] = 2, [IC_EAST] = 2,     [IC_SOUTHEAST] = 2,
        [IC_SOUTH] = 1,  [IC_SOUTHWEST] = 0, [IC_WEST] = 0,      [IC_NORTHWEST] = 0
    };

    return at[gravity];
}

static int gravity_y(int gravity)
{
    static const uint8_t at[] = {
        [IC_CENTER] = 1, [IC_NORTH] = 0,     [IC_NORTHEAST] = 0, [IC_EAST] = 1,     [IC_SOUTHEAST] = 2,
        [IC_SOUTH] = 2,  [IC_SOUTHWEST] = 2, [IC_WEST] = 1,      [IC_NORTHWEST] = 0
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

/* Keeps n of the source's samples; whole ones where they are copied. */
static void fit_keep(double *from, double *to, double n, int halves, bool whole)
{
    double room = (*to - *from - n) * halves / 2.0;

    *from += whole ? floor(room) : room;
    *to = *from + n;
}

/* Crops to the box's aspect; at source scale where the source is too small and may not be enlarged. */
static void fit_cover(struct fit *f, double bw, double bh, const struct ic_recipe *r)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    struct ratio s = fit_ratio(w, h, bw, bh, true);
    bool whole = s.num > s.den && !r->enlarge;
    double cw = fmin(w, bw * s.den / s.num), ch = fmin(h, bh * s.den / s.num);

    if (whole) {
        cw = plan_round(cw);
        ch = plan_round(ch);
    }
    fit_keep(&f->crop.x0, &f->crop.x1, cw, gravity_x(r->gravity), whole);
    fit_keep(&f->crop.y0, &f->crop.y1, ch, gravity_y(r->gravity), whole);
    f->w = plan_round(whole ? cw : bw);
    f->h = plan_round(whole ? ch : bh);
}

static void fit_pad(struct fit *f, double bw, double bh, const struct ic_recipe *r)
{
    f->canvas_w = plan_round(bw);
    f->canvas_h = plan_round(bh);
    f->x = (f->canvas_w - f->w) * (uint32_t)gravity_x(r->gravity) / 2;
    f->y = (f->canvas_h - f->h) * (uint32_t)gravity_y(r->gravity) / 2;
}

/* f->crop is the area to fit; the rest is filled in. */
static void plan_fit(struct fit *f, const struct ic_recipe *r)
{
    double w = f->crop.x1 - f->crop.x0, h = f->crop.y1 - f->crop.y0;
    double bw = plan_side(r, r->width, w), bh = plan_side(r, r->height, h);
    struct ratio s = { 1, 1 };
    bool box = bw > 0 && bh > 0;

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
        f->w = plan_round(r->enlarge ? bw : fmin(bw, w));
        f->h = plan_round(r->enlarge ? bh : fmin(bh, h));
    }
    if (box && r->fit == IC_FIT_COVER)
        fit_cover(f, bw, bh, r);
    f->canvas_w = f->w;
    f->canvas_h = f->h;
    if (box && r->fit == IC_FIT_PAD)
        fit_pad(f, bw, bh, r);
}

/* Into stored coordinates. */

/* The box in stored pixels whose turned picture is b; w and h are the oriented size. */
static struct ic_box plan_unturn(struct ic_box b, unsigned turn, double w, double h)
{
    if (turn & IC_TURN_FLOP)
        b = (struct ic_box){ w - b.x1, b.y0, w - b.x0, b.y1 };
    if (turn & IC_TURN_FLIP)
        b = (struct ic_box){ b.x0, h - b.y1, b.x1, h - b.y0 };
    if (turn & IC_TURN_TRANSPOSE)
        b = (struct ic_box){ b.y0, b.x0, b.y1, b.x1 };
    return b;
}

/* Where the placed image lies once the canvas around it is turned. */
static void plan_place(struct ic_plan *p, const struct fit *f, unsigned turn)
{
    bool swap = turn & IC_TURN_TRANSPOSE;
    uint32_t w = swap ? f->h : f->w, h = swap ? f->w : f->h;

    p->width = swap ? f->canvas_h : f->canvas_w;
    p->height = swap ? f->canvas_w : f->canvas_h;
    p->place_x = swap ? f->y : f->x;
    p->place_y = swap ? f->x : f->y;
    if (turn & IC_TURN_FLOP)
        p->place_x = p->width - w - p->place_x;
    if (turn & IC_TURN_FLIP)
        p->place_y = p->height - h - p->place_y;
    p->pad = p->width != w || p->height != h;
}

static void plan_map(struct ic_plan *p, const struct fit *f, const struct ic_recipe *r, uint32_t ow, uint32_t oh)
{
    unsigned orient = r->autorotate ? ic_turn_of_exif(p->source.orientation) : 0;
    unsigned flips = (r->flip ? IC_TURN_FLIP : 0u) | (r->flop ? IC_TURN_FLOP : 0u);
    unsigned after = ic_turn_then(ic_turn_of_rotation(r->rotate), flips);

    p->crop = plan_unturn(f->crop, orient, ow, oh);
    p->scaled_w = orient & IC_TURN_TRANSPOSE ? f->h : f->w;
    p->scaled_h = orient & IC_TURN_TRANSPOSE ? f->w : f->h;
    p->turn = ic_turn_then(orient, after);
    plan_place(p, f, after);
}

/* Decoder and encoder. */

static int plan_scale(const struct ic_plan *p)
{
    double x = (p->crop.x1 - p->crop.x0) / p->scaled_w, y = (p->crop.y1 - p->crop.y0) / p->scaled_h;
    double shrink = fmin(x, y);

    if (!ic_codec_of(p->source.format)->shrinks)
        return 8;
    for (int m = 1; m < 8; m *= 2)
        if (shrink * m / 8.0 >= MIN_SHRINK)
            return m;
    return 8;
}

static uint8_t plan_on_white(uint8_t v, uint8_t alpha)
{
    return (uint8_t)((v * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* The background in effect: transparent where the format has that and nothing else is asked, otherwise on white. */
static void plan_background(struct ic_plan *p, const struct ic_recipe *r, bool alpha)
{
    p->bg = r->bg_given ? r->bg : (struct ic_colour){ 0, 0, 0, 0 };
    if (!alpha)
        p->bg = (struct ic_colour){ plan_on_white(p->bg.r, p->bg.a), plan_on_white(p->bg.g, p->bg.a),
                                    plan_on_white(p->bg.b, p->bg.a), 255 };
    p->flatten = p->source.alpha && p->bg.a > 0;
    p->alpha = alpha && p->bg.a < 255 && (p->source.alpha || p->pad);
}

static void plan_encoder(struct ic_plan *p, const struct ic_recipe *r)
{
    const struct ic_codec *codec;

    p->format = r->format == IC_FORMAT_ORIGIN ? p->source.format : (enum ic_format)r->format;
    codec = ic_codec_of(p->format);
    p->quality = r->quality ? r->quality : codec->default_quality;
    p->chroma = r->chroma;
    if (p->chroma == IC_CHROMA_AUTO)
        p->chroma = p->quality >= QUALITY_444 ? IC_CHROMA_444 : IC_CHROMA_420;
    p->effort = r->effort;
    p->kernel = r->kernel;
    p->progressive = r->progressive;
    p->lossless = r->lossless && p->format == IC_FORMAT_WEBP;
    plan_background(p, r, codec->alpha);
}

/* Limits. */

static enum ic_code plan_check_source(const struct ic_info *s, const struct ic_limits *l, struct ic_error *e)
{
    uint64_t pixels = (uint64_t)s->width * s->height; /* below 2^62 */

    if (s->width > l->max_side_in || s->height > l->max_side_in)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, allowed %u a side", s->width, s->height, l->max_side_in);
    if (pixels > l->max_pixels_in / (s->frames ? s->frames : 1))
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels%s, allowed %llu in all", s->width, s->height,
                       s->frames > 1 ? " a frame" : "", (unsigned long long)l->max_pixels_in);
    return IC_OK;
}

static enum ic_code plan_check_result(const struct ic_plan *p, const struct ic_limits *l, struct ic_error *e)
{
    /* What the formats themselves can store; PNG has no limit that matters. */
    static const uint32_t format_side[IC_FORMATS] = { [IC_FORMAT_JPEG] = 65500, [IC_FORMAT_WEBP] = 16383 };
    uint32_t side = p->width > p->height ? p->width : p->height;

    if (side > l->max_side_out)
        return ic_fail(e, IC_E_LIMIT, "a result of %ux%u pixels, allowed %u a side", p->width, p->height,
                       l->max_side_out);
    if (format_side[p->format] && side > format_side[p->format])
        return ic_fail(e, IC_E_LIMIT, "a result of %ux%u pixels, but %s ends at %u a side", p->width, p->height,
                       ic_format_name(p->format), format_side[p->format]);
    if (p->memory > l->max_memory)
        return ic_fail(e, IC_E_MEMORY, "needs about %llu MB of memory, allowed %llu MB",
                       (unsigned long long)(p->memory >> 20), (unsigned long long)(l->max_memory >> 20));
    return IC_OK;
}

/* The door. */

void ic_recipe_init(struct ic_recipe *r)
{
    *r = (struct ic_recipe){ .dpr = 1.0, .effort = 4, .autorotate = true };
    for (int i = 0; i < IC_MARKS; i++)
        ic_mark_init(&r->mark[i]);
}

void ic_oriented_size(const struct ic_info *info, bool autorotate, uint32_t *w, uint32_t *h)
{
    bool swap = autorotate && (ic_turn_of_exif(info->orientation) & IC_TURN_TRANSPOSE);

    *w = swap ? info->height : info->width;
    *h = swap ? info->width : info->height;
}

/* Enums arrive as ints, perhaps from another process. */
static enum ic_code plan_check_recipe(const struct ic_recipe *r, struct ic_error *e)
{
    if (r->fit < 0 || r->fit > IC_FIT_OUTSIDE || r->gravity < 0 || r->gravity > IC_NORTHWEST || r->kernel < 0 ||
        r->kernel > IC_KERNEL_NEAREST || r->format < 0 || r->format >= IC_FORMATS || r->chroma < 0 ||
        r->chroma > IC_CHROMA_444 || r->quality < 0 || r->quality > 100 || r->effort < 0 || r->effort > 9)
        return ic_fail(e, IC_E_PARAM, "a value of the recipe is out of range");
    if (r->rotate < 0 || r->rotate > 270 || r->rotate % 90)
        return ic_fail(e, IC_E_PARAM, "rotate is %d, allowed 0, 90, 180 and 270", r->rotate);
    return ic_filters_check(&r->filters, e);
}

enum ic_code ic_plan(const struct ic_recipe *r, const struct ic_info *info, const struct ic_limits *limits,
                     struct ic_plan *out, struct ic_error *e)
{
    struct ic_plan p = { .source = *info };
    struct fit f = { 0 };
    uint32_t ow, oh;
    enum ic_code rc;

    if ((rc = plan_check_recipe(r, e)) != IC_OK || (rc = plan_check_source(info, limits, e)) != IC_OK)
        return rc;
    ic_oriented_size(info, r->autorotate, &ow, &oh);
    if ((rc = plan_rect(r, ow, oh, &f.crop, e)) != IC_OK)
        return rc;
    plan_fit(&f, r);
    plan_map(&p, &f, r, ow, oh);
    plan_encoder(&p, r);
    if ((rc = ic_plan_marks(r, &p, e)) != IC_OK)
        return rc;
    p.filters = r->filters;
    p.framed = p.turn || p.pad || ic_filters_framed(&p.filters) || ic_plan_marks_framed(&p);
    p.scale = plan_scale(&p);
    ic_plan_cost(&p);
    if ((rc = plan_check_result(&p, limits, e)) == IC_OK)
        *out = p;
    return rc;
}
