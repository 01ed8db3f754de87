/* The canonical form of URLs, names of saved files, lists of networks and keys.
 *
 * The first byte chooses. Beyond not crashing: a canonical form is its own canonical form, holds only characters that
 * need no encoding, and has no way upwards; a name never ends its header or its quotes; what is valid is used alike. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/cidr.h"
#include "../../fcgi/disposition.h"
#include "../../fcgi/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static char *canonical(const char *url)
{
    const char *query = strchr(url, '?'), *why;
    char *path = strndup(url, strcspn(url, "?"));
    char *text = sign_canonical(path, query ? query + 1 : "", &why);
    free(path);
    return text;
}

static void check_url(const char *url)
{
    char *first = canonical(url);
    if (!first)
        return;
    char *again = canonical(first);
    require(again && !strcmp(first, again));
    require(!strstr(first, "//") && !strstr(first, "/../"));
    require(strspn(first, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%?&=") == strlen(first));
    free(first);
    free(again);
}

static void check_name(const char *name)
{
    char out[DISPOSITION_SIZE];
    disposition(true, name, IC_FORMAT_JPEG, out);
    int quotes = 0;
    for (const char *p = out; *p; p++) {
        require(*p >= ' ' && *p <= '~' && *p != '\\' && *p != '/');
        quotes += *p == '"';
    }
    require(quotes == 2);
    require(strlen(out) < DISPOSITION_SIZE - 1);
}

static void check_keys(const char *keys)
{
    char why[200], id[80] = "", signature[SIGN_SIZE];
    if (!sign_keys_valid(keys, why, sizeof why) || sign_keys_count(keys, id, sizeof id) == 0)
        return;
    require(sign_make(keys, id, "/img/a.jpg", signature));
    require(sign_check(keys, id, "/img/a.jpg", signature) && sign_check(keys, "", "/img/a.jpg", signature));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char bad[64];
    if (size == 0)
        return 0;
    char *text = malloc(size); /* without the first byte, and a NUL behind */
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        check_url(text);
        break;
    case 1:
        check_name(text);
        break;
    case 2:
        check_keys(text);
        break;
    default:
        cidr_valid(text, bad, sizeof bad);
        cidr_contains(text, "192.0.2.1");
        cidr_contains("10.0.0.0/8, ::1", text);
    }
    free(text);
    return 0;
}
