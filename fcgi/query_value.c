/* The types that values of options have: each reads its text into a field of struct query and writes it back in one
 * canonical spelling. Used by the table's rows only.
 *
 * Range checks and their texts live with the type and take the bounds from the row, so that no row needs code. Numbers
 * are read without strtod, which follows the locale and takes "inf", "0x1" and "1e3". */
#include "query_option.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool query_fail(struct query_error *e, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return false;
}

const char *query_show(const char *value, char *out, size_t n)
{
    size_t i = 0;
    for (; value[i] && i + 1 < n; i++)
        out[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
    out[i] = '\0';
    return out;
}

/* Decimals beyond the sixth do not count: so that query_number_text writes exactly what was read. */
bool query_number(const char *text, double *out)
{
    const char *p = text + (*text == '-' || *text == '+');
    double value = 0, unit = 1;
    size_t whole = strspn(p, "0123456789");
    if (whole > 9 || (whole == 0 && (p[0] != '.' || strspn(p + 1, "0123456789") == 0)))
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (*p - '0');
    for (p += *p == '.'; *p >= '0' && *p <= '9'; p++)
        if (unit < 1e6)
            value = value * 10 + (*p - '0'), unit *= 10;
    if (*p)
        return false;
    *out = (*text == '-' ? -value : value) / unit;
    return true;
}

void query_number_text(double value, const char *suffix, char *out, size_t n)
{
    char digits[32];
    int used = snprintf(digits, sizeof digits, "%.6f", value);
    while (used > 1 && digits[used - 1] == '0')
        used--;
    used -= digits[used - 1] == '.';
    snprintf(out, n, "%.*s%s", used, digits, suffix);
}

static bool malformed(struct query_error *e, const char *text, const char *expected)
{
    char shown[48];
    return query_fail(e, "option_malformed", "%s must be %s, not \"%s\"", e->option, expected,
                      query_show(text, shown, sizeof shown));
}

/* Numbers. */

static bool number_parse(const struct query_option *o, const char *text, double *value, struct query_error *e)
{
    if (!query_number(text, value))
        return malformed(e, text, "a number");
    if (*value < o->min || *value > o->max)
        return query_fail(e, "option_range", "%s must be from %g to %g", e->option, o->min, o->max);
    return true;
}

static bool real_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    return number_parse(o, text, field, e);
}

static void real_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    (void)o;
    query_number_text(*(const double *)field, "", out, n);
}

const struct query_type query_type_number = { "number", sizeof(double), false, true, real_parse, real_print };

static bool integer_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    double value;
    if (!number_parse(o, text, &value, e))
        return false;
    if (value != floor(value))
        return malformed(e, text, "a whole number");
    *(int *)field = (int)value;
    return true;
}

static void integer_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    (void)o;
    snprintf(out, n, "%d", *(const int *)field);
}

const struct query_type query_type_integer = { "integer", sizeof(int), false, true, integer_parse, integer_print };

/* Yes or no. */

/* 1 and 0, or -1 where the text is neither. */
static int truth(const char *text)
{
    static const struct query_word words[] = { { "", 1 },  { "1", 1 },     { "true", 1 }, { "yes", 1 }, { "on", 1 },
                                               { "0", 0 }, { "false", 0 }, { "no", 0 },   { "off", 0 }, { NULL, 0 } };
    for (const struct query_word *w = words; w->word; w++)
        if (!strcasecmp(w->word, text))
            return w->value;
    return -1;
}

static bool bool_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    (void)o;
    int value = truth(text);
    if (value < 0)
        return malformed(e, text, "1 or 0");
    *(bool *)field = value;
    return true;
}

static void bool_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    (void)o;
    snprintf(out, n, "%d", *(const bool *)field);
}

const struct query_type query_type_bool = { "bool", sizeof(bool), true, false, bool_parse, bool_print };

/* A palette: off, on with as many colours as there can be, or their number. */
static bool colours_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    int on = truth(text);
    if (on < 0)
        return integer_parse(o, text, field, e);
    *(int *)field = on ? (int)o->max : 0;
    return true;
}

const struct query_type query_type_colours = {
    "bool or integer", sizeof(int), true, true, colours_parse, integer_print
};

