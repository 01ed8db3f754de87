/* Values of configuration keys as text: parsing with units and ranges, and the way back.
 *
 * Called by config.c and config_print.c, row by row. What config_value_text writes, config_value_set reads: a printed
 * configuration loads back unchanged. That is why a plain number is no duration (10 of what?), and why strings that an
 * INI line can't hold are refused wherever they come from. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_key.h"

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Rising. The suffix "" is in force where a number stands alone. */
static const struct unit units_int[] = { { "", 1 }, { NULL, 0 } };
static const struct unit units_bytes[] = { { "", 1 },
                                           { "K", INT64_C(1) << 10 },
                                           { "M", INT64_C(1) << 20 },
                                           { "G", INT64_C(1) << 30 },
                                           { "T", INT64_C(1) << 40 },
                                           { NULL, 0 } };
static const struct unit units_count[] = {
    { "", 1 }, { "K", 1000 }, { "M", 1000000 }, { "G", 1000000000 }, { NULL, 0 }
};
static const struct unit units_msec[] = { { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
                                          { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 } };
static const struct unit units_sec[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { NULL, 0 } };

static const struct {
    const struct unit *units; /* NULL: not a number */
    const char *noun;
    const char *like; /* an example */
} types[] = {
    [CONFIG_INT] = { units_int, "a whole number", "64" },
    [CONFIG_BYTES] = { units_bytes, "a number of bytes", "32M" },
    [CONFIG_COUNT] = { units_count, "a number", "100M" },
    [CONFIG_MSEC] = { units_msec, "a duration with its unit", "10s or 250ms" },
    [CONFIG_SEC] = { units_sec, "a duration with its unit", "10m or 1h" },
    [CONFIG_ENUM] = { NULL, "one of these", "" },
    [CONFIG_OCTAL] = { NULL, "an octal number", "0660" },
    [CONFIG_STRING] = { NULL, "a text", "" },
};

static bool type_is_string(enum config_type t)
{
    return t == CONFIG_STRING || t == CONFIG_OCTAL;
}

static int64_t *field_number(struct config *c, const struct config_key *k)
{
    return (int64_t *)((char *)c + k->offset);
}

static int *field_word(struct config *c, const struct config_key *k)
{
    return (int *)((char *)c + k->offset);
}

static char **field_string(struct config *c, const struct config_key *k)
{
    return (char **)((char *)c + k->offset);
}

enum parsed { PARSED, PARSED_RANGE, PARSED_NOT };

/* Digits of the given base at the start of text; a value too large for int64_t saturates. NULL: there are none. */
static const char *parse_digits(const char *text, int base, int64_t *out)
{
    int64_t v = 0;
    const char *p = text;

    for (; *p >= '0' && *p < '0' + base; p++)
        if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, *p - '0', &v))
            v = INT64_MAX;
    *out = v;
    return p == text ? NULL : p;
}

static enum parsed parse_number(const struct config_key *k, const char *text, int64_t *out)
{
    int64_t v;
    const char *rest = parse_digits(text, 10, &v);

    if (!rest)
        return PARSED_NOT;
    if (v == 0 && *rest == '\0') { /* nothing of anything: needs no unit */
        *out = 0;
        return k->min > 0 ? PARSED_RANGE : PARSED;
    }
    for (const struct unit *u = types[k->type].units; u->suffix; u++) {
        /* Capitals matter in times only: bytes are known as 32m as well. */
        bool timed = k->type == CONFIG_MSEC || k->type == CONFIG_SEC;
        if ((timed ? strcmp(rest, u->suffix) : strcasecmp(rest, u->suffix)) != 0)
            continue;
        if (__builtin_mul_overflow(v, u->factor, out) || *out < k->min || *out > k->max)
            return PARSED_RANGE;
        return PARSED;
    }
    return PARSED_NOT;
}

static enum parsed parse_octal(const struct config_key *k, const char *text)
{
    int64_t v;
    const char *rest = parse_digits(text, 8, &v);

    if (!rest || *rest != '\0')
        return PARSED_NOT;
    return v < k->min || v > k->max ? PARSED_RANGE : PARSED;
}

static enum parsed parse_word(const struct config_key *k, const char *text, int *out)
{
    size_t n = strlen(text);
    int index = 0;

    for (const char *w = k->words; *w; index++) {
        size_t len = strcspn(w, " ");
        if (len == n && memcmp(w, text, n) == 0) {
            *out = index;
            return PARSED;
        }
        w += len + (w[len] == ' ');
    }
    return PARSED_NOT;
}

/* What an INI line can't hold: control characters, blanks at the ends, and " ;", which begins a comment. */
static enum parsed parse_string(const struct config_key *k, const char *text)
{
    size_t n = strlen(text);

