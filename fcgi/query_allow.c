/* What operators allow of the options: allowed_options, only_presets, allowed_sizes. Called by query_finish for what
 * clients give, and by `check` and `serve` to read the lists once before anybody depends on them.
 *
 * What the operator wrote himself (presets, configured renditions, the command line) is exempt: such an option is never
 * the one that is to blame. Options that only guard a URL are always allowed; everything else multiplies what a cache
 * must hold, so it has to be listed. */
#include "query_option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS ", "

static const char *const always[] = { "s", "k", "expires", "explain", NULL };

static bool is_always(const struct query_option *o)
{
    for (const char *const *name = always; *name; name++)
        if (!strcmp(o->name, *name))
            return true;
    return false;
}

/* Whether one of the names in list, or of their aliases, is the row's. */
static bool listed(const char *list, const struct query_option *o)
{
    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t n = strcspn(p, SEPARATORS);
        if (query_option_find(p, n, NULL) == o)
            return true;
        p += n;
    }
    return false;
}

static const char *preset_names(const struct config *c, char *out, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    for (const struct config_preset *p = c->presets; p && used < n; p = p->next)
        used += (size_t)snprintf(out + used, n - used, "%s%s", used ? ", " : "", p->name);
    return out;
}

static bool refuse_option(const struct config *c, const struct query_option *o, struct query_error *e)
{
    char names[140];
    snprintf(e->option, sizeof e->option, "%s", o->name);
    if (c->only_presets && !*c->allowed_options)
        return query_fail(e, "option_not_allowed", "%s is not allowed here, only preset: %s", o->name,
                          preset_names(c, names, sizeof names));
    return query_fail(e, "option_not_allowed", "%s is not allowed here, only %s%.120s", o->name,
                      c->only_presets ? "preset, " : "", c->allowed_options);
}

static bool no_preset(const struct config *c, struct query_error *e)
{
    char names[140];
    snprintf(e->option, sizeof e->option, "preset");
    return query_fail(e, "option_not_allowed", "a preset is required here: %s", preset_names(c, names, sizeof names));
}

bool query_allow_options(const struct query *q, const struct config *c, struct query_error *e)
{
    if (!c || (!c->only_presets && !(c->allowed_options && *c->allowed_options)))
        return true;
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        bool preset = c->only_presets && !strcmp(o->name, "preset");
        if (query_given(q, o->name) && !query_is_exempt(q, o) && !preset && !is_always(o) &&
            !listed(c->allowed_options, o))
            return refuse_option(c, o, e);
    }
    return !c->only_presets || q->own || *q->preset || no_preset(c, e);
}

/* Sizes. */

struct size {
    long w, h;  /* 0: not given */
    bool alone; /* one number for either side */
};

/* "300", "300x", "x200", "300x200"; n bytes. */
static bool size_read(const char *text, size_t n, struct size *out)
{
    char copy[24], *end;
    if (n == 0 || n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    char *x = strchr(copy, 'x');
    const char *second = x ? x + 1 : "";
    if (x)
        *x = '\0';
    if (strspn(copy, "0123456789") != strlen(copy) || strspn(second, "0123456789") != strlen(second))
        return false;
    *out = (struct size){ strtol(copy, &end, 10), strtol(second, NULL, 10), !x };
    return (out->w > 0 || !*copy) && (out->h > 0 || !*second) && (out->w > 0 || out->h > 0);
}

/* What a side comes to in pixels; 0 where it is not given, -1 where it depends on the source. */
static long side(const struct ic_len *len, double dpr)
{
    if (len->unit == IC_UNIT_NONE)
        return 0;
    return len->unit == IC_UNIT_PX ? lround(fmax(1, floor(len->value * dpr + 0.5))) : -1;
}

static bool size_listed(const char *list, long w, long h)
{
    bool w_ok = w == 0, h_ok = h == 0;
    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t n = strcspn(p, SEPARATORS);
        struct size s;
        if (size_read(p, n, &s) && !s.alone && s.w == w && s.h == h)
            return true;
        if (size_read(p, n, &s) && s.alone) {
            w_ok |= s.w == w;
            h_ok |= s.w == h;
        }
        p += n;
    }
    return w_ok && h_ok;
}

bool query_asks_size(const struct query *q)
{
    static const char *const names[] = { "w", "h", "dpr" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct query_option *o = query_option_find(names[i], strlen(names[i]), NULL);
        if (query_given(q, names[i]) && !query_is_exempt(q, o))
            return true;
    }
    return false;
}

bool query_allow_size(const struct query *q, const struct config *c, struct query_error *e)
{
    if (!c || !c->allowed_sizes || !*c->allowed_sizes)
        return true;
    const struct ic_recipe *r = &q->recipe;
    long w = side(&r->width, r->dpr), h = side(&r->height, r->dpr);
    if (size_listed(c->allowed_sizes, w, h))
        return true;
    snprintf(e->option, sizeof e->option, "%s", w ? "w" : "h");
    if (w < 0 || h < 0)
        return query_fail(e, "option_not_allowed", "shares of the source are not allowed here, only the sizes %.150s",
                          c->allowed_sizes);
    return query_fail(e, "option_not_allowed", "the size %ldx%ld is not allowed here, only %.150s", w, h,
                      c->allowed_sizes);
}

/* The lists themselves. */

static bool options_valid(const char *list, char *why, size_t why_n)
{
    char name[64], nearest[32];
    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t n = strcspn(p, SEPARATORS);
        if (!query_option_find(p, n, NULL)) {
            snprintf(name, sizeof name, "%.*s", (int)(n < 60 ? n : 60), p);
            snprintf(why, why_n, "allowed_options: there is no option %s; the nearest known name is %s", name,
                     query_option_nearest(name, nearest, sizeof nearest));
            return false;
        }
        p += n;
    }
    return true;
}

bool query_allow_valid(const struct config *c, char *why, size_t n)
{
    const char *list = c->allowed_sizes;
    struct size s;
    for (const char *p = list + strspn(list, SEPARATORS); *p; p += strspn(p, SEPARATORS)) {
        size_t len = strcspn(p, SEPARATORS);
        if (!size_read(p, len, &s)) {
            snprintf(why, n, "allowed_sizes: \"%.*s\" is no size: write 300x200, 300x, x200, or 300 for either side",
                     (int)(len < 40 ? len : 40), p);
            return false;
        }
        p += len;
    }
    return options_valid(c->allowed_options, why, n);
}
