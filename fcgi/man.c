/* The manual pages, written from the same tables as everything else: `pixpool --man 1` and `pixpool --man 5`.
 *
 * Kept in no file: what is generated where it is installed can't be out of date. */
#include "man.h"

#include <string.h>

#include "cmd.h"
#include "query.h"

static void put(FILE *to, const char *text)
{
    for (; *text; text++)
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            fputc(*text, to);
}

/* A . or ' at the start of a line would be taken for a macro. */
void man_text(FILE *to, const char *text)
{
    fputs("\\&", to);
    put(to, text);
    fputc('\n', to);
}

void man_pair(FILE *to, const char *label, const char *text)
{
    fputs(".br\n", to);
    put(to, label);
    fputs(" \\fI", to);
    put(to, text);
    fputs("\\fR\n", to);
}

void man_heading(FILE *to, const char *macro, const char *text)
{
    fprintf(to, "%s ", macro);
    put(to, text);
    fputc('\n', to);
}

static void title(FILE *to, const char *name, int section, const char *what)
{
    fprintf(to, ".TH %s %d \"\" \"pixpool %s\"\n.SH NAME\n", name, section, IC_VERSION);
    put(to, name);
    fputs(" \\- ", to);
    put(to, what);
    fputc('\n', to);
}

static void print_commands(FILE *to)
{
    for (const struct cmd_usage *u = cmd_usages; u->synopsis; u++) {
        fputs(".TP\n.B ", to);
        put(to, u->synopsis);
        fputc('\n', to);
        man_text(to, u->text);
    }
}

static void print_examples(FILE *to)
{
    for (const char *const *e = cmd_examples; *e; e++) {
        fputs(".PP\n.nf\n", to);
        man_text(to, *e);
        fputs(".fi\n", to);
    }
}

void man_page_command(FILE *to)
{
    title(to, "pixpool", 1, "resize, crop and convert images, as a FastCGI service or on the command line");
    fputs(".SH SYNOPSIS\n.B pixpool\n.I command\n.RI [ words ...]\n.SH DESCRIPTION\n", to);
    man_text(to, cmd_summary);
    man_heading(to, ".SH", "COMMANDS");
    print_commands(to);
    man_heading(to, ".SH", "OPTIONS OF IMAGES");
    man_text(to, cmd_options_text);
    query_man(to);
    man_heading(to, ".SH", "EXAMPLES");
    print_examples(to);
    man_heading(to, ".SH", "ENVIRONMENT");
    man_text(to, "PIXPOOL_CONFIG names the configuration file where --config does not. PIXPOOL_<KEY> sets any key of "
                 "it. PIXPOOL_ISA (c, avx2) keeps to older instructions.");
    man_heading(to, ".SH", "EXIT STATUS");
    man_text(to, cmd_status_text);
    fputs(".SH SEE ALSO\n.BR pixpool.conf (5)\n", to);
}

void man_page_config(FILE *to)
{
    title(to, "pixpool.conf", 5, "configuration of pixpool");
    man_heading(to, ".SH", "DESCRIPTION");
    man_text(to,
             "Lines of the form key = value, comments behind # or ;, and sections in brackets. An environment variable "
             "PIXPOOL_<KEY> goes before the file, --key=value on the command line before both. Bytes take K, M, G "
             "and T, 1024 apart; other numbers K, M and G, 1000 apart; times take ms, s, m, h and d.");
    fputs(".PP\n", to);
    man_text(to, "pixpool --print-config prints a file with every key at its default; pixpool check says what would go "
                 "wrong with one.");
    man_heading(to, ".SH", "KEYS");
    config_man(to);
    man_heading(to, ".SH", "PRESETS");
    man_text(to, "Options under a name, for URLs with preset=name: preset.name = options, or lines of the form name = "
                 "options in a section [preset], the options as in a URL (w=100,h=100,fit=cover).");
    fputs(".SH SEE ALSO\n.BR pixpool (1)\n", to);
}
