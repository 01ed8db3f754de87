/* What a plan takes: bytes held at most, and CPU time. plan.c asks; the gateway admits and schedules by the answers.
 *
 * Memory is an estimate from above of what goes through the budget and inside of codec libraries, from sizes alone;
 * time is a sum of per-megapixel figures measured on one core (Zen 4), good to a factor of 1.5: the pool corrects it by
 * what jobs really took. */
#include "plan.h"

#include "codec.h"
#include "deep.h"
#include "filters.h"
#include "linear.h"
#include "tone.h"

#include <math.h>

/* Milliseconds a megapixel. */
#define MS_JPEG_ENTROPY     1.55 /* every pixel of the source, whatever the scale */
#define MS_JPEG_IDCT        0.85 /* at 8/8; less at 4/8 and 2/8, none at 1/8 */
#define MS_JPEG_PROGRESSIVE 9.0  /* all scans; at 4/8 and less some are left out */
/* The same two of arithmetic coding. */
#define MS_JPEG_ARITHMETIC      17.5
#define MS_JPEG_ARITHMETIC_PROG 20.0
#define MS_PNG_DECODE           6.0
#define MS_PNG_DECODE_OTHER     19.0 /* by libpng */
#define MS_WEBP_DECODE          6.0
#define MS_RESAMPLE             0.3 /* a channel of the decoded source */
#define MS_RESAMPLED            0.6 /* a channel of the result */
#define MS_JPEG_ENCODE          2.0
#define MS_JPEG_ENCODE_PROG     14.0
#define MS_PNG_ENCODE           11.0
#define MS_PALETTE              250.0
#define MS_WEBP_ENCODE          60.0 /* each step of effort adds a tenth */
#define MS_ROTATE               35.0 /* of the result */
#define MS_BASE                 0.3  /* a job of one pixel */

#define DEEP_FACTOR 3.0 /* 16 bits, of the time that 8 take */

#define MS_LINEAR      20.0
#define MS_LINEAR_MADE 20.0
#define MS_TRIM        6.0 /* of the source: colours to RGB, a look at each row */
#define MS_LOOK        2.0 /* in all */

#define KIB 1024ull

/* What a PNG takes by effort, as a multiple of the default's time. */
static const double png_efforts[10] = { 1, 1, 1, 1, 1, 4.5, 5, 6.5, 16, 35 };

static double plan_megapixels(double w, double h)
{
    return w * h / 1e6;
}

static double cost_entropy(const struct ic_plan *p)
{
    static const double share[] = { [1] = 0.15, [2] = 0.3, [4] = 0.5, [8] = 1.0 };

    double all = p->source.arithmetic ? MS_JPEG_ARITHMETIC : MS_JPEG_ENTROPY;

    if (p->source.progressive)
        all = (p->source.arithmetic ? MS_JPEG_ARITHMETIC_PROG : MS_JPEG_PROGRESSIVE) * share[p->scale];
    return all;
}

static double cost_decode(const struct ic_plan *p)
{
    double mp = plan_megapixels(p->source.width, p->source.height);

    switch (p->source.format) {
    case IC_FORMAT_JPEG:
        return mp * (cost_entropy(p) + MS_JPEG_IDCT * log2((double)p->scale) / 3.0);
    case IC_FORMAT_PNG:
        return mp * (p->source.progressive || p->source.palette || p->source.depth != 8 ? MS_PNG_DECODE_OTHER
                                                                                        : MS_PNG_DECODE);
    default:
        return mp * MS_WEBP_DECODE;
    }
}

static double cost_encode_once(const struct ic_plan *p)
{
    double mp = plan_megapixels(p->width, p->height);

    switch (p->format) {
    case IC_FORMAT_JPEG:
        return mp * (p->progressive ? MS_JPEG_ENCODE_PROG : MS_JPEG_ENCODE);
    case IC_FORMAT_PNG:
        return mp * (MS_PNG_ENCODE * png_efforts[p->effort] + (p->palette ? MS_PALETTE : 0));
    default:
        return mp * MS_WEBP_ENCODE * (1.0 + p->effort / 10.0);
    }
}

