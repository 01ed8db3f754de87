/* Percent-decoding: once, strictly, and only then judged. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/uri.h"
#include "suite.h"

static const struct {
    const char *in, *out; /* NULL: refused */
    const char *why;      /* what the reason must contain */
} paths[] = {
    { "a.jpg", "a.jpg", NULL },
    { "", "", NULL },
    { "a/b/c.jpg", "a/b/c.jpg", NULL },
    { "a/", "a/", NULL },
    { "ein%20B%C3%A4r%20%26%20100%25.jpg", "ein Bär & 100%.jpg", NULL },
    { "B\xc3\xa4r.jpg", "Bär.jpg", NULL },
    { "a+b.jpg", "a+b.jpg", NULL },
    { "%61.jpg", "a.jpg", NULL },
    { "a%252Fb", "a%2Fb", NULL }, /* once: the rest is part of the name */
    { "%252e%252e/a", "%2e%2e/a", NULL },
    { "...", "...", NULL },
    { ".hidden", ".hidden", NULL }, /* source.c refuses it */
    { "a..b", "a..b", NULL },
    { "a//b", NULL, "//" },
    { "/a", NULL, "//" },
    { "//", NULL, "//" },
    { ".", NULL, "dot segment" },
    { "./a", NULL, "dot segment" },
    { "..", NULL, "dot segment" },
    { "a/../b", NULL, "dot segment" },
    { "a/%2e%2e/b", NULL, "dot segment" },
    { "%2E", NULL, "dot segment" },
    { "a/..", NULL, "dot segment" },
    { "a%2Fb", NULL, "%2F" },
    { "a%2fb", NULL, "%2F" },
    { "a%00b", NULL, "NUL" },
    { "a%", NULL, "hexadecimal" },
    { "a%4", NULL, "hexadecimal" },
    { "a%g0", NULL, "hexadecimal" },
    { "a%0g", NULL, "hexadecimal" },
    { "a%,b", NULL, "hexadecimal" }, /* the leniency of values is not for paths */
};

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

START_TEST(path)
{
    char out[64];
    const char *why = NULL;
    bool ok = uri_decode_path(paths[_i].in, out, sizeof out, &why);
    ck_assert_msg(ok == (paths[_i].out != NULL), "%s: %s", paths[_i].in, why);
    if (ok)
        ck_assert_str_eq(out, paths[_i].out);
    else
        ck_assert_msg(strstr(why, paths[_i].why), "%s: %s", paths[_i].in, why);
}
END_TEST

START_TEST(path_must_fit)
{
    char out[5] = "", guard = out[4];
    const char *why;
    ck_assert(uri_decode_path("abcd", out, sizeof out, &why));
    ck_assert_str_eq(out, "abcd");
    ck_assert(!uri_decode_path("abcde", out, sizeof out, &why));
    ck_assert(uri_decode_path("%61%62%63%64", out, sizeof out, &why));
    ck_assert(!uri_decode_path("%61%62%63%64%65", out, sizeof out, &why));
    ck_assert_int_eq(guard, out[4]);
}
END_TEST

static const struct {
    const char *in;
    bool plus;
    const char *out; /* NULL: refused */
} values[] = {
    { "a b", true, "a b" },         { "a+b", true, "a b" },  { "a+b", false, "a+b" }, { "a%2Bb", true, "a+b" },
    { "50%25", true, "50%" },       { "50%", true, "50%" },  { "%", true, "%" },      { "1%,2%", false, "1%,2%" },
    { "%2541", false, "%41" },      { "a/b", false, "a/b" }, { "%2F", false, "/" },   { "%zz", true, NULL },
    { "%4", true, NULL },           { "5%x", true, NULL },   { "%00", true, NULL },   { "12345678", true, NULL },
    { "1234567", true, "1234567" },
};

START_TEST(value)
{
    char out[8];
    const char *why;
    bool ok = uri_decode_value(values[_i].in, strlen(values[_i].in), values[_i].plus, out, sizeof out, &why);
    ck_assert_msg(ok == (values[_i].out != NULL), "%s", values[_i].in);
    if (ok)
        ck_assert_str_eq(out, values[_i].out);
}
END_TEST

START_TEST(value_ends_where_it_is_said_to)
{
    char out[8];
    const char *why;
    ck_assert(uri_decode_value("a%41", 2, false, out, sizeof out, &why)); /* the 41 is not ours */
    ck_assert_str_eq(out, "a%");
    ck_assert(!uri_decode_value("a%41", 3, false, out, sizeof out, &why));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uri");
    TCase *t = tcase_create("uri");
    tcase_add_loop_test(t, path, 0, COUNT(paths));
    tcase_add_test(t, path_must_fit);
    tcase_add_loop_test(t, value, 0, COUNT(values));
    tcase_add_test(t, value_ends_where_it_is_said_to);
    suite_add_tcase(s, t);
    return run_suite(s);
}
