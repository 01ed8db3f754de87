/* What operators restrict, and the words of fit in other services' meanings. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/query_option.h"
#include "suite.h"

static struct config_preset wide = { (char *)"wide", (char *)"w=1234", NULL, 0 };
static struct config_preset thumb = { (char *)"thumb", (char *)"w=100,h=50,q=33,fit=fill", &wide, 0 };

static struct config config(void)
{
    return (struct config){
        .ignore_options = (char *)"utm_*", .presets = &thumb, .allowed_options = (char *)"", .allowed_sizes = (char *)""
    };
}

static bool run(const struct config *c, const char *text, char *canon, struct query_error *e)
{
    struct query q;
    query_init(&q);
    *e = (struct query_error){ .text = "" };
    if (!query_parse(&q, c, text, e) || !query_finish(&q, c, e))
        return false;
    query_canonical(&q, canon, QUERY_CANONICAL);
    return true;
}

/* option: that is to blame, NULL: it is allowed */
static void expect(const struct config *c, const char *text, const char *option, const char *says)
{
    char canon[QUERY_CANONICAL];
    struct query_error e;
    bool ok = run(c, text, canon, &e);
    ck_assert_msg(ok == !option, "%s: %s", text, ok ? canon : e.text);
    if (ok)
        return;
    ck_assert_str_eq(e.code, "option_not_allowed");
    ck_assert_str_eq(e.option, option);
    ck_assert_msg(strstr(e.text, says), "\"%s\" does not say %s", e.text, says);
}

static const struct {
    const char *options;
    int presets;
    const char *text, *option, *says;
} options[] = {
    { "", 0, "w=3&q=5&fit=cover", NULL, NULL },
    { "w,height", 0, "", NULL, NULL },
    { "w,height", 0, "width=3&h=4", NULL, NULL },
    { "w,height", 0, "w=3&q=4", "q", "only w,height" },
    { "w,height", 0, "w=3&quality=4", "q", "only w,height" },
    { "w,height", 0, "w=3&utm_source=x", NULL, NULL },
    { "w,height", 0, "w=3&s=x&k=y&expires=99", NULL, NULL },
    { "w,height", 0, "w=3&v=1", "v", "only w,height" },
    { "w,height", 0, "preset=thumb", "preset", "only w,height" },
    { "w, preset", 0, "preset=thumb&w=5", NULL, NULL },
    { "w, preset", 0, "preset=thumb&h=5", "h", "only w, preset" },
    { "", 1, "preset=thumb", NULL, NULL },
    { "", 1, "p=thumb,wide&sig=x", NULL, NULL },
    { "", 1, "", "preset", "required here: thumb, wide" },
    { "", 1, "preset=", "preset", "required here: thumb, wide" },
    { "", 1, "w=5", "w", "only preset: thumb, wide" },
    { "", 1, "preset=thumb&w=5", "w", "only preset: thumb, wide" },
    { "format", 1, "preset=thumb&fm=webp", NULL, NULL },
    { "format", 1, "preset=thumb&q=5", "q", "only preset, format" },
};

START_TEST(options_that_are_allowed)
{
    struct config c = config();
    c.allowed_options = (char *)options[_i].options;
    c.only_presets = options[_i].presets;
    expect(&c, options[_i].text, options[_i].option, options[_i].says);
}
END_TEST

