/* Reads nginx's configuration: words, blocks, includes. Called by check_nginx.c.
 *
 * A directive may stand behind the block that inherits it, so everything is read first and asked afterwards. */
#include "nginx_conf.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define NGINX_DEPTH 16 /* of blocks and includes */
#define NGINX_FILE  (4u << 20)
#define NGINX_WORDS 4 /* of a directive; the others are of no interest */
#define NGINX_WORD  128

struct words {
    char word[NGINX_WORDS][NGINX_WORD];
    char last[NGINX_WORD];
    int n;
    char end; /* ; { } or 0, where the text ends */
};

/* What is read into, how deep, and where a complaint goes. */
struct reader {
    struct nginx_conf *c; /* borrowed */
    int depth;
    char *why;
    size_t n;
};

/* Words */

static const char *skip(const char *p)
{
    while (*p == '#' || isspace((unsigned char)*p))
        p += *p == '#' ? strcspn(p, "\n") : 1;
    return p;
}

/* Bytes of the piece of a word at p that belongs together: ${name}, \x, or one byte. 0: the word ends. */
static size_t piece(const char *p, char quote)
{
    if (*p == '\0' || (quote ? *p == quote : isspace((unsigned char)*p) || strchr(";{}", *p) != NULL))
        return 0;
    if (p[0] == '$' && p[1] == '{')
        return strcspn(p, "}") + (strchr(p, '}') != NULL);
    return p[0] == '\\' && p[1] ? 2 : 1;
}

static const char *take_word(const char *p, char out[NGINX_WORD])
{
    char quote = *p == '"' || *p == '\'' ? *p++ : '\0';
    size_t used = 0, n;

    for (; (n = piece(p, quote)) > 0; p += n) {
        size_t fits = used + n < NGINX_WORD ? n : 0;
        memcpy(out + used, p, fits);
        used += fits;
    }
    out[used] = '\0';
    return quote && *p ? p + 1 : p;
}

/* A directive up to its end. */
static const char *take_directive(const char *p, struct words *w)
{
    *w = (struct words){ .n = 0 };
    for (p = skip(p); *p && !strchr(";{}", *p); p = skip(p)) {
        p = take_word(p, w->last);
        if (w->n < NGINX_WORDS)
            strcpy(w->word[w->n++], w->last);
    }
    w->end = *p;
    return *p ? p + 1 : p;
}

/* "8k", "64m", "1g", "0"; -1: something else */
static int64_t size_of(const char *text)
{
    static const char units[] = "kmg";
    char *unit;
    int64_t n = strtoll(text, &unit, 10);
    const char *known = *unit ? strchr(units, tolower((unsigned char)*unit)) : NULL;

    if (unit == text || n < 0 || n > INT32_MAX * INT64_C(1024) || (*unit && !known))
        return -1;
    return known ? n << (10 * (known - units + 1)) : n;
}

/* "65", "65s", "500ms", "1m 30s"; -1: something else */
static int64_t ms_of(const char *text)
{
    int64_t sum = 0;

    while (*text) {
        char *unit;
        int64_t n = strtoll(text, &unit, 10);
        if (unit == text || n < 0 || n > INT32_MAX)
            return -1;
        bool ms = unit[0] == 'm' && unit[1] == 's';
        sum += n * (ms ? 1 : *unit == 'm' ? 60000 : *unit == 'h' ? 3600000 : *unit == 'd' ? 86400000 : 1000);
        text = unit + strspn(unit, "mshd ");
    }
    return sum;
}

/* Blocks */

/* Its index; -1: out of memory. */
static int open_block(struct nginx_conf *c, int around, const struct words *w)
{
    struct nginx_block *more = realloc(c->block, ((size_t)c->n + 1) * sizeof *more);

    if (!more)
        return -1;
    c->block = more;
    more[c->n] = (struct nginx_block){ .around = around, .body = -1, .read_ms = -1 };
    snprintf(more[c->n].kind, sizeof more->kind, "%.15s", w->word[0]);
    snprintf(more[c->n].name, sizeof more->name, "%s", w->last);
    return c->n++;
}

