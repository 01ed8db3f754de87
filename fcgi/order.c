/* Outputs and their options, called by handlers, background jobs and the batch command.
 *
 * An output's query is parsed by itself and then filled from the base, as presets are: so what is given twice is still
 * an error within one output, and an override between output and base. */
#include "order.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "query_option.h"

void order_init(struct order *o)
{
    memset(o, 0, sizeof *o);
    query_init(&o->base);
}

void order_free(struct order *o)
{
    free(o->outputs);
    json_decref(o->recipe);
    o->recipe = NULL;
    o->outputs = NULL;
    o->n = 0;
}

bool order_url(struct order *o, const struct config *c, const char *text, struct query_error *e)
{
    order_note(o, "query", text, strlen(text));
    return query_parse(&o->base, c, text, e);
}

bool order_field(struct order *o, const struct config *c, const char *name, const char *value, size_t n,
                 struct query_error *e)
{
    order_note_pair(o, "fields", name, value, n);
    return query_set(&o->base, c, name, value, n, e);
}

/* It is `outputs` that is to blame. */
static struct query_error *outputs(struct query_error *e)
{
    snprintf(e->option, sizeof e->option, "outputs");
    return e;
}

static bool out_of_memory(struct query_error *e)
{
    return query_fail(outputs(e), "memory", "out of memory for the outputs");
}

/* Appends an output to room that was made for it. */
static struct order_output *append(struct order *o, const char *name, struct query_error *e)
{
    if (!name || !name_valid(name, ORDER_NAME)) {
        query_fail(outputs(e), "output_name", "each of outputs needs a name of 1 to 48 letters, digits, _ or -");
        return NULL;
    }
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->outputs[i].name, name)) {
            query_fail(outputs(e), "output_repeated", "two outputs have the name %s", name);
            return NULL;
        }
    struct order_output *out = &o->outputs[o->n++];
    snprintf(out->name, sizeof out->name, "%s", name);
    query_init(&out->query);
    return out;
}

/* Says in which output the option stands that e complains of. */
static bool blame(const char *name, struct query_error *e)
{
    struct query_error inner = *e;
    return query_fail(e, inner.code, "in output %s: %s", name, inner.text);
}

/* JSON. */

static bool put_output(struct order *o, const struct config *c, json_t *given, struct query_error *e)
{
    struct order_output *out = append(o, json_string_value(json_object_get(given, "name")), e);
    if (!out)
        return false;
    json_object_del(given, "name");
    return query_json_put(&out->query, c, given, e) || blame(out->name, e);
}

static bool put_outputs(struct order *o, const struct config *c, json_t *list, struct query_error *e)
{
    json_t *given;
    size_t i, n = json_array_size(list);
    if (!json_is_array(list) || n == 0)
        return query_fail(outputs(e), "outputs_malformed",
                          "outputs must be a list such as [{\"name\":\"thumb\",\"w\":200,\"h\":200}]");
    if (n > JOB_OUTPUTS)
        return query_fail(outputs(e), "outputs_many", "outputs holds more than 32 of them");
    o->outputs = calloc(n, sizeof *o->outputs);
    if (!o->outputs)
        return out_of_memory(e);
    json_array_foreach(list, i, given)
    {
        if (!json_is_object(given))
            return query_fail(outputs(e), "outputs_malformed",
                              "each of outputs must be an object with a name and options");
        if (!put_output(o, c, given, e))
            return false;
    }
    return true;
}

bool order_operations(struct order *o, const struct config *c, const char *json, size_t n, struct query_error *e)
{
    if (o->operations) {
        *e = (struct query_error){ "operations", "option_repeated", "operations is given twice" };
        return false;
    }
    o->operations = true;
    order_note(o, "operations", json, n);
    json_t *root = query_json_load(json, n, e);
    json_t *outputs = json_incref(json_object_get(root, "outputs"));
    json_object_del(root, "outputs");
    bool ok = root && query_json_put(&o->base, c, root, e) && (!outputs || put_outputs(o, c, outputs, e));
    o->named = outputs != NULL;
    json_decref(outputs);
    json_decref(root);
    return ok;
}

/* The configured set. */

static bool listed(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = names; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !memcmp(p, name, n))
            return true;
    return false;
}

bool order_put_configured(struct order *o, const struct config *c, const char *name, const char *options,
                          struct query_error *e)
{
    if (!o->outputs && !(o->outputs = calloc(JOB_OUTPUTS, sizeof *o->outputs)))
        return out_of_memory(e);
    if (o->n == JOB_OUTPUTS)
        return query_fail(outputs(e), "outputs_many", "the configuration has more than 32 renditions");
    struct order_output *out = append(o, name, e);
    if (!out)
        return false;
    o->named = true;
    order_note_pair(o, "configured", name, options, strlen(options));
    bool ok =
        strchr(options, '&') ? query_parse(&out->query, c, options, e) : query_parse_list(&out->query, c, options, e);
    query_exempt(&out->query);
    return ok || blame(out->name, e);
}

/* names NULL: all. */
static bool configured(struct order *o, const struct config *c, const char *names, struct query_error *e)
{
    for (const struct config_preset *r = c->renditions; r; r = r->next)
        if ((!names || listed(names, r->name)) && !order_put_configured(o, c, r->name, r->options, e))
            return false;
    return true;
}

static bool is_configured(const struct config *c, const char *name, size_t n)
{
    const struct config_preset *r = c->renditions;
    while (r && (strlen(r->name) != n || memcmp(r->name, name, n)))
        r = r->next;
    return r != NULL;
}

bool order_select(struct order *o, const struct config *c, const char *names, struct query_error *e)
{
    for (const char *p = names; *p; p += strcspn(p, ","), p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (is_configured(c, p, n))
            continue;
        return query_fail(outputs(e), "output_unknown", "the configuration has no rendition \"%.*s\"",
                          (int)(n < 60 ? n : 60), p);
    }
    return configured(o, c, names, e);
}

/* The end. */

static bool single(struct order *o, struct query_error *e)
{
    o->outputs = calloc(1, sizeof *o->outputs);
    if (!o->outputs)
        return out_of_memory(e);
    o->n = 1;
    snprintf(o->outputs[0].name, sizeof o->outputs[0].name, ORDER_SINGLE);
    query_init(&o->outputs[0].query);
    return true;
}

bool order_finish(struct order *o, const struct config *c, enum order_kind kind, struct query_error *e)
{
    if (o->n > 0 && kind == ORDER_ONE)
        return query_fail(outputs(e), "outputs_unexpected",
                          "outputs is for /api/images/renditions and /api/images/batch");
    if (o->n == 0 && !(kind == ORDER_SET ? configured(o, c, NULL, e) : single(o, e)))
        return false;
    for (int i = 0; i < o->n; i++) {
        struct order_output *out = &o->outputs[i];
        query_fill(&out->query, &o->base);
        if (!query_finish(&out->query, c, e))
            return o->named ? blame(out->name, e) : false;
        if (out->query.explain && kind != ORDER_ONE) {
            snprintf(e->option, sizeof e->option, "explain");
            return query_fail(e, "option_clash", "explain is for single images: /img and /api/images/process");
        }
    }
    return true;
}
