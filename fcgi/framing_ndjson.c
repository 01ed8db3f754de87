/* application/x-ndjson: a line of JSON for each result, the image in base64; the last line is the manifest. */
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "framing.h"

static bool put(struct framing *f, const uint8_t *p, size_t n)
{
    char text[sodium_base64_ENCODED_LEN(FRAMING_CHUNK / 4, sodium_base64_VARIANT_ORIGINAL)];
    for (size_t at = 0, k; at < n; at += k) {
        k = n - at < FRAMING_CHUNK / 4 ? n - at : FRAMING_CHUNK / 4;
        sodium_bin2base64(text, sizeof text, p + at, k, sodium_base64_VARIANT_ORIGINAL);
        if (!f->write(f->ctx, text, strlen(text)))
            return false;
    }
    return true;
}

/* The object is written without its closing brace, so that the data, which may be large, can follow in pieces. */
static bool item(struct framing *f, const struct framing_item *i)
{
    json_t *j = framing_json(f, i);
    char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    size_t n = line ? strlen(line) : 0;
    bool ok = line && f->write(f->ctx, line, n - 1);
    free(line);
    if (i->status < 300)
        ok = ok && framing_text(f, ",\"data\":\"") && framing_data(f, i, put) && framing_text(f, "\"");
    return ok && framing_text(f, "}\n");
}

static bool end(struct framing *f, const char *manifest)
{
    return framing_text(f, "{\"manifest\":") && f->write(f->ctx, manifest, strlen(manifest)) && framing_text(f, "}\n");
}

const struct framing_kind framing_ndjson = { "application/x-ndjson", false, NULL, item, end, NULL };
