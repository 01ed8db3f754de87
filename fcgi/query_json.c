/* Options as JSON: the operations field of forms on the way in, /api/options on the way out. Called by handlers.
 *
 * Values become the text that a URL would carry and take the same door, so that no rule exists twice. */
#include "query_option.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SIZE  65536
#define JSON_DEPTH 16

/* jansson recurses down to a depth of 2048, which the small stack of an accept thread may not hold. */
static bool too_deep(const char *json, size_t n)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && json[i] == '\\')
            i++;
        else if (json[i] == '"')
            quoted = !quoted;
        else if (!quoted && (json[i] == '[' || json[i] == '{') && ++depth > JSON_DEPTH)
            return true;
        else if (!quoted && (json[i] == ']' || json[i] == '}'))
            depth--;
    }
    return false;
}

/* A number, string or boolean as a URL would carry it; false: something else, or too long. */
static bool scalar_text(const json_t *v, char *out, size_t n)
{
    double real = json_real_value(v);
    if (json_is_string(v))
        return json_string_length(v) < n && strlen(json_string_value(v)) == json_string_length(v) &&
               strcpy(out, json_string_value(v));
    if (json_is_boolean(v))
        return snprintf(out, n, "%d", json_is_true(v));
    if (json_is_integer(v))
        return snprintf(out, n, "%lld", (long long)json_integer_value(v));
    if (!json_is_real(v) || fabs(real) > 1e9)
        return false;
    query_number_text(real, "", out, n);
    return true;
}

/* The same for a list of them, which becomes a,b,c. */
static bool value_text(const json_t *v, char *out, size_t n)
{
    if (!json_is_array(v))
        return scalar_text(v, out, n);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(v); i++) {
        if (used + 2 >= n)
            return false;
        if (i > 0)
            out[used++] = ',';
        if (!scalar_text(json_array_get(v, i), out + used, n - used))
            return false;
        used += strlen(out + used);
    }
    return true;
}

json_t *query_json_load(const char *json, size_t n, struct query_error *e)
{
    json_error_t je;
    snprintf(e->option, sizeof e->option, "operations");
    if (n > JSON_SIZE || too_deep(json, n)) {
        query_fail(e, "option_malformed", "operations is too large or nested too deeply");
        return NULL;
    }
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &je);
    if (root && json_is_object(root))
        return root;
    if (root)
        query_fail(e, "option_malformed", "operations must be a JSON object such as {\"width\":800,\"height\":600}");
    else if (json_error_code(&je) == json_error_duplicate_key)
        query_fail(e, "option_repeated", "operations gives an option twice: line %d, column %d", je.line, je.column);
    else
        query_fail(e, "option_malformed", "operations is not well-formed JSON: line %d, column %d", je.line, je.column);
    json_decref(root);
    return NULL;
}

bool query_json_put(struct query *q, const struct config *c, json_t *object, struct query_error *e)
{
    const char *name;
    json_t *value;
    bool ok = true;
    json_object_foreach(object, name, value)
    {
        char text[512];
        if (!ok)
            break;
        if (json_is_null(value) && query_is_known(name))
            continue; /* as a client leaves out what it does not set */
        if (value_text(value, text, sizeof text)) {
            ok = query_put(q, c, name, text, e);
        } else if (!query_is_known(name)) {
            ok = query_put(q, c, name, "", e); /* for its error, or because it is ignored */
        } else {
            query_show(name, e->option, sizeof e->option);
            ok = query_fail(e, "option_malformed", "%s must be a number, a string, a boolean or a list of these",
                            e->option);
        }
    }
    return ok;
}

bool query_parse_json(struct query *q, const struct config *c, const char *json, size_t n, struct query_error *e)
{
    json_t *root = query_json_load(json, n, e);
    bool ok = root && query_json_put(q, c, root, e);
    json_decref(root);
    return ok;
}

static json_t *alias_list(const struct query_option *o)
{
    json_t *list = json_array();
    for (const char *p = o->aliases; *p;) {
        p += *p == '!';
        size_t n = strcspn(p, ",");
        json_array_append_new(list, json_stringn(p, n));
        p += n + (p[n] == ',');
    }
    return list;
}

static json_t *word_values(const struct query_option *o)
{
    if (!o->words)
        return json_null();
    json_t *list = json_array();
    for (const struct query_word *w = o->words; w->word; w++)
        json_array_append_new(list, json_string(w->word));
    return list;
}

static json_t *bound(const struct query_option *o, double value)
{
    if (!o->type->ranged)
        return json_null();
    return value == floor(value) ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *default_value(const struct query_option *o)
{
    double number;
    if (!o->def)
        return json_null();
    if (o->type == &query_type_bool)
        return json_boolean(*o->def == '1');
    if (o->type->ranged && query_number(o->def, &number))
        return number == floor(number) ? json_integer((json_int_t)number) : json_real(number);
    return json_string(o->def);
}

char *query_table_json(void)
{
    json_t *table = json_array();
    for (const struct query_option *o = query_options; o < query_options + query_options_n; o++) {
        json_t *row = json_object();
        json_object_set_new(row, "name", json_string(o->name));
        json_object_set_new(row, "aliases", alias_list(o));
        json_object_set_new(row, "type", json_string(o->type->name));
        json_object_set_new(row, "min", bound(o, o->min));
        json_object_set_new(row, "max", bound(o, o->max));
        json_object_set_new(row, "values", word_values(o));
        json_object_set_new(row, "default", default_value(o));
        json_object_set_new(row, "text", json_string(o->text));
        json_array_append_new(table, row);
    }
    char *text = json_dumps(table, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    json_decref(table);
    return text;
}
