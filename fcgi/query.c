/* The option parser: every door, query string, path form, form field, JSON and command line, ends in query_put, which
 * looks the row up, refuses repeats and lets the row's type read the value. Called by handlers and cmd_*.c.
 *
 * What was given is remembered as bits of table rows; presets are parsed into a query of their own and only fill the
 * rows that the request left open. Parsing presets first and overriding them was rejected: a repeat could no longer be
 * told from an override. */
#include "query_option.h"

#include <string.h>

#include "uri.h"

#define NAME_SIZE  128
#define VALUE_SIZE 512

static bool given(const struct query *q, ptrdiff_t row)
{
    return q->seen[row / 64] >> (row % 64) & 1;
}

static void mark_given(struct query *q, ptrdiff_t row)
{
    q->seen[row / 64] |= UINT64_C(1) << (row % 64);
}

void query_init(struct query *q)
{
    memset(q, 0, sizeof *q);
    ic_recipe_init(&q->recipe);
    q->maxage_s = q->expires_s = -1;
    q->format = IC_FORMAT_ORIGIN;
}

void query_exempt(struct query *q)
{
    memcpy(q->exempt, q->seen, sizeof q->exempt);
    q->own = true;
}

bool query_is_exempt(const struct query *q, const struct query_option *o)
{
    ptrdiff_t row = o - query_options;
    return q->exempt[row / 64] >> (row % 64) & 1;
}

bool query_given(const struct query *q, const char *name)
{
    const struct query_option *o = query_option_find(name, strlen(name), NULL);
    return o && given(q, o - query_options);
}

/* One option. */

bool query_ignored(const struct config *c, const char *name)
{
    const char *p = c && c->ignore_options ? c->ignore_options : "";
    size_t name_n = strlen(name);
    while (*p) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        bool prefix = n > 0 && p[n - 1] == '*';
        if (n > 0 && (prefix ? name_n >= n - 1 : name_n == n) && !memcmp(p, name, n - prefix))
            return true;
        p += n;
    }
    return false;
}

static bool unknown(const char *name, struct query_error *e)
{
    char nearest[32];
    return query_fail(e, "option_unknown", "%s is not a known option; the nearest known name is %s", e->option,
                      query_option_nearest(name, nearest, sizeof nearest));
}

bool query_put(struct query *q, const struct config *c, const char *name, const char *value, struct query_error *e)
{
    bool negated;
    if (query_ignored(c, name))
        return true;
    query_show(name, e->option, sizeof e->option);
    const struct query_option *o = query_option_find(name, strlen(name), &negated);
    if (!o)
        return unknown(name, e);
    if (given(q, o - query_options))
        return query_fail(e, "option_repeated", "%s is given twice%s%s", e->option,
                          strcmp(name, o->name) ? "; it is another name of " : "",
                          strcmp(name, o->name) ? o->name : "");
    mark_given(q, o - query_options);
    if (!*value && !o->type->flag)
        return true;
    if (o->words == query_fits)
        value = query_dialect(q, c, value);
    void *field = (char *)q + o->offset;
    if (!o->type->parse(o, value, field, e))
        return false;
    if (negated)
        *(bool *)field = !*(bool *)field;
    return true;
}

bool query_set(struct query *q, const struct config *c, const char *name, const char *value, size_t n,
               struct query_error *e)
{
    char text[VALUE_SIZE];
    if (n < sizeof text && !memchr(value, '\0', n)) {
        memcpy(text, value, n);
        text[n] = '\0';
        return query_put(q, c, name, text, e);
    }
    if (query_ignored(c, name))
        return true;
    query_show(name, e->option, sizeof e->option);
    if (!query_is_known(name))
        return unknown(name, e);
    return query_fail(e, "option_malformed", "the value of %s %s", e->option,
                      n < sizeof text ? "contains a NUL" : "is too long");
}

/* Lists of options. */

