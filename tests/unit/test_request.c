/* One request over a socketpair, with a handler made here: what handlers are told, and what goes back on the wire.
 * Deadlines need the dispatcher's loop and are tested against the whole program. */
#include "../../fcgi/handoff.h"
#include "requests.h"
#include "suite.h"

/* What handlers see. */

START_TEST(a_handler_is_told_what_was_asked)
{
    put_header("GET", "/img/a%20b.jpg?w=3&x#frag", "QUERY_STRING", "w=3&x", "HTTP_HOST", "h.example",
               "HTTP_X_REQUEST_ID", "abc-1_2.3", NULL);
    put_body(0);
    ck_assert(serve());
    ck_assert_str_eq(seen.method, "GET");
    ck_assert_str_eq(seen.uri, "/img/a%20b.jpg");
    ck_assert_str_eq(seen.query, "w=3&x");
    ck_assert_str_eq(seen.host, "h.example");
    ck_assert_str_eq(seen.id, "abc-1_2.3");
    ck_assert(!seen.head);
    ck_assert_int_eq(seen.length, -1);
    ck_assert_int_eq(seen.start_ms, conn.begun_ms);
    ck_assert_int_eq(seen.deadline_ms, conn.begun_ms + cfg.deadline_ms);
    read_answer();
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(got.head, "\r\nX-Request-Id: abc-1_2.3\r\n"));
    ck_assert_mem_eq(got.body, "ok", 2);
    check_end();
}
END_TEST

START_TEST(absent_parameters_are_empty)
{
    put(1, (uint8_t[8]){ 0, 1, 1 }, 8);
    put(4, NULL, 0);
    put(5, NULL, 0);
    ck_assert(serve());
    ck_assert_str_eq(seen.method, "");
    ck_assert_str_eq(seen.uri, "");
    ck_assert_str_eq(seen.query, "");
    ck_assert_uint_eq(strlen(seen.id), 16);
    read_answer();
}
END_TEST

static const char *const ids[] = {
    "",         " ",   "a b", "a\r\nX-Evil: 1",
    "\xc3\xa9", "a/b", "<x>", "01234567890123456789012345678901234567890123456789012345678901234", /* 65 */
};

START_TEST(ids_that_are_not_taken_over)
{
    char made[2][17];
    for (int i = 0; i < 2; i++) {
        put_header("GET", "/", "HTTP_X_REQUEST_ID", ids[_i], NULL);
        put_body(0);
        ck_assert(serve());
        ck_assert_uint_eq(strlen(seen.id), 16);
        ck_assert_uint_eq(strspn(seen.id, "0123456789abcdef"), 16);
        memcpy(made[i], seen.id, 17);
        read_answer();
        ck_assert_ptr_null(strstr(got.head, "Evil"));
    }
    ck_assert_str_ne(made[0], made[1]);
}
END_TEST

START_TEST(the_longest_id_is_taken_over)
{
    put_header("GET", "/", "HTTP_X_REQUEST_ID", ids[7] + 1, NULL);
    put_body(0);
    ck_assert(serve());
    ck_assert_str_eq(seen.id, ids[7] + 1);
    read_answer();
}
END_TEST

static const struct {
    const char *text;
    int64_t length; /* -2: refused */
} lengths[] = {
    { "", -1 },
    { "-1", -1 },
    { "0", 0 },
    { "007", 7 },
    { "999999999999999999", 999999999999999999 },
    { "12x", -2 },
    { " 1", -2 },
    { "-2", -2 },
    { "+1", -2 },
    { "1,1", -2 },
    { "9999999999999999999", -2 },
    { "0x10", -2 },
};

START_TEST(content_lengths)
{
    put_header("GET", "/", "CONTENT_LENGTH", lengths[_i].text, NULL);
    put_body(0);
    bool kept = serve();
    read_answer();
    if (lengths[_i].length != -2) {
        ck_assert_int_eq(seen.length, lengths[_i].length);
        ck_assert_int_eq(got.status, 200);
        ck_assert(kept == (lengths[_i].length <= 8192)); /* STDIN was read to its end, which came early */
    } else {
        ck_assert_int_eq(seen.calls, 0);
        ck_assert_int_eq(got.status, 400);
        ck_assert_str_eq(code(), "length_malformed");
        ck_assert(!kept);
    }
}
END_TEST

/* What goes back. */

