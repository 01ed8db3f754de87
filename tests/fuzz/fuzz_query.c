/* The option parser's doors, the decoding of paths and the readers of headers.
 *
 * The first byte chooses the door. Beyond not crashing: what was accepted has a canonical text, which is accepted by
 * the list door and is its own canonical text; and what a decoded path holds is no way upwards. */
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/etag.h"
#include "../../fcgi/negotiate.h"
#include "../../fcgi/query.h"
#include "../../fcgi/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_preset preset = { "a", "w=5,fit=cover,rect=1,2,3,4", NULL };
static struct config config = { .ignore_options = "utm_*,x", .presets = &preset };

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void round_trip(struct query *q)
{
    struct query_error e;
    struct query again;
    char first[QUERY_CANONICAL], second[QUERY_CANONICAL];
    if (!query_finish(q, &config, &e))
        return;
    require(query_canonical(q, first, sizeof first) < sizeof first);
    query_init(&again);
    require(query_parse_list(&again, NULL, first, &e) && query_finish(&again, NULL, &e));
    query_canonical(&again, second, sizeof second);
    require(!strcmp(first, second));
    require(q->recipe.width.value == again.recipe.width.value && q->recipe.dpr == again.recipe.dpr &&
            q->recipe.rect[0].value == again.recipe.rect[0].value);
}

static void check_path(const char *text)
{
    char out[256];
    const char *why;
    if (!uri_decode_path(text, out, sizeof out, &why))
        return;
    require(out[0] != '/' && !strstr(out, "//") && !strstr(out, "/../") && strncmp(out, "../", 3) && strcmp(out, ".."));
}

static void check_headers(const char *text)
{
    char out[32];
    negotiate_accepts(text, "image/webp");
    negotiate_type(text, out, sizeof out);
    negotiate_parameter(text, "boundary", out, sizeof out);
    etag_matches(text, "\"x\"");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query q;
    struct query_error e = { .text = "" };
    if (size == 0)
        return 0;
    char *text = malloc(size); /* without the first byte, and a NUL behind */
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    bool ok = false;
    query_init(&q);
    switch (data[0] % 6) {
    case 0:
        ok = query_parse(&q, &config, text, &e);
        break;
    case 1:
        ok = query_parse_list(&q, &config, text, &e);
        break;
    case 2:
        ok = query_parse_json(&q, &config, text, size - 1, &e);
        break;
    case 3: {
        size_t name = strcspn(text, "=");
        bool value = name + 1 < size - 1;
        text[name] = '\0';
        ok = query_set(&q, &config, text, value ? text + name + 1 : "", value ? size - 1 - name - 1 : 0, &e);
        break;
    }
    case 4:
        check_path(text);
        break;
    default:
        check_headers(text);
    }
    require(data[0] % 6 > 3 || ok || e.code);
    if (ok)
        round_trip(&q);
    free(text);
    return 0;
}
