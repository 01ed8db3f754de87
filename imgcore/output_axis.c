/* Where a result's samples lie in the planes of its source: one axis of one plane at a time, for the resampler.
 *
 * Worked out in the real-valued spans of planes, so that chroma of odd sizes and shrunk decodes stays in place. */
#include "output.h"

#include <math.h>

/* How many result pixels one sample of a sink's plane covers on each axis of the finished image. */
static uint32_t axis_factor_x(const struct ic_output *o, int plane)
{
    return o->shape.layout == IC_YCBCR ? (uint32_t)lround(o->plan->width / o->shape.plane[plane].span_w) : 1;
}

static uint32_t axis_factor_y(const struct ic_output *o, int plane)
{
    return o->shape.layout == IC_YCBCR ? (uint32_t)lround(o->plan->height / o->shape.plane[plane].span_h) : 1;
}

/* One axis of the resampled image before its turn. */
struct span {
    uint32_t size;   /* pixels of the resampled image */
    uint32_t factor; /* pixels a sample of this plane covers */
    bool mirrored;   /* the finished image counts from the other end */
    double c0, c1;   /* crop, in source pixels */
    double unit;     /* samples of the source plane a source pixel */
};

/* Subsampled planes are anchored where the finished image begins. An odd size leaves half a sample beyond its end,
 * which is before our beginning where the turn mirrors. */
static struct ic_axis axis_make(const struct span *s, uint32_t src_n, double filled, int kernel)
{
    uint32_t n = (s->size + s->factor - 1) / s->factor;
    double covered = (double)n * s->factor, from = s->mirrored ? s->size - covered : 0.0;
    double step = (s->c1 - s->c0) / s->size;

    return (struct ic_axis){ .src_n = src_n,
                             .dst_n = n,
                             .x0 = (s->c0 + from * step) * s->unit,
                             .x1 = (s->c0 + (from + covered) * step) * s->unit,
                             .kernel = kernel,
                             .span = filled };
}

struct ic_axis ic_output_axis_x(const struct ic_output *o, int plane)
{
    const struct ic_plan *p = o->plan;
    const struct ic_plane *from = &o->source.plane[plane];
    bool swap = p->turn & IC_TURN_TRANSPOSE;
    struct span s = { .size = p->scaled_w,
                      .factor = swap ? axis_factor_y(o, plane) : axis_factor_x(o, plane),
                      .mirrored = p->turn & (swap ? IC_TURN_FLIP : IC_TURN_FLOP),
                      .c0 = p->crop.x0,
                      .c1 = p->crop.x1,
                      .unit = from->span_w / p->source.width };

    return axis_make(&s, from->width, from->span_w, p->kernel);
}

struct ic_axis ic_output_axis_y(const struct ic_output *o, int plane)
{
    const struct ic_plan *p = o->plan;
    const struct ic_plane *from = &o->source.plane[plane];
    bool swap = p->turn & IC_TURN_TRANSPOSE;
    struct span s = { .size = p->scaled_h,
                      .factor = swap ? axis_factor_x(o, plane) : axis_factor_y(o, plane),
                      .mirrored = p->turn & (swap ? IC_TURN_FLOP : IC_TURN_FLIP),
                      .c0 = p->crop.y0,
                      .c1 = p->crop.y1,
                      .unit = from->span_h / p->source.height };

    return axis_make(&s, from->height, from->span_h, p->kernel);
}
