/* The doors beside a query: lists in a path, form fields, JSON; and what all of them leave in the recipe. */
#include "queries.h"
#include "suite.h"

/* What reaches imgcore. */

START_TEST(fills_the_recipe)
{
    struct query q = parsed("w=800&h=50p&fit=cover&el&dpr=2&g=top&rect=1,2,30,40&rot=90&autorotate=0&fm=webp&q=70&il&ll"
                            "&chroma=444&effort=9&bg=10203040&kernel=box&strict&maxage=1h&v=x");
    const struct ic_recipe *r = &q.recipe;
    ck_assert(r->width.value == 800 && r->width.unit == IC_UNIT_PX);
    ck_assert(r->height.value == 50 && r->height.unit == IC_UNIT_PERCENT);
    ck_assert_int_eq(r->fit, IC_FIT_COVER);
    ck_assert(r->enlarge && !r->autorotate && r->progressive && r->lossless && r->strict && r->bg_given);
    ck_assert(r->dpr == 2 && r->rect[2].value == 30 && r->rect[0].unit == IC_UNIT_PX);
    ck_assert_int_eq(r->gravity, IC_NORTH);
    ck_assert_double_eq(r->rotate, 90);
    ck_assert_int_eq(r->format, IC_FORMAT_WEBP);
    ck_assert_int_eq(r->quality, 70);
    ck_assert_int_eq(r->chroma, IC_CHROMA_444);
    ck_assert_int_eq(r->effort, 9);
    ck_assert_int_eq(r->kernel, IC_KERNEL_BOX);
    ck_assert(r->bg.r == 0x10 && r->bg.g == 0x20 && r->bg.b == 0x30 && r->bg.a == 0x40);
    ck_assert_int_eq(q.maxage_s, 3600);
    ck_assert_str_eq(q.v, "x");
    ck_assert(!q.format_auto);
}
END_TEST

START_TEST(nothing_given_is_the_default_recipe)
{
    struct query q = parsed("");
    struct ic_recipe r;
    ic_recipe_init(&r);
    ck_assert_int_eq(q.recipe.fit, r.fit);
    ck_assert_int_eq(q.recipe.effort, r.effort);
    ck_assert(q.recipe.autorotate && !q.recipe.enlarge && !q.recipe.bg_given && q.recipe.dpr == 1);
    ck_assert(q.recipe.rect[0].unit == IC_UNIT_NONE && q.recipe.width.unit == IC_UNIT_NONE);
    ck_assert_int_eq(q.maxage_s, -1);
}
END_TEST

static const struct {
    const char *text;
    bool flip, flop;
} mirrors[] = { { "", 0, 0 },       { "flip", 1, 0 },        { "flip=h", 0, 1 },        { "flip=hv", 1, 1 },
                { "flop", 0, 1 },   { "flop=0", 0, 0 },      { "flip=v&flop=1", 1, 1 }, { "flop=0&flip=h", 0, 1 },
                { "flip=0", 0, 0 }, { "flip=0&flop", 0, 1 }, { "flop&flip=hv", 1, 1 } };

START_TEST(mirrors_compose)
{
    struct query q = parsed(mirrors[_i].text);
    ck_assert_int_eq(q.recipe.flip, mirrors[_i].flip);
    ck_assert_int_eq(q.recipe.flop, mirrors[_i].flop);
}
END_TEST

START_TEST(auto_is_not_a_format)
{
    struct query q = parsed("format=auto");
    ck_assert(q.format_auto);
    ck_assert_int_eq(q.recipe.format, IC_FORMAT_ORIGIN);
}
END_TEST

/* The other doors. */

static const struct {
    const char *text, *canonical; /* NULL: refused */
} lists[] = {
    { "w=300", "w=300" },
    { "w=300,h=200", "w=300,h=200" },
    { "rect=1,2,3,4", "rect=1,2,3,4" },
    { "rect=1,2,3,4,w=5", "w=5,rect=1,2,3,4" },
    { "w=5,rect=10%25,10%25,50%25,50%25,q=3", "w=5,rect=10p,10p,50p,50p,q=3" },
    { "bg=rgb(1,2,3),w=5", "w=5,bg=010203ff" },
    { "rect=1%2C2%2C3%2C4", "rect=1,2,3,4" },
    { "flop=,w=4", "w=4,flop=1" },
    { "v=a+b", "v=a%2Bb" },
    { "v=a=b", "v=a%3Db" },
    { "preset=small,amp", "w=10,h=20,q=33" },
    { "preset=point", "gravity=focal,fpx=0.2" },
    { "preset=point,g=south", "gravity=south,fpx=0.2" },
    { "preset=up,fpy=1", "gravity=focal,fpy=1" },
    { "", "" },
    { "w=1,w=2", NULL },
    { "w=300,", NULL },
    { "w", NULL },
    { "5,w=3", NULL },
    { "w=5,x=3", NULL },
    { "w=5%2", NULL },
};

START_TEST(list_form)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    char canon[QUERY_CANONICAL];
    query_init(&q);
    bool ok = query_parse_list(&q, &c, lists[_i].text, &e) && query_finish(&q, &c, &e);
    ck_assert_msg(ok == (lists[_i].canonical != NULL), "%s: %s", lists[_i].text, e.text);
    if (!ok)
        return;
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(canon, lists[_i].canonical);
}
END_TEST

