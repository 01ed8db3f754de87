/* Text as pixels: set by text_layout.c, drawn glyph by glyph. Called by overlay.c. */
#include "text.h"

#include <math.h>
#include <string.h>

static void text_stamp(const struct ic_text_pixels *px, const struct ic_text_bitmap *b, const struct ic_text *t)
{
    int64_t x0 = (int64_t)px->margin + b->left, y0 = (int64_t)px->margin + b->top;

    for (int y = 0; y < b->h; y++)
        for (int x = 0; x < b->w; x++) {
            uint8_t cover = b->p[(ptrdiff_t)y * b->stride + x], *to;
            int64_t at_x = x0 + x, at_y = y0 + y;

            if (cover == 0 || at_x < 0 || at_y < 0 || at_x >= px->w || at_y >= px->h)
                continue;
            to = px->p + ((size_t)at_y * px->w + (size_t)at_x) * 4;
            cover = (uint8_t)((cover * t->colour.a + 127) / 255);
            to[3] = cover > to[3] ? cover : to[3]; /* glyphs that overlap are one shape */
        }
}

static void text_colour(const struct ic_text_pixels *px, const struct ic_text *t)
{
    for (size_t i = 0; i < (size_t)px->w * px->h; i++) {
        px->p[4 * i] = t->colour.r;
        px->p[4 * i + 1] = t->colour.g;
        px->p[4 * i + 2] = t->colour.b;
    }
}

static enum ic_code text_open(struct ic_text_pixels *px, const struct ic_text_block *b, double size, double max_w,
                              double max_h)
{
    size_t bytes;

    px->margin = (uint32_t)ceil(size / 3.0);
    px->w = (uint32_t)ceil(fmin(b->width, max_w)) + 2 * px->margin;
    px->h = (uint32_t)ceil(fmin(b->height, max_h)) + 2 * px->margin;
    if (!ic_mul((size_t)px->w * 4, px->h, &bytes) || !(px->p = ic_calloc(px->mem, bytes)))
        return IC_E_MEMORY;
    return IC_OK;
}

/* 0: left, 1: in the middle, 2: right. */
static int text_side(int pos)
{
    bool west = pos == IC_WEST || pos == IC_NORTHWEST || pos == IC_SOUTHWEST || pos == IC_MARK_TILE;

    return west ? 0 : pos == IC_CENTER || pos == IC_NORTH || pos == IC_SOUTH ? 1 : 2;
}

enum ic_code ic_text_draw(struct ic_fonts *fonts, struct ic_mem *mem, const struct ic_text *t, double max_w,
                          double max_h, struct ic_text_pixels *px, struct ic_error *e)
{
    struct ic_text_block *b = ic_alloc(mem, sizeof(*b));
    struct ic_text_bitmap glyph;
    enum ic_code rc = IC_OK;

    *px = (struct ic_text_pixels){ .mem = mem };
    if (t->font < 0 || t->font >= ic_fonts_count(fonts))
        rc = ic_fail(e, IC_E_PARAM, "there is no font for text");
    else if (!b || !ic_fonts_size(fonts, t->size) || !ic_text_set(fonts, t, max_w, max_h, text_side(t->pos), mem, b) ||
             (b->n > 0 && text_open(px, b, t->size, max_w, max_h) != IC_OK))
        rc = ic_fail(e, IC_E_MEMORY, "no memory for text");
    else if (b->n > 0) {
        text_colour(px, t);
        for (uint32_t i = 0; i < b->n; i++)
            if (ic_fonts_glyph(fonts, &b->glyph[i], &glyph))
                text_stamp(px, &glyph, t);
    }
    ic_free(mem, b);
    return rc;
}
