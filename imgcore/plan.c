/* What a recipe means for an image: sizes, crop, turn, shrink-on-load, encoder settings. Pure functions from recipe and
 * header to struct ic_plan, so the gateway can price and refuse a request, answer HEAD, and the worker gets the same.
 *
 * Geometry is decided as the viewer sees the image (oriented) and mapped into stored coordinates at the end, so that
 * the decoder and the resampler never know of orientation:
 *
 *     oriented: rect -> fit (crop, size, canvas) -> rotate, flip of the canvas     plan_fit.c
 *     stored:   crop, scaled size, one turn of orientation, rotate and flip        plan_canvas.c */
#include "plan.h"

#include "analyse.h"
#include "codec.h"
#include "deep.h"
#include "filters.h"
#include "image.h"
#include "tone.h"

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

/* Pixels of padding, border and radius, before dpr. */
#define MAX_SURROUND 16384

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
    p->alpha = alpha && p->bg.a < 255 && (p->source.alpha || p->bare);
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
    p->keep_profile = r->cs == IC_CS_KEEP;
    p->metadata = r->metadata;
    p->orientation = r->autorotate || p->turn ? 1 : p->source.orientation;
    p->palette = p->format == IC_FORMAT_PNG ? r->palette : 0;
    p->dither = r->dither;
    p->max_bytes = (size_t)r->max_bytes;
    plan_background(p, r, codec->alpha);
}

/* Limits. */

/* Which frames of an animation. What is drawn over another frame may show the page through, whatever the header says.
 */
static enum ic_code plan_frames(struct ic_plan *p, const struct ic_recipe *r, struct ic_error *e)
{
    enum ic_format format = r->format == IC_FORMAT_ORIGIN ? p->source.format : (enum ic_format)r->format;
    uint32_t n = p->source.frames;

    p->frames = 1;
    if (n < 2)
        return IC_OK;
    if (r->page >= 0 && (uint32_t)r->page >= n)
        return ic_fail(e, IC_E_PARAM, "page is %d, the image has pages 0 to %u", r->page, n - 1);
    p->page = r->page > 0 ? (uint32_t)r->page : 0;
    if (r->page < 0 && r->anim && format == IC_FORMAT_WEBP)
        p->frames = n;
    p->source.alpha = p->source.alpha || p->frames > 1 || p->page > 0;
    p->source.components = p->source.alpha ? 4 : p->source.components;
    return IC_OK;
}

static enum ic_code plan_check_source(const struct ic_plan *p, const struct ic_limits *l, struct ic_error *e)
{
    const struct ic_info *s = &p->source;
    uint64_t pixels = (uint64_t)s->width * s->height; /* below 2^62 */
    uint32_t frames = p->page + p->frames;

    if (s->width > l->max_side_in || s->height > l->max_side_in)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, allowed %u a side", s->width, s->height, l->max_side_in);
    if (l->max_frames && frames > l->max_frames)
        return ic_fail(e, IC_E_LIMIT, "%u frames, allowed %u; anim=0 takes the first one", frames, l->max_frames);
    if (pixels > l->max_pixels_in / frames)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels%s, allowed %llu in all", s->width, s->height,
                       frames > 1 ? " a frame" : "", (unsigned long long)l->max_pixels_in);
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
    if (p->format < IC_FORMATS && format_side[p->format] && side > format_side[p->format])
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
    *r = (struct ic_recipe){ .dpr = 1.0,
                             .focus_x = 0.5,
                             .focus_y = 0.5,
                             .trim = IC_TRIM_NONE,
                             .effort = 4,
                             .depth = 8,
                             .autorotate = true,
                             .dither = true,
                             .page = -1,
                             .anim = true };
    ic_filters_init(&r->filters);
    for (int i = 0; i < IC_MARKS; i++)
        ic_mark_init(&r->mark[i]);
    r->text =
        (struct ic_text){ .size = 24, .colour = { 255, 255, 255, 255 }, .pos = IC_SOUTHEAST, .pad = 5, .alpha = 100 };
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
    if (r->fit < 0 || r->fit > IC_FIT_OUTSIDE || r->gravity < 0 || r->gravity > IC_ENTROPY || r->kernel < 0 ||
        r->kernel > IC_KERNEL_NEAREST || r->format < 0 || (r->format && !ic_codec_of((enum ic_format)r->format)) ||
        r->chroma < 0 || r->chroma > IC_CHROMA_444 || r->quality < 0 || r->quality > 100 || r->effort < 0 ||
        r->effort > 9 || (r->depth != 8 && r->depth != 16) || r->cs < 0 || r->cs > IC_CS_KEEP || r->metadata < 0 ||
        r->metadata > IC_METADATA_KEEP)
        return ic_fail(e, IC_E_PARAM, "a value of the recipe is out of range");
    if (r->page < -1)
        return ic_fail(e, IC_E_PARAM, "page is %d, allowed 0 and more", r->page);
    if (r->palette < 0 || r->palette == 1 || r->palette > 256 || r->max_bytes < 0)
        return ic_fail(e, IC_E_PARAM, "palette is %d, allowed 2 to 256; max_bytes is %d", r->palette, r->max_bytes);
    if (!(r->focus_x >= 0 && r->focus_x <= 1 && r->focus_y >= 0 && r->focus_y <= 1))
        return ic_fail(e, IC_E_PARAM, "the focal point is outside of the image");
    if (r->trim < IC_TRIM_NONE || r->trim > 255)
        return ic_fail(e, IC_E_PARAM, "trim is %d, allowed 0 to 255", r->trim);
    if (!(r->rotate >= -360 && r->rotate <= 360))
        return ic_fail(e, IC_E_PARAM, "rotate is %g, allowed -360 to 360", r->rotate);
    for (int i = 0; i < 4; i++)
        if (r->surround.pad[i] < 0 || r->surround.pad[i] > MAX_SURROUND)
            return ic_fail(e, IC_E_PARAM, "pad is %d, allowed 0 to %d", r->surround.pad[i], MAX_SURROUND);
    if (r->surround.border.width < 0 || r->surround.border.width > MAX_SURROUND ||
        !(r->surround.radius >= IC_RADIUS_MAX && r->surround.radius <= MAX_SURROUND))
        return ic_fail(e, IC_E_PARAM, "border and radius are allowed up to %d", MAX_SURROUND);
    return ic_filters_check(&r->filters, e);
}

