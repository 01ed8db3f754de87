/* Every row of the option table through every door: query string, path form and command line, form field, JSON, preset,
 * each under every name. A new row is covered by being there: its values are tried from its words, its bounds, and a
 * list of what the types take. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/query_option.h"
#include "suite.h"

#define VALUES 64
#define TEXT   256

/* Values. */

static const char *const likely[] = {
    "1",     "0",       "2",     "7",    "45",  "100", "1024",    "0.5", "-30",   "50p",     "33.3p", "12.5%",
    "1d",    "1,2,3,4", "1,2",   "3,1",  "red", "fff", "#102030", "max", "3,red", "h",       "xy",    "a b+c",
    "a=b&c", "ä/ö",     "1,2,3", "1,25", "10%", "now", "2x",      "1/2", "auto",  "1px,red",
};

struct values {
    char text[VALUES][TEXT];
    int n;
};

static bool takes(const struct query_option *o, const char *value)
{
    struct query q;
    struct query_error e = { .text = "" };
    query_init(&q);
    return query_put(&q, NULL, o->name, value, &e);
}

static void offer(struct values *v, const struct query_option *o, const char *value)
{
    if (v->n < VALUES && takes(o, value))
        snprintf(v->text[v->n++], TEXT, "%s", value);
}

static void collect(struct values *v, const struct query_option *o)
{
    char number[32];
    v->n = 0;
    for (const struct query_word *w = o->words; w && w->word; w++)
        offer(v, o, w->word);
    snprintf(number, sizeof number, "%.15g", o->min);
    offer(v, o, number);
    snprintf(number, sizeof number, "%.15g", o->max);
    offer(v, o, number);
    for (size_t i = 0; i < sizeof likely / sizeof *likely; i++)
        offer(v, o, likely[i]);
}

/* Encoding. */

static void encode(const char *value, const char *bare, char *out, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    size_t used = 0;
    for (const char *p = value; *p && used + 4 < n; p++)
        used += (size_t)snprintf(out + used, n - used, strchr(plain, *p) || strchr(bare, *p) ? "%c" : "%%%02X",
                                 (unsigned char)*p);
    out[used] = '\0';
}

/* Doors. Each writes the option into q as its kind of client would; false: e says why not. */

typedef bool door(struct query *q, const char *name, const char *value, struct query_error *e);

static bool by_query(struct query *q, const char *name, const char *value, struct query_error *e)
{
    char encoded[3 * TEXT], text[4 * TEXT];
    encode(value, "", encoded, sizeof encoded);
    snprintf(text, sizeof text, "%s=%s", name, encoded);
    return query_parse(q, NULL, text, e);
}

/* As people write it: only what would end or change the value is encoded. */
static bool by_plain_query(struct query *q, const char *name, const char *value, struct query_error *e)
{
    char encoded[3 * TEXT], text[4 * TEXT];
    encode(value, ",:/()=", encoded, sizeof encoded);
    snprintf(text, sizeof text, "&%s=%s&", name, encoded);
    return query_parse(q, NULL, text, e);
}

static bool by_list(struct query *q, const char *name, const char *value, struct query_error *e)
{
    char encoded[3 * TEXT], text[4 * TEXT];
    encode(value, "", encoded, sizeof encoded);
    snprintf(text, sizeof text, "%s=%s", name, encoded);
    return query_parse_list(q, NULL, text, e);
}

/* Commas as they are; a piece behind one that holds no = goes on with the value. */
static bool by_plain_list(struct query *q, const char *name, const char *value, struct query_error *e)
{
    char encoded[3 * TEXT], text[4 * TEXT];
    encode(value, ",:()", encoded, sizeof encoded);
    snprintf(text, sizeof text, "%s=%s", name, encoded);
    return query_parse_list(q, NULL, text, e);
}

static bool by_field(struct query *q, const char *name, const char *value, struct query_error *e)
{
    return query_set(q, NULL, name, value, strlen(value), e);
}

static bool by_json_value(struct query *q, const char *name, json_t *value, struct query_error *e)
{
    json_t *object = json_object();
    json_object_set_new(object, name, value);
    char *text = json_dumps(object, 0);
    bool ok = query_parse_json(q, NULL, text, strlen(text), e);
    free(text);
    json_decref(object);
    return ok;
}

static bool by_json_text(struct query *q, const char *name, const char *value, struct query_error *e)
{
    return by_json_value(q, name, json_string(value), e);
}

