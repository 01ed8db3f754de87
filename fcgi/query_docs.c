/* The option table for people: --help, docs/options.md, the manual page, and the words that shells complete. Called by
 * cmd_help.c and man.c.
 *
 * What stands here is only how a row is written down; every word of it is the row's. */
#include "man.h"
#include "query_option.h"

#include <string.h>

/* What may stand behind name=. */
static const char *takes(const struct query_option *o, char *out, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    if (o->type == &query_type_duration)
        snprintf(out, n, "%gs to %gd", o->min, o->max / 86400);
    else if (o->type == &query_type_time)
        snprintf(out, n, "seconds since 1970");
    else if (o->type->ranged)
        snprintf(out, n, "%s %g to %g", o->type->name, o->min, o->max);
    else if (!o->words)
        snprintf(out, n, "%s", o->type->name);
    for (const struct query_word *w = o->words; w && w->word && used < n; w++)
        used += (size_t)snprintf(out + used, n - used, "%s%s", used ? " " : "", w->word);
    return out;
}

/* Each alias with before in front and after behind it. */
static void print_aliases(FILE *to, const struct query_option *o, const char *before, const char *after)
{
    for (const char *p = o->aliases; *p; p += *p == ',') {
        p += *p == '!';
        size_t n = strcspn(p, ",");
        fprintf(to, "%s%.*s%s", before, (int)n, p, after);
        p += n;
    }
}

/* mark.1 and mark.2 say the same as mark: people are told once. */
static bool is_copy(const struct query_option *o)
{
    return strchr(o->name, '.') != NULL;
}

void query_help(FILE *to)
{
    char range[256];
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        if (is_copy(o))
            continue;
        fprintf(to, "  %s", o->name);
        print_aliases(to, o, ", ", "");
        fprintf(to, "\n      %s\n      %s%s%s\n", o->text, takes(o, range, sizeof range), o->def ? "; default " : "",
                o->def ? o->def : "");
    }
}

/* A cell of a Markdown table: a bar would end it. */
static void print_cell(FILE *to, const char *text)
{
    for (; *text; text++)
        fprintf(to, *text == '|' ? "\\|" : "%c", *text);
}

void query_markdown(FILE *to)
{
    char range[256];
    fputs("| option | also | takes | default | meaning |\n|---|---|---|---|---|\n", to);
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        if (is_copy(o))
            continue;
        fprintf(to, "| `%s` |", o->name);
        print_aliases(to, o, " `", "`");
        fputs(" | ", to);
        print_cell(to, takes(o, range, sizeof range));
        fprintf(to, " | %s | ", o->def ? o->def : "");
        print_cell(to, o->text);
        fputs(" |\n", to);
    }
}

void query_words(FILE *to)
{
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        fprintf(to, "%s=", o->name);
        for (const struct query_word *w = o->words; w && w->word; w++)
            fprintf(to, "%s%s", w == o->words ? "" : ",", w->word);
        fputc('\n', to);
    }
}

void query_man(FILE *to)
{
    char range[256];
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        if (is_copy(o))
            continue;
        fprintf(to, ".TP\n.B %s", o->name);
        print_aliases(to, o, ", ", "");
        fputc('\n', to);
        man_text(to, o->text);
        man_pair(to, "Takes:", takes(o, range, sizeof range));
        if (o->def)
            man_pair(to, "Default:", o->def);
    }
}
