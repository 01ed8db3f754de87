/* What all framings share: choice, names, manifest. */
#include "framing.h"

#include <jansson.h>
#include <search.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "negotiate.h"
#include "utf8.h"

const struct framing_kind *framing_choose(const char *accept)
{
    static const struct framing_kind *const kinds[] = { &framing_zip, &framing_ndjson, &framing_form };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (negotiate_accepts(accept, kinds[i]->mime))
            return kinds[i];
    return &framing_mixed;
}

bool framing_init(struct framing *f, const struct framing_kind *kind, framing_write *write, void *ctx)
{
    uint64_t random[2];
    *f = (struct framing){ .kind = kind, .write = write, .ctx = ctx };
    randombytes_buf(random, sizeof random);
    snprintf(f->boundary, sizeof f->boundary, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    f->items = json_array();
    f->chunk = malloc(FRAMING_CHUNK);
    return f->items && f->chunk;
}

void framing_free(struct framing *f)
{
    if (f->kind && f->kind->free)
        f->kind->free(f);
    json_decref(f->items);
    tdestroy(f->files, free);
    free(f->chunk);
    *f = (struct framing){ 0 };
}

const char *framing_type(const struct framing *f, char out[FRAMING_TYPE])
{
    bool bounded = !strncmp(f->kind->mime, "multipart/", 10);
    snprintf(out, FRAMING_TYPE, "%s%s%s", f->kind->mime, bounded ? "; boundary=" : "", bounded ? f->boundary : "");
    return out;
}

/* Names. */

/* The last component of a path of either kind, harmless characters only, without its extension. */
static void stem_of(const char *name, char *out, size_t size)
{
    size_t used = 0, n;
    const char *base = name, *dot;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    while (*base == '.' || *base == ' ')
        base++;
    dot = strrchr(base, '.');
    for (const char *p = base; *p && p != dot && used + 4 < size; p += n ? n : 1) {
        n = utf8_length((const unsigned char *)p);
        bool plain = n > 1 || (n == 1 && *p >= 0x20 && *p != 0x7f && !strchr("<>:\"|?*", *p));
        memcpy(out + used, plain ? p : "_", plain ? n : 1);
        used += plain ? n : 1;
    }
    out[used] = '\0';
}

static const char *extension(enum ic_format f)
{
    return f == IC_FORMAT_JPEG ? "jpg" : ic_format_name(f);
}

/* A file name for a result: the source's without its path and extension, the output's where there is one, and the
 * format's extension. Valid UTF-8 without control characters and without what file systems reserve. */
static void plain_name(const struct framing_item *i, bool named, char out[FRAMING_FILE])
{
    char stem[200];
    stem_of(i->name, stem, sizeof stem);
    bool ok = i->status < 300;
    snprintf(out, FRAMING_FILE, "%s%s%s%s%s", *stem ? stem : "image", named ? "-" : "", named ? i->output : "",
             ok ? "." : "", ok ? extension(i->format) : "");
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Enters f->file among the names in use; false: it is there already, or there is no memory. */
static bool claim(struct framing *f)
{
    char *copy = strdup(f->file);
    void *at = copy ? tsearch(copy, &f->files, compare) : NULL;
    if (at && *(char **)at == copy)
        return true;
    free(copy);
    return false;
}

/* "a.jpg", "a (2).jpg", "a (3).jpg". */
static void name_file(struct framing *f, const struct framing_item *i)
{
    char plain[FRAMING_FILE];
    plain_name(i, f->named, plain);
    const char *dot = strrchr(plain, '.');
    size_t stem = dot ? (size_t)(dot - plain) : strlen(plain);
    snprintf(f->file, sizeof f->file, "%s", plain);
    for (int k = 2; !claim(f) && k < 100000; k++)
        snprintf(f->file, sizeof f->file, "%.*s (%d)%s", (int)(stem < 290 ? stem : 290), plain, k, plain + stem);
}

/* JSON. */

/* Names need not be UTF-8. */
static json_t *json_text(const char *s)
{
    char plain[FRAMING_FILE];
    json_t *j = json_string(s);
    if (j)
        return j;
    snprintf(plain, sizeof plain, "%s", s);
    for (char *p = plain; *p; p++)
        if (*p & 0x80)
            *p = '?';
    return json_string(plain);
}

static void put_result(json_t *j, const struct framing_item *i)
{
    char hex[2 * FRAMING_SHA256 + 1] = "", text[120];
    const char *warning = ic_warnings_text(i->warnings, text, sizeof text);
    json_object_set_new(j, "width", json_integer(i->width));
    json_object_set_new(j, "height", json_integer(i->height));
    json_object_set_new(j, "format", json_string(ic_format_name(i->format)));
    json_object_set_new(j, "bytes", json_integer((json_int_t)i->n));
    if (i->sha256)
        json_object_set_new(j, "sha256", json_string(sodium_bin2hex(hex, sizeof hex, i->sha256, FRAMING_SHA256)));
    if (warning)
        json_object_set_new(j, "warning", json_string(warning));
    if (i->warnings & IC_WARN_LARGE)
        json_object_set_new(j, "max_bytes", json_string("exceeded"));
}

struct json_t *framing_json(const struct framing *f, const struct framing_item *i)
{
    json_t *j = json_pack("{s:i, s:o, s:s, s:i}", "index", i->index, "name", json_text(i->name), "output", i->output,
                          "status", i->status);
    if (!j)
        return NULL;
    if (i->status < 300) {
        put_result(j, i);
        if (f && f->file[0])
            json_object_set_new(j, "file", json_text(f->file));
        return j;
    }
    json_object_set_new(j, "code", json_string(i->code));
    json_object_set_new(j, "error", json_text(i->detail));
    return j;
}

static char *manifest(struct framing *f)
{
    json_t *j = json_pack("{s:i, s:i, s:i}", "total", f->done + f->failed, "done", f->done, "failed", f->failed);
    if (f->kind->manifest_items)
        json_object_set(j, "items", f->items);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

/* Writing. */

bool framing_text(struct framing *f, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < sizeof text && f->write(f->ctx, text, (size_t)n);
}

bool framing_data(struct framing *f, const struct framing_item *i,
                  bool (*put)(struct framing *f, const uint8_t *p, size_t n))
{
    for (size_t at = 0, k; at < i->n; at += k) {
        k = i->n - at < FRAMING_CHUNK ? i->n - at : FRAMING_CHUNK;
        const uint8_t *p = i->p ? i->p + at : f->chunk;
        if (!i->p && pread(i->fd, f->chunk, k, i->at + (off_t)at) != (ssize_t)k)
            return false;
        if (!put(f, p, k))
            return false;
    }
    return true;
}

bool framing_begin(struct framing *f)
{
    return !f->kind->begin || f->kind->begin(f);
}

bool framing_item(struct framing *f, const struct framing_item *i)
{
    f->file[0] = '\0';
    if (i->status < 300) {
        f->done++;
        name_file(f, i);
    } else {
        f->failed++;
    }
    if (f->kind->manifest_items && json_array_append_new(f->items, framing_json(f, i)) != 0)
        return false;
    return f->kind->item(f, i);
}

bool framing_end(struct framing *f)
{
    char *text = manifest(f);
    bool ok = text && f->kind->end(f, text);
    free(text);
    return ok;
}
