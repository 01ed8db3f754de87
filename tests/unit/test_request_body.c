/* Bodies of requests: their lengths and ends, the memory and the shares they take, and what they leave on a connection
 * that is kept. */
#include <pthread.h>

#include "requests.h"
#include "suite.h"

static const struct {
    size_t sent;
    const char *length; /* NULL: absent */
    int status;
    const char *code;
    bool kept;
} bodies[] = {
    { 1, "1", 200, NULL, true },
    { 99999, "99999", 200, NULL, true },
    { 100000, "100000", 200, NULL, true },
    { 100000, NULL, 200, NULL, true },
    { 5, "-1", 200, NULL, true },
    { 0, "0", 400, "body_empty", true },
    { 0, NULL, 400, "body_empty", true },
    { 5, "6", 400, "body_short", true }, /* it did end as a stream: the next record is a new request's */
    { 6, "5", 400, "body_long", false },
    { 5, "0", 400, "body_long", false },
    { 10, "100001", 413, "body_too_large", false },
    { 100001, NULL, 413, "body_too_large", true }, /* that the limit was passed showed with the very last byte */
    { 100002, NULL, 413, "body_too_large", false },
    { 150000, "-1", 413, "body_too_large", false },
};

START_TEST(bodies_against_their_lengths)
{
    const char *length = bodies[_i].length;
    put_header("POST", "/body", length != NULL ? "CONTENT_LENGTH" : "X", length != NULL ? length : "", NULL);
    put_body(bodies[_i].sent);
    bool kept = serve();
    read_answer();
    ck_assert_int_eq(got.status, bodies[_i].status);
    if (bodies[_i].code != NULL) {
        ck_assert_str_eq(code(), bodies[_i].code);
    } else {
        static uint8_t expected[150000];
        for (size_t i = 0; i < bodies[_i].sent; i++)
            expected[i] = (uint8_t)(i * 7 + i / 251);
        ck_assert_uint_eq(seen.body_n, bodies[_i].sent);
        ck_assert_uint_eq(seen.sum, sum(expected, bodies[_i].sent));
    }
    ck_assert_msg(kept == bodies[_i].kept, "kept: %d", kept);
}
END_TEST

/* Of known and of unknown length, between two records: there, without a look at libfcgi's error, it would pass for the
 * end of the body. */
START_TEST(a_body_that_breaks_off)
{
    put_header("POST", "/body", _i ? NULL : "CONTENT_LENGTH", "1000", NULL);
    put(5, "0123456789", 10);
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(request_serve(&gw, &conn), REQUEST_LINGER);
    read_answer();
    ck_assert_int_eq(got.status, 400);
    ck_assert_str_eq(code(), "body_short");
}
END_TEST

START_TEST(tickets_come_back)
{
    for (int i = 0; i < 20; i++) { /* there are three */
        put_header("POST", "/body", "CONTENT_LENGTH", i % 2 ? "10" : "11", NULL);
        put_body(10);
        ck_assert(serve());
        read_answer();
        ck_assert_int_eq(got.status, i % 2 ? 200 : 400);
    }
    ck_assert_int_eq(pool_state(gw.pool).admitted, 0);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, 0);
}
END_TEST

static void serve_body(const char *length, size_t n)
{
    put_header("POST", "/body", length != NULL ? "CONTENT_LENGTH" : "X", length != NULL ? length : "", NULL);
    put_body(n);
    ck_assert(serve());
    read_answer();
    ck_assert_int_eq(got.status, 200);
}

/* From 64 KB on, so that what is decided by the header is decided before the rest has come. */
START_TEST(the_beginning_is_looked_at_first)
{
    static const char *const lengths[] = { "100000", NULL };
    serve_body(lengths[_i], 100000);
    ck_assert_uint_eq(seen.looked_n, 65536);
    ck_assert_uint_eq(seen.body_n, 100000);
}
END_TEST

START_TEST(a_small_body_is_not_looked_at_twice)
{
    serve_body("60000", 60000);
    ck_assert_uint_eq(seen.looked_n, 0);
    serve_body(NULL, 60000); /* it might have been a large one */
    ck_assert_uint_eq(seen.looked_n, 60000);
}
END_TEST

START_TEST(what_is_refused_at_the_beginning_is_not_read)
{
    uint8_t first[40000] = "no";
    put_header("POST", "/body", "CONTENT_LENGTH", "100000", NULL);
    put(5, first, sizeof first);
    put(5, first, sizeof first);
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n); /* the rest never comes */
    ck_assert_int_eq(request_serve(&gw, &conn), REQUEST_LINGER);
    read_answer();
    ck_assert_int_eq(got.status, 422);
    ck_assert_uint_eq(seen.body_n, 0);
    ck_assert_int_eq(pool_state(gw.pool).admitted, 0);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, 0);
}
END_TEST

/* A large buffer that has served a small body of unknown length is a large buffer still, and not kept for small ones.
 */