static json_t *scalar(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    return json_is_number(v) ? v : (json_decref(v), json_string(text));
}

/* Numbers as numbers, lists as arrays. */
static bool by_json(struct query *q, const char *name, const char *value, struct query_error *e)
{
    char copy[TEXT], *save;
    if (!strchr(value, ','))
        return by_json_value(q, name, scalar(value), e);
    json_t *list = json_array();
    snprintf(copy, sizeof copy, "%s", value);
    for (char *piece = strtok_r(copy, ",", &save); piece; piece = strtok_r(NULL, ",", &save))
        json_array_append_new(list, scalar(piece));
    return by_json_value(q, name, list, e);
}

static const struct {
    const char *name;
    door *put;
} doors[] = {
    { "query", by_query }, { "plain query", by_plain_query }, { "list", by_list }, { "plain list", by_plain_list },
    { "field", by_field }, { "JSON text", by_json_text },     { "JSON", by_json },
};

/* What came of it. */

/* The parts of rect mean nothing alone. */
static void complete(struct query *q, const struct query_option *o)
{
    struct query_error e;
    if (!o->area || !strcmp(o->name, "rect"))
        return;
    if (!query_given(q, "cw"))
        ck_assert(query_put(q, NULL, "cw", "7", &e));
    if (!query_given(q, "ch"))
        ck_assert(query_put(q, NULL, "ch", "9", &e));
}

/* The canonical text, or why there is none. */
static void outcome(struct query *q, const struct query_option *o, const struct config *c, char *out, size_t n)
{
    struct query_error e = { .text = "" };
    complete(q, o);
    if (query_finish(q, c, &e))
        query_canonical(q, out, n);
    else
        snprintf(out, n, "%s: %s: %s", e.code, e.option, e.text);
}

static bool names_presets(const struct query_option *o)
{
    return !strcmp(o->name, "preset");
}

static void expect_same(const struct query_option *o, const char *name, const char *value, const char *expected)
{
    char got[QUERY_CANONICAL];
    for (size_t d = 0; d < sizeof doors / sizeof *doors; d++) {
        struct query q;
        struct query_error e = { .text = "" };
        query_init(&q);
        ck_assert_msg(doors[d].put(&q, name, value, &e), "%s: %s=%s: %s", doors[d].name, name, value, e.text);
        outcome(&q, o, NULL, got, sizeof got);
        ck_assert_msg(!strcmp(got, expected), "%s: %s=%s is \"%s\", not \"%s\"", doors[d].name, name, value, got,
                      expected);
    }
}

/* As the configuration writes it, in either spelling. */
static void expect_preset(const struct query_option *o, const char *name, const char *value, const char *expected)
{
    char encoded[3 * TEXT], options[4 * TEXT], got[QUERY_CANONICAL];
    struct config_preset preset = { (char *)"door", options, NULL, 0 };
    struct config_file font = { .name = "sans" }; /* or there is no text */
    struct config c = { .ignore_options = (char *)"", .presets = &preset, .fonts = &font };
    encode(value, "", encoded, sizeof encoded);
    for (int amp = 0; amp < 2; amp++) {
        struct query q;
        struct query_error e = { .text = "" };
        query_init(&q);
        snprintf(options, sizeof options, "%s=%s%s", name, encoded, amp ? "&" : "");
        ck_assert(query_parse(&q, &c, "preset=door", &e));
        outcome(&q, o, &c, got, sizeof got);
        ck_assert_msg(!strcmp(got, expected), "preset %s is \"%s\", not \"%s\"", options, got, expected);
    }
}

/* Calls f with the row's name and each of its aliases; *negated: 0 means on. */
static void each_name(const struct query_option *o, void (*f)(const struct query_option *, const char *, bool))
{
    char name[64];
    f(o, o->name, false);
    for (const char *p = o->aliases; *p; p += *p == ',') {
        bool negated = *p == '!';
        p += negated;
        size_t n = strcspn(p, ",");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        f(o, name, negated);
        p += n;
    }
}

static void values_agree(const struct query_option *o, const char *name, bool negated)
{
    static struct values v;
    char expected[QUERY_CANONICAL];
    collect(&v, o);
    ck_assert_msg(v.n > 0, "%s: no value is accepted; add one that is to the list `likely`", o->name);
    for (int i = 0; i < v.n; i++) {
        struct query q;
        struct query_error e;
        query_init(&q);
        ck_assert(query_put(&q, NULL, name, v.text[i], &e));
        outcome(&q, o, NULL, expected, sizeof expected);
        expect_same(o, name, v.text[i], expected);
        if (!names_presets(o) && !(negated && o->area) && !(o->area && strcmp(o->name, "rect")))
            expect_preset(o, name, v.text[i], expected);
    }
}

