/* What an order was given, as it was given, so that another process can make the same of it later: a background job
 * outlives the program that took it, whose structures are nobody else's business. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "order.h"
#include "query_option.h"

bool order_record(struct order *o)
{
    o->recipe = json_pack("{s:[], s:[]}", "fields", "configured");
    return o->recipe != NULL;
}

/* A text that JSON can't hold makes the whole unusable, which order_recipe tells. */
static void spoil(struct order *o)
{
    json_object_set_new(o->recipe, "spoilt", json_true());
}

void order_note(struct order *o, const char *what, const char *text, size_t n)
{
    json_t *s = o->recipe ? json_stringn(text, n) : NULL;
    if (!o->recipe)
        return;
    if (!s || json_object_set_new(o->recipe, what, s) != 0)
        spoil(o);
}

void order_note_pair(struct order *o, const char *list, const char *name, const char *value, size_t n)
{
    json_t *pair = o->recipe ? json_pack("[s, s%]", name, value, n) : NULL;
    if (!o->recipe)
        return;
    if (!pair || json_array_append_new(json_object_get(o->recipe, list), pair) != 0)
        spoil(o);
}

struct json_t *order_recipe(const struct order *o)
{
    return o->recipe && !json_object_get(o->recipe, "spoilt") ? o->recipe : NULL;
}

static bool replay_fields(struct order *o, const struct config *c, const json_t *recipe, struct query_error *e)
{
    size_t i;
    json_t *pair;
    json_array_foreach(json_object_get(recipe, "fields"), i, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0));
        const json_t *value = json_array_get(pair, 1);
        if (name && json_is_string(value) &&
            !order_field(o, c, name, json_string_value(value), json_string_length(value), e))
            return false;
    }
    return true;
}

static bool replay_configured(struct order *o, const struct config *c, const json_t *recipe, struct query_error *e)
{
    size_t i;
    json_t *pair;
    json_array_foreach(json_object_get(recipe, "configured"), i, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *options = json_string_value(json_array_get(pair, 1));
        if (name && options && !order_put_configured(o, c, name, options, e))
            return false;
    }
    return true;
}

bool order_replay(struct order *o, const struct config *c, const struct json_t *recipe, struct query_error *e)
{
    const char *query = json_string_value(json_object_get(recipe, "query"));
    const json_t *operations = json_object_get(recipe, "operations");
    if (!query)
        return query_fail(e, "recipe", "the recipe of this job can't be read");
    return order_url(o, c, query, e) && replay_fields(o, c, recipe, e) &&
           (!json_is_string(operations) ||
            order_operations(o, c, json_string_value(operations), json_string_length(operations), e)) &&
           replay_configured(o, c, recipe, e) && order_finish(o, c, ORDER_ANY, e);
}
