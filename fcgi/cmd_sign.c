/* pixpool sign: the URL with its signature, for scripts and for trying things out.
 *
 *     pixpool sign [--key ID] [--config FILE] [--signing_keys=id:key,...] URL ...
 *
 * The URL may have a scheme and a host, which are not signed: pixpool does not know under which names it is reached. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "sign.h"

#define URLS 1000

struct sign {
    const char *url[URLS];
    int n;
    const char *key; /* NULL: the first */
    struct cmd_words words;
};

static bool take_word(struct sign *s, int argc, char **argv, int *i)
{
    if (strncmp(argv[*i], "--key=", 6) == 0) {
        s->key = argv[*i] + 6;
        return true;
    }
    if (strcmp(argv[*i], "--key") == 0 && *i + 1 < argc) {
        s->key = argv[++*i];
        return true;
    }
    if (cmd_words_take(&s->words, argc, argv, i))
        return true;
    if (argv[*i][0] == '-' || s->n == URLS)
        return false;
    s->url[s->n++] = argv[*i];
    return true;
}

static bool take_words(struct sign *s, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!take_word(s, argc, argv, &i)) {
            cmd_complain("sign: not expected: %.80s; pixpool --help", argv[i]);
            return false;
        }
    if (s->n == 0)
        cmd_complain("sign: which URL?");
    return s->n > 0;
}

/* Where the path begins: behind https://host, or at once. */
static const char *path_of(const char *url)
{
    const char *scheme = strstr(url, "://");
    if (url[0] == '/' || !scheme)
        return url;
    return scheme + 3 + strcspn(scheme + 3, "/?#");
}

/* The URL with k where the reader could not know the key otherwise, malloc'd. */
static char *with_key(const char *url, const char *id)
{
    size_t n = strcspn(url, "#"), size = n + strlen(id) + 4;
    char *out = malloc(size);
    if (out && *id)
        snprintf(out, size, "%.*s%ck=%s", (int)n, url, memchr(url, '?', n) ? '&' : '?', id);
    else if (out)
        snprintf(out, size, "%.*s", (int)n, url);
    return out;
}

static bool has_signature(const char *query)
{
    for (const char *p = query; *p; p += strcspn(p, "&"), p += *p == '&')
        if (!strncmp(p, "s=", 2) || !strncmp(p, "sig=", 4) || !strncmp(p, "signature=", 10))
            return true;
    return false;
}

/* url: with its k, without a fragment. */
static bool print_signed(const char *url, const char *keys, const char *id)
{
    const char *start = path_of(url), *why = NULL;
    const char *query = strchr(start, '?');
    char *path = strndup(start, strcspn(start, "?")), signature[SIGN_SIZE];
    char *canonical = path ? sign_canonical(path, query ? query + 1 : "", &why) : NULL;
    bool ok = canonical && *start == '/' && !has_signature(query ? query + 1 : "") &&
              sign_make(keys, id, canonical, signature);

    if (ok)
        printf("%s%cs=%s\n", url, query ? '&' : '?', signature);
    else if (*start != '/')
        cmd_complain("sign: %.200s: a path begins with a slash", url);
    else if (!canonical)
        cmd_complain("sign: %.200s: %s", url, why ? why : "out of memory");
    else
        cmd_complain("sign: %.200s: it is signed already", url);
    free(path);
    free(canonical);
    return ok;
}

static bool find_key(const struct config *c, const struct sign *s, char *id, size_t n)
{
    char first[80] = "", probe[SIGN_SIZE];
    int keys = sign_keys_count(c->signing_keys, first, sizeof first);

    if (keys == 0)
        cmd_complain("sign: signing_keys is not configured; --config FILE or --signing_keys=id:key");
    else if (s->key && !sign_make(c->signing_keys, s->key, "", probe))
        cmd_complain("sign: signing_keys has no key %.80s", s->key);
    else
        return snprintf(id, n, "%s", s->key ? s->key : keys > 1 ? first : ""), true;
    return false;
}

static enum cmd_status sign_all(const struct config *c, const struct sign *s)
{
    char id[80];
    bool ok = true;

    if (!find_key(c, s, id, sizeof id))
        return CMD_FAILED;
    for (int i = 0; i < s->n; i++) {
        char *url = with_key(s->url[i], id);
        ok = url && print_signed(url, c->signing_keys, id) && ok;
        free(url);
    }
    return ok ? CMD_OK : CMD_FAILED;
}

int cmd_sign(int argc, char **argv)
{
    struct sign *s = calloc(1, sizeof *s);
    struct config c;
    enum cmd_status status = CMD_USAGE;

    if (s && take_words(s, argc, argv) && (status = cmd_configure(&c, &s->words)) == CMD_OK) {
        status = sign_all(&c, s);
        config_free(&c);
    }
    free(s);
    return status;
}
