/* Facts to JSON. Called by api_info and cmd_info. A worker has seen strangers' bytes, so counts are bounded here and
 * text passes jansson, which takes nothing but UTF-8. */
#include "info_json.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static json_t *colour(struct ic_colour c)
{
    return json_sprintf("#%02x%02x%02x", c.r, c.g, c.b);
}

static void put_size(json_t *o, const struct ic_facts *f, size_t bytes)
{
    json_object_set_new(o, "width", json_integer(f->width));
    json_object_set_new(o, "height", json_integer(f->height));
    json_object_set_new(o, "stored_width", json_integer(f->info.width));
    json_object_set_new(o, "stored_height", json_integer(f->info.height));
    json_object_set_new(o, "orientation", json_integer(f->info.orientation));
    json_object_set_new(o, "bytes", json_integer((json_int_t)bytes));
}

static const char *colour_model(const struct ic_info *i)
{
    return i->cmyk ? "cmyk" : i->components <= 2 ? "grey" : "rgb";
}

static void put_kind(json_t *o, const struct ic_info *i)
{
    json_object_set_new(o, "pages", json_integer(i->frames));
    json_object_set_new(o, "alpha", json_boolean(i->alpha));
    json_object_set_new(o, "model", json_string(colour_model(i)));
    json_object_set_new(o, "depth", json_integer(i->depth));
    json_object_set_new(o, "palette_based", json_boolean(i->palette));
    json_object_set_new(o, "progressive", json_boolean(i->progressive));
    json_object_set_new(o, "lossless", json_boolean(i->lossless));
}

static void put_colours(json_t *o, const struct ic_facts *f)
{
    json_t *list = json_array();
    int n = f->swatches < IC_SWATCHES ? f->swatches : IC_SWATCHES;
    for (int i = 0; i < n; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "colour", colour(f->swatch[i].colour));
        json_object_set_new(one, "share", json_real((f->swatch[i].share + 500) / 1000 / 1000.0));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "dominant", n ? colour(f->swatch[0].colour) : json_null());
    json_object_set_new(o, "palette", list);
}

static void put_placeholders(json_t *o, const struct ic_facts *f)
{
    char thumb[sodium_base64_ENCODED_LEN(sizeof f->thumbhash, sodium_base64_VARIANT_ORIGINAL)];
    size_t n = f->thumbhash_n < sizeof f->thumbhash ? f->thumbhash_n : sizeof f->thumbhash;
    json_object_set_new(o, "blurhash", json_stringn(f->blurhash, strnlen(f->blurhash, sizeof f->blurhash)));
    sodium_bin2base64(thumb, sizeof thumb, f->thumbhash, n, sodium_base64_VARIANT_ORIGINAL);
    json_object_set_new(o, "thumbhash", json_string(thumb));
}

/* Text of a fixed room, which a worker need not have ended. NULL where there is none. */
static json_t *words(const char *s, size_t room)
{
    return *s ? json_stringn(s, strnlen(s, room)) : NULL;
}

static void put_words(json_t *o, const char *name, const char *s, size_t room)
{
    json_t *text = words(s, room);
    if (text)
        json_object_set_new(o, name, text);
}

static void put_number(json_t *o, const char *name, double v)
{
    if (v > 0)
        json_object_set_new(o, name, json_real(v)); /* refuses what is not finite */
}

/* null: it has none, or tells nothing. */
static void put_shot(json_t *o, const struct ic_shot *s)
{
    json_t *exif = json_object();
    put_words(exif, "make", s->make, sizeof s->make);
    put_words(exif, "model", s->model, sizeof s->model);
    put_words(exif, "lens", s->lens, sizeof s->lens);
    put_words(exif, "taken", s->taken, sizeof s->taken);
    put_number(exif, "exposure", s->exposure);
    put_number(exif, "f_number", s->f_number);
    if (s->iso)
        json_object_set_new(exif, "iso", json_integer(s->iso));
    put_number(exif, "focal_length", s->focal_length);
    put_words(exif, "artist", s->artist, sizeof s->artist);
    put_words(exif, "copyright", s->copyright, sizeof s->copyright);
    bool any = json_object_size(exif) > 0;
    json_object_set_new(o, "exif", any ? exif : json_null());
    if (!any)
        json_decref(exif);
}

static void put_place(json_t *o, const struct ic_shot *s)
{
    json_t *place = s->placed ? json_object() : json_null();
    if (s->placed) {
        json_object_set_new(place, "latitude", json_real(s->latitude));
        json_object_set_new(place, "longitude", json_real(s->longitude));
    }
    json_object_set_new(o, "gps", place);
}

char *info_json(const struct ic_facts *f, size_t bytes, bool gps)
{
    json_t *o = json_object();
    json_object_set_new(o, "format", json_string(ic_format_name(f->info.format)));
    put_size(o, f, bytes);
    put_kind(o, &f->info);
    if (f->truncated)
        json_object_set_new(o, "truncated", json_true());
    put_colours(o, f);
    put_placeholders(o, f);
    json_t *profile = words(f->profile, sizeof f->profile);
    json_object_set_new(o, "icc", profile ? profile : json_null());
    put_shot(o, &f->shot);
    if (gps)
        put_place(o, &f->shot);
    /* So many digits tell a place to the centimetre. */
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
    json_decref(o);
    if (!text)
        return NULL;
    size_t n = strlen(text);
    char *line = realloc(text, n + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}
