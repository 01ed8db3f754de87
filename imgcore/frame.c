/* The frame stage: what can't stream waits here until it is whole. output.c fills and empties it.
 *
 * Operations work in place on planes one channel deep, in the layout the sink takes: JPEG's own planes stay planes, and
 * an operation that needs RGB says so in the plan. There is one frame and never a copy of it. */
#include "frame.h"

#include "filters.h"
#include "op_pixel.h"

/* Opening and filling. */

enum ic_code ic_frame_open(struct ic_frame *f, struct ic_mem *mem, const struct ic_plan *plan,
                           const struct ic_planes *shape, enum ic_layout layout, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    *f = (struct ic_frame){ .plan = plan, .layout = layout, .limited = shape->limited, .image.mem = mem };
    f->compose = ic_layout_alpha(layout) && ic_filters_compose(plan);
    for (int c = 0; c < ic_layout_channels(layout) && rc == IC_OK; c++) {
        const struct ic_plane *p = &shape->plane[shape->n > 1 ? c : 0];

        rc = ic_image_add(&f->image, p->width, p->height, ic_colour_channel(layout, c, plan->bg), e);
    }
    return rc;
}

void ic_frame_put(struct ic_frame *f, int channel, uint32_t width, uint32_t height, const struct ic_rows *rows,
                  uint32_t y)
{
    struct ic_spot spot = {
        .turn = f->plan->turn, .width = width, .height = height, .x = f->plan->place_x, .y = f->plan->place_y
    };

    ic_image_put(&f->image, channel, &spot, rows, y);
}

void ic_frame_close(struct ic_frame *f)
{
    if (f->image.mem)
        ic_image_free(&f->image);
    *f = (struct ic_frame){ 0 };
}

/* Views. */

struct ic_view ic_frame_whole(const struct ic_frame *f)
{
    struct ic_view v = {
        .layout = f->layout, .limited = f->limited, .width = f->plan->width, .height = f->plan->height, .n = f->image.n
    };

    for (int i = 0; i < v.n; i++) {
        v.plane[i].p = f->image.plane[i].p;
        v.plane[i].stride = f->image.plane[i].stride;
        v.plane[i].width = f->image.plane[i].width;
        v.plane[i].height = f->image.plane[i].height;
    }
    return v;
}

struct ic_view ic_frame_picture(const struct ic_frame *f)
{
    const struct ic_plan *p = f->plan;
    bool swap = p->turn & IC_TURN_TRANSPOSE;
    struct ic_view whole = ic_frame_whole(f);

    return ic_view_part(&whole, p->place_x, p->place_y, swap ? p->scaled_h : p->scaled_w,
                        swap ? p->scaled_w : p->scaled_h);
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

static enum ic_code frame_filter(const struct ic_filters *f, const struct ic_view *v)
{
    if (f->pixel > 1)
        ic_op_pixel(v, (uint32_t)f->pixel);
    return IC_OK;
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

enum ic_code ic_frame_finish(struct ic_frame *f, struct ic_error *e)
{
    struct ic_view picture = ic_frame_picture(f);
    enum ic_code rc = frame_filter(&f->plan->filters, &picture);

    (void)e;
    if (rc == IC_OK && f->compose)
        frame_compose(f, &picture);
    return rc;
}
