/* The types of sharp and usm. Used by the option table's rows. */
#include "query_option.h"

#include <string.h>
#include <strings.h>

static bool malformed(struct query_error *e, const char *text, const char *expected)
{
    char shown[48];
    return query_fail(e, "option_malformed", "%s must be %s, not \"%s\"", e->option, expected,
                      query_show(text, shown, sizeof shown));
}

/* A number in its canonical spelling, or a word for what has no number. */
static void number_text(double value, char *out, size_t n)
{
    int used = snprintf(out, n, "%.6f", value);
    while (used > 1 && (size_t)used < n && out[used - 1] == '0')
        used--;
    out[used - (out[used - 1] == '.')] = '\0';
}

static bool sharp_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    double *sigma = field;
    *sigma = IC_SHARP_MILD;
    if (!*text || !strcasecmp(text, "mild") || !strcasecmp(text, "true"))
        return true;
    if (!query_number(text, sigma))
        return malformed(e, text, "a sigma in pixels, or empty: mild");
    if (*sigma < o->min || *sigma > o->max)
        return query_fail(e, "option_range", "%s must be from %g to %g", e->option, o->min, o->max);
    return true;
}

static void sharp_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    double sigma = *(const double *)field;
    (void)o;
    if (sigma == IC_SHARP_MILD)
        snprintf(out, n, "mild");
    else
        number_text(sigma, out, n);
}

const struct query_type query_type_sharp = { "sharp", sizeof(double), true, true, sharp_parse, sharp_print };

static bool usm_parse(const struct query_option *o, const char *text, void *field, struct query_error *e)
{
    static const struct {
        const char *name;
        double min, max;
    } part[] = { { "amount", 0, 500 }, { "radius", 0.3, 250 }, { "threshold", 0, 255 } };
    double v[3] = { 100, 1, 0 };
    char piece[32];
    (void)o;
    for (int i = 0; i < 3 && *text; i++) {
        size_t n = strcspn(text, ",");
        snprintf(piece, sizeof piece, "%.*s", (int)(n < sizeof piece ? n : 0), text);
        if (!query_number(piece, &v[i]) || (text[n] && i == 2))
            return malformed(e, text, "amount,radius,threshold");
        if (v[i] < part[i].min || v[i] > part[i].max)
            return query_fail(e, "option_range", "%s: its %s must be from %g to %g", e->option, part[i].name,
                              part[i].min, part[i].max);
        text += n + (text[n] == ',');
    }
    *(struct ic_usm *)field = (struct ic_usm){ v[0], v[1], v[2] };
    return true;
}

static void usm_print(const struct query_option *o, const void *field, char *out, size_t n)
{
    const struct ic_usm *usm = field;
    const double v[3] = { usm->amount, usm->radius, usm->threshold };
    size_t used = 0;
    (void)o;
    out[0] = '\0';
    for (int i = 0; i < 3 && usm->amount > 0; i++) {
        char piece[32];
        number_text(v[i], piece, sizeof piece);
        used += (size_t)snprintf(out + used, n - used, "%s%s", i ? "," : "", piece);
    }
}

const struct query_type query_type_usm = { "usm", sizeof(struct ic_usm), true, true, usm_parse, usm_print };