static const struct {
    const char *sizes, *text, *option, *says;
} sizes[] = {
    { "300x200, 640, 50x, x80", "w=300&h=200", NULL, NULL },
    { "300x200, 640, 50x, x80", "w=150&h=100&dpr=2", NULL, NULL },
    { "300x200, 640, 50x, x80", "w=300&h=200&dpr=2", "w", "600x400 is not allowed here, only 300x200, 640" },
    { "300x200, 640, 50x, x80", "w=300", "w", "300x0" },
    { "300x200, 640, 50x, x80", "h=200", "h", "0x200" },
    { "300x200, 640, 50x, x80", "w=200&h=300", "w", "only" },
    { "300x200, 640, 50x, x80", "w=640", NULL, NULL },
    { "300x200, 640, 50x, x80", "h=640", NULL, NULL },
    { "300x200, 640, 50x, x80", "w=640&h=640", NULL, NULL },
    { "300x200, 640, 50x, x80", "w=640&h=200", "w", "only" },
    { "300x200, 640, 50x, x80", "w=50", NULL, NULL },
    { "300x200, 640, 50x, x80", "h=50", "h", "only" },
    { "300x200, 640, 50x, x80", "h=80", NULL, NULL },
    { "300x200, 640, 50x, x80", "w=50&h=80", "w", "only" },
    { "300x200, 640, 50x, x80", "w=50p", "w", "shares of the source" },
    { "300x200, 640, 50x, x80", "", NULL, NULL },
    { "300x200, 640, 50x, x80", "q=5", NULL, NULL },
    { "300x200, 640, 50x, x80", "preset=wide", NULL, NULL },
    { "300x200, 640, 50x, x80", "preset=wide&w=640", NULL, NULL },
    { "300x200, 640, 50x, x80", "preset=wide&w=641", "w", "only" },
    { "300x200, 640, 50x, x80", "preset=wide&dpr=1.5", "w", "1851x0" },
    { "", "w=123", NULL, NULL },
};

START_TEST(sizes_that_are_allowed)
{
    struct config c = config();
    c.allowed_sizes = (char *)sizes[_i].sizes;
    expect(&c, sizes[_i].text, sizes[_i].option, sizes[_i].says);
}
END_TEST

START_TEST(what_operators_write_is_exempt)
{
    struct config c = config();
    struct query q;
    struct query_error e = { .text = "" };
    c.allowed_options = (char *)"w";
    c.allowed_sizes = (char *)"100";
    query_init(&q);
    ck_assert(query_parse_list(&q, &c, "h=77,q=5", &e));
    query_exempt(&q);
    ck_assert(query_parse(&q, &c, "w=100", &e));
    struct query more = q;
    ck_assert(query_parse(&more, &c, "effort=3", &e));
    ck_assert(!query_finish(&more, &c, &e));
    ck_assert_str_eq(e.option, "effort");
    c.allowed_sizes = (char *)"100x77";
    ck_assert_msg(query_finish(&q, &c, &e), "%s", e.text);
    query_init(&q);
    query_init(&more);
    ck_assert(query_parse_list(&more, &c, "effort=3", &e));
    query_exempt(&more);
    query_fill(&q, &more);
    ck_assert_msg(query_finish(&q, &c, &e), "%s", e.text);
    c.only_presets = 1;
    query_init(&q);
    ck_assert(query_parse_list(&q, &c, "h=77", &e));
    query_exempt(&q);
    ck_assert(query_finish(&q, &c, &e));
}
END_TEST

static const struct {
    const char *options, *sizes, *says; /* NULL: valid */
} lists[] = {
    { "", "", NULL },
    { "w,height, quality", "300x200, 640 50x,x80", NULL },
    { "w,hight", "", "no option hight; the nearest known name is height" },
    { "", "300x200,big", "\"big\" is no size" },
    { "", "0", "\"0\" is no size" },
    { "", "300x0", "\"300x0\" is no size" },
    { "", "x", "\"x\" is no size" },
    { "", "300x200x1", "is no size" },
    { "", "-5", "is no size" },
};

START_TEST(lists_are_checked)
{
    struct config c = config();
    char why[200] = "";
    c.allowed_options = (char *)lists[_i].options;
    c.allowed_sizes = (char *)lists[_i].sizes;
    ck_assert_msg(query_allow_valid(&c, why, sizeof why) == !lists[_i].says, "%s", why);
    if (lists[_i].says)
        ck_assert_msg(strstr(why, lists[_i].says), "%s", why);
}
END_TEST