/* One encoded pair, "k=v" or "k". */
static bool put_pair(struct query *q, const struct config *c, const char *pair, size_t n, bool plus,
                     struct query_error *e)
{
    char name[NAME_SIZE], value[VALUE_SIZE];
    const char *equals = memchr(pair, '=', n), *why;
    size_t name_n = equals ? (size_t)(equals - pair) : n;
    size_t value_n = equals ? n - name_n - 1 : 0;
    snprintf(value, sizeof value, "%.*s", (int)(name_n < NAME_SIZE ? name_n : NAME_SIZE), pair);
    query_show(value, e->option, sizeof e->option);
    if (!uri_decode_value(pair, name_n, plus, name, sizeof name, &why))
        return query_fail(e, name_n < NAME_SIZE ? "option_malformed" : "option_unknown", "the name of option %s: %s",
                          e->option, why);
    if (!query_ignored(c, name) && !uri_decode_value(pair + n - value_n, value_n, plus, value, sizeof value, &why))
        return query_fail(e, "option_malformed", "the value of %s: %s", e->option, why);
    return query_put(q, c, name, value, e);
}

bool query_parse(struct query *q, const struct config *c, const char *text, struct query_error *e)
{
    while (*text) {
        size_t n = strcspn(text, "&");
        if (n > 0 && !put_pair(q, c, text, n, true, e))
            return false;
        text += n + (text[n] == '&');
    }
    return true;
}

/* Length of the pair at text: up to a comma behind which another key begins, or to the end. */
static size_t list_pair(const char *text)
{
    size_t n = strcspn(text, ",");
    while (text[n]) {
        size_t piece = strcspn(text + n + 1, ",");
        if (memchr(text + n + 1, '=', piece))
            return n;
        n += 1 + piece;
    }
    return n;
}

bool query_parse_list(struct query *q, const struct config *c, const char *text, struct query_error *e)
{
    while (*text) {
        size_t n = list_pair(text);
        if (!memchr(text, '=', n)) {
            snprintf(e->option, sizeof e->option, "%s", "");
            return query_fail(e, "option_malformed", "options are written name=value,name=value");
        }
        if (!put_pair(q, c, text, n, false, e))
            return false;
        text += n + (text[n] == ',');
    }
    return true;
}

/* Presets. */

void query_fill(struct query *q, const struct query *p)
{
    bool area = false;
    for (int i = 0; i < query_options_n; i++)
        area |= query_options[i].area && given(q, i);
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        if (!given(p, i) || given(q, i) || (o->area && area))
            continue;
        memcpy((char *)q + o->offset, (const char *)p + o->offset, o->type->size);
        mark_given(q, i);
        q->exempt[i / 64] |= p->exempt[i / 64] & UINT64_C(1) << (i % 64);
        if (o->words == query_fits)
            q->fit_enlarges = p->fit_enlarges;
    }
}

static bool fill_from_preset(struct query *q, const struct config *c, const char *name, size_t n, struct query_error *e)
{
    struct query p;
    struct query_error inner;
    const char *options = c ? config_preset(c, name, n) : NULL;
    char shown[QUERY_TEXT], text[QUERY_TEXT];
    snprintf(text, sizeof text, "%.*s", (int)n, name);
    query_show(text, shown, sizeof shown);
    if (!options)
        return query_fail(e, "option_range", "preset \"%s\" is not in the configuration", shown);
    query_init(&p);
    bool ok = strchr(options, '&') ? query_parse(&p, c, options, &inner) : query_parse_list(&p, c, options, &inner);
    if (!ok)
        return query_fail(e, "option_malformed", "preset \"%s\" is broken: %.150s", shown, inner.text);
    if (query_given(&p, "preset"))
        return query_fail(e, "option_malformed", "preset \"%s\" is broken: it names a preset", shown);
    query_fill(q, &p);
    return true;
}

/* From the last name to the first, because each only fills what is open: so later names override earlier ones. */
static bool fill_from_presets(struct query *q, const struct config *c, struct query_error *e)
{
    size_t end = strlen(q->preset);
    snprintf(e->option, sizeof e->option, "preset");
    while (end > 0) {
        size_t start = end;
        while (start > 0 && q->preset[start - 1] != ',')
            start--;
        if (!fill_from_preset(q, c, q->preset + start, end - start, e))
            return false;
        end = start > 0 ? start - 1 : 0;
    }
    return true;
}

