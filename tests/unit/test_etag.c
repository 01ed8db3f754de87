/* Entity tags: every part counts, and If-None-Match is read as RFC 9110 says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/etag.h"
#include "suite.h"

static const struct etag_parts base = { .path = "a.jpg",
                                        .options = "w=3",
                                        .format = "webp",
                                        .versions = "1",
                                        .marks = "",
                                        .size = 10,
                                        .mtime = { 1700000000, 5 } };

START_TEST(tags_are_strong_and_stable)
{
    char a[ETAG_SIZE], b[ETAG_SIZE];
    etag_make(&base, a);
    etag_make(&base, b);
    ck_assert_str_eq(a, b);
    ck_assert_uint_eq(strlen(a), 24); /* 16 bytes in base64url, and quotes */
    ck_assert(a[0] == '"' && a[23] == '"');
    ck_assert_uint_eq(strspn(a + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 22);
}
END_TEST

START_TEST(every_part_counts)
{
    struct etag_parts p[9];
    char a[ETAG_SIZE], b[ETAG_SIZE];
    for (int i = 0; i < 9; i++)
        p[i] = base;
    p[0].path = "b.jpg";
    p[1].options = "w=4";
    p[2].format = "";
    p[3].versions = "2";
    p[4].size = 11;
    p[5].mtime.tv_sec++;
    p[6].mtime.tv_nsec++;
    p[7].path = "a.jpgw=3"; /* parts do not run into each other */
    p[7].options = "";
    p[8].marks = "logo";
    etag_make(&base, a);
    etag_make(&p[_i], b);
    ck_assert_str_ne(a, b);
}
END_TEST

static const struct {
    const char *header;
    bool matches;
} lists[] = {
    { "", false },
    { "\"x\"", true },
    { "W/\"x\"", true }, /* If-None-Match compares weakly: RFC 9110, 13.1.2 */
    { "\"y\"", false },
    { "x", false },
    { "\"y\", \"x\"", true },
    { "\"y\",\"x\"", true },
    { ",, \"x\" ,", true },
    { "\"y\" , W/\"z\", \"x\"", true },
    { "\"a,\"x\"", false },
    { "\"y, \"x\"\"", false }, /* the x is outside of any quotes */
    { "\"xx\"", false },
    { "\"x", false },
    { "\"y\" \"x\"", false },
    { "*", true },
    { " * ", true },
    { "*, \"y\"", false },
    { "\"*\"", false },
    { "w/\"x\"", false },
};

START_TEST(if_none_match)
{
    ck_assert_msg(etag_matches(lists[_i].header, "\"x\"") == lists[_i].matches, "%s", lists[_i].header);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("etag");
    TCase *t = tcase_create("etag");
    tcase_add_test(t, tags_are_strong_and_stable);
    tcase_add_loop_test(t, every_part_counts, 0, 9);
    tcase_add_loop_test(t, if_none_match, 0, (int)(sizeof lists / sizeof *lists));
    suite_add_tcase(s, t);
    return run_suite(s);
}
