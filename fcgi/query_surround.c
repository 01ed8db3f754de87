/* The types of trim, pad, border and radius: what is taken from or put round an image. Used by the option table's rows.
 */
#include "query_option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool malformed(struct query_error *e, const char *text, const char *expected)
{
    char shown[48];
    return query_fail(e, "option_malformed", "%s must be %s, not \"%s\"", e->option, expected,
                      query_show(text, shown, sizeof shown));
}

/* n bytes of text as whole pixels within the row's bounds. */
static bool pixels(const struct query_option *o, const char *text, size_t n, double *value, const char *expected,
                   struct query_error *e)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)(n < sizeof digits ? n : 0), text);
    if (!query_number(digits, value) || *value != floor(*value))
        return malformed(e, text, expected);
    if (*value < o->min || *value > o->max)
        return query_fail(e, "option_range", "%s must be from %g to %g", e->option, o->min, o->max);
    return true;
}

/* One to four of them, in the order of CSS: what is missing is taken from the opposite side. */
static bool sides_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    static const char expected[] = "pixels: one number, or top,right,bottom,left";
    static const uint8_t from[5][4] = { { 0 }, { 0, 0, 0, 0 }, { 0, 1, 0, 1 }, { 0, 1, 2, 1 }, { 0, 1, 2, 3 } };
    const char *p = text;
    double given[4];
    int n = 0;
    for (;;) {
        size_t length = strcspn(p, ",");
        if (n == 4)
            return malformed(e, text, expected);
        if (!pixels(o, p, length, &given[n++], expected, e))
            return false;
        if (!p[length])
            break;
        p += length + 1;
    }
    for (int i = 0; i < 4; i++)
        ((int *)field)[i] = (int)given[from[n][i]];
    return true;
}

static void sides_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const int *side = field;
    (void)o;
    snprintf(out, n, "%d,%d,%d,%d", side[0], side[1], side[2], side[3]);
}

const struct query_type query_type_sides = { "sides", 4 * sizeof(int), false, true, sides_parse, sides_print };

static bool border_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    static const char expected[] = "pixels,colour";
    struct ic_border border = { 0, { 0, 0, 0, 255 } };
    size_t n = strcspn(text, ",");
    double width;
    if (!pixels(o, text, n, &width, expected, e))
        return false;
    if (text[n] && !query_colour_parse(text + n + 1, &border.colour))
        return malformed(e, text, expected);
    border.width = (int)width;
    *(struct ic_border *)field = border;
    return true;
}

static void border_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const struct ic_border *b = field;
    (void)o;
    if (b->width)
        snprintf(out, n, "%d,%02x%02x%02x%02x", b->width, b->colour.r, b->colour.g, b->colour.b, b->colour.a);
    else
        snprintf(out, n, "0");
}

const struct query_type query_type_border = { "border",    sizeof(struct ic_border), false, true, border_parse,
                                              border_print };

static bool radius_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    double value = IC_RADIUS_MAX;
    if (strcmp(text, "max") != 0 && !pixels(o, text, strlen(text), &value, "whole pixels or max", e))
        return false;
    *(double *)field = value;
    return true;
}

static void radius_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    double value = *(const double *)field;
    (void)o;
    if (value < 0)
        snprintf(out, n, "max");
    else
        snprintf(out, n, "%.0f", value);
}

const struct query_type query_type_radius = { "radius", sizeof(double), false, true, radius_parse, radius_print };

#define TRIM_DEFAULT 10

/* Given without a value it means its default, which is not what it means when it is not given. */
static bool trim_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    double value = TRIM_DEFAULT;
    if (*text && !pixels(o, text, strlen(text), &value, "a whole number of levels", e))
        return false;
    *(int *)field = (int)value;
    return true;
}

static void trim_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    int value = *(const int *)field;
    (void)o;
    out[0] = '\0';
    if (value != IC_TRIM_NONE)
        snprintf(out, n, "%d", value);
}

const struct query_type query_type_trim = { "trim", sizeof(int), true, true, trim_parse, trim_print };
