/* The frame stage: what can't stream waits here until it is whole. output.c fills and empties it.
 *
 * Operations work in place on planes one channel deep, in the layout the sink takes: JPEG's own planes stay planes, and
 * an operation that needs RGB says so in the plan. There is one frame and never a copy of it. */
#include "frame.h"

#include "filters.h"
#include "op_blur.h"
#include "op_canvas.h"
#include "op_pixel.h"
#include "op_rotate.h"
#include "op_sharp.h"

/* Opening and filling. */

/* Of the turned picture. */
static uint32_t frame_width(const struct ic_plan *p)
{
    return p->turn & IC_TURN_TRANSPOSE ? p->scaled_h : p->scaled_w;
}

static uint32_t frame_height(const struct ic_plan *p)
{
    return p->turn & IC_TURN_TRANSPOSE ? p->scaled_w : p->scaled_h;
}

enum ic_code ic_frame_open(struct ic_frame *f, struct ic_mem *mem, const struct ic_plan *plan,
                           const struct ic_planes *shape, enum ic_layout layout, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    *f = (struct ic_frame){ .plan = plan, .layout = layout, .limited = shape->limited, .image.mem = mem };
    f->upright.mem = mem;
    f->compose = ic_layout_alpha(layout) && plan->flatten && ic_filters_framed(&plan->filters);
    for (int c = 0; c < ic_layout_channels(layout) && rc == IC_OK; c++) {
        const struct ic_plane *p = &shape->plane[shape->n > 1 ? c : 0];

        rc = ic_image_add(&f->image, p->width, p->height, ic_colour_channel(layout, c, plan->bg), e);
        if (rc == IC_OK && plan->angle != 0)
            rc = ic_image_add(&f->upright, frame_width(plan), frame_height(plan), 0, e);
    }
    return rc;
}

void ic_frame_put(struct ic_frame *f, int channel, uint32_t width, uint32_t height, const struct ic_rows *rows,
                  uint32_t y)
{
    struct ic_spot spot = { .turn = f->plan->turn, .width = width, .height = height };

    if (f->plan->angle == 0) {
        spot.x = f->plan->place_x;
        spot.y = f->plan->place_y;
    }
    ic_image_put(f->plan->angle != 0 ? &f->upright : &f->image, channel, &spot, rows, y);
}

void ic_frame_close(struct ic_frame *f)
{
    if (f->image.mem) {
        ic_image_free(&f->image);
        ic_image_free(&f->upright);
    }
    *f = (struct ic_frame){ 0 };
}

/* Views. */

static struct ic_view frame_view(const struct ic_frame *f, const struct ic_image *image, uint32_t w, uint32_t h)
{
    struct ic_view v = { .layout = f->layout, .limited = f->limited, .width = w, .height = h, .n = image->n };

    for (int i = 0; i < v.n; i++) {
        v.plane[i].p = image->plane[i].p;
        v.plane[i].stride = image->plane[i].stride;
        v.plane[i].width = image->plane[i].width;
        v.plane[i].height = image->plane[i].height;
    }
    return v;
}

struct ic_view ic_frame_whole(const struct ic_frame *f)
{
    return frame_view(f, &f->image, f->plan->width, f->plan->height);
}

/* The picture in it, without the canvas. */
static struct ic_view frame_picture(const struct ic_frame *f)
{
    const struct ic_plan *p = f->plan;
    struct ic_view whole = ic_frame_whole(f);

    if (p->angle != 0)
        return frame_view(f, &f->upright, frame_width(p), frame_height(p));
    return ic_view_part(&whole, p->place_x, p->place_y, frame_width(p), frame_height(p));
}

struct ic_rows ic_frame_rows(const struct ic_frame *f, uint32_t k, uint32_t n)
{
    struct ic_view v = ic_frame_whole(f);
    struct ic_rows rows = { 0 };

    for (int i = 0; i < v.n; i++) {
        uint32_t per = n / ic_view_factor_y(&v, i), y = k * per;
        uint32_t left = v.plane[i].height > y ? v.plane[i].height - y : 0;

        rows.n[i] = left < per ? left : per;
        rows.stride[i] = v.plane[i].stride;
        rows.p[i] = v.plane[i].p + rows.stride[i] * (rows.n[i] ? y : 0);
    }
    return rows;
}

/* Operations. */

static enum ic_code frame_sharpen(const struct ic_frame *frame, const struct ic_view *v, struct ic_error *e)
{
    const struct ic_filters *f = &frame->plan->filters;
    struct ic_mem *mem = frame->image.mem;
    enum ic_code rc = IC_OK;

    if (f->sharp == IC_SHARP_MILD)
        rc = ic_op_sharp_mild(v, mem, e);
    else if (f->sharp > 0)
        rc = ic_op_sharp(v, f->sharp, mem, e);
    if (rc == IC_OK && f->usm.amount > 0)
        rc = ic_op_usm(v, &f->usm, mem, e);
    return rc;
}

static enum ic_code frame_filter(const struct ic_frame *frame, const struct ic_view *v, struct ic_error *e)
{
    const struct ic_filters *f = &frame->plan->filters;
    enum ic_code rc;

    if (frame->tone && v->layout == IC_YCBCR)
        ic_tone_planes(frame->tone, v);
    rc = frame_sharpen(frame, v, e);
    if (rc == IC_OK && f->blur > 0)
        rc = ic_op_blur(v, f->blur, frame->image.mem, e);
    if (rc == IC_OK && f->pixel > 1)
        ic_op_pixel(v, (uint32_t)f->pixel);
    return rc;
}

static void frame_compose(const struct ic_frame *f, const struct ic_view *v)
{
    for (uint32_t y = 0; y < v->height; y++) {
        uint8_t *p[IC_PLANES];

        for (int i = 0; i < v->n; i++)
            p[i] = v->plane[i].p + v->plane[i].stride * y;
        ic_colour_compose(f->layout, f->plan->bg, p, v->width);
    }
}

/* From the picture to the whole. */
static void frame_surround(const struct ic_frame *f, const struct ic_view *picture)
{
    const struct ic_plan *p = f->plan;
    struct ic_rotation r = { .angle = p->angle, .centre_x = p->centre_x, .centre_y = p->centre_y, .bg = p->bg };
    struct ic_view whole = ic_frame_whole(f);

    if (p->angle != 0)
        ic_op_rotate(picture, &whole, &r);
    if (p->surround.border.width || p->surround.radius > 0)
        ic_op_surround(&whole, &p->surround, p->bg);
}

enum ic_code ic_frame_finish(struct ic_frame *f, struct ic_error *e)
{
    struct ic_view picture = frame_picture(f);
    enum ic_code rc = frame_filter(f, &picture, e);

    if (rc == IC_OK && f->compose)
        frame_compose(f, &picture);
    if (rc == IC_OK)
        frame_surround(f, &picture);
    return rc;
}