static bool mirror_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    static const struct query_word words[] = { { "h", IC_TURN_FLOP },
                                               { "v", IC_TURN_FLIP },
                                               { "hv", IC_TURN_FLOP | IC_TURN_FLIP },
                                               { "vh", IC_TURN_FLOP | IC_TURN_FLIP },
                                               { NULL, 0 } };
    (void)o;
    int value = truth(text);
    for (const struct query_word *w = words; value < 0 && w->word; w++)
        if (!strcasecmp(w->word, text)) {
            *(int *)field = w->value;
            return true;
        }
    if (value < 0)
        return malformed(e, text, "h, v, hv, 1 (vertical) or 0");
    *(int *)field = value ? IC_TURN_FLIP : 0;
    return true;
}

static void mirror_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    static const char *const names[] = { "0", "h", "v", "hv" };
    (void)o;
    snprintf(out, n, "%s", names[*(const int *)field & (IC_TURN_FLOP | IC_TURN_FLIP)]);
}

const struct query_type query_type_mirror = { "mirror", sizeof(int), true, false, mirror_parse, mirror_print };

/* Words. */

/* The accepted words with commas, as far as they fit. */
static void word_list(const struct query_word *words, char *out, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct query_word *w = words; w->word && used < n; w++)
        used += (size_t)snprintf(out + used, n - used, "%s%s", used ? ", " : "", w->word);
}

static bool word_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    for (const struct query_word *w = o->words; w->word; w++)
        if (!strcasecmp(w->word, text)) {
            *(int *)field = w->value;
            return true;
        }
    bool numeric = *text == '-' || (*text >= '0' && *text <= '9');
    if (numeric && o->hint)
        return query_fail(e, "option_malformed", "%s %s", e->option, o->hint);
    char list[180];
    word_list(o->words, list, sizeof list);
    return query_fail(e, "option_range", "%s must be one of %s", e->option, list);
}

static void word_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    out[0] = '\0';
    for (const struct query_word *w = o->words; w->word; w++)
        if (w->value == *(const int *)field) {
            snprintf(out, n, "%s", w->word);
            return;
        }
}

const struct query_type query_type_word = { "word", sizeof(int), false, false, word_parse, word_print };

/* Lengths. */

#define PERCENT_MAX 1000

/* 300, 50p or 50%. The bounds are for pixels; a share is above 0 where 0 pixels are not allowed either. */
static bool length_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    char digits[32];
    size_t n = strlen(text);
    bool share = n > 0 && (text[n - 1] == 'p' || text[n - 1] == '%');
    struct ic_len len = { 0, share ? IC_UNIT_PERCENT : IC_UNIT_PX };
    n -= share;
    snprintf(digits, sizeof digits, "%.*s", (int)(n < sizeof digits ? n : sizeof digits - 1), text);
    if (n >= sizeof digits || !query_number(digits, &len.value) || (!share && len.value != floor(len.value)))
        return malformed(e, text, "whole pixels or a share such as 50p");
    if (share && (len.value < 0 || len.value > PERCENT_MAX || (o->min > 0 && len.value < 0.01)))
        return query_fail(e, "option_range", "%s as a share must be from %s to %d percent", e->option,
                          o->min > 0 ? "0.01" : "0", PERCENT_MAX);
    if (!share && (len.value < o->min || len.value > o->max))
        return query_fail(e, "option_range", "%s must be from %g to %g pixels", e->option, o->min, o->max);
    *(struct ic_len *)field = len;
    return true;
}

static void length_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const struct ic_len *len = field;
    (void)o;
    if (len->unit == IC_UNIT_NONE)
        out[0] = '\0';
    else
        query_number_text(len->value, len->unit == IC_UNIT_PERCENT ? "p" : "", out, n);
}

const struct query_type query_type_length = {
    "length", sizeof(struct ic_len), false, true, length_parse, length_print
};
const struct query_type query_type_edge = { "length", sizeof(struct ic_len), false, true, length_parse, NULL };

static bool area_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    struct ic_len area[4];
    char piece[32];
    for (int i = 0; i < 4; i++) {
        size_t n = strcspn(text, ",");
        if (n == 0 || n >= sizeof piece || (i < 3) != (text[n] == ','))
            return query_fail(e, "option_malformed", "%s must be four lengths: x,y,w,h", e->option);
        memcpy(piece, text, n);
        piece[n] = '\0';
        struct query_option bounds = *o;
        bounds.min = i < 2 ? 0 : 1;
        if (!length_parse(&bounds, piece, &area[i], e))
            return false;
        text += n + (i < 3);
    }
    memcpy(field, area, sizeof area);
    return true;
}