START_TEST(doors_agree)
{
    each_name(&query_options[_i], values_agree);
}
END_TEST

static void alias_means_the_same(const struct query_option *o, const char *name, bool negated)
{
    static struct values v;
    char expected[QUERY_CANONICAL], got[QUERY_CANONICAL];
    collect(&v, o);
    for (int i = 0; i < v.n; i++) {
        struct query plain, q;
        struct query_error e;
        query_init(&plain);
        query_init(&q);
        ck_assert(query_put(&plain, NULL, o->name, v.text[i], &e));
        if (negated)
            *(bool *)((char *)&plain + o->offset) ^= true;
        ck_assert(query_put(&q, NULL, name, v.text[i], &e));
        outcome(&plain, o, NULL, expected, sizeof expected);
        outcome(&q, o, NULL, got, sizeof got);
        ck_assert_str_eq(got, expected);
    }
}

START_TEST(aliases_mean_the_same)
{
    each_name(&query_options[_i], alias_means_the_same);
}
END_TEST

static void repeat_is_refused(const struct query_option *o, const char *name, bool negated)
{
    char text[128];
    struct query q;
    struct query_error e = { .text = "" };
    (void)negated;
    query_init(&q);
    snprintf(text, sizeof text, "%s=&%s=", o->name, name);
    ck_assert_msg(!query_parse(&q, NULL, text, &e), "%s", text);
    ck_assert_str_eq(e.code, "option_repeated");
    ck_assert_str_eq(e.option, name);
    ck_assert_msg(strstr(e.text, o->name), "%s does not name %s", e.text, o->name);
}

START_TEST(repeats_are_refused_under_any_name)
{
    each_name(&query_options[_i], repeat_is_refused);
}
END_TEST

/* On for what is a flag, the default for all else; through every door the same. */
START_TEST(an_empty_value_is_understood)
{
    const struct query_option *o = &query_options[_i];
    struct query q;
    struct query_error e = { .text = "" };
    char expected[QUERY_CANONICAL], got[QUERY_CANONICAL];
    query_init(&q);
    ck_assert_msg(query_put(&q, NULL, o->name, "", &e), "%s=: %s", o->name, e.text);
    if (o->area)
        return; /* parts of rect without a size are a clash */
    outcome(&q, o, NULL, expected, sizeof expected);
    ck_assert_msg(!strchr(expected, ':'), "%s=: %s", o->name, expected);
    expect_same(o, o->name, "", expected);
    query_init(&q);
    ck_assert(query_parse(&q, NULL, o->name, &e)); /* no = at all */
    outcome(&q, o, NULL, got, sizeof got);
    ck_assert_str_eq(got, expected);
}
END_TEST

/* Of all words, bounds and likely values at least one must be refused, in words that name the option. */
START_TEST(nonsense_is_refused_by_name)
{
    static const char *const nonsense[] = { "", "!?", "-99999999", "1e9", "99999999999999999999" };
    const struct query_option *o = &query_options[_i];
    if (!o->type->ranged && !o->words)
        return;
    int refused = 0;
    for (size_t i = 1; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct query q;
        struct query_error e = { .text = "" };
        query_init(&q);
        if (query_put(&q, NULL, o->name, nonsense[i], &e))
            continue;
        refused++;
        ck_assert_msg(strstr(e.text, o->name), "%s=%s: %s", o->name, nonsense[i], e.text);
        ck_assert_str_eq(e.option, o->name);
    }
    ck_assert_int_gt(refused, 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("query_doors");
    TCase *t = tcase_create("query_doors");
    tcase_add_loop_test(t, doors_agree, 0, query_options_n);
    tcase_add_loop_test(t, aliases_mean_the_same, 0, query_options_n);
    tcase_add_loop_test(t, repeats_are_refused_under_any_name, 0, query_options_n);
    tcase_add_loop_test(t, an_empty_value_is_understood, 0, query_options_n);
    tcase_add_loop_test(t, nonsense_is_refused_by_name, 0, query_options_n);
    suite_add_tcase(s, t);
    return run_suite(s);
}
