/* The options of filters: what is read, what the canonical form tells, what is refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/query.h"
#include "suite.h"

static struct query parsed(const char *text)
{
    struct query q;
    struct query_error e;
    query_init(&q);
    ck_assert_msg(query_parse(&q, NULL, text, &e) && query_finish(&q, NULL, &e), "%s: %s", text, e.text);
    return q;
}

static const struct {
    const char *text, *canonical;
} spellings[] = {
    { "sharp=", "sharp=mild" },
    { "sh=mild", "sharp=mild" },
    { "sharpen=1.50", "sharp=1.5" },
    { "usm=", "usm=100,1,0" },
    { "usm=80", "usm=80,1,0" },
    { "usm=80,2.5,10", "usm=80,2.5,10" },
    { "usm=0", "" },
    { "sigma=4", "blur=4" },
    { "bl=0.3", "blur=0.3" },
    { "gamma=2.2", "gam=2.2" },
    { "filter=GRAY", "filt=greyscale" },
    { "brightness=1", "" },
    { "bri=-20&contrast=1.5", "bri=-20,contrast=1.5" },
    { "tint=red", "tint=ff0000ff" },
    { "pixelate=4", "pixel=4" },
};

START_TEST(one_spelling_each)
{
    char got[QUERY_CANONICAL];
    struct query q = parsed(spellings[_i].text);
    query_canonical(&q, got, sizeof got);
    ck_assert_str_eq(got, spellings[_i].canonical);
}
END_TEST

static const char *const refused[] = { "sharp=0.2",   "sharp=11",    "sharp=strong", "usm=501",  "usm=100,0.1",
                                       "usm=1,2,256", "usm=1,2,3,4", "usm=x",        "usm=1,,2", "blur=0.29",
                                       "blur=250.1",  "bri=100.5",   "contrast=-1",  "hue=400",  "filt=blue",
                                       "start=nope",  "pixel=0" };

START_TEST(the_rest_is_refused)
{
    struct query q;
    struct query_error e;
    query_init(&q);
    ck_assert(!query_parse(&q, NULL, refused[_i], &e));
    ck_assert_uint_eq(strlen(e.option), strcspn(refused[_i], "="));
    ck_assert(!strncmp(e.option, refused[_i], strlen(e.option)));
}
END_TEST

START_TEST(colours_reach_the_recipe)
{
    struct query q = parsed("filt=duotone&start=001&tint=0f0");
    ck_assert_int_eq(q.recipe.filters.filt, IC_FILT_DUOTONE);
    ck_assert_uint_eq(q.recipe.filters.start.b, 0x11);
    ck_assert_uint_eq(q.recipe.filters.stop.r, 0xd8); /* its default */
    ck_assert(q.recipe.filters.tinted && q.recipe.filters.tint.g == 255);
    q = parsed("w=3");
    ck_assert(!q.recipe.filters.tinted && q.recipe.filters.brightness == 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("query_filter");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, one_spelling_each, 0, sizeof spellings / sizeof *spellings);
    tcase_add_loop_test(t, the_rest_is_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(t, colours_reach_the_recipe);
    suite_add_tcase(s, t);
    return run_suite(s);
}
