/* Names of saved files: what reaches a header and somebody's disk. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/disposition.h"
#include "suite.h"

static const struct {
    bool attachment;
    const char *name;
    enum ic_format format;
    const char *expected;
} names[] = {
    { true, "beach.jpg", IC_FORMAT_JPEG, "attachment; filename=\"beach.jpg\"" },
    { false, "beach.jpg", IC_FORMAT_JPEG, "inline; filename=\"beach.jpg\"" },
    { true, "beach.jpg", IC_FORMAT_WEBP, "attachment; filename=\"beach.webp\"" },
    { true, "beach.JPEG", IC_FORMAT_PNG, "attachment; filename=\"beach.png\"" },
    { true, "beach", IC_FORMAT_PNG, "attachment; filename=\"beach.png\"" },
    { true, "v1.2", IC_FORMAT_PNG, "attachment; filename=\"v1.2.png\"" },
    { true, "holiday/2024/beach.jpg", IC_FORMAT_JPEG, "attachment; filename=\"beach.jpg\"" },
    { true, "../../etc/passwd", IC_FORMAT_JPEG, "attachment; filename=\"passwd.jpg\"" },
    { true, "..\\..\\boot.ini", IC_FORMAT_JPEG, "attachment; filename=\"_._.._boot.ini.jpg\"" },
    { true, ".htaccess", IC_FORMAT_JPEG, "attachment; filename=\"_htaccess.jpg\"" },
    { true, ".jpg", IC_FORMAT_JPEG, "attachment; filename=\"_jpg.jpg\"" },
    { true, "", IC_FORMAT_JPEG, "attachment; filename=\"image.jpg\"" },
    { true, "folder/", IC_FORMAT_JPEG, "attachment; filename=\"image.jpg\"" },
    { true, "a b.jpg", IC_FORMAT_JPEG, "attachment; filename=\"a b.jpg\"" },
    { true, "a\"b;c.jpg", IC_FORMAT_JPEG, "attachment; filename=\"a_b;c.jpg\"" },
    { true, "a\r\nX-Evil: 1.jpg", IC_FORMAT_JPEG, "attachment; filename=\"a__X-Evil_ 1.jpg\"" },
    { true, "B\xc3\xa4r.jpg", IC_FORMAT_JPEG, "attachment; filename=\"B_r.jpg\"; filename*=UTF-8''B%C3%A4r.jpg" },
    { true, "\xe2\x82\xac 100%.png", IC_FORMAT_WEBP,
      "attachment; filename=\"_ 100_.webp\"; filename*=UTF-8''%E2%82%AC%20100%25.webp" },
    { true, "\xf0\x9f\x98\x80.png", IC_FORMAT_PNG,
      "attachment; filename=\"_.png\"; filename*=UTF-8''%F0%9F%98%80.png" },
    { true, "bad\xff\xc3.jpg", IC_FORMAT_JPEG, "attachment; filename=\"bad__.jpg\"" },
    { true, "over\xc0\xaflong.jpg", IC_FORMAT_JPEG, "attachment; filename=\"over__long.jpg\"" },
    { true, "surrogate\xed\xa0\x80.jpg", IC_FORMAT_JPEG, "attachment; filename=\"surrogate___.jpg\"" },
    { true, "it's.jpg", IC_FORMAT_JPEG, "attachment; filename=\"it's.jpg\"" },
};

START_TEST(what_is_told)
{
    char out[DISPOSITION_SIZE];
    ck_assert_str_eq(disposition(names[_i].attachment, names[_i].name, names[_i].format, out), names[_i].expected);
}
END_TEST

START_TEST(long_names_are_cut_between_characters)
{
    char name[4000] = "", out[DISPOSITION_SIZE];
    for (int i = 0; i < 900; i++)
        strcat(name, "\xe2\x82\xac");
    disposition(true, name, IC_FORMAT_JPEG, out);
    ck_assert_uint_lt(strlen(out), DISPOSITION_SIZE - 1);
    ck_assert_str_eq(out + strlen(out) - 13, "%E2%82%AC.jpg");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("disposition");
    TCase *t = tcase_create("disposition");
    tcase_add_loop_test(t, what_is_told, 0, (int)(sizeof names / sizeof *names));
    tcase_add_test(t, long_names_are_cut_between_characters);
    suite_add_tcase(s, t);
    return run_suite(s);
}