    if ((int64_t)n < k->min || (int64_t)n > k->max)
        return PARSED_RANGE;
    for (size_t i = 0; i < n; i++)
        if (iscntrl((unsigned char)text[i]) || (isspace((unsigned char)text[i]) && text[i + 1] == ';'))
            return PARSED_NOT;
    if (n > 0 && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[n - 1]) || text[0] == ';'))
        return PARSED_NOT;
    return PARSED;
}

static enum parsed value_parse(struct config *c, const struct config_key *k, const char *text)
{
    enum parsed r;

    if (k->automatic && strcmp(text, "auto") == 0) {
        *field_number(c, k) = CONFIG_AUTO;
        return PARSED;
    }
    if (k->type == CONFIG_ENUM)
        return parse_word(k, text, field_word(c, k));
    if (type_is_string(k->type)) {
        r = k->type == CONFIG_OCTAL ? parse_octal(k, text) : parse_string(k, text);
        char *copy = r == PARSED ? strdup(text) : NULL;
        if (copy) {
            free(*field_string(c, k));
            *field_string(c, k) = copy;
        }
        return r == PARSED && !copy ? PARSED_NOT : r;
    }
    int64_t v = 0;
    r = parse_number(k, text, &v);
    if (r == PARSED)
        *field_number(c, k) = v;
    return r;
}

bool config_value_set(struct config *c, const struct config_key *k, const char *text, char *why, size_t why_n)
{
    char range[160];
    enum parsed r = value_parse(c, k, text);

    if (r == PARSED)
        return true;
    config_value_range(k, range, sizeof range);
    if (r == PARSED_RANGE && k->type == CONFIG_STRING)
        snprintf(why, why_n, "%s must have %d to %d bytes (%s)", k->name, (int)k->min, (int)k->max, range);
    else if (r == PARSED_RANGE)
        snprintf(why, why_n, "%s = %.80s is out of range: %s", k->name, text, range);
    else if (k->type == CONFIG_STRING)
        snprintf(why, why_n, "%s: control characters, blanks at the ends and \" ;\" are not possible (%s)", k->name,
                 range);
    else if (*types[k->type].like)
        snprintf(why, why_n, "%s = \"%.80s\" is not %s such as %s: %s", k->name, text, types[k->type].noun,
                 types[k->type].like, range);
    else
        snprintf(why, why_n, "%s = \"%.80s\" is not %s: %s", k->name, text, types[k->type].noun, range);
    return false;
}

/* In the largest unit that divides v. */
static const char *number_text(enum config_type t, int64_t v, char *out, size_t n)
{
    const struct unit *u = types[t].units, *best = u;

    if (v == 0)
        return snprintf(out, n, "0"), out;
    for (; u->suffix; u++)
        if (v % u->factor == 0)
            best = u;
    snprintf(out, n, "%lld%s", (long long)(v / best->factor), best->suffix);
    return out;
}

static const char *word_at(const char *words, int index, size_t *len)
{
    for (; index > 0; index--)
        words += strcspn(words, " ") + 1;
    *len = strcspn(words, " ");
    return words;
}

const char *config_value_text(const struct config *c, const struct config_key *k, char *out, size_t n)
{
    const char *field = (const char *)c + k->offset;

    if (type_is_string(k->type)) {
        snprintf(out, n, "%s", *(char *const *)field);
    } else if (k->type == CONFIG_ENUM) {
        size_t len;
        const char *w = word_at(k->words, *(const int *)field, &len);
        snprintf(out, n, "%.*s", (int)len, w);
    } else {
        number_text(k->type, *(const int64_t *)field, out, n);
    }
    return out;
}

const char *config_value_range(const struct config_key *k, char *out, size_t n)
{
    char min[32], max[32];
    size_t at = 0;

    switch (k->type) {
    case CONFIG_STRING:
        snprintf(out, n, "%s", k->values);
        break;
    case CONFIG_ENUM:
        for (const char *w = k->words; *w && at < n; w++) /* "off or limits" */
            at += (size_t)snprintf(out + at, n - at, *w == ' ' ? " or " : "%c", *w);
        break;
    case CONFIG_OCTAL:
        snprintf(out, n, "%04llo to %04llo", (unsigned long long)k->min, (unsigned long long)k->max);
        break;
    default:
        snprintf(out, n, "%s%s to %s", k->automatic ? "auto, or " : "", number_text(k->type, k->min, min, sizeof min),
                 number_text(k->type, k->max, max, sizeof max));
    }
    return out;
}

void config_value_free(struct config *c, const struct config_key *k)
{
    if (!type_is_string(k->type))
        return;
    free(*field_string(c, k));
    *field_string(c, k) = NULL;
}
