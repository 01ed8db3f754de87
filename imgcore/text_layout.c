/* Setting text: paragraphs into lines, lines into runs, runs into glyphs. Called by text.c.
 *
 * A paragraph is shaped once to learn how wide each character is, broken into lines by that, and each line is shaped
 * again by itself, since joins and positions depend on where it ends. HarfBuzz sees the whole paragraph round a run.
 * Lines break at spaces, and between ideographs; a word that is wider than the line breaks where it must. */
#include "text.h"

#include <harfbuzz/hb.h>
#include <math.h>
#include <string.h>

struct setting {
    struct ic_fonts *fonts;
    const struct ic_text *text;
    double max_w, max_h;
    int align;
    double line, ascent; /* of the wanted font */
    hb_buffer_t *buffer;
    struct ic_text_run_info info; /* the paragraph in hand */
    double advance[IC_TEXT];      /* of each character, 0 where it is part of the one before */
    double width[IC_TEXT];        /* of each line */
    uint32_t first[IC_TEXT + 1];  /* glyph of each line */
    uint32_t lines;
    struct ic_text_block *out;
};

/* The characters [from, to) have the same direction, script and font up to the one returned. */
static uint32_t text_run(const struct ic_text_run_info *t, uint32_t from, uint32_t to)
{
    uint32_t i = from + 1;

    while (i < to && t->level[i] == t->level[from] && t->script[i] == t->script[from] && t->font[i] == t->font[from])
        i++;
    return i;
}

static const hb_glyph_info_t *text_shape(struct setting *s, uint32_t from, uint32_t to, uint32_t *n)
{
    const struct ic_text_run_info *t = &s->info;

    hb_buffer_clear_contents(s->buffer);
    hb_buffer_add_codepoints(s->buffer, t->cp, (int)t->n, from, (int)(to - from));
    hb_buffer_set_direction(s->buffer, t->level[from] & 1 ? HB_DIRECTION_RTL : HB_DIRECTION_LTR);
    hb_buffer_set_script(s->buffer, t->script[from]);
    hb_shape(ic_fonts_shaper(s->fonts, t->font[from]), s->buffer, NULL, 0);
    return hb_buffer_get_glyph_infos(s->buffer, n);
}

/* Breaking. */

static void text_measure(struct setting *s)
{
    memset(s->advance, 0, sizeof s->advance);
    for (uint32_t from = 0, to; from < s->info.n; from = to) {
        uint32_t n;

        to = text_run(&s->info, from, s->info.n);
        const hb_glyph_info_t *g = text_shape(s, from, to, &n);
        const hb_glyph_position_t *p = hb_buffer_get_glyph_positions(s->buffer, NULL);
        for (uint32_t i = 0; i < n; i++)
            s->advance[g[i].cluster] += p[i].x_advance / 64.0;
    }
}

static bool text_ideograph(uint32_t script)
{
    return script == HB_SCRIPT_HAN || script == HB_SCRIPT_HIRAGANA || script == HB_SCRIPT_KATAKANA;
}

/* Whether a line may begin with character i. */
static bool text_breaks(const struct ic_text_run_info *t, uint32_t i)
{
    return (t->cp[i - 1] == ' ' && t->cp[i] != ' ') ||
           (text_ideograph(t->script[i - 1]) && text_ideograph(t->script[i]) && t->cp[i - 1] != ' ');
}

/* Where the line that begins with character `from` ends. */
static uint32_t text_line_end(const struct setting *s, uint32_t from)
{
    double w = 0;
    uint32_t end = from;

    for (uint32_t i = from; i < s->info.n; i++) {
        if (i > from && text_breaks(&s->info, i))
            end = i;
        w += s->advance[i];
        if (w <= s->max_w || s->info.cp[i] == ' ' || i == from)
            continue;
        if (end > from)
            return end;
        if (s->advance[i] > 0)
            return i;
    }
    return s->info.n;
}

/* Setting a line. */