START_TEST(large_buffers_stay_large_ones)
{
    cfg.max_body = 150000; /* the pool has room for more */
    serve_body("100000", 100000);
    ck_assert_uint_ge(seen.room, 100000);
    cfg.max_body = 30000;
    serve_body(NULL, 10);
    ck_assert_uint_ge(seen.room, 100000);
    serve_body("10000", 10000);
    ck_assert_uint_lt(seen.room, 50000);
}
END_TEST

START_TEST(too_many_bodies_at_once)
{
    int n = 0;
    while (dispatch_share_take(gw.dispatch, SHARE_BODIES))
        n++;
    ck_assert_int_eq(n, config_threads(&cfg) - 4);
    put_header("POST", "/body", "CONTENT_LENGTH", "10", NULL);
    put_body(10);
    ck_assert(serve()); /* ten bytes that are here are read, and the connection stays */
    read_answer();
    ck_assert_int_eq(got.status, 503);
    ck_assert_ptr_nonnull(strstr(got.head, "\r\nRetry-After: "));
}
END_TEST

/* Slow ones. */

static void *serve_thread(void *ctx)
{
    *(enum request_end *)ctx = request_serve(&gw, &conn);
    return NULL;
}

static void put_out(void)
{
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    out.n = 0;
}

static void send_some(size_t n)
{
    static const uint8_t zeros[40000];
    put(5, zeros, n);
    put_out();
}

/* The header of an upload, so much of its 100 bytes, and a thread that has it admitted and waits for the rest. */
static pthread_t begin_slowly(size_t n, enum request_end *end)
{
    pthread_t thread;
    put_header("POST", "/body", "CONTENT_LENGTH", "100", NULL);
    put_out();
    send_some(n);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_thread, end), 0);
    for (int64_t limit = clock_ms() + 3000; pool_state(gw.pool).admitted == 0 && clock_ms() < limit;)
        usleep(200);
    return thread;
}

static void end_slowly(pthread_t thread, size_t n, const enum request_end *end)
{
    send_some(0); /* the end */
    pthread_join(thread, NULL);
    ck_assert_int_eq(*end, REQUEST_KEEP);
    read_answer();
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(seen.body_n, n);
    ck_assert_int_eq(pool_state(gw.pool).admitted, 0);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, 0);
}

static void wait_bytes(size_t n)
{
    for (int64_t limit = clock_ms() + 3000; pool_state(gw.pool).bytes != n && clock_ms() < limit;)
        usleep(200);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, n);
}

/* A body that waits, or never comes, holds no memory for what is still with its client. */
START_TEST(memory_is_taken_for_what_is_read)
{
    enum request_end end;
    pthread_t thread;
    put_header("POST", "/body", "CONTENT_LENGTH", "100000", NULL);
    put_out();
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_thread, &end), 0);
    wait_bytes(65536);
    send_some(40000);
    send_some(40000);
    wait_bytes(100000);
    send_some(20000);
    end_slowly(thread, 100000, &end);
}
END_TEST

/* All places for uploads but the slow one's are taken: whether another one gets in, at once or before long. */
static bool let_in(struct pool_ticket *other)
{
    int64_t limit = clock_ms() + 3000;
    struct ic_error e;
    int retry;
    while (!pool_admit(gw.pool, LANE_UPLOAD, 1, other, &retry, &e) && clock_ms() < limit)
        usleep(1000);
    return other->pool;
}

/* With all of the body but its end it is still one that is waited for. */
START_TEST(a_slow_body_leaves_its_place_to_others)
{
    size_t first = _i == 0 ? 1 : 100;
    struct pool_ticket others[2] = { 0 };
    enum request_end end;
    pthread_t thread = begin_slowly(first, &end);
    ck_assert(let_in(&others[0]));
    ck_assert(let_in(&others[1]));
    ck_assert_int_eq(pool_state(gw.pool).admitted, 2);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, 102);
    if (first < 100)
        send_some(100 - first);
    for (int i = 0; i < 2; i++)
        pool_leave(&others[i]);
    end_slowly(thread, 100, &end);
}
END_TEST

START_TEST(patience_grows_with_what_has_come)
{
    static const char *const lengths[] = { "90000", NULL };
    serve_body(lengths[_i], 90000);
    ck_assert_int_eq(seen.patience_ms, 109);
}
END_TEST

START_TEST(a_slow_body_that_breaks_off_gives_all_back)
{
    struct pool_ticket others[2] = { 0 };
    enum request_end end;
    pthread_t thread = begin_slowly(1, &end);
    ck_assert(let_in(&others[0]));
    ck_assert(let_in(&others[1]));
    shutdown(peer, SHUT_WR);
    pthread_join(thread, NULL);
    ck_assert_int_ne(end, REQUEST_KEEP);
    ck_assert_int_eq(pool_state(gw.pool).admitted, 2);
    for (int i = 0; i < 2; i++)
        pool_leave(&others[i]);
    ck_assert_int_eq(pool_state(gw.pool).admitted, 0);
    ck_assert_uint_eq(pool_state(gw.pool).bytes, 0);
}
END_TEST

