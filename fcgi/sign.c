/* Signing and checking URLs, called by access.c (GET) and cmd_sign.c.
 *
 * The canonical form exists because web servers and clients spell one URL in several ways (%7E for ~, pairs in another
 * order); it is decoded once and encoded again, so that all spellings of what pixpool would do alike are signed alike.
 * Pairs that ignore_options drop are signed too: whether they are dropped is nobody's business but the server's. */
#include "sign.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uri.h"

static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

/* Writes text again with only unreserved characters, and those of bare, as they are. Returns the end. out has room for
 * three bytes each. */
static char *encode(const char *text, const char *bare, char *out)
{
    for (const char *p = text; *p; p++) {
        if (strchr(unreserved, *p) || strchr(bare, *p))
            *out++ = *p;
        else
            out += sprintf(out, "%%%02X", (unsigned char)*p);
    }
    *out = '\0';
    return out;
}

/* The path */

static bool has_dot_segment(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        size_t n = strcspn(++p, "/");
        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return true;
    }
    return false;
}

/* A bare % counts as malformed here, though options tolerate it at the end of a value: a path has no such end. */
static bool decode_path(const char *path, char *out, size_t size, const char **why)
{
    if (strstr(path, "%,") || (*path && path[strlen(path) - 1] == '%')) {
        *why = "a percent sign is not followed by two hexadecimal digits";
        return false;
    }
    if (!uri_decode_value(path, strlen(path), false, out, size, why))
        return false;
    if (strstr(out, "//"))
        *why = "it contains an empty segment (//)";
    else if (has_dot_segment(out))
        *why = "it contains a dot segment";
    else
        return true;
    return false;
}

/* The pairs */

struct pairs {
    char **list; /* owned, as are the texts */
    size_t n;
};

static void pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i]);
    free(p->list);
}

static bool is_signature(const char *name)
{
    return !strcmp(name, "s") || !strcmp(name, "sig") || !strcmp(name, "signature");
}

/* One pair of n bytes as "name=value" into out (3 n + 2 bytes); raw: n + 1 bytes to work in. "flip" becomes "flip=": to
 * the options they are the same, and the libraries that clients write URLs with make one of the other. out is left
 * empty for the signature. */
static bool write_pair(const char *pair, size_t n, char *raw, char *out, const char **why)
{
    const char *equals = memchr(pair, '=', n);
    size_t name_n = equals ? (size_t)(equals - pair) : n;
    *out = '\0';
    if (!uri_decode_value(pair, name_n, false, raw, n + 1, why))
        return false;
    if (is_signature(raw))
        return true;
    char *end = encode(raw, "", out);
    *end++ = '=';
    *end = '\0';
    if (equals && !uri_decode_value(equals + 1, n - name_n - 1, false, raw, n + 1, why))
        return false;
    if (equals)
        encode(raw, "", end);
    return true;
}

static bool add_pair(struct pairs *p, const char *pair, size_t n, const char **why)
{
    char *raw = malloc(n + 1), *out = malloc(3 * n + 2);
    *why = NULL;
    bool ok = raw && out && write_pair(pair, n, raw, out, why);
    free(raw);
    if (ok && *out)
        p->list[p->n++] = out;
    else
        free(out);
    return ok;
}

