/* The configuration for people: the sample file, the values in force, and the keys' part of --help.
 *
 * Called by main.c, cmd_help.c and man.c. All text comes from config_table.c; conf/pixpool.conf is this file's output,
 * kept in the repository so that it can be read there, and compared with it by the tests. */
#include <string.h>

#include "config_key.h"
#include "man.h"

#define WIDTH 110 /* columns */

/* Words of text, each line beginning with prefix. */
static void print_wrapped(FILE *to, const char *prefix, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t n = strcspn(text, " ");
        if (column > 0 && column + 1 + n > WIDTH) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column == 0 ? prefix : " ", (int)n, text);
        text += n + (text[n] == ' ');
    }
    fputc('\n', to);
}

static void print_key(FILE *to, const struct config *c, const struct config_key *k)
{
    char value[4200], range[160];

    if (k->group)
        fprintf(to, "\n# ---- %s ----\n", k->group);
    fputc('\n', to);
    print_wrapped(to, "# ", k->help);
    config_value_range(k, range, sizeof range);
    fprintf(to, "# Takes: %s. Default: %s\n", range, *k->def ? k->def : "empty");
    const char *text = c ? config_value_text(c, k, value, sizeof value) : k->def;
    fprintf(to, "%s =%s%s\n", k->name, *text ? " " : "", text);
}

/* Options under names: those in force, or where there is no configuration the built-in ones. */
static void print_list(FILE *to, const char *prefix, bool configured, const struct config_preset *list,
                       const char *const *builtin)
{
    for (const struct config_preset *p = list; p; p = p->next)
        fprintf(to, "%s%s =%s%s\n", prefix, p->name, *p->options ? " " : "", p->options);
    for (const char *const *p = builtin; !configured && *p; p += 2)
        fprintf(to, "%s%s =%s%s\n", prefix, p[0], *p[1] ? " " : "", p[1]);
}

static void print_files(FILE *to, const struct config *c)
{
    fputs("\n# ---- Watermarks and fonts: files under names, read at start ----\n\n", to);
    print_wrapped(
        to, "# ",
        "mark.NAME = FILE: an image for mark=NAME. font.NAME = FILE: a font for txt-font=NAME; the first one is "
        "the default, and the others lend what it lacks.");
    if (c)
        config_files_print(to, c);
}

static void print_presets(FILE *to, const struct config *c)
{
    fputs(
        "\n# ---- Renditions: what POST /api/images/renditions makes of an image unless it is told otherwise ----\n\n",
        to);
    print_wrapped(to, "# ",
                  "One line for each; the first rendition.NAME of one's own replaces the whole set. Up to 32.");
    print_list(to, CONFIG_RENDITION, c, c ? c->renditions : NULL, config_renditions_builtin);
    fputs("\n# ---- Presets: options under a name, as in preset=sharp ----\n\n", to);
    print_wrapped(
        to, "# ",
        "Below [preset], or anywhere else (and on the command line) as preset.NAME = OPTIONS; the options are "
        "written as in a URL, w=100,h=100 or w=100&h=100.");
    fputs("\n[preset]\n\n", to);
    print_list(to, "", c, c ? c->presets : NULL, config_presets_builtin);
}

void config_print(FILE *to, const struct config *c)
{
    fprintf(to, "# pixpool.conf: %s, as printed by pixpool --print-config.\n",
            c ? "the values in force" : "every key at its default");
    print_wrapped(to, "# ",
                  "An environment variable PIXPOOL_<KEY> goes before this file, --key=value before both. Sizes take K, "
                  "M, G, T, which are 1024 apart for bytes and 1000 for other numbers; times take ms, s, m, h, d.");
    for (size_t i = 0; i < config_keys_n; i++)
        print_key(to, c, &config_keys[i]);
    print_files(to, c);
    print_presets(to, c);
}

void config_help(FILE *to)
{
    char range[160];

    for (size_t i = 0; i < config_keys_n; i++) {
        const struct config_key *k = &config_keys[i];
        fprintf(to, "  --%s=%s  (%s)\n", k->name, k->def, config_value_range(k, range, sizeof range));
        print_wrapped(to, "      ", k->help);
    }
}

void config_man(FILE *to)
{
    char range[160];

    for (size_t i = 0; i < config_keys_n; i++) {
        const struct config_key *k = &config_keys[i];
        if (k->group)
            man_heading(to, ".SS", k->group);
        fprintf(to, ".TP\n.B %s\n", k->name);
        man_text(to, k->help);
        man_pair(to, "Takes:", config_value_range(k, range, sizeof range));
        man_pair(to, "Default:", *k->def ? k->def : "empty");
    }
}

void config_words(FILE *to)
{
    for (size_t i = 0; i < config_keys_n; i++) {
        fprintf(to, "--%s=", config_keys[i].name);
        for (const char *w = config_keys[i].words; w && *w; w++)
            fputc(*w == ' ' ? ',' : *w, to);
        fputc('\n', to);
    }
}
