/* From what the viewer sees to what is stored: the crop in stored pixels, the one turn that composes orientation,
 * rotate and flip, and where the turned picture lies in the result. */
#include "plan.h"

#include "image.h"

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
static void plan_place(struct ic_plan *p, const struct plan_fit *f, unsigned turn)
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

void ic_plan_map(struct ic_plan *p, const struct plan_fit *f, const struct ic_recipe *r)
{
    unsigned orient = r->autorotate ? ic_turn_of_exif(p->source.orientation) : 0;
    unsigned flips = (r->flip ? IC_TURN_FLIP : 0u) | (r->flop ? IC_TURN_FLOP : 0u);
    unsigned after = ic_turn_then(ic_turn_of_rotation(r->rotate), flips);

    p->crop = plan_unturn(f->crop, orient, f->source_w, f->source_h);
    p->scaled_w = orient & IC_TURN_TRANSPOSE ? f->h : f->w;
    p->scaled_h = orient & IC_TURN_TRANSPOSE ? f->w : f->h;
    p->turn = ic_turn_then(orient, after);
    plan_place(p, f, after);
}
