/* multipart/mixed (RFC 2046), and multipart/form-data (RFC 7578), which browsers and Node read with formData().
 *
 * They differ in Content-Disposition: a form's parts are fields, of which those with a file name become files and the
 * others, failures and the manifest, text. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "framing.h"

/* The name of a part: what the client called the output, with the source's number in front where there are several. */
static const char *part_name(const struct framing *f, const struct framing_item *i, char *out, size_t n)
{
    if (!f->many)
        snprintf(out, n, "%s", i->output);
    else if (f->named)
        snprintf(out, n, "%d/%s", i->index, i->output);
    else
        snprintf(out, n, "%d", i->index);
    return out;
}

static bool disposition(struct framing *f, const char *name, const char *file)
{
    bool form = f->kind == &framing_form;
    return framing_text(f, "--%s\r\nContent-Disposition: %s; name=\"%s\"%s%s%s\r\n", f->boundary,
                        form ? "form-data" : "attachment", name, *file ? "; filename=\"" : "", file, *file ? "\"" : "");
}

static bool numbers(struct framing *f, const struct framing_item *i)
{
    return framing_text(f, "X-Image-Index: %d\r\nX-Image-Output: %s\r\n", i->index, i->output);
}

static bool put(struct framing *f, const uint8_t *p, size_t n)
{
    return f->write(f->ctx, p, n);
}

static bool warnings(struct framing *f, const struct framing_item *i)
{
    char text[120];
    const char *words = ic_warnings_text(i->warnings, text, sizeof text);

    return (!words || framing_text(f, "X-Image-Warning: %s\r\n", words)) &&
           (!(i->warnings & IC_WARN_LARGE) || framing_text(f, "X-Max-Bytes: exceeded\r\n"));
}

static bool image(struct framing *f, const struct framing_item *i, const char *name)
{
    return disposition(f, name, f->file) && numbers(f, i) &&
           framing_text(f,
                        "Content-Type: %s\r\nContent-Length: %zu\r\nX-Image-Width: %u\r\nX-Image-Height: %u\r\n"
                        "X-Source-Width: %u\r\nX-Source-Height: %u\r\n",
                        ic_format_mime(i->format), i->n, i->width, i->height, i->source_width, i->source_height) &&
           warnings(f, i) && framing_text(f, "\r\n") && framing_data(f, i, put) && framing_text(f, "\r\n");
}

static bool text(struct framing *f, const char *type, const char *json)
{
    size_t n = strlen(json);
    return framing_text(f, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, n) && f->write(f->ctx, json, n) &&
           framing_text(f, "\r\n");
}

static bool failure(struct framing *f, const struct framing_item *i, const char *name)
{
    json_t *j = framing_json(f, i);
    json_object_set_new(j, "detail", json_string(i->detail));
    char *json = j ? json_dumps(j, JSON_COMPACT) : NULL;
    bool ok = json && disposition(f, name, "") && numbers(f, i) && text(f, "application/problem+json", json);
    json_decref(j);
    free(json);
    return ok;
}

static bool item(struct framing *f, const struct framing_item *i)
{
    char name[80];
    part_name(f, i, name, sizeof name);
    return i->status < 300 ? image(f, i, name) : failure(f, i, name);
}

static bool end(struct framing *f, const char *manifest)
{
    const char *file = f->kind == &framing_form ? "" : "manifest.json";
    return disposition(f, "manifest.json", file) && text(f, "application/json", manifest) &&
           framing_text(f, "--%s--\r\n", f->boundary);
}

const struct framing_kind framing_mixed = { "multipart/mixed", true, NULL, item, end, NULL };
const struct framing_kind framing_form = { "multipart/form-data", true, NULL, item, end, NULL };