static const struct {
    enum config_dialect dialect;
    const char *text, *canonical;
} words[] = {
    { DIALECT_PIXPOOL, "fit=fill", "fit=stretch" },
    { DIALECT_PIXPOOL, "fit=contain", "fit=pad" },
    { DIALECT_PIXPOOL, "fit=crop", "fit=cover" },
    { DIALECT_IMGIX, "fit=clip", "enlarge=1" },
    { DIALECT_IMGIX, "fit=max", "" },
    { DIALECT_IMGIX, "fit=crop", "fit=cover,enlarge=1" },
    { DIALECT_IMGIX, "fit=min", "fit=cover" },
    { DIALECT_IMGIX, "fit=Fill", "fit=pad,enlarge=1" },
    { DIALECT_IMGIX, "mode=fillmax", "fit=pad" },
    { DIALECT_IMGIX, "fit=scale", "fit=stretch,enlarge=1" },
    { DIALECT_IMGIX, "fit=contain", "fit=pad" }, /* not a word of imgix */
    { DIALECT_IMGIX, "fit=crop&enlarge=0", "fit=cover" },
    { DIALECT_IMGIX, "we=1&fit=crop", "fit=cover" },
    { DIALECT_IMGIX, "fit=min&enlarge=1", "fit=cover,enlarge=1" },
    { DIALECT_CLOUDFLARE, "fit=scale-down", "" },
    { DIALECT_CLOUDFLARE, "fit=contain", "enlarge=1" },
    { DIALECT_CLOUDFLARE, "fit=cover", "fit=cover,enlarge=1" },
    { DIALECT_CLOUDFLARE, "fit=crop", "fit=cover" },
    { DIALECT_CLOUDFLARE, "fit=pad", "fit=pad,enlarge=1" },
    { DIALECT_CLOUDFLARE, "fit=squeeze", "fit=stretch,enlarge=1" },
    { DIALECT_CLOUDFLARE, "fit=fill", "fit=stretch" },
    { DIALECT_GLIDE, "fit=contain", "enlarge=1" },
    { DIALECT_GLIDE, "fit=max", "" },
    { DIALECT_GLIDE, "fit=fill", "fit=pad" },
    { DIALECT_GLIDE, "fit=fill-max", "fit=pad,enlarge=1" },
    { DIALECT_GLIDE, "fit=stretch", "fit=stretch,enlarge=1" },
    { DIALECT_GLIDE, "fit=crop", "fit=cover,enlarge=1" },
    { DIALECT_GLIDE, "preset=thumb", "w=100,h=50,fit=pad,q=33" },
    { DIALECT_IMGIX, "preset=thumb", "w=100,h=50,fit=pad,enlarge=1,q=33" },
    { DIALECT_IMGIX, "preset=thumb&fit=min", "w=100,h=50,fit=cover,q=33" },
};

START_TEST(words_of_other_services)
{
    struct config c = config();
    char canon[QUERY_CANONICAL] = "";
    struct query_error e;
    c.fit_dialect = words[_i].dialect;
    ck_assert_msg(run(&c, words[_i].text, canon, &e), "%s: %s", words[_i].text, e.text);
    ck_assert_str_eq(canon, words[_i].canonical);
}
END_TEST

#define COUNT(x) ((int)(sizeof(x) / sizeof *(x)))

int main(void)
{
    Suite *s = suite_create("query_allow");
    TCase *t = tcase_create("query_allow");
    tcase_add_loop_test(t, options_that_are_allowed, 0, COUNT(options));
    tcase_add_loop_test(t, sizes_that_are_allowed, 0, COUNT(sizes));
    tcase_add_test(t, what_operators_write_is_exempt);
    tcase_add_loop_test(t, lists_are_checked, 0, COUNT(lists));
    tcase_add_loop_test(t, words_of_other_services, 0, COUNT(words));
    suite_add_tcase(s, t);
    return run_suite(s);
}
