/* Replies: the table of errors, problem JSON, and headers that no client can break out of. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/reply.h"
#include "suite.h"

static struct reply a;
static char head[REPLY_HEAD];

static void setup(void)
{
    a = (struct reply){ 0 };
}

static void teardown(void)
{
    reply_free(&a);
}

static json_t *rendered(const char *id)
{
    reply_render(&a, id, head);
    json_t *j = json_loadb((const char *)a.body, a.body_n, 0, NULL);
    ck_assert_msg(json_is_object(j), "not a JSON object: %.*s", (int)a.body_n, (const char *)a.body);
    return j;
}

static const char *field(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));
    return s != NULL ? s : "(absent)";
}

START_TEST(text_is_copied_and_has_a_length)
{
    char text[] = "alive\n";
    reply_text(&a, 200, "text/plain", text);
    text[0] = 'X';
    size_t n = reply_render(&a, "id-1", head);
    ck_assert_str_eq(head, "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nX-Request-Id: id-1\r\n"
                           "X-Content-Type-Options: nosniff\r\n\r\n");
    ck_assert_uint_eq(n, strlen(head));
    ck_assert_mem_eq(a.body, "alive\n", 6);
}
END_TEST

static const struct {
    int status;
    bool no_length;
    const char *length;
} lengths[] = {
    { 200, false, "Content-Length: 0\r\n" }, { 200, true, NULL }, { 204, false, NULL }, { 304, false, NULL },
    { 404, false, "Content-Length: 0\r\n" },
};

START_TEST(content_length_where_there_is_one)
{
    a.status = lengths[_i].status;
    a.no_length = lengths[_i].no_length;
    reply_render(&a, "x", head);
    if (lengths[_i].length != NULL)
        ck_assert_ptr_nonnull(strstr(head, lengths[_i].length));
    else
        ck_assert_ptr_null(strstr(head, "Content-Length"));
    ck_assert_ptr_null(strstr(head, "Content-Type:"));
}
END_TEST

START_TEST(headers_cannot_be_broken)
{
    a.status = 200;
    for (int c = 1; c < 256; c++) {
        a.headers_n = 0;
        reply_header(&a, "X-Test", "a%cb", c);
        bool control = c < 0x20 || c == 0x7f;
        char expected[32];
        snprintf(expected, sizeof expected, "X-Test: a%cb\r\n", control ? ' ' : c);
        ck_assert_str_eq(a.headers, expected);
    }
    a.headers_n = 0;
    reply_header(&a, "Content-Disposition", "%s", "inline\r\nSet-Cookie: x=1\r\n\r\n<script>");
    reply_render(&a, "x", head);
    ck_assert_ptr_null(strstr(head, "\nSet-Cookie"));
    ck_assert_str_eq(strstr(head, "\r\n\r\n"), "\r\n\r\n");
}
END_TEST

START_TEST(headers_beyond_the_space_are_dropped_whole)
{
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    a.status = 200;
    for (int i = 0; i < 5; i++)
        reply_header(&a, "X-Long", "%s", value);
    reply_header(&a, "X-Short", "fits");
    reply_header(&a, "X-Too-Long", "%s%s", value, value);
    size_t n = reply_render(&a, "0123456789012345678901234567890123456789012345678901234567890123", head);
    ck_assert_uint_gt(n, 3000);
    ck_assert_uint_eq(n, strlen(head));
    ck_assert_str_eq(head + n - 4, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(head, "\r\nX-Short: fits\r\n"));
    ck_assert_ptr_null(strstr(head, "X-Too-Long"));
    int longs = 0;
    for (const char *p = head; (p = strstr(p, "X-Long: ")) != NULL; p++) {
        ck_assert_uint_eq(strcspn(p, "\r"), 1008);
        longs++;
    }
    ck_assert_int_eq(longs, 3);
}
END_TEST

START_TEST(a_problem_tells_all)
{
    reply_problem_option(&a, "w", "option_range", "w=%d is out of range: 1 to %d", 99999, 16384);
    json_t *j = rendered("req.7");
    ck_assert_str_eq(field(j, "type"), "urn:pixpool:problem:option_range");
    ck_assert_str_eq(field(j, "title"), "bad parameter");
    ck_assert_int_eq(json_integer_value(json_object_get(j, "status")), 400);
    ck_assert_str_eq(field(j, "detail"), "w=99999 is out of range: 1 to 16384");
    ck_assert_str_eq(field(j, "error"), field(j, "detail"));
    ck_assert_str_eq(field(j, "code"), "option_range");
    ck_assert_str_eq(field(j, "option"), "w");
    ck_assert_str_eq(field(j, "request_id"), "req.7");
    ck_assert_ptr_null(json_object_get(j, "retry_after"));
    ck_assert_ptr_nonnull(strstr(head, "Status: 400 Bad Request\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nContent-Type: application/problem+json\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nCache-Control: no-store\r\n"));
    json_decref(j);
}
END_TEST

START_TEST(a_problem_replaces_what_there_was)
{
    reply_text(&a, 200, "image/png", "pixels");
    reply_header(&a, "ETag", "\"abc\"");
    a.no_length = true;
    reply_problem(&a, 404, "no_source", "there is no %s", "a.jpg");
    json_t *j = rendered("x");
    ck_assert_ptr_null(strstr(head, "ETag"));
    ck_assert_ptr_nonnull(strstr(head, "Status: 404 Not Found\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nCache-Control: max-age=10\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "\r\nContent-Length: "));
    ck_assert_str_eq(field(j, "title"), "Not Found");
    ck_assert_ptr_null(json_object_get(j, "option"));
    json_decref(j);
    reply_text(&a, 200, "text/plain", "again");
    reply_render(&a, "x", head);
    ck_assert_mem_eq(a.body, "again", 5);
}
END_TEST

static const char *const hostile[] = {
    "quote \" backslash \\ and </script>", "line\r\nbreak", "\xff\xfe not UTF-8", "cut \xc3", "\xe2\x82\xac is fine",
};

static const struct {
    int status;
    bool displaces;
} refusals[] = {
    { 400, true }, { 403, true },  { 410, true },  { 415, true },
    { 422, true }, { 401, false }, { 404, false }, { 503, false },
};

/* In front of Cache-Control, or older versions of nginx do not heed it. */
START_TEST(a_refusal_may_displace_a_picture)
{
    reply_problem(&a, refusals[_i].status, "code", "no");
    reply_displaces(&a);
    reply_render(&a, "id-1", head);
    const char *kept = strstr(head, "X-Accel-Expires: 1\r\n"), *cache = strstr(head, "Cache-Control: ");
    ck_assert_int_eq(kept != NULL, refusals[_i].displaces);
    ck_assert_msg(cache && (!kept || kept < cache), "%s", head);
}
END_TEST