/* Half of the encodes that max_bytes may cost, and each of them costs less than the first. */
static double cost_encode(const struct ic_plan *p)
{
    return cost_encode_once(p) * (p->max_bytes && p->frames == 1 ? 3 : 1);
}

static double cost_resample(const struct ic_plan *p)
{
    double m = p->scale / 8.0;
    double from = plan_megapixels((p->crop.x1 - p->crop.x0) * m, (p->crop.y1 - p->crop.y0) * m);

    if (p->linear)
        return MS_LINEAR * from + MS_LINEAR_MADE * plan_megapixels(p->scaled_w, p->scaled_h);
    return p->source.components * (MS_RESAMPLE * from + MS_RESAMPLED * plan_megapixels(p->scaled_w, p->scaled_h));
}

/* The decodes before the one that counts. */
static double cost_analyse(const struct ic_plan *p)
{
    struct ic_plan small = *p;
    double ms = 0;

    small.scale = 1;
    if (p->analyse & IC_ANALYSE_TRIM)
        ms += (p->page + p->frames) * cost_decode(p) +
              p->frames * MS_TRIM * plan_megapixels(p->source.width, p->source.height);
    if (p->analyse & IC_ANALYSE_LOOK)
        ms += MS_LOOK + (p->page + 1) * cost_decode(&small);
    return ms;
}

static double cost_rotate(const struct ic_plan *p)
{
    return p->angle != 0 ? MS_ROTATE * plan_megapixels(p->width, p->height) : 0.0;
}

static double cost_filters(const struct ic_plan *p)
{
    return ic_filters_cost(&p->filters) * plan_megapixels(p->scaled_w, p->scaled_h);
}

/* A file's DC coefficients, 64-byte rows of them and a few rows more, and the tables that they are read by. */
static uint64_t memory_dc(const struct ic_info *s, uint64_t pixels_in_all)
{
    return pixels_in_all / 64 + (s->width / 8 + s->height / 8 * 64ull + 4096) * s->components + 160 * KIB;
}

/* What the decoder holds: a few rows, or the whole frame where the format forces it. */
static uint64_t memory_source(const struct ic_plan *p)
{
    const struct ic_info *s = &p->source;
    uint64_t pixels = (uint64_t)s->width * s->height, rows = (uint64_t)s->width * s->components * 64;
    uint64_t shares = 0, most = 1;

    if (s->format == IC_FORMAT_WEBP && p->page + p->frames > 1) /* canvas, frame, decoder */
        return pixels * 16 + (uint64_t)s->width * 64 + 512 * KIB;
    if (s->format == IC_FORMAT_WEBP)
        return pixels * (s->lossless ? 8 : s->alpha ? 6 : 2) + (uint64_t)s->width * 64 + 512 * KIB;
    if (s->format == IC_FORMAT_PNG)
        return (s->progressive ? pixels * 4 : (uint64_t)s->width * 16) + 320 * KIB;
    for (int i = 0; i < s->components && i < 4; i++) {
        uint64_t share = (uint64_t)s->hsamp[i] * s->vsamp[i];

        shares += share;
        most = share > most ? share : most;
    }
    if (p->format == IC_FORMAT_PIXELS && p->scale == 1)
        rows += memory_dc(s, pixels * shares / most);
    /* Progressive: every coefficient as 16 bits. */
    return (s->progressive ? pixels * 2 * shares / most : 0) + rows + 128 * KIB;
}

/* The resampler's ring: the windows of two output rows, seven times the shrink for the widest filter, and a strip that
 * waits. Windows reach beyond the crop, up to the source's edges. */