START_TEST(form_fields_are_not_decoded)
{
    struct config c = config();
    struct query q;
    struct query_error e;
    char canon[QUERY_CANONICAL];
    query_init(&q);
    ck_assert(query_set(&q, &c, "width", "50%", 3, &e));
    ck_assert(query_set(&q, &c, "v", "a%20+", 5, &e));
    ck_assert(!query_set(&q, &c, "w", "1", 1, &e));
    ck_assert_str_eq(e.code, "option_repeated");
    ck_assert(!query_set(&q, &c, "h", "1\0002", 3, &e));
    ck_assert_str_eq(e.code, "option_malformed");
    ck_assert(!query_set(&q, &c, "nonsense", "1\0002", 3, &e));
    ck_assert_str_eq(e.code, "option_unknown");
    ck_assert(query_set(&q, &c, "utm_x", "1\0002", 3, &e));
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(canon, "w=50p,v=a%2520%2B");
}
END_TEST

static const struct {
    const char *json, *expected; /* the canonical text, or the error's code */
    const char *option;          /* of an error */
} operations[] = {
    { "{}", "", NULL },
    { "{\"width\":800,\"height\":600,\"quality\":80}", "w=800,h=600,q=80", NULL },
    { "{\"w\":\"50%\",\"dpr\":1.5,\"enlarge\":true,\"autorotate\":false}", "w=50p,enlarge=1,dpr=1.5,autorotate=0",
      NULL },
    { "{\"rect\":[1,2,\"50p\",4]}", "rect=1,2,50p,4", NULL },
    { "{\"w\":800.0}", "w=800", NULL },
    { "{\"utm_x\":null,\"w\":3}", "w=3", NULL },
    { "{\"w\":800.5}", "option_malformed", "w" },
    { "{\"w\":null,\"h\":7}", "h=7", NULL }, /* as clients send what is not set */
    { "{\"w\":{}}", "option_malformed", "w" },
    { "{\"w\":[[1]]}", "option_malformed", "w" },
    { "{\"w\":1e300}", "option_malformed", "w" },
    { "{\"w\":1,\"width\":1}", "option_repeated", "width" },
    { "{\"w\":1,\"w\":2}", "option_repeated", "operations" },
    { "{\"widht\":1}", "option_unknown", "widht" },
    { "{\"widht\":{}}", "option_unknown", "widht" },
    { "{\"outputs\":[{\"w\":1}]}", "option_unknown", "outputs" },
    { "{\"q\":500}", "option_range", "q" },
    { "[]", "option_malformed", "operations" },
    { "3", "option_malformed", "operations" },
    { "", "option_malformed", "operations" },
    { "{\"w\":1", "option_malformed", "operations" },
    { "{\"w\":1}x", "option_malformed", "operations" },
    { "{\"w\":\"\\u0000\"}", "option_malformed", "operations" },
    { "{\"v\":\"a\\u0026b\"}", "v=a%26b", NULL },
};

START_TEST(json_operations)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    char canon[QUERY_CANONICAL];
    query_init(&q);
    bool ok = query_parse_json(&q, &c, operations[_i].json, strlen(operations[_i].json), &e);
    ck_assert_msg(ok == !operations[_i].option, "%s: %s", operations[_i].json, e.text);
    if (ok)
        ck_assert(query_finish(&q, &c, &e));
    query_canonical(&q, canon, sizeof canon);
    ck_assert_str_eq(ok ? canon : e.code, operations[_i].expected);
    if (!ok)
        ck_assert_str_eq(e.option, operations[_i].option);
}
END_TEST

START_TEST(deep_json_is_refused_before_it_is_parsed)
{
    static char deep[60000];
    struct query q;
    struct query_error e;
    query_init(&q);
    memset(deep, '[', sizeof deep);
    ck_assert(!query_parse_json(&q, NULL, deep, sizeof deep, &e));
    ck_assert_ptr_nonnull(strstr(e.text, "nested"));
    const char quoted[] = "{\"v\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[\"}";
    ck_assert(query_parse_json(&q, NULL, quoted, sizeof quoted - 1, &e));
}
END_TEST

START_TEST(doors_share_the_repeat_check)
{
    struct config c = config();
    struct query q;
    struct query_error e;
    query_init(&q);
    ck_assert(query_parse_list(&q, &c, "w=3", &e));
    ck_assert(!query_parse(&q, &c, "width=4", &e));
    ck_assert_str_eq(e.code, "option_repeated");
    ck_assert(!query_parse_json(&q, &c, "{\"w\":3}", 7, &e));
    ck_assert_str_eq(e.code, "option_repeated");
}
END_TEST

START_TEST(options_segments_are_recognised)
{
    ck_assert(query_is_options("w=3", 3));
    ck_assert(query_is_options("crop=top,w=3", 12));
    ck_assert(!query_is_options("w", 1));
    ck_assert(!query_is_options("wx=3", 4));
    ck_assert(!query_is_options("=3", 2));
    ck_assert(!query_is_options("w=3", 1)); /* the = lies behind the segment */
    ck_assert(!query_is_options("", 0));
    struct query q = parsed("quality=3");
    ck_assert(query_given(&q, "q") && query_given(&q, "quality") && !query_given(&q, "w") && !query_given(&q, "x"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("query_forms");
    TCase *t = tcase_create("query");
    tcase_add_test(t, fills_the_recipe);
    tcase_add_test(t, nothing_given_is_the_default_recipe);
    tcase_add_loop_test(t, mirrors_compose, 0, COUNT(mirrors));
    tcase_add_test(t, auto_is_not_a_format);
    tcase_add_loop_test(t, list_form, 0, COUNT(lists));
    tcase_add_test(t, form_fields_are_not_decoded);
    tcase_add_loop_test(t, json_operations, 0, COUNT(operations));
    tcase_add_test(t, deep_json_is_refused_before_it_is_parsed);
    tcase_add_test(t, doors_share_the_repeat_check);
    tcase_add_test(t, options_segments_are_recognised);
    suite_add_tcase(s, t);
    return run_suite(s);
}