START_TEST(images_have_their_timing)
{
    put_header("GET", "/image", NULL);
    put_body(0);
    ck_assert(serve());
    read_answer();
    ck_assert_uint_eq(got.body_n, 200001);
    ck_assert_uint_eq(strspn((char *)got.body, "i"), 200001);
    ck_assert_ptr_nonnull(strstr(got.head, "\r\nContent-Length: 200001\r\n"));
    ck_assert_ptr_nonnull(strstr(got.head, "\r\nServer-Timing: queue;dur=0.0, read;dur=0.0, decode;dur=12.3, "));
    check_end();
}
END_TEST

START_TEST(head_has_the_headers_only)
{
    put_header("HEAD", "/image", NULL);
    put_body(0);
    ck_assert(serve());
    ck_assert(seen.head);
    read_answer();
    ck_assert_uint_eq(got.body_n, 0);
    ck_assert_ptr_nonnull(strstr(got.head, "\r\nContent-Length: 200001\r\n"));
}
END_TEST

START_TEST(a_client_that_left_gets_nothing)
{
    put_header("GET", "/gone", NULL);
    put_body(0);
    ck_assert(!serve());
    check_end();
}
END_TEST

START_TEST(a_handler_that_forgets_is_a_500)
{
    put_header("GET", "/nothing", NULL);
    put_body(0);
    serve();
    read_answer();
    ck_assert_int_eq(got.status, 500);
}
END_TEST

/* Farewells: an empty record of standard error behind the answer, so that nginx does not keep the connection. */

static void check_farewell(bool said)
{
    uint8_t r[16];
    ssize_t n = recv(peer, r, sizeof r, MSG_DONTWAIT);
    if (said) {
        ck_assert_int_eq(n, 8);
        ck_assert_mem_eq(r, ((uint8_t[8]){ 1, RECORD_STDERR, 0, 9 }), 8);
    } else {
        ck_assert_int_le(n, 0);
    }
}

/* If the drain began after the answer did, the next request may be on its way: that is the dispatcher's to see. */
START_TEST(in_a_drain_the_connection_stays_open)
{
    uint8_t c;
    atomic_store(&((struct handoff *)gw.dispatch)->draining, true);
    put_header("GET", "/", NULL);
    put_body(0);
    ck_assert(serve());
    read_answer();
    check_farewell(true);
    ck_assert_int_eq(recv(peer, &c, 1, MSG_DONTWAIT), -1);
}
END_TEST

static const struct {
    const char *server;
    bool farewell;
} servers[] = { { "nginx/1.22.1", true }, { "Apache/2.4.62", false }, { "", false } };

/* nginx keeps a connection once it has sent the whole body, whether that was read or not. */
START_TEST(a_body_left_unread)
{
    put_header("POST", "/", "CONTENT_LENGTH", "100000", "SERVER_SOFTWARE", servers[_i].server, NULL);
    put_body(100000);
    ck_assert(!serve());
    read_answer();
    check_farewell(servers[_i].farewell);
}
END_TEST

/* The deadline for reading has passed just before it was disarmed: everything is here, but the socket is half shut. */
START_TEST(a_connection_that_is_half_shut)
{
    conn.expired = true;
    put_header("GET", "/", "SERVER_SOFTWARE", "nginx/1.22.1", NULL);
    put_body(0);
    ck_assert(!serve());
    read_answer();
    ck_assert_int_eq(got.status, 200);
    check_farewell(true);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("request");
    TCase *t = tcase_create("request");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, a_handler_is_told_what_was_asked);
    tcase_add_test(t, absent_parameters_are_empty);
    tcase_add_loop_test(t, ids_that_are_not_taken_over, 0, sizeof ids / sizeof *ids);
    tcase_add_test(t, the_longest_id_is_taken_over);
    tcase_add_loop_test(t, content_lengths, 0, sizeof lengths / sizeof *lengths);
    tcase_add_test(t, images_have_their_timing);
    tcase_add_test(t, head_has_the_headers_only);
    tcase_add_test(t, a_client_that_left_gets_nothing);
    tcase_add_test(t, a_handler_that_forgets_is_a_500);
    tcase_add_test(t, in_a_drain_the_connection_stays_open);
    tcase_add_loop_test(t, a_body_left_unread, 0, sizeof servers / sizeof *servers);
    tcase_add_test(t, a_connection_that_is_half_shut);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