static uint64_t memory_ring(const struct ic_plan *p)
{
    if (p->linear)
        return ic_linear_memory(p);

    double m = p->scale / 8.0, rows = (p->crop.y1 - p->crop.y0) * m;
    double window = fmin(p->source.height * m, 7.0 * fmax(1.0, rows / p->scaled_h) + 2.0) + 32.0;
    double width = (p->crop.x1 - p->crop.x0) * m;
    double pad = 128.0 + 12.0 * fmax(1.0, width / p->scaled_w);

    return (uint64_t)(window * (width + pad) * p->source.components);
}

static uint64_t memory_frame(const struct ic_plan *p)
{
    uint64_t strips =
        ((uint64_t)p->scaled_w + p->width) * 4 * 16 + (ic_tone_any(&p->filters) ? 3 * 16 * p->scaled_w + 16384ull : 0);
    uint64_t frame = (uint64_t)p->width * p->height, upright = (uint64_t)p->scaled_w * p->scaled_h;

    strips += ic_filters_memory(&p->filters, p->scaled_w, p->scaled_h);
    return strips + (p->framed ? (frame + (p->angle != 0 ? upright : 0)) * (p->alpha || p->source.alpha ? 4 : 3) : 0);
}

/* The encoder's working memory and the bytes it writes (a buffer that doubles is copied once more; PNG's, which holds
 * the filtered image as well, does not). */
static uint64_t memory_encoder(const struct ic_plan *p)
{
    uint64_t pixels = (uint64_t)p->width * p->height;

    switch (p->format) {
    case IC_FORMAT_JPEG:
        return (uint64_t)p->width * 3 * 64 + (p->progressive ? pixels * 6 : 0) + pixels + 128 * KIB;
    case IC_FORMAT_PNG:
        if (p->palette)
            return pixels * 9 + 18 * 1024 * KIB;
        return pixels * (p->alpha ? 9 : 7) + (uint64_t)p->width * 32 + (p->effort < 8 ? 1536 : 10240) * KIB;
    default:
        return pixels * (p->lossless ? 24 : 8) + 1024 * KIB;
    }
}

/* With max_bytes, the rows and the best result beside it; a PNG gets a palette then. */
static uint64_t memory_sink(const struct ic_plan *p)
{
    uint64_t pixels = (uint64_t)p->width * p->height;

    /* libwebpmux's canvases, our frame twice, the encoder; what is encoded grows by the frame, half a byte a pixel. */
    if (p->frames > 1)
        return pixels * (12 + 8 + 24) + pixels * p->frames / 2 * (p->max_bytes ? 2 : 1) + 1024 * KIB;
    uint64_t again = p->format == IC_FORMAT_PNG ? pixels * 9 + 18 * 1024 * KIB : 0;

    return memory_encoder(p) + (p->max_bytes ? pixels * 5 + again + 256 * KIB : 0);
}

void ic_plan_cost(struct ic_plan *p)
{
    uint64_t weights = ((uint64_t)p->source.width + p->source.height + p->scaled_w + p->scaled_h) * 60;

    /* Each block of metadata once as it came, which may be inflated, and once as it is built. */
    uint64_t blocks = p->metadata ? 4 * 64 * KIB : 0;
    /* A frame of an animation is encoded in two ways. */
    double frame = cost_resample(p) + cost_rotate(p) + cost_filters(p) + cost_encode(p) * (p->frames > 1 ? 2 : 1);

    p->memory = blocks + memory_source(p) + memory_ring(p) + memory_frame(p) + memory_sink(p) +
                ic_plan_marks_memory(p) + weights + (p->analyse ? 1024 : 256) * KIB;
    double pass = (p->page + p->frames) * cost_decode(p) + p->frames * frame;

    if (p->deep) {
        p->memory = blocks + ic_deep_memory(p) + (p->analyse ? 1024 : 256) * KIB;
        pass *= DEEP_FACTOR;
    }
    p->cost_ms = MS_BASE + cost_analyse(p) + pass * (p->max_bytes && p->frames > 1 ? 3 : 1);
}
