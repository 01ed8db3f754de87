/* Fonts: FreeType's faces and HarfBuzz's view of them. Called by engine and text files.
 *
 * Fonts come from the configuration, not from strangers; what strangers decide is which of their glyphs are asked for.
 * No hinting: text lies on pictures, at any size, and must not change its width by a pixel's rounding. */
#include "engine.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <harfbuzz/hb-ft.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct ic_fonts {
    FT_Library library;
    int n;
    struct {
        FT_Face face;
        hb_font_t *shaper;
    } font[IC_FONTS];
};

static struct ic_fonts *fonts_create(void)
{
    struct ic_fonts *f = calloc(1, sizeof(*f));

    if (f && FT_Init_FreeType(&f->library) == 0)
        return f;
    free(f);
    return NULL;
}

void ic_fonts_free(struct ic_fonts *f)
{
    if (!f)
        return;
    for (int i = 0; i < f->n; i++) {
        hb_font_destroy(f->font[i].shaper);
        FT_Done_Face(f->font[i].face);
    }
    FT_Done_FreeType(f->library);
    free(f);
}

enum ic_code ic_fonts_add(struct ic_fonts **fonts, struct ic_bytes bytes, struct ic_error *e)
{
    struct ic_fonts *f = *fonts ? *fonts : fonts_create();
    FT_Face face;

    if (!f)
        return ic_fail(e, IC_E_MEMORY, "no memory for a font");
    *fonts = f;
    if (f->n == IC_FONTS)
        return ic_fail(e, IC_E_LIMIT, "more than %d fonts", IC_FONTS);
    if (FT_New_Memory_Face(f->library, bytes.p, (FT_Long)bytes.n, 0, &face) != 0)
        return ic_fail(e, IC_E_FORMAT, "this is not a font that FreeType can read");
    if (!FT_IS_SCALABLE(face) || FT_Select_Charmap(face, FT_ENCODING_UNICODE) != 0) {
        FT_Done_Face(face);
        return ic_fail(e, IC_E_FORMAT, "the font has no outlines, or no Unicode table");
    }
    f->font[f->n].face = face;
    f->font[f->n].shaper = hb_ft_font_create_referenced(face);
    hb_ft_font_set_load_flags(f->font[f->n].shaper, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP);
    f->n++;
    return IC_OK;
}

enum ic_code ic_engine_add_font(struct ic_engine *g, struct ic_bytes bytes, struct ic_error *e)
{
    return ic_fonts_add(&g->fonts, bytes, e);
}

void ic_fonts_version(char *out, size_t n)
{
    FT_Library library;
    FT_Int major = 0, minor = 0, patch = 0;

    if (FT_Init_FreeType(&library) == 0) {
        FT_Library_Version(library, &major, &minor, &patch);
        FT_Done_FreeType(library);
    }
    snprintf(out, n, "freetype/%d.%d.%d harfbuzz/%s", major, minor, patch, hb_version_string());
}

int ic_fonts_count(const struct ic_fonts *f)
{
    return f ? f->n : 0;
}

bool ic_fonts_size(struct ic_fonts *f, double px)
{
    for (int i = 0; i < f->n; i++) {
        if (FT_Set_Char_Size(f->font[i].face, 0, (FT_F26Dot6)lround(px * 64.0), 72, 72) != 0)
            return false;
        hb_ft_font_changed(f->font[i].shaper);
    }
    return true;
}

uint8_t ic_fonts_choose(const struct ic_fonts *f, uint8_t wanted, uint32_t cp)
{
    if (FT_Get_Char_Index(f->font[wanted].face, cp) != 0)
        return wanted;
    for (int i = 0; i < f->n; i++)
        if (FT_Get_Char_Index(f->font[i].face, cp) != 0)
            return (uint8_t)i;
    return wanted;
}

struct hb_font_t *ic_fonts_shaper(const struct ic_fonts *f, uint8_t font)
{
    return f->font[font].shaper;
}

double ic_fonts_line(const struct ic_fonts *f, uint8_t font, double *ascent)
{
    const FT_Size_Metrics *m = &f->font[font].face->size->metrics;

    *ascent = (double)m->ascender / 64.0;
    return (double)m->height / 64.0;
}

bool ic_fonts_glyph(struct ic_fonts *f, const struct ic_text_glyph *g, struct ic_text_bitmap *out)
{
    FT_Face face = f->font[g->font].face;
    FT_GlyphSlot slot = face->glyph;
    double x = floor(g->x), y = floor(g->y);

    if (FT_Load_Glyph(face, g->id, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP) != 0 ||
        slot->format != FT_GLYPH_FORMAT_OUTLINE)
        return false;
    FT_Outline_Translate(&slot->outline, (FT_Pos)lround((g->x - x) * 64.0), (FT_Pos)-lround((g->y - y) * 64.0));
    if (FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) != 0 || !slot->bitmap.buffer)
        return false;
    *out = (struct ic_text_bitmap){ .p = slot->bitmap.buffer,
                                    .stride = slot->bitmap.pitch,
                                    .w = (int)slot->bitmap.width,
                                    .h = (int)slot->bitmap.rows,
                                    .left = (int)x + slot->bitmap_left,
                                    .top = (int)y - slot->bitmap_top };
    return true;
}
