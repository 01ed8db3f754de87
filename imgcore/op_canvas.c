/* Border and rounded corners; frame.c calls it when the picture is in its place.
 *
 * A corner pixel is covered by its distance to the arc, which is exact to a few hundredths and needs no supersampling;
 * square roots are the same on every machine. */
#include "op_canvas.h"

#include "colour.h"

#include <math.h>
#include <string.h>

/* c over bg, not premultiplied. */
static struct ic_colour canvas_over(struct ic_colour c, struct ic_colour bg)
{
    uint32_t under = (255u - c.a) * bg.a, a = c.a * 255u + under;
    uint8_t *v[] = { &c.r, &c.g, &c.b }, b[] = { bg.r, bg.g, bg.b };

    for (int i = 0; i < 3 && a; i++)
        *v[i] = (uint8_t)((*v[i] * c.a * 255u + b[i] * under + a / 2) / a);
    c.a = (uint8_t)((a + 127) / 255);
    return c;
}

static void canvas_fill(const struct ic_view *v, struct ic_colour c)
{
    for (int i = 0; i < v->n; i++)
        for (uint32_t y = 0; y < v->height; y++)
            memset(v->plane[i].p + v->plane[i].stride * y, ic_colour_channel(v->layout, i, c), v->width);
}

static void canvas_frame(const struct ic_view *v, uint32_t n, struct ic_colour c)
{
    uint32_t w = v->width, h = v->height;
    struct ic_view parts[] = { ic_view_part(v, 0, 0, w, n), ic_view_part(v, 0, h - n, w, n),
                               ic_view_part(v, 0, 0, n, h), ic_view_part(v, w - n, 0, n, h) };

    for (int i = 0; i < 4; i++)
        canvas_fill(&parts[i], c);
}

/* `cover` of 256 parts of the pixel stay, the others become c. */
static void canvas_mix(const struct ic_view *v, uint32_t x, uint32_t y, struct ic_colour c, uint32_t cover)
{
    bool has_alpha = ic_layout_alpha(v->layout);
    int last = v->n - 1;
    uint8_t *alpha = v->plane[last].p + v->plane[last].stride * y + x;
    uint32_t keep = cover * (has_alpha ? *alpha : 255u), take = (256 - cover) * (has_alpha ? c.a : 255u);
    uint32_t sum = keep + take;

    for (int i = 0; i < v->n - has_alpha; i++) {
        uint8_t *p = v->plane[i].p + v->plane[i].stride * y + x;

        *p = (uint8_t)(sum ? (*p * keep + ic_colour_channel(v->layout, i, c) * take + sum / 2) / sum : 0);
    }
    if (has_alpha)
        *alpha = (uint8_t)((sum + 128) >> 8);
}

/* Parts of 256 of the pixel whose centre is dx, dy from the arc's. */
static uint32_t canvas_cover(double dx, double dy, double radius)
{
    double cover = radius - sqrt(dx * dx + dy * dy) + 0.5;

    return cover <= 0.0 ? 0 : cover >= 1.0 ? 256 : (uint32_t)(cover * 256.0 + 0.5);
}

static void canvas_round(const struct ic_view *v, double radius, struct ic_colour c)
{
    uint32_t n = radius > 0 ? (uint32_t)ceil(radius) : 0;

    for (uint32_t y = 0; y < n; y++)
        for (uint32_t x = 0; x < n; x++) {
            uint32_t cover = canvas_cover(radius - x - 0.5, radius - y - 0.5, radius);
            uint32_t right = v->width - 1 - x, below = v->height - 1 - y;

            if (cover == 256 || radius - x < 0.5 || radius - y < 0.5)
                continue;
            canvas_mix(v, x, y, c, cover);
            canvas_mix(v, right, y, c, cover);
            canvas_mix(v, x, below, c, cover);
            canvas_mix(v, right, below, c, cover);
        }
}

void ic_op_surround(const struct ic_view *v, const struct ic_surround *s, struct ic_colour bg)
{
    uint32_t n = (uint32_t)s->border.width;

    if (n) {
        struct ic_colour line = canvas_over(s->border.colour, bg);
        struct ic_view inner = ic_view_part(v, n, n, v->width - 2 * n, v->height - 2 * n);

        canvas_frame(v, n, line);
        canvas_round(&inner, fmin(s->radius - n, fmin(inner.width, inner.height) / 2.0), line);
    }
    canvas_round(v, s->radius, bg);
}
