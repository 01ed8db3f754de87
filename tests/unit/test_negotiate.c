/* Accept, Content-Type and their parameters. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/negotiate.h"
#include "suite.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static const struct {
    const char *accept;
    bool webp;
} accepts[] = {
    { "", false },
    { "image/webp", true },
    { "IMAGE/WebP", true },
    { "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", true }, /* Chromium */
    { "image/avif, image/webp;q=0.9 , */*", true },
    { "*/*", false },
    { "image/*", false },
    { "image/webp;q=0", false },
    { "image/webp;q=0.0", false },
    { "image/webp; q=0.000", false },
    { "image/webp;Q=0", false },
    { "image/webp ; q=0.001", true },
    { "image/webp;q=1", true },
    { "image/webp;q=1.000", true },
    { "image/webp;level=1;q=0", false },
    { "image/webp;q=x", false },
    { "image/webp;q=", false },
    { "image/webpx", false },
    { "ximage/webp", false },
    { "text/plain;x=\"image/webp\"", false },
    { "text/plain;x=\"a,image/webp\"", false },
    { "text/plain;x=\"\\\",image/webp\", image/png", false },
    { "text/plain;x=\"unclosed, image/webp", false },
    { "image/webp image/png", false },
    { ",,image/webp", true },
};

START_TEST(accept)
{
    ck_assert_msg(negotiate_accepts(accepts[_i].accept, "image/webp") == accepts[_i].webp, "%s", accepts[_i].accept);
}
END_TEST

START_TEST(format_follows_accept_then_alpha)
{
    ck_assert_int_eq(negotiate_format("image/webp", false), IC_FORMAT_WEBP);
    ck_assert_int_eq(negotiate_format("image/webp", true), IC_FORMAT_WEBP);
    ck_assert_int_eq(negotiate_format("*/*", false), IC_FORMAT_JPEG);
    ck_assert_int_eq(negotiate_format("", true), IC_FORMAT_PNG);
}
END_TEST

static const struct {
    const char *header, *type;
} types[] = {
    { "image/jpeg", "image/jpeg" },
    { " Image/JPEG ; x=y", "image/jpeg" },
    { "multipart/form-data; boundary=x", "multipart/form-data" },
    { "", "" },
    { "image", "" },
    { "image/", "" },
    { "/jpeg", "" },
    { "image/jpeg image/png", "" },
    { "image/jpeg, image/png", "" },
    { "application/a-type-that-is-far-too-long", "" },
};

START_TEST(type)
{
    char out[32] = "x";
    negotiate_type(types[_i].header, out, sizeof out);
    ck_assert_str_eq(out, types[_i].type);
}
END_TEST

static const struct {
    const char *header;
    int got;
    const char *value;
} parameters[] = {
    { "form-data; name=a", 1, "a" },
    { "form-data; name=\"a b\"", 1, "a b" },
    { "form-data;NAME=\"a\"", 1, "a" },
    { "form-data; x=y; name=\"a\" ; z=\"\"", 1, "a" },
    { "form-data; name=\"\"", 1, "" },
    { "form-data; name=\"a\\\"b\\\\c\"", 1, "a\"b\\c" },
    { "form-data; name=\"C:\\dir\\f\"", 1, "C:\\dir\\f" },
    { "form-data; filename=\"name=x\"", 0, NULL },
    { "form-data; filename=\"; name=x\"", 0, NULL },
    { "form-data", 0, NULL },
    { "form-data;", 0, NULL },
    { "form-data; namex=a; xname=b", 0, NULL },
    { "form-data; name=a; name=b", -1, NULL },
    { "form-data; name=\"a", -1, NULL },
    { "form-data; name=\"a\\\"", -1, NULL },
    { "form-data; name=", -1, NULL },
    { "form-data; name", -1, NULL },
    { "form-data; name=a b", -1, NULL },
    { "form-data; name=\"a\"b", -1, NULL },
    { "form-data; name =a", -1, NULL },
    { "form-data; name=a, x", -1, NULL },
    { "form-data; name=12345678", -1, NULL }, /* no room */
    { "form-data; name=1234567", 1, "1234567" },
};

START_TEST(parameter)
{
    char out[8] = "";
    /* the long ones need more room; the last two test just that */
    char wide[32];
    bool tight = strstr(parameters[_i].header, "1234567");
    int got = negotiate_parameter(parameters[_i].header, "name", tight ? out : wide, tight ? sizeof out : sizeof wide);
    ck_assert_msg(got == parameters[_i].got, "%s: %d", parameters[_i].header, got);
    if (got > 0)
        ck_assert_str_eq(tight ? out : wide, parameters[_i].value);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("negotiate");
    TCase *t = tcase_create("negotiate");
    tcase_add_loop_test(t, accept, 0, COUNT(accepts));
    tcase_add_test(t, format_follows_accept_then_alpha);
    tcase_add_loop_test(t, type, 0, COUNT(types));
    tcase_add_loop_test(t, parameter, 0, COUNT(parameters));
    suite_add_tcase(s, t);
    return run_suite(s);
}
