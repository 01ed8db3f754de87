/* One paragraph's characters: decoded, with their direction, script and font. Called by text_layout.c.
 *
 * The bidirectional algorithm (UAX 9) is FriBidi's. Scripts are those of Unicode, with characters that belong to all of
 * them (spaces, digits, marks) counted to what stands before, so that a run is not cut where a font could join. */
#include "text.h"

#include <fribidi.h>
#include <harfbuzz/hb.h>

/* The next character of sound UTF-8: the edge checked it, and what is not sound becomes U+FFFD. */
static uint32_t text_next(const char **p, const char *end)
{
    uint8_t c = (uint8_t) * (*p)++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    uint32_t cp = more ? c & (0x3fu >> more) : c;

    if (c >= 0x80 && (!more || end - *p < more))
        return 0xfffd;
    for (; more > 0; more--) {
        if (((uint8_t) * *p & 0xc0) != 0x80)
            return 0xfffd;
        cp = cp << 6 | ((uint8_t) * (*p)++ & 0x3fu);
    }
    return cp;
}

static void text_levels(struct ic_text_run_info *t)
{
    FriBidiCharType types[IC_TEXT];
    FriBidiBracketType brackets[IC_TEXT];
    FriBidiLevel levels[IC_TEXT];
    FriBidiParType base = FRIBIDI_PAR_ON;
    FriBidiStrIndex n = (FriBidiStrIndex)t->n;

    fribidi_get_bidi_types(t->cp, n, types);
    fribidi_get_bracket_types(t->cp, n, types, brackets);
    bool ok = fribidi_get_par_embedding_levels_ex(types, brackets, n, &base, levels) != 0;
    for (uint32_t i = 0; i < t->n; i++)
        t->level[i] = ok ? (uint8_t)levels[i] : 0;
}

static bool text_shared(uint32_t script)
{
    return script == HB_SCRIPT_COMMON || script == HB_SCRIPT_INHERITED || script == HB_SCRIPT_UNKNOWN;
}

static void text_scripts(struct ic_text_run_info *t)
{
    hb_unicode_funcs_t *unicode = hb_unicode_funcs_get_default();
    uint32_t last = HB_SCRIPT_COMMON;

    for (uint32_t i = 0; i < t->n; i++) {
        t->script[i] = hb_unicode_script(unicode, t->cp[i]);
        if (text_shared(t->script[i]))
            t->script[i] = last;
        last = t->script[i];
    }
    for (uint32_t i = t->n; i-- > 0; last = t->script[i])
        if (text_shared(t->script[i]))
            t->script[i] = last; /* at the beginning: what comes after */
}

/* A mark goes with the font of what it stands on, where that has it. */
static void text_fonts(const struct ic_fonts *fonts, uint8_t font, struct ic_text_run_info *t)
{
    hb_unicode_funcs_t *unicode = hb_unicode_funcs_get_default();

    for (uint32_t i = 0; i < t->n; i++) {
        bool mark =
            i > 0 && (hb_unicode_combining_class(unicode, t->cp[i]) != HB_UNICODE_COMBINING_CLASS_NOT_REORDERED ||
                      t->cp[i] == 0x200c || t->cp[i] == 0x200d);

        t->font[i] = ic_fonts_choose(fonts, mark || (i > 0 && t->cp[i] == ' ') ? t->font[i - 1] : font, t->cp[i]);
    }
}

void ic_text_analyse(const struct ic_fonts *fonts, uint8_t font, const char *text, size_t n,
                     struct ic_text_run_info *out)
{
    const char *end = text + n;

    out->n = 0;
    while (text < end && out->n < IC_TEXT)
        out->cp[out->n++] = text_next(&text, end);
    text_levels(out);
    text_scripts(out);
    text_fonts(fonts, font, out);
}
