/* Names under which web servers find results: what has one, what has none, and that no two meanings share one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/cache.h"
#include "suite.h"

static char *name_of(const char *path, const char *query)
{
    static char name[CACHE_NAME];
    return cache_name(path, query, name) ? name : NULL;
}

static const struct {
    const char *path, *query, *name; /* NULL: it has none */
} urls[] = {
    /* the path form, as a web server sees it */
    { "w=300/a.jpg", "", "w=300/a.jpg" },
    { "w=300,h=200/sub/a.jpg.webp", "", "w=300,h=200/sub/a.jpg.webp" },
    { "rect=1,2,3,4/a.png", "", "rect=1,2,3,4/a.png" },
    { "w=50%25/a.jpg", "", "w=50%/a.jpg" },
    { "w=300/ein%20B%C3%A4r.jpg", "", "w=300/ein B\xc3\xa4r.jpg" },
    { "w=300/a+b%2b.jpg", "", "w=300/a+b+.jpg" },
    { "w=300/100%2541.jpg", "", "w=300/100%41.jpg" },
    { "txt=a&b/a.jpg", "", "txt=a&b/a.jpg" },
    { "a.jpg", "", "a.jpg" },
    { "sub/a.jpg", "", "sub/a.jpg" },
    /* plain queries have the same */
    { "a.jpg", "w=300", "w=300/a.jpg" },
    { "sub/a.jpg", "w=300&h=200", "w=300,h=200/sub/a.jpg" },
    { "a.jpg", "rect=1,2,3,4&w=9", "rect=1,2,3,4,w=9/a.jpg" },
    { "a.jpg", "w=1.5&dpr=2.0", "w=1.5,dpr=2.0/a.jpg" },
    /* and others none */
    { "a.jpg", "w=50%25", NULL },
    { "a.jpg", "trim", NULL },
    { "a.jpg", "w=300&trim", NULL },
    { "a.jpg", "w=300&", NULL },
    { "a.jpg", "&w=300", NULL },
    { "a.jpg", "txt=a+b", NULL },
    { "a.jpg", "txt=a=b", NULL },
    { "a.jpg", "utm_source=x", NULL }, /* would be a folder */
    { "a.jpg", "w=300&utm_source=x", NULL },
    { "a.jpg", "w=300&utm_source=x&h=200", NULL },
    { "w=300,utm_source=x/a.jpg", "", NULL },
    { "w=300,utm_source=x,h=200/a.jpg", "", NULL },
    { "w=300/a.jpg", "h=200", NULL },
    { "w=300/a.jpg", "utm_source=x", NULL },
    /* an encoded comma is part of a text, a bare one begins an option */
    { "txt=a,w=5/a.jpg", "", "txt=a,w=5/a.jpg" },
    { "txt=a%2Cw=5/a.jpg", "", NULL },
    { "txt=a%2cw=5/a.jpg", "", NULL },
    { "txt=a,w%3d5/a.jpg", "", NULL },
    { "txt=a,w%3D5/a.jpg", "", NULL },
    /* a folder called w=300, and not an option */
    { "%77=300/a.jpg", "", NULL },
    { "w%3D300/a.jpg", "", NULL },
    { "utm_source=x/a.jpg", "", NULL },
    { "sub/w=300/a.jpg", "", "sub/w=300/a.jpg" },
    /* ways out, and what no web server would serve */
    { "w=300/../a.jpg", "", NULL },
    { "w=300/%2e%2e/a.jpg", "", NULL },
    { "w=300/%2e%2e%2fa.jpg", "", NULL },
    { "w=300/.hidden/a.jpg", "", NULL },
    { "w=300/.htaccess", "", NULL },
    { ".pixpool/tmp/a.jpg", "", NULL },
    { "w=300//a.jpg", "", NULL },
    { "w=300/", "", NULL },
    { "w=300/a%0a.jpg", "", NULL },
    { "w=300/a%00.jpg", "", NULL },
    { "w=300/a%5cb.jpg", "", NULL },
    { "w=300/a%zz.jpg", "", NULL },
    { "", "", NULL },
    { "", "w=3", NULL },
};

START_TEST(names)
{
    const char *got = name_of(urls[_i].path, urls[_i].query), *want = urls[_i].name;
    ck_assert_msg(want ? got && !strcmp(got, want) : !got, "%s?%s: %s", urls[_i].path, urls[_i].query,
                  got ? got : "none");
}
END_TEST

START_TEST(too_long_is_none)
{
    char path[3000], *p = path;
    p += sprintf(p, "w=300/");
    memset(p, 'a', 255);
    strcpy(p + 255, ".jpg");
    ck_assert_ptr_null(name_of(path, ""));
    strcpy(p + 251, ".jpg");
    ck_assert_ptr_nonnull(name_of(path, ""));
    for (size_t n = 6; n < 1500; n += 6)
        strcpy(path + n, "abcde/");
    ck_assert_ptr_null(name_of(strcat(path, "a.jpg"), ""));
    memset(path, '1', sizeof path);
    path[sizeof path - 1] = '\0';
    memcpy(path, "w=1", 3);
    ck_assert_ptr_null(name_of("a.jpg", path));
}
END_TEST

START_TEST(what_an_extension_says)
{
    ck_assert_int_eq(cache_name_format("w=3/a.jpg"), IC_FORMAT_JPEG);
    ck_assert_int_eq(cache_name_format("a.JPEG"), IC_FORMAT_JPEG);
    ck_assert_int_eq(cache_name_format("a.jpg.png"), IC_FORMAT_PNG);
    ck_assert_int_eq(cache_name_format("a.b/c.webp"), IC_FORMAT_WEBP);
    ck_assert_int_eq(cache_name_format("a.jpg/c"), IC_FORMAT_ORIGIN);
    ck_assert_int_eq(cache_name_format("a.jpg.php"), IC_FORMAT_ORIGIN);
    ck_assert_int_eq(cache_name_format("a"), IC_FORMAT_ORIGIN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache_name");
    TCase *c = tcase_create("names");
    tcase_add_loop_test(c, names, 0, sizeof urls / sizeof *urls);
    tcase_add_test(c, too_long_is_none);
    tcase_add_test(c, what_an_extension_says);
    suite_add_tcase(s, c);
    return run_suite(s);
}