static bool read_file(struct reader *r, const char *path, int at);

/* A pattern without a match is no error, for nginx neither. */
static bool include(struct reader *r, const char *pattern, int at)
{
    char path[sizeof r->c->directory + NGINX_WORD];
    glob_t found;
    bool ok = true;

    snprintf(path, sizeof path, "%s%s", *pattern == '/' ? "" : r->c->directory, pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return true;
    for (size_t i = 0; ok && i < found.gl_pathc; i++)
        ok = read_file(r, found.gl_pathv[i], at);
    globfree(&found);
    return ok;
}

static void set(struct nginx_block *b, const struct words *w)
{
    const char *name = w->word[0], *value = w->word[1];
    bool server = strcmp(name, "server") == 0 && strcmp(b->kind, "upstream") == 0 && !*b->pass;

    if (strcmp(name, "client_max_body_size") == 0)
        b->body = size_of(value);
    else if (strcmp(name, "fastcgi_read_timeout") == 0)
        b->read_ms = ms_of(value);
    else if (strcmp(name, "fastcgi_pass") == 0 || server)
        snprintf(b->pass, sizeof b->pass, "%s", value);
    else if (strcmp(name, "user") == 0)
        snprintf(b->user, sizeof b->user, "%.63s", value);
}

/* The text up to the end of block `at`. Returns what follows; NULL: why says what is wrong. */
static const char *read_block(struct reader *r, const char *p, int at)
{
    struct words w;

    if (r->depth > NGINX_DEPTH || at < 0) {
        snprintf(r->why, r->n, "%s", at < 0 ? "out of memory" : "blocks or includes are nested too deeply");
        return NULL;
    }
    r->depth++;
    do {
        p = take_directive(p, &w);
        if (w.end == '{')
            p = read_block(r, p, open_block(r->c, at, &w));
        else if (w.end == ';' && strcmp(w.word[0], "include") == 0)
            p = include(r, w.word[1], at) ? p : NULL;
        else if (w.end == ';')
            set(&r->c->block[at], &w);
    } while (p && (w.end == ';' || w.end == '{'));
    r->depth--;
    return p;
}

static bool read_file(struct reader *r, const char *path, int at)
{
    uint8_t *data;
    size_t size;
    char reason[200];

    if (!file_read(path, NGINX_FILE, &data, &size, reason, sizeof reason)) {
        snprintf(r->why, r->n, "%s: %s", path, reason);
        return false;
    }
    char *text = strndup((const char *)data, size);
    free(data);
    if (!text)
        snprintf(r->why, r->n, "out of memory");
    bool ok = text && read_block(r, text, at);
    free(text);
    return ok;
}

bool nginx_conf_read(struct nginx_conf *out, const char *path, char *why, size_t n)
{
    struct nginx_conf c = { .n = 0 };
    const char *slash = strrchr(path, '/');

    snprintf(c.directory, sizeof c.directory, "%.*s", slash ? (int)(slash - path) + 1 : 0, path);
    struct reader r = { .c = &c, .why = why, .n = n };
    if (read_file(&r, path, open_block(&c, -1, &(struct words){ .n = 0 }))) {
        *out = c;
        return true;
    }
    nginx_conf_free(&c);
    return false;
}

void nginx_conf_free(struct nginx_conf *c)
{
    free(c->block);
    *c = (struct nginx_conf){ .n = 0 };
}

int64_t nginx_conf_body(const struct nginx_conf *c, int i)
{
    for (; i >= 0; i = c->block[i].around)
        if (c->block[i].body >= 0)
            return c->block[i].body;
    return INT64_C(1) << 20;
}

int64_t nginx_conf_read_ms(const struct nginx_conf *c, int i)
{
    for (; i >= 0; i = c->block[i].around)
        if (c->block[i].read_ms >= 0)
            return c->block[i].read_ms;
    return 60000;
}
