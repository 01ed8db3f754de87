/* Colour conversion of the small result; output.c calls it row by row.
 *
 * It comes after resampling, on planes: that is a few percent of the pixels a conversion of the source would touch.
 * Grey becomes RGB and opaque becomes RGBA by pointing at rows, not by copying them. */
#include "colour.h"

#include <string.h>

int ic_layout_channels(enum ic_layout l)
{
    static const uint8_t n[] = {
        [IC_GREY] = 1, [IC_GREYA] = 2, [IC_RGB] = 3, [IC_RGBA] = 4, [IC_YCBCR] = 3, [IC_CMYK] = 4, [IC_YCCK] = 4
    };

    return n[l];
}

bool ic_layout_alpha(enum ic_layout l)
{
    return l == IC_GREYA || l == IC_RGBA;
}

static bool colour_grey(enum ic_layout l)
{
    return l == IC_GREY || l == IC_GREYA;
}

/* Red, green, blue and alpha of what was grey and alpha, with two rows behind. */
static const int8_t spread_map[] = { 0, 2, 3, 1 };

bool ic_colour_init(struct ic_colour_path *c, enum ic_layout from, enum ic_layout to, struct ic_colour bg)
{
    int colours = colour_grey(to) ? 1 : 3;

    if (from != to && (to > IC_RGBA || (colour_grey(to) && !colour_grey(from))))
        return false;
    *c = (struct ic_colour_path){ .k = ic_kernels(), .from = from, .to = to, .bg = bg };
    c->over = ic_layout_alpha(from) && bg.a > 0;
    c->channels = (uint8_t)ic_layout_channels(to);
    for (int i = 0; i < c->channels; i++)
        c->map[i] = (int8_t)(i < colours || from == to ? (colour_grey(from) && i < colours ? 0 : i) : -1);
    if (ic_layout_alpha(to) && ic_layout_alpha(from))
        c->map[colours] = (int8_t)(ic_layout_channels(from) - 1);
    c->spread = c->over && from == IC_GREYA && !colour_grey(to) && (bg.r != bg.g || bg.r != bg.b);
    for (int i = 0; c->spread && i < c->channels; i++)
        c->map[i] = spread_map[i];
    return true;
}

/* v * a / 255, rounded. */
static uint32_t colour_mul(uint32_t v, uint32_t a)
{
    return (v * a + 127) / 255;
}

uint8_t ic_colour_channel(enum ic_layout l, int i, struct ic_colour bg)
{
    const uint8_t grey[] = { bg.r, bg.a }, rgb[] = { bg.r, bg.g, bg.b, bg.a };

    return colour_grey(l) ? grey[i] : rgb[i];
}

/* Porter and Duff's "over" on premultiplied values; alpha is one more channel to it. */
static void colour_over(const struct ic_colour_path *c, uint8_t *const *p, size_t n)
{
    int last = ic_layout_channels(c->from) - 1;

    for (int i = 0; i <= last; i++) {
        uint32_t bg = ic_colour_channel(c->from, i, c->bg);
        const uint8_t *alpha = p[last];
        uint8_t *v = p[i];

        bg = i == last ? bg : colour_mul(bg, c->bg.a);
        for (size_t x = 0; x < n; x++) {
            uint32_t sum = v[x] + colour_mul(bg, 255u - alpha[x]);

            v[x] = (uint8_t)(sum > 255 ? 255 : sum);
        }
    }
}

static void colour_premultiply(uint8_t *p, const uint8_t *alpha, size_t n)
{
    for (size_t x = 0; x < n; x++)
        p[x] = (uint8_t)colour_mul(p[x], alpha[x]);
}

static void colour_unpremultiply(const struct ic_colour_path *c, uint8_t *const *p, size_t n)
{
    int last = ic_layout_channels(c->from) - 1;

    for (int i = 0; i < last; i++)
        c->k->unpremultiply(p[i], p[last], n);
}

/* The plain formula: ink is stored inverted (0 = full), so what is left of white is C * K. */
static void colour_cmyk_rgb(uint8_t *const *p, size_t n)
{
    for (int i = 0; i < 3; i++)
        for (size_t x = 0; x < n; x++)
            p[i][x] = (uint8_t)colour_mul(p[i][x], p[3][x]);
}

/* As v * scale + offset in 16 bits of fraction: Y spans 219 levels from 16, Cb and Cr 224 round 128. */
void ic_colour_range(uint8_t *p, size_t n, int plane, bool to_limited)
{
    int32_t steps = plane ? 224 : 219, origin = plane ? 128 : 16, zero = plane ? 128 : 0;
    int32_t scale = to_limited ? ((steps << 16) + 127) / 255 : ((255 << 16) + steps / 2) / steps;
    int32_t from = to_limited ? zero : origin, to = to_limited ? origin : zero;

    for (size_t i = 0; i < n; i++) {
        int32_t v = (((p[i] - from) * scale + (1 << 15)) >> 16) + to;

        p[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* Profiles are about colours as they are, not times alpha. Returns whether they are so afterwards. */
static bool colour_convert(const struct ic_colour_path *c, uint8_t *const *p, size_t n)
{
    bool straight = c->straight || !c->over;

    if (ic_layout_alpha(c->from) && !c->straight)
        colour_unpremultiply(c, p, n);
    ic_icc_row(c->icc, p, n);
    for (int i = 0, last = ic_layout_channels(c->from) - 1; ic_layout_alpha(c->from) && !straight && i < last; i++)
        colour_premultiply(p[i], p[last], n);
    return straight;
}

static void colour_finish(const struct ic_colour_path *c, uint8_t *const *p, size_t n, bool straight)
{
    if (c->over)
        colour_over(c, p, n);
    if (ic_layout_alpha(c->from) && !straight && !(c->over && c->bg.a == 255))
        colour_unpremultiply(c, p, n);
}

static void colour_finish_spread(const struct ic_colour_path *c, uint8_t *const *p, size_t n, bool straight)
{
    uint8_t *rgba[IC_PLANES] = { p[0], p[2], p[3], p[1] };
    struct ic_colour_path path = *c;

    path.from = IC_RGBA;
    memcpy(p[2], p[0], n);
    memcpy(p[3], p[0], n);
    colour_finish(&path, rgba, n, straight);
}

void ic_colour_row(const struct ic_colour_path *c, uint8_t *const *p, size_t n)
{
    bool straight = c->straight;

    if (c->from != c->to && (c->from == IC_YCBCR || c->from == IC_YCCK))
        c->k->ycc_rgb(p, n);
    if (c->icc)
        straight = colour_convert(c, p, n);
    else if (c->from != c->to && (c->from == IC_CMYK || c->from == IC_YCCK))
        colour_cmyk_rgb(p, n);
    if (c->spread)
        colour_finish_spread(c, p, n, straight);
    else
        colour_finish(c, p, n, straight);
}

void ic_colour_compose(enum ic_layout layout, struct ic_colour bg, uint8_t *const *p, size_t n)
{
    struct ic_colour_path c = { .k = ic_kernels(), .from = layout, .to = layout, .bg = bg };
    int last = ic_layout_channels(layout) - 1;

    for (int i = 0; i < last; i++)
        colour_premultiply(p[i], p[last], n);
    colour_over(&c, p, n);
    if (bg.a < 255)
        colour_unpremultiply(&c, p, n);
}