/* Keeping. */

START_TEST(hundreds_of_requests_on_one_connection)
{
    for (int i = 0; i < 300; i++) {
        bool post = i % 3 == 0;
        char length[16];
        snprintf(length, sizeof length, "%d", i * 301 + 1);
        put_header(post ? "POST" : "GET", post ? "/body" : "/image", post ? "CONTENT_LENGTH" : "X", length, NULL);
        put_body(post ? (size_t)i * 301 + 1 : 0);
        ck_assert(serve());
        read_answer();
        ck_assert_int_eq(got.status, 200);
        ck_assert_uint_eq(seen.body_n, post ? (size_t)i * 301 + 1 : seen.body_n);
    }
    check_end();
}
END_TEST

START_TEST(not_kept_unless_asked)
{
    static const char *const kv[] = { "REQUEST_METHOD", "GET", "REQUEST_URI", "/", NULL };
    put(1, (uint8_t[8]){ 0, 1, 0 }, 8);
    put_pairs(kv);
    put_body(0);
    ck_assert(!serve());
    read_answer();
    check_end();
}
END_TEST

/* A body that looks like a request, and a handler that does not read it: whatever CONTENT_LENGTH says. */
START_TEST(an_unread_body_is_never_the_next_request)
{
    static const char *const claims[] = { "", "0", "-1", "5", "100" };
    static uint8_t inner[1000];
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        teardown();
        setup();
        put_header("GET", "/inner", NULL);
        put_body(0);
        size_t n = out.n;
        memcpy(inner, out.p, n);
        out.n = 0;
        put_header("GET", "/outer", "CONTENT_LENGTH", claims[i], NULL);
        put(5, inner, n);
        put(5, NULL, 0);
        bool kept = serve();
        ck_assert_msg(kept == (atoi(claims[i]) >= (int)n), "kept %d with CONTENT_LENGTH \"%s\"", kept, claims[i]);
        ck_assert_int_eq(seen.calls, 1);
        read_answer();
    }
}
END_TEST

/* libfcgi reads 8 KB at a time: what follows the end of STDIN is lost in its buffer, so the boundary is too. */
START_TEST(bytes_after_the_end_of_stdin)
{
    for (size_t extra = 1; extra < 40; extra++) {
        teardown();
        setup();
        put_header("POST", "/body", "CONTENT_LENGTH", "3", NULL);
        put_body(3);
        memset(out.p + out.n, 1, extra);
        out.n += extra;
        ck_assert_msg(!serve(), "kept with %zu bytes more", extra);
        read_answer();
        ck_assert_int_eq(got.status, 200);
    }
}
END_TEST

START_TEST(a_refused_upload_gets_its_answer)
{
    put_header("POST", "/refused", "CONTENT_LENGTH", "150000", NULL);
    put_body(150000);
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    ck_assert_int_eq(request_serve(&gw, &conn), REQUEST_LINGER);
    read_answer();
    ck_assert_int_eq(got.status, 200);
}
END_TEST

START_TEST(libfcgi_refuses_what_the_scanner_would_not_pass)
{
    put(1, (uint8_t[8]){ 0, 1, 1 }, 8);
    put(4,
        "\x7f\x7f"
        "AB",
        4);
    put(4, NULL, 0);
    put(5, NULL, 0);
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(request_serve(&gw, &conn), REQUEST_CLOSE);
    ck_assert_int_eq(seen.calls, 0);
    ck_assert_int_eq(fcntl(conn.fd, F_GETFD), 0); /* still ours: libfcgi closed only its copy */
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("request_body");
    TCase *t = tcase_create("request");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, bodies_against_their_lengths, 0, sizeof bodies / sizeof *bodies);
    tcase_add_loop_test(t, a_body_that_breaks_off, 0, 2);
    tcase_add_test(t, tickets_come_back);
    tcase_add_test(t, large_buffers_stay_large_ones);
    tcase_add_loop_test(t, the_beginning_is_looked_at_first, 0, 2);
    tcase_add_test(t, a_small_body_is_not_looked_at_twice);
    tcase_add_test(t, what_is_refused_at_the_beginning_is_not_read);
    tcase_add_test(t, memory_is_taken_for_what_is_read);
    tcase_add_loop_test(t, a_slow_body_leaves_its_place_to_others, 0, 2);
    tcase_add_loop_test(t, patience_grows_with_what_has_come, 0, 2);
    tcase_add_test(t, a_slow_body_that_breaks_off_gives_all_back);
    tcase_add_test(t, too_many_bodies_at_once);
    tcase_add_test(t, hundreds_of_requests_on_one_connection);
    tcase_add_test(t, not_kept_unless_asked);
    tcase_add_test(t, an_unread_body_is_never_the_next_request);
    tcase_add_test(t, bytes_after_the_end_of_stdin);
    tcase_add_test(t, a_refused_upload_gets_its_answer);
    tcase_add_test(t, libfcgi_refuses_what_the_scanner_would_not_pass);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