/* The end. */

/* rect stands alone; of its four parts a size is required, a corner is 0,0 where it is not given. */
static bool check_area(struct query *q, struct query_error *e)
{
    struct ic_len *area = q->recipe.rect;
    bool parts = query_given(q, "cx") || query_given(q, "cy") || query_given(q, "cw") || query_given(q, "ch");
    if (!parts)
        return true;
    snprintf(e->option, sizeof e->option, "rect");
    if (query_given(q, "rect"))
        return query_fail(e, "option_clash", "rect and cx, cy, cw, ch say the same; give one of them");
    if (area[2].unit == IC_UNIT_NONE || area[3].unit == IC_UNIT_NONE)
        return query_fail(e, "option_clash", "cx and cy need cw and ch: the size of the area to cut out");
    for (int i = 0; i < 2; i++)
        if (area[i].unit == IC_UNIT_NONE)
            area[i] = (struct ic_len){ 0, IC_UNIT_PX };
    return true;
}

static bool has_focus(const struct query *q)
{
    return query_given(q, "fpx") || query_given(q, "fpy");
}

/* A focal point implies gravity=focal. In the request it overrides a preset's gravity, and the other way round. */
static bool check_focus(struct query *q, const struct query *asked, struct query_error *e)
{
    bool word = query_given(asked, "gravity");
    if (!has_focus(asked) && (word || query_given(q, "gravity") || !has_focus(q)))
        return true;
    if (word && asked->recipe.gravity != IC_CENTER && asked->recipe.gravity != IC_FOCAL) {
        snprintf(e->option, sizeof e->option, "gravity");
        return query_fail(e, "option_clash", "fpx and fpy need gravity=focal, which is what they imply");
    }
    q->recipe.gravity = IC_FOCAL;
    return true;
}

static void finish_colours(struct query *q)
{
    struct ic_filters *f = &q->recipe.filters;
    f->tinted = q->tint.given;
    f->tint = q->tint.colour;
    f->start = q->start.given ? q->start.colour : f->start;
    f->stop = q->stop.given ? q->stop.colour : f->stop;
}

bool query_finish(struct query *q, const struct config *c, struct query_error *e)
{
    struct query asked = *q;
    bool sized = query_asks_size(q);
    if (!query_allow_options(q, c, e) || !fill_from_presets(q, c, e) || !check_area(q, e) || !check_focus(q, &asked, e))
        return false;
    if (q->fit_enlarges && !query_given(q, "enlarge"))
        q->recipe.enlarge = q->fit_enlarges == QUERY_ENLARGES;
    if (sized && !query_allow_size(q, c, e))
        return false;
    q->format_auto = q->format == QUERY_FORMAT_AUTO;
    q->recipe.format = q->format_auto ? IC_FORMAT_ORIGIN : q->format;
    q->recipe.flip = q->mirror & IC_TURN_FLIP;
    q->recipe.flop = q->flop || (q->mirror & IC_TURN_FLOP);
    q->recipe.bg_given = q->bg.given;
    q->recipe.bg = q->bg.colour;
    finish_colours(q);
    return query_finish_text(q, c, e);
}

size_t query_canonical(const struct query *q, char *out, size_t n)
{
    struct query plain;
    char mine[3 * IC_TEXT + 1], def[3 * IC_TEXT + 1];
    size_t used = 0;
    query_init(&plain);
    if (n > 0)
        out[0] = '\0';
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        if (!o->type->print)
            continue;
        o->type->print(o, (const char *)q + o->offset, mine, sizeof mine);
        o->type->print(o, (const char *)&plain + o->offset, def, sizeof def);
        if (strcmp(mine, def))
            used += (size_t)snprintf(used < n ? out + used : NULL, used < n ? n - used : 0, "%s%s=%s", used ? "," : "",
                                     o->name, mine);
    }
    return used;
}