/* Glyphs of one run, from x on; returns where it ends. */
static double text_place_run(struct setting *s, uint32_t from, uint32_t to, double x, double y)
{
    uint32_t n;
    const hb_glyph_info_t *g = text_shape(s, from, to, &n);
    const hb_glyph_position_t *p = hb_buffer_get_glyph_positions(s->buffer, NULL);

    for (uint32_t i = 0; i < n; i++) {
        if (s->out->n < IC_TEXT_GLYPHS)
            s->out->glyph[s->out->n++] = (struct ic_text_glyph){ .id = g[i].codepoint,
                                                                 .font = s->info.font[from],
                                                                 .x = x + p[i].x_offset / 64.0,
                                                                 .y = y - p[i].y_offset / 64.0 };
        x += p[i].x_advance / 64.0;
    }
    return x;
}

struct text_runs {
    uint32_t n;
    struct {
        uint32_t from, to;
        uint8_t level;
    } run[IC_TEXT];
};

/* Rule L2 of UAX 9, on whole runs: what is of one level or above is reversed, from the highest level to the lowest odd
 * one. */
static void text_reorder(struct text_runs *r)
{
    uint8_t highest = 0;

    for (uint32_t i = 0; i < r->n; i++)
        highest = r->run[i].level > highest ? r->run[i].level : highest;
    for (uint8_t level = highest; level > 0; level--)
        for (uint32_t i = 0, k; i < r->n; i = k) {
            for (k = i; k < r->n && r->run[k].level >= level; k++)
                ;
            for (uint32_t a = i, b = k; a + 1 < b; a++, b--) {
                typeof(r->run[0]) swap = r->run[a];
                r->run[a] = r->run[b - 1];
                r->run[b - 1] = swap;
            }
            k = k > i ? k : i + 1;
        }
}

static void text_place_line(struct setting *s, uint32_t from, uint32_t to)
{
    struct text_runs r = { 0 };
    double x = 0, y = s->ascent + s->line * s->lines;

    while (to > from && s->info.cp[to - 1] == ' ')
        to--;
    for (uint32_t i = from, k; i < to; i = k) {
        k = text_run(&s->info, i, to);
        r.run[r.n].from = i;
        r.run[r.n].to = k;
        r.run[r.n++].level = s->info.level[i];
    }
    text_reorder(&r);
    s->first[s->lines] = s->out->n;
    for (uint32_t i = 0; i < r.n; i++)
        x = text_place_run(s, r.run[i].from, r.run[i].to, x, y);
    s->width[s->lines++] = x;
}

static bool text_room(const struct setting *s)
{
    return s->lines < IC_TEXT && (s->lines == 0 || s->line * (s->lines + 1) <= s->max_h);
}

static void text_paragraph(struct setting *s, const char *text, size_t n)
{
    uint32_t from = 0, to;

    ic_text_analyse(s->fonts, (uint8_t)s->text->font, text, n, &s->info);
    text_measure(s);
    do {
        to = text_line_end(s, from);
        text_place_line(s, from, to);
        from = to;
    } while (from < s->info.n && text_room(s));
}

/* Once all widths are known. */
static void text_align(struct setting *s)
{
    for (uint32_t l = 0; l < s->lines; l++)
        s->out->width = fmax(s->out->width, s->width[l]);
    s->first[s->lines] = s->out->n;
    for (uint32_t l = 0; l < s->lines; l++)
        for (uint32_t i = s->first[l]; i < s->first[l + 1]; i++)
            s->out->glyph[i].x += (s->out->width - s->width[l]) * s->align / 2.0;
    s->out->height = s->line * s->lines;
}

bool ic_text_set(struct ic_fonts *fonts, const struct ic_text *t, double max_w, double max_h, int align,
                 struct ic_mem *mem, struct ic_text_block *out)
{
    struct setting *s = ic_calloc(mem, sizeof(*s));
    const char *p = t->text, *end = p + strnlen(p, IC_TEXT - 1);

    if (!s)
        return false;
    out->width = out->height = 0;
    out->n = 0;
    *s = (struct setting){ .fonts = fonts,
                           .text = t,
                           .max_w = max_w,
                           .max_h = max_h,
                           .align = align,
                           .buffer = hb_buffer_create(),
                           .out = out };
    s->line = ic_fonts_line(fonts, (uint8_t)t->font, &s->ascent);
    while (p < end && text_room(s)) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((newline ? newline : end) - p);

        text_paragraph(s, p, n);
        p += n + (newline != NULL);
    }
    text_align(s);
    hb_buffer_destroy(s->buffer);
    ic_free(mem, s);
    return true;
}
