/* Entity tags of GET and HEAD, called by api_img.
 *
 * A keyed hash is not needed, a collision-resistant one is: whoever names files must not be able to make two of them
 * share a tag. Every part is hashed with its NUL, so that no part can run into the next. */
#include "etag.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define HASH_BYTES 16

static void add(crypto_generichash_state *h, const void *p, size_t n)
{
    crypto_generichash_update(h, p, n);
}

static void add_text(crypto_generichash_state *h, const char *text)
{
    const char *given = text ? text : "";
    add(h, given, strlen(given) + 1);
}

void etag_make(const struct etag_parts *parts, char out[ETAG_SIZE])
{
    crypto_generichash_state h;
    unsigned char hash[HASH_BYTES];
    char text[sodium_base64_ENCODED_LEN(HASH_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    int64_t numbers[3] = { parts->size, parts->mtime.tv_sec, parts->mtime.tv_nsec };
    crypto_generichash_init(&h, NULL, 0, sizeof hash);
    add_text(&h, parts->path);
    add_text(&h, parts->options);
    add_text(&h, parts->format);
    add_text(&h, parts->versions);
    add_text(&h, parts->marks);
    add(&h, numbers, sizeof numbers);
    if (parts->ink)
        add(&h, parts->ink, CONFIG_FILE_HASH);
    crypto_generichash_final(&h, hash, sizeof hash);
    sodium_bin2base64(text, sizeof text, hash, sizeof hash, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(out, ETAG_SIZE, "\"%s\"", text);
}

bool etag_matches(const char *if_none_match, const char *etag)
{
    const char *p = if_none_match + strspn(if_none_match, " \t");
    size_t n = strlen(etag);
    if (p[0] == '*' && p[1 + strspn(p + 1, " \t")] == '\0')
        return true;
    while (*p) {
        p += strspn(p, " \t,");
        p += 2 * !strncmp(p, "W/", 2);
        const char *end = *p == '"' ? strchr(p + 1, '"') : NULL;
        if (!end)
            return false;
        if ((size_t)(end + 1 - p) == n && !memcmp(p, etag, n))
            return true;
        p = end + 1 + strspn(end + 1, " \t");
        if (*p && *p != ',')
            return false;
    }
    return false;
}