static void area_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const struct ic_len *area = field;
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < 4 && area[2].unit != IC_UNIT_NONE && used < n; i++) {
        char piece[32];
        length_print(o, &area[i], piece, sizeof piece);
        used += (size_t)snprintf(out + used, n - used, "%s%s", i ? "," : "", piece);
    }
}

const struct query_type query_type_area = { "area", 4 * sizeof(struct ic_len), false, true, area_parse, area_print };

/* Everything else. */

static bool colour_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    struct query_colour *c = field;
    (void)o;
    if (!query_colour_parse(text, &c->colour))
        return malformed(e, text, "a CSS colour (RGB, RRGGBB, RRGGBBAA, a name or rgb())");
    c->given = true;
    return true;
}

static void colour_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const struct query_colour *c = field;
    (void)o;
    out[0] = '\0';
    if (c->given)
        snprintf(out, n, "%02x%02x%02x%02x", c->colour.r, c->colour.g, c->colour.b, c->colour.a);
}

const struct query_type query_type_colour = { "colour",    sizeof(struct query_colour), false, false, colour_parse,
                                              colour_print };

/* Seconds, or a number with s m h d w y; the bounds are seconds. */
static bool duration_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    static const struct query_word units[] = { { "s", 1 },      { "m", 60 },       { "h", 3600 }, { "d", 86400 },
                                               { "w", 604800 }, { "y", 31536000 }, { NULL, 0 } };
    char digits[24];
    size_t n = strspn(text, "0123456789");
    int unit = text[n] ? 0 : 1;
    for (const struct query_word *w = units; w->word; w++)
        if (!strcmp(text + n, w->word))
            unit = w->value;
    double value;
    snprintf(digits, sizeof digits, "%.*s", (int)(n < sizeof digits ? n : 0), text);
    if (unit == 0 || !query_number(digits, &value))
        return malformed(e, text, "a time such as 300s, 5m, 12h, 7d or 1y");
    if (value * unit < o->min || value * unit > o->max)
        return query_fail(e, "option_range", "%s must be from %gs to %gd", e->option, o->min, o->max / 86400);
    *(int64_t *)field = (int64_t)(value * unit);
    return true;
}

static void duration_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    int64_t seconds = *(const int64_t *)field;
    (void)o;
    out[0] = '\0';
    if (seconds >= 0)
        snprintf(out, n, "%llds", (long long)seconds);
}

const struct query_type query_type_duration = {
    "duration", sizeof(int64_t), false, true, duration_parse, duration_print
};

/* Unix time in whole seconds. Not in the canonical form: it changes no picture, only how long it is to be had. */
static bool time_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    size_t n = strlen(text);
    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return malformed(e, text, "a time in seconds since 1970");
    int64_t value = strtoll(text, NULL, 10);
    if ((double)value > o->max)
        return query_fail(e, "option_range", "%s must be a time in seconds since 1970, at most %.0f", e->option,
                          o->max);
    *(int64_t *)field = value;
    return true;
}

const struct query_type query_type_time = { "time", sizeof(int64_t), false, true, time_parse, NULL };

static bool text_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    (void)o;
    size_t n = strlen(text);
    if (n >= QUERY_TEXT)
        return query_fail(e, "option_range", "%s must be at most %d bytes long", e->option, QUERY_TEXT - 1);
    memcpy(field, text, n + 1);
    return true;
}

void query_text_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    (void)o;
    size_t used = 0;
    for (const char *p = field; *p && used + 4 <= n; p++)
        used += (size_t)snprintf(out + used, n - used, strchr(plain, *p) ? "%c" : "%%%02X", (unsigned char)*p);
    out[used] = '\0';
}

const struct query_type query_type_text = { "text", QUERY_TEXT, false, false, text_parse, query_text_print };
/* Texts that say nothing about the picture, and are in no canonical form. */
const struct query_type query_type_note = { "text", QUERY_TEXT, false, false, text_parse, NULL };
const struct query_type query_type_preset = { "preset", QUERY_TEXT, false, false, text_parse, NULL };
