/* What the commands share: finding --config and --key=value among their words, loading, complaining.
 *
 * Called by main.c and the cmd_*.c files. Complaints go to stderr as "pixpool: ...", not to the log: a person waits for
 * them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "order.h"
#include "query.h"

void cmd_complain(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "pixpool: %s\n", text);
}

bool cmd_words_take(struct cmd_words *w, int argc, char **argv, int *i)
{
    char *word = argv[*i];
    int max = (int)(sizeof w->key / sizeof *w->key);

    if (strncmp(word, "--", 2) != 0 || word[2] == '\0' || w->keys + 2 > max)
        return false;
    if (strncmp(word, "--config=", 9) == 0) {
        w->file = word + 9;
        return true;
    }
    if (strcmp(word, "--config") == 0 && *i + 1 < argc) {
        w->file = argv[++*i];
        return true;
    }
    w->key[w->keys++] = word;
    if (!strchr(word, '=') && *i + 1 < argc)
        w->key[w->keys++] = argv[++*i];
    return true;
}

enum cmd_status cmd_words_only(struct cmd_words *w, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (cmd_words_take(w, argc, argv, &i))
            continue;
        cmd_complain("\"%.80s\" is not expected here; pixpool --help", argv[i]);
        return CMD_USAGE;
    }
    return CMD_OK;
}

enum cmd_status cmd_configure(struct config *c, const struct cmd_words *w)
{
    char err[512];
    const char *file = w->file ? w->file : getenv("PIXPOOL_CONFIG");

    if (config_load(c, file && *file ? file : NULL, w->key, w->keys, err, sizeof err)) {
        c->shared = w->shared;
        return CMD_OK;
    }
    cmd_complain("%s", err);
    return err[0] == '-' ? CMD_USAGE : CMD_FAILED; /* it begins with the option that is to blame */
}

bool cmd_preset_ok(const struct config *c, const struct config_preset *p, char *why, size_t n)
{
    struct query q;
    struct query_error e = { .text = "" };
    query_init(&q);
    bool ok = query_set(&q, c, "preset", p->name, strlen(p->name), &e);
    query_exempt(&q);
    if (ok && query_finish(&q, c, &e))
        return true;
    snprintf(why, n, "line %d: %s = %s: %s", p->line, p->name, p->options, e.text);
    return false;
}

bool cmd_renditions_ok(const struct config *c, char *why, size_t n)
{
    struct query_error e = { .text = "" };
    struct order o;
    order_init(&o);
    bool ok = order_finish(&o, c, ORDER_SET, &e);
    order_free(&o);
    if (!ok)
        snprintf(why, n, "renditions: %s", e.text);
    return ok;
}