/* Whether anything is mixed: copied pixels are the same in any light. */
static bool plan_linear(const struct ic_plan *p, const struct ic_recipe *r)
{
    const struct ic_box *c = &p->crop;
    bool copies =
        c->x1 - c->x0 == p->scaled_w && c->y1 - c->y0 == p->scaled_h && c->x0 == floor(c->x0) && c->y0 == floor(c->y0);

    return r->linear && r->kernel != IC_KERNEL_NEAREST && !copies;
}

/* 16 bits where source and result are PNG, the source has them, and nothing else is asked that has none. */
static void plan_depth(struct ic_plan *p, const struct ic_recipe *r)
{
    bool may =
        r->depth == 16 && p->source.format == IC_FORMAT_PNG && p->source.depth == 16 && p->format == IC_FORMAT_PNG;

    p->deep = may && ic_deep_can(p);
    p->shallow = may && !p->deep;
}

/* What of the pixels must be known first. A crop is placed only where something is cut off. */
static unsigned plan_analyse(const struct plan_fit *f, const struct ic_box *area, const struct ic_recipe *r)
{
    bool cuts = f->boxed && r->fit == IC_FIT_COVER &&
                (f->crop.x1 - f->crop.x0 < area->x1 - area->x0 || f->crop.y1 - f->crop.y0 < area->y1 - area->y0);
    bool trims = r->trim != IC_TRIM_NONE;

    return (trims ? IC_ANALYSE_TRIM : 0u) |
           (r->gravity > IC_FOCAL && (cuts || (trims && f->boxed && r->fit == IC_FIT_COVER)) ? IC_ANALYSE_LOOK : 0u);
}

/* Everything of geometry. */
static enum ic_code plan_geometry(struct ic_plan *p, const struct ic_recipe *r, const struct ic_limits *limits,
                                  const struct ic_analysis *a, struct ic_error *e)
{
    struct plan_fit f = { .analysis = a };
    enum ic_code rc;

    ic_oriented_size(&p->source, r->autorotate, &f.source_w, &f.source_h);
    if ((rc = ic_plan_rect(r, f.source_w, f.source_h, &p->area, e)) != IC_OK)
        return rc;
    p->trim = r->trim;
    p->gravity = r->gravity;
    p->orient = r->autorotate ? ic_turn_of_exif(p->source.orientation) : 0;
    f.crop = a && a->trimmed ? a->trim : p->area;
    ic_plan_fit(&f, r);
    p->analyse = a ? 0 : plan_analyse(&f, &p->area, r);
    p->sized =
        !(p->analyse & IC_ANALYSE_TRIM) ||
        (f.boxed && (r->fit == IC_FIT_PAD || (r->enlarge && r->fit != IC_FIT_INSIDE && r->fit != IC_FIT_OUTSIDE)));
    if (p->analyse & IC_ANALYSE_TRIM) {
        f.crop = p->area;
        ic_plan_bound(&f, r, limits->max_side_out);
    }
    ic_plan_map(p, &f, r);
    return IC_OK;
}

enum ic_code ic_plan(const struct ic_recipe *r, const struct ic_info *info, const struct ic_limits *limits,
                     struct ic_plan *out, struct ic_error *e)
{
    return ic_plan_refine(r, info, limits, NULL, out, e);
}

enum ic_code ic_plan_refine(const struct ic_recipe *r, const struct ic_info *info, const struct ic_limits *limits,
                            const struct ic_analysis *a, struct ic_plan *out, struct ic_error *e)
{
    struct ic_plan p = { .source = *info };
    enum ic_code rc;

    if ((rc = plan_check_recipe(r, e)) != IC_OK || (rc = plan_frames(&p, r, e)) != IC_OK ||
        (rc = plan_check_source(&p, limits, e)) != IC_OK || (rc = plan_geometry(&p, r, limits, a, e)) != IC_OK)
        return rc;
    plan_encoder(&p, r);
    if ((rc = ic_plan_marks(r, &p, e)) != IC_OK)
        return rc;
    p.filters = r->filters;
    p.rgb = p.rgb || ic_tone_rgb(&p.filters);
    p.framed = p.turn || p.pad || p.surround.radius > 0 || ic_filters_framed(&p.filters) || ic_plan_marks_framed(&p);
    p.linear = plan_linear(&p, r);
    p.scale = p.linear || p.analyse & IC_ANALYSE_TRIM ? 8 : plan_scale(&p); /* a smaller area bears less shrinking */
    plan_depth(&p, r);
    ic_plan_cost(&p);
    if ((rc = plan_check_result(&p, limits, e)) == IC_OK)
        *out = p;
    return rc;
}