START_TEST(a_picture_displaces_by_itself)
{
    reply_text(&a, 200, "text/plain", "");
    reply_header(&a, "Cache-Control", "public, max-age=9");
    reply_displaces(&a);
    ck_assert_str_eq(a.headers, "Cache-Control: public, max-age=9\r\n");
}
END_TEST

START_TEST(details_stay_json)
{
    reply_problem_option(&a, hostile[_i], "option_unknown", "unknown: %s", hostile[_i]);
    json_t *j = rendered(hostile[_i]);
    const char *detail = field(j, "detail");
    ck_assert_uint_eq(strlen(detail), strlen(hostile[_i]) + 9);
    if (_i != 2 && _i != 3)
        ck_assert_str_eq(detail + 9, hostile[_i]);
    else
        ck_assert_ptr_nonnull(strchr(detail, '?'));
    json_decref(j);
}
END_TEST

START_TEST(details_are_cut_not_overrun)
{
    char text[2000];
    memset(text, 0xc3, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    reply_problem_option(&a, text, "option_unknown", "%s", text);
    json_t *j = rendered("x");
    ck_assert_uint_eq(strlen(field(j, "detail")), sizeof a.detail - 1);
    ck_assert_uint_eq(strlen(field(j, "option")), sizeof a.option - 1);
    json_decref(j);
}
END_TEST

START_TEST(a_problem_may_quote_the_reply_it_replaces)
{
    reply_problem(&a, 400, "first", "one");
    reply_problem(&a, 422, "second", "two after %s", a.detail);
    ck_assert_str_eq(a.detail, "two after one");
}
END_TEST

static const struct {
    enum ic_code code;
    int status;
} errors[] = {
    { IC_E_PARAM, 400 },    { IC_E_FORMAT, 415 }, { IC_E_CORRUPT, 422 }, { IC_E_MORE, 422 },
    { IC_E_LIMIT, 422 },    { IC_E_MEMORY, 422 }, { IC_E_RESULT, 422 },  { IC_E_BUSY, 503 },
    { IC_E_DEADLINE, 504 }, { IC_E_WORKER, 500 }, { IC_E_GONE, 499 },
};

START_TEST(every_image_error_has_its_status)
{
    ck_assert_uint_eq(sizeof errors / sizeof *errors, IC_CODES - 1);
    struct ic_error e = { .code = errors[_i].code, .text = "one clear sentence" };
    reply_error(&a, &e, 7);
    json_t *j = rendered("x");
    ck_assert_int_eq(a.status, errors[_i].status);
    ck_assert_str_eq(a.code, ic_code_name(e.code));
    ck_assert_str_eq(field(j, "code"), ic_code_name(e.code));
    ck_assert_str_eq(field(j, "detail"), "one clear sentence");
    ck_assert_ptr_null(strstr(head, "Unknown"));
    bool busy = e.code == IC_E_BUSY;
    ck_assert(busy == (strstr(head, "\r\nRetry-After: 7\r\n") != NULL));
    ck_assert_int_eq(json_integer_value(json_object_get(j, "retry_after")), busy ? 7 : 0);
    json_decref(j);
}
END_TEST

START_TEST(an_error_that_is_none_is_still_answered)
{
    struct ic_error e = { .code = IC_OK };
    reply_error(&a, &e, 0);
    ck_assert_int_eq(a.status, 500);
}
END_TEST

START_TEST(busy_always_says_when_to_return)
{
    reply_busy(&a, 0, "queue full");
    reply_render(&a, "x", head);
    ck_assert_ptr_nonnull(strstr(head, "\r\nRetry-After: 1\r\n"));
    ck_assert_ptr_nonnull(strstr(head, "Status: 503 Service Unavailable\r\n"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("reply");
    TCase *t = tcase_create("reply");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, text_is_copied_and_has_a_length);
    tcase_add_loop_test(t, content_length_where_there_is_one, 0, sizeof lengths / sizeof *lengths);
    tcase_add_test(t, headers_cannot_be_broken);
    tcase_add_test(t, headers_beyond_the_space_are_dropped_whole);
    tcase_add_test(t, a_problem_tells_all);
    tcase_add_test(t, a_problem_replaces_what_there_was);
    tcase_add_loop_test(t, a_refusal_may_displace_a_picture, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(t, a_picture_displaces_by_itself);
    tcase_add_loop_test(t, details_stay_json, 0, sizeof hostile / sizeof *hostile);
    tcase_add_test(t, details_are_cut_not_overrun);
    tcase_add_test(t, a_problem_may_quote_the_reply_it_replaces);
    tcase_add_loop_test(t, every_image_error_has_its_status, 0, sizeof errors / sizeof *errors);
    tcase_add_test(t, an_error_that_is_none_is_still_answered);
    tcase_add_test(t, busy_always_says_when_to_return);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
