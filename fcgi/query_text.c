/* The text that txt= lays over a result: its type of value, and its font, which must be a configured one. Called by
 * the table's rows and by query_finish. */
#include "query_option.h"

#include <string.h>

#include "utf8.h"

static bool caption_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    size_t n = strlen(text);
    (void)o;
    if (n >= IC_TEXT)
        return query_fail(e, "option_range", "%s must be at most %d bytes long", e->option, IC_TEXT - 1);
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        if (length == 0)
            return query_fail(e, "option_malformed", "%s is not well-formed UTF-8", e->option);
        if ((*p < ' ' && *p != '\n') || *p == 0x7f)
            return query_fail(e, "option_malformed", "%s contains control characters other than newline", e->option);
        p += length;
    }
    memcpy(field, text, n + 1);
    return true;
}

const struct query_type query_type_caption = { "text", IC_TEXT, false, false, caption_parse, query_text_print };

bool query_finish_text(struct query *q, const struct config *c, struct query_error *e)
{
    struct ic_text *t = &q->recipe.text;
    char shown[40], names[120];
    if (q->text_colour.given)
        t->colour = q->text_colour.colour;
    if (!t->text[0] || !c)
        return true;
    snprintf(e->option, sizeof e->option, *q->font ? "txt-font" : "txt");
    if (!c->fonts)
        return query_fail(e, "option_range", "no font is configured here: text needs a line font.NAME = FILE");
    int i = 0;
    const struct config_file *f = c->fonts;
    for (; f && *q->font && strcmp(f->name, q->font); f = f->next)
        i++;
    if (!f)
        return query_fail(e, "option_range", "there is no font \"%s\"; the names are: %s",
                          query_show(q->font, shown, sizeof shown), config_file_names(c->fonts, names, sizeof names));
    t->font = i;
    return true;
}
