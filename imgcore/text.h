/* Text: from UTF-8 and a set of fonts to pixels. */
#ifndef IMGCORE_TEXT_H
#define IMGCORE_TEXT_H

#include "imgcore.h"
#include "mem.h"

#define IC_FONTS       16   /* of one engine */
#define IC_TEXT_GLYPHS 1024 /* of one text; what is beyond is left out */

struct ic_fonts; /* FreeType's and HarfBuzz's objects; one set per engine */

/* Codepoints of a text with what decides how they are set. From text_bidi.c. */
struct ic_text_run_info {
    uint32_t n;
    uint32_t cp[IC_TEXT];
    uint8_t level[IC_TEXT];   /* of embedding: odd runs go from right to left */
    uint8_t font[IC_TEXT];    /* number in the set */
    uint32_t script[IC_TEXT]; /* hb_script_t */
};

struct ic_text_glyph {
    uint32_t id;
    uint8_t font;
    double x, y; /* of its origin, pixels from the top left corner of the block, y downwards */
};

/* A text that is set: lines of glyphs in a block. */
struct ic_text_block {
    double width, height; /* pixels */
    uint32_t n;
    struct ic_text_glyph glyph[IC_TEXT_GLYPHS];
};

/* text.c */

/* The text as packed RGBA, not premultiplied, *w x *h pixels, of which `margin` on each side is room for what hangs
 * over. px is zeroed before, and freed by the caller. max_w, max_h: what there is room for; lines are broken at max_w,
 * and those beyond max_h left out. px->p NULL: there is nothing to see. */
struct ic_text_pixels {
    struct ic_mem *mem; /* borrowed */
    uint8_t *p;         /* owned: ic_free() */
    uint32_t w, h, margin;
};
enum ic_code ic_text_draw(struct ic_fonts *fonts, struct ic_mem *mem, const struct ic_text *t, double max_w,
                          double max_h, struct ic_text_pixels *px, struct ic_error *e);

/* text_font.c */

/* The set with a font more; *fonts NULL: the first. bytes stay borrowed. IC_E_FORMAT: not a font. */
enum ic_code ic_fonts_add(struct ic_fonts **fonts, struct ic_bytes bytes, struct ic_error *e);
void ic_fonts_free(struct ic_fonts *fonts); /* accepts NULL */
void ic_fonts_version(char *out, size_t n); /* the libraries' names and versions, for ETags */
int ic_fonts_count(const struct ic_fonts *fonts);
/* Of all of them, in pixels. */
bool ic_fonts_size(struct ic_fonts *fonts, double px);
/* The font to set cp in: `wanted`, or where that lacks it the first that has it. */
uint8_t ic_fonts_choose(const struct ic_fonts *fonts, uint8_t wanted, uint32_t cp);
struct hb_font_t *ic_fonts_shaper(const struct ic_fonts *fonts, uint8_t font);
/* From one baseline to the next, and from the top of a line to its baseline; pixels. */
double ic_fonts_line(const struct ic_fonts *fonts, uint8_t font, double *ascent);
/* Coverage of a glyph at an origin between pixels: p of w x h bytes, its first pixel at left, top from the origin's.
 * Borrowed until the next call. false: it has no shape. */
struct ic_text_bitmap {
    const uint8_t *p;
    int stride, w, h, left, top;
};
bool ic_fonts_glyph(struct ic_fonts *fonts, const struct ic_text_glyph *g, struct ic_text_bitmap *out);

/* text_bidi.c: decodes and analyses one paragraph, n bytes without a newline. */
void ic_text_analyse(const struct ic_fonts *fonts, uint8_t font, const char *text, size_t n,
                     struct ic_text_run_info *out);

/* text_layout.c: sets the whole text. align: 0 left, 1 centre, 2 right. */
bool ic_text_set(struct ic_fonts *fonts, const struct ic_text *t, double max_w, double max_h, int align,
                 struct ic_mem *mem, struct ic_text_block *out);

#endif
