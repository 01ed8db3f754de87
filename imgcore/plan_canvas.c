/* From what the viewer sees to what is stored: the crop in stored pixels, the one turn that composes orientation,
 * rotate and flip, and where the turned picture lies in the result.
 *
 * Of a rotation the nearest quarter belongs to the turn, which is exact; what remains is at most 45 degrees and goes
 * round the centre of the canvas. Padding and border are put round the bounding box of that. */
#include "plan.h"

#include "image.h"
#include "op_rotate.h"

#include <math.h>

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

struct ic_box ic_plan_stored(const struct ic_plan *p, struct ic_box shown)
{
    bool swap = p->orient & IC_TURN_TRANSPOSE;

    return plan_unturn(shown, p->orient, swap ? p->source.height : p->source.width,
                       swap ? p->source.width : p->source.height);
}

struct ic_box ic_plan_shown(const struct ic_plan *p, struct ic_box b)
{
    bool swap = p->orient & IC_TURN_TRANSPOSE;
    double w = swap ? p->source.height : p->source.width, h = swap ? p->source.width : p->source.height;

    if (swap)
        b = (struct ic_box){ b.y0, b.x0, b.y1, b.x1 };
    if (p->orient & IC_TURN_FLIP)
        b = (struct ic_box){ b.x0, h - b.y1, b.x1, h - b.y0 };
    if (p->orient & IC_TURN_FLOP)
        b = (struct ic_box){ w - b.x1, b.y0, w - b.x0, b.y1 };
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
    p->pad = p->bare = p->width != w || p->height != h;
}

/* The nearest quarter turn, and in *left what remains. */
static int plan_quarter(double degrees, double *left)
{
    double quarters = floor(degrees / 90.0 + 0.5);

    *left = degrees - quarters * 90.0;
    return (int)fmod(fmod(quarters, 4.0) + 4.0, 4.0) * 90;
}

/* The canvas becomes the bounding box of the rotated one. */
static void plan_rotate(struct ic_plan *p)
{
    bool swap = p->turn & IC_TURN_TRANSPOSE;
    double w = swap ? p->scaled_h : p->scaled_w, h = swap ? p->scaled_w : p->scaled_h;
    double x = p->place_x + w / 2.0 - p->width / 2.0, y = p->place_y + h / 2.0 - p->height / 2.0, s, c;

    ic_sincos(p->angle, &s, &c);
    w = p->width * c + p->height * fabs(s);
    h = p->width * fabs(s) + p->height * c;
    p->width = ic_plan_round(w);
    p->height = ic_plan_round(h);
    p->centre_x = p->width / 2.0 + x * c - y * s;
    p->centre_y = p->height / 2.0 + x * s + y * c;
    p->place_x = p->place_y = 0;
    p->pad = p->bare = true;
}

static int plan_length(double px, double dpr)
{
    return px > 0 ? (int)floor(px * (dpr > 0 ? dpr : 1.0) + 0.5) : 0;
}

static uint32_t plan_add(uint32_t a, int b, int c)
{
    uint64_t sum = (uint64_t)a + (uint64_t)b + (uint64_t)c;

    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static void plan_surround(struct ic_plan *p, const struct ic_surround *from, double dpr)
{
    struct ic_surround *s = &p->surround;
    int border = plan_length(from->border.width, dpr);
    double most;

    for (int i = 0; i < 4; i++)
        s->pad[i] = plan_length(from->pad[i], dpr);
    s->border.width = border;
    s->border.colour = from->border.colour;
    p->bare = p->bare || s->pad[0] || s->pad[1] || s->pad[2] || s->pad[3];
    p->pad = p->pad || p->bare || border;
    p->width = plan_add(p->width, s->pad[3] + s->pad[1], 2 * border);
    p->height = plan_add(p->height, s->pad[0] + s->pad[2], 2 * border);
    p->place_x += (uint32_t)(s->pad[3] + border);
    p->place_y += (uint32_t)(s->pad[0] + border);
    p->centre_x += s->pad[3] + border;
    p->centre_y += s->pad[0] + border;
    most = (p->width < p->height ? p->width : p->height) / 2.0;
    s->radius = from->radius < 0 ? most : fmin(most, plan_length(from->radius, dpr));
    p->bare = p->bare || s->radius > 0 || (border && s->border.colour.a < 255);
    p->rgb = p->rgb || p->angle != 0 || s->radius > 0;
}

void ic_plan_map(struct ic_plan *p, const struct plan_fit *f, const struct ic_recipe *r)
{
    bool swap = p->orient & IC_TURN_TRANSPOSE;
    unsigned flips = (r->flip ? IC_TURN_FLIP : 0u) | (r->flop ? IC_TURN_FLOP : 0u);
    unsigned after = ic_turn_then(ic_turn_of_rotation(plan_quarter(r->rotate, &p->angle)), flips);

    p->crop = ic_plan_stored(p, f->crop);
    p->scaled_w = swap ? f->h : f->w;
    p->scaled_h = swap ? f->w : f->h;
    p->turn = ic_turn_then(p->orient, after);
    plan_place(p, f, after);
    if (r->flip != r->flop) /* a mirror that follows turns the rotation round */
        p->angle = -p->angle;
    if (p->angle != 0)
        plan_rotate(p);
    plan_surround(p, &r->surround, r->dpr);
}
