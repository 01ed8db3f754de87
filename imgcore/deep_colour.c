/* Colour of the 16-bit path: a pixel at a time, in the order of the 8-bit one (colour.c): resampled premultiplied, then
 * converted by the profile, then composed onto the background. In linear light the profile comes first. */
#include "deep_colour.h"

#include "deep_scale.h"
#include "srgb.h"

#include <math.h>

#define LEVELS 65536

/* Linear light. */

enum ic_code deep_colour_light(struct deep_colour *c, struct ic_error *e)
{
    c->light = ic_alloc(c->mem, LEVELS * sizeof *c->light);
    c->between = ic_alloc(c->mem, LEVELS * sizeof *c->between);
    if (!c->light || !c->between)
        return ic_fail(e, IC_E_MEMORY, "no memory for linear light");
    for (int i = 0; i < LEVELS; i++) {
        c->light[i] = (int32_t)floor(srgb_light(i / 65535.0) * DEEP_ONE + 0.5);
        c->between[i] = (int32_t)ceil(srgb_light((i + 0.5) / 65535.0) * DEEP_ONE);
    }
    c->between[LEVELS - 1] = INT32_MAX;
    return IC_OK;
}

/* The level whose light is nearest as sRGB sees it: how many of `between` lie at or below v. */
static uint16_t light_level(const int32_t *between, int64_t v)
{
    uint32_t at = 0;

    for (uint32_t step = LEVELS / 2; step; step /= 2)
        at += between[at + step - 1] <= v ? step : 0;
    return (uint16_t)at;
}

void deep_colour_close(struct deep_colour *c)
{
    if (!c->mem)
        return;
    ic_icc_deep_free(c->icc);
    ic_free(c->mem, c->light);
    ic_free(c->mem, c->between);
    *c = (struct deep_colour){ 0 };
}

/* Loading. */

static int colour_channels(int channels)
{
    return channels < 3 ? 1 : 3;
}

static bool has_alpha(int channels)
{
    return channels % 2 == 0;
}

void deep_colour_load(const struct deep_colour *c, const uint8_t *px, uint16_t *spare, int32_t *out, size_t n)
{
    int colours = colour_channels(c->from);
    bool multiply = has_alpha(c->from) && !c->straight;

    for (size_t i = 0; i < n * (size_t)c->from; i++)
        spare[i] = (uint16_t)(px[2 * i] << 8 | px[2 * i + 1]);
    if (c->light && c->icc)
        ic_icc_deep_row(c->icc, spare, n, (size_t)c->from);
    for (size_t i = 0; i < n; i++, spare += c->from, out += c->from) {
        int64_t alpha = has_alpha(c->from) ? spare[colours] : 65535;

        for (int k = 0; k < colours; k++) {
            int64_t v = c->light ? c->light[spare[k]] : (int64_t)spare[k] << DEEP_FRACTION;

            out[k] = (int32_t)(multiply ? (v * alpha + 32767) / 65535 : v);
        }
        if (has_alpha(c->from))
            out[colours] = (int32_t)(alpha << DEEP_FRACTION);
    }
}

/* Storing. */

static uint16_t level_of(int64_t v)
{
    v = (v + (1 << (DEEP_FRACTION - 1))) >> DEEP_FRACTION;
    return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

/* One pixel, no longer premultiplied, to levels. */
static void straighten(const struct deep_colour *c, const int32_t *px, uint16_t *out)
{
    int colours = colour_channels(c->from);
    int64_t alpha = has_alpha(c->from) ? px[colours] : DEEP_ONE;

    for (int k = 0; k < colours; k++) {
        int64_t v = px[k];

        if (has_alpha(c->from) && !c->straight)
            v = alpha > 0 && v > 0 ? (v * DEEP_ONE + alpha / 2) / alpha : 0;
        v = v < 0 ? 0 : v > DEEP_ONE ? DEEP_ONE : v;
        out[k] = c->light ? light_level(c->between, v) : level_of(v);
    }
    if (has_alpha(c->from))
        out[colours] = level_of(alpha);
}

/* Of one channel, over bg, where both have alpha: PNG's samples are not premultiplied. */
static uint16_t compose(uint64_t v, uint64_t alpha, uint64_t bg, uint64_t bg_alpha)
{
    uint64_t under = bg_alpha * (65535 - alpha), whole = alpha * 65535 + under;

    return (uint16_t)(whole ? (v * alpha * 65535 + bg * under + whole / 2) / whole : 0);
}

static void store_pixel(const struct deep_colour *c, const uint16_t *px, uint16_t *out)
{
    const uint8_t bg[3] = { c->bg.r, c->bg.g, c->bg.b };
    uint64_t under = c->bg.a * UINT64_C(257);
    int colours = colour_channels(c->to), have = colour_channels(c->from);
    uint16_t alpha = has_alpha(c->from) ? px[have] : 65535;

    for (int k = 0; k < colours; k++) {
        uint16_t v = px[k < have ? k : 0];

        out[k] = c->over ? compose(v, alpha, bg[k] * UINT64_C(257), under) : v;
    }
    if (has_alpha(c->to))
        out[colours] = (uint16_t)(c->over ? alpha + (under * (65535u - alpha) + 32767) / 65535 : alpha);
}

void deep_colour_store(const struct deep_colour *c, const int32_t *px, uint16_t *spare, uint16_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        straighten(c, px + i * (size_t)c->from, spare + i * (size_t)c->from);
    if (c->icc && !c->light)
        ic_icc_deep_row(c->icc, spare, n, (size_t)c->from);
    for (size_t i = 0; i < n; i++)
        store_pixel(c, spare + i * (size_t)c->from, out + i * (size_t)c->to);
}
