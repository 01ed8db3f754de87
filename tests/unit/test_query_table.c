/* The option table itself: its names, its defaults, itself as JSON, and the canonical text. */
#include "queries.h"
#include "suite.h"

START_TEST(every_name_is_unique)
{
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        ck_assert_ptr_eq(query_option_find(o->name, strlen(o->name), NULL), o);
        for (const char *p = o->aliases; *p; p += *p == ',') {
            p += *p == '!';
            size_t n = strcspn(p, ",");
            ck_assert_msg(query_option_find(p, n, NULL) == o, "%s is also a name of another option", p);
            p += n;
        }
    }
}
END_TEST

START_TEST(written_defaults_are_the_true_ones)
{
    struct query plain, q;
    query_init(&plain);
    for (int i = 0; i < query_options_n; i++) {
        const struct query_option *o = &query_options[i];
        struct query_error e;
        char text[64], expected[QUERY_CANONICAL], got[QUERY_CANONICAL];
        if (!o->def)
            continue;
        snprintf(text, sizeof text, "%s=%s", o->name, o->def);
        query_init(&q);
        ck_assert(query_parse(&q, NULL, text, &e) && query_finish(&q, NULL, &e));
        query_canonical(&plain, expected, sizeof expected);
        if (!strcmp(o->name, "fpx") || !strcmp(o->name, "fpy"))
            snprintf(expected, sizeof expected, "gravity=focal"); /* implied, wherever the point is */
        query_canonical(&q, got, sizeof got);
        ck_assert_str_eq(got, expected);
    }
}
END_TEST

START_TEST(the_table_as_json)
{
    char *text = query_table_json();
    json_t *table = json_loads(text, 0, NULL);
    ck_assert_uint_eq(json_array_size(table), (size_t)query_options_n);
    json_t *w = json_array_get(table, 0);
    ck_assert_str_eq(json_string_value(json_object_get(w, "name")), "w");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(w, "aliases"), 0)), "width");
    ck_assert_int_eq(json_integer_value(json_object_get(w, "max")), 16384);
    ck_assert(json_is_null(json_object_get(w, "values")) && json_is_null(json_object_get(w, "default")));
    json_t *enlarge = json_array_get(table, 3);
    ck_assert(json_is_false(json_object_get(enlarge, "default")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(enlarge, "aliases"), 2)), "we");
    size_t i;
    json_t *row;
    json_array_foreach(table, i, row) ck_assert_uint_eq(json_object_size(row), 8);
    json_decref(table);
    free(text);
}
END_TEST

START_TEST(canonical_is_cut_not_overrun)
{
    struct query q = parsed("w=800&h=600&v=xxxxxxxxxxxx");
    char small_out[10], whole[QUERY_CANONICAL];
    size_t n = query_canonical(&q, whole, sizeof whole);
    ck_assert_uint_eq(n, strlen(whole));
    memset(small_out, '#', sizeof small_out);
    ck_assert_uint_eq(query_canonical(&q, small_out, 9), n);
    ck_assert_uint_eq(strlen(small_out), 8);
    ck_assert_int_eq(small_out[9], '#');
}
END_TEST

int main(void)
{
    Suite *s = suite_create("query_table");
    TCase *t = tcase_create("query");
    tcase_add_test(t, every_name_is_unique);
    tcase_add_test(t, written_defaults_are_the_true_ones);
    tcase_add_test(t, the_table_as_json);
    tcase_add_test(t, canonical_is_cut_not_overrun);
    suite_add_tcase(s, t);
    return run_suite(s);
}