static bool read_pairs(struct pairs *p, const char *query, const char **why)
{
    size_t most = 1;
    for (const char *q = query; *q; q++)
        most += *q == '&';
    p->list = calloc(most, sizeof *p->list);
    *why = NULL;
    for (const char *q = query; p->list && *q; q += *q == '&') {
        size_t n = strcspn(q, "&");
        if (n > 0 && !add_pair(p, q, n, why))
            return false;
        q += n;
    }
    return p->list != NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The whole */

char *sign_canonical(const char *path, const char *query, const char **why)
{
    size_t path_n = strlen(path), query_n = strlen(query);
    struct pairs pairs = { .n = 0 };
    char *raw = malloc(path_n + 1), *out = malloc(3 * (path_n + query_n) + 3), *end = NULL;
    *why = NULL;
    if (!raw || !out || !decode_path(path, raw, path_n + 1, why) || !read_pairs(&pairs, query, why))
        goto out;
    end = encode(raw, "/", out);
    qsort(pairs.list, pairs.n, sizeof *pairs.list, by_bytes);
    for (size_t i = 0; i < pairs.n; i++)
        end += sprintf(end, "%c%s", i ? '&' : '?', pairs.list[i]);
out:
    pairs_free(&pairs);
    free(raw);
    if (!end)
        free(out);
    return end ? out : NULL;
}

/* Keys */

#define SEPARATORS ", "

struct key {
    const char *id, *bytes; /* in the list */
    size_t id_n, n;
};

/* The key at *p, which moves behind it. false: the list is over. */
static bool next_key(const char **p, struct key *k)
{
    *p += strspn(*p, SEPARATORS);
    size_t all = strcspn(*p, SEPARATORS);
    if (all == 0)
        return false;
    const char *colon = memchr(*p, ':', all);
    k->id = *p;
    k->id_n = colon ? (size_t)(colon - *p) : 0;
    k->bytes = colon ? colon + 1 : *p;
    k->n = colon ? all - k->id_n - 1 : 0;
    *p += all;
    return true;
}

static bool has_id(const struct key *k, const char *id)
{
    return !id || !*id || (strlen(id) == k->id_n && !memcmp(id, k->id, k->id_n));
}

static void sign_with(const struct key *k, const char *text, char out[SIGN_SIZE])
{
    crypto_auth_hmacsha256_state st;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&st, (const unsigned char *)k->bytes, k->n);
    crypto_auth_hmacsha256_update(&st, (const unsigned char *)text, strlen(text));
    crypto_auth_hmacsha256_final(&st, mac);
    sodium_bin2base64(out, SIGN_SIZE, mac, sizeof mac, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(&st, sizeof st);
}

bool sign_make(const char *keys, const char *id, const char *text, char out[SIGN_SIZE])
{
    struct key k;
    while (next_key(&keys, &k)) {
        if (!has_id(&k, id))
            continue;
        sign_with(&k, text, out);
        return true;
    }
    return false;
}

bool sign_check(const char *keys, const char *id, const char *text, const char *signature)
{
    char wanted[SIGN_SIZE];
    struct key k;
    bool right = false, whole = strlen(signature) == SIGN_SIZE - 1;
    while (whole && next_key(&keys, &k)) {
        if (!has_id(&k, id))
            continue;
        sign_with(&k, text, wanted);
        right |= sodium_memcmp(wanted, signature, SIGN_SIZE - 1) == 0;
    }
    return right;
}

static bool repeated(const char *keys, const struct key *k)
{
    struct key other;
    int n = 0;
    while (next_key(&keys, &other))
        n += other.id_n == k->id_n && !memcmp(other.id, k->id, k->id_n);
    return n > 1;
}

bool sign_keys_valid(const char *keys, char *why, size_t n)
{
    struct key k;
    for (const char *p = keys; next_key(&p, &k);) {
        if (k.id_n == 0 || k.n == 0 || k.id_n > 64 || strspn(k.id, unreserved) < k.id_n)
            snprintf(why, n, "signing_keys: expected id:key, the id of letters, digits, _ - . and ~");
        else if (repeated(keys, &k))
            snprintf(why, n, "signing_keys: the id %.*s is given twice", (int)k.id_n, k.id);
        else
            continue;
        return false;
    }
    return true;
}

int sign_keys_count(const char *keys, char *out, size_t n)
{
    struct key k;
    int count = 0;
    while (next_key(&keys, &k))
        if (count++ == 0)
            snprintf(out, n, "%.*s", (int)k.id_n, k.id);
    return count;
}
