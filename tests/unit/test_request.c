/* One request over a socketpair, with a handler made here: what handlers are told, what goes back on the wire, and when
 * the connection may be kept. Deadlines need the dispatcher's loop and are tested against the whole program. */
#include <check.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/record.h"
#include "../../fcgi/route.h"

static struct config cfg;
static struct gateway gw;
static struct conn conn;
static int peer;

static struct {
    uint8_t p[400000];
    size_t n;
} out; /* what the peer sends */

static struct {
    char head[REPLY_HEAD];
    uint8_t body[300000];
    size_t body_n;
    int status;
} got; /* what it gets */

/* The handler: route.c's place. */

static struct {
    int calls;
    char id[65], method[16], uri[128], query[64], host[32];
    bool head;
    int64_t length, start_ms, deadline_ms;
    size_t body_n, room; /* room: of the buffer */
    uint32_t sum;
} seen;

static uint32_t sum(const uint8_t *p, size_t n)
{
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++)
        s = s * 31 + p[i];
    return s;
}

static void note(const struct request *rq)
{
    seen.calls++;
    snprintf(seen.id, sizeof seen.id, "%s", rq->id);
    snprintf(seen.method, sizeof seen.method, "%s", rq->method);
    snprintf(seen.uri, sizeof seen.uri, "%s", rq->uri);
    snprintf(seen.query, sizeof seen.query, "%s", rq->query);
    snprintf(seen.host, sizeof seen.host, "%s", request_param(rq, "HTTP_HOST"));
    seen.head = rq->head;
    seen.length = rq->content_length;
    seen.start_ms = rq->start_ms;
    seen.deadline_ms = rq->deadline_ms;
}

void route_request(struct request *rq, struct reply *a)
{
    note(rq);
    if (strcmp(rq->uri, "/body") == 0) {
        size_t bytes = rq->content_length > 0 ? (size_t)rq->content_length : 0;
        if (!request_admit(rq, LANE_UPLOAD, bytes, a) || !request_read_body(rq, a))
            return;
        seen.body_n = rq->body_n;
        seen.room = malloc_usable_size(rq->body);
        seen.sum = sum(rq->body, rq->body_n);
        reply_text(a, 200, "text/plain", "read");
    } else if (strcmp(rq->uri, "/image") == 0) {
        rq->log.decode_ms = 12.34;
        uint8_t *p = malloc(200001);
        memset(p, 'i', 200001);
        reply_body(a, 200, "image/png", p, 200001);
    } else if (strcmp(rq->uri, "/gone") == 0) {
        reply_error(a, &(struct ic_error){ .code = IC_E_GONE }, 0);
    } else if (strcmp(rq->uri, "/nothing") != 0) {
        reply_text(a, 200, "text/plain", "ok");
    }
}

/* The peer. */

static void setup(void)
{
    static char *argv[] = { "--workers=0", "--queue=2", "--max_body=100000", "--slow_ms=0" };
    char err[256] = "";
    int fd[2];
    ck_assert_msg(config_load(&cfg, NULL, argv, 4, err, sizeof err), "%s", err);
    ic_init();
    FCGX_Init();
    gw = (struct gateway){ .cfg = &cfg, .pool = pool_create(&cfg) };
    gw.dispatch = dispatch_create(&cfg, gw.pool, -1, -1);
    ck_assert_ptr_nonnull(gw.dispatch);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    conn = (struct conn){ .fd = fd[0], .begun_ms = clock_ms() };
    peer = fd[1];
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int));
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 }, sizeof(int));
    out.n = 0;
    memset(&seen, 0, sizeof seen);
}

static void teardown(void)
{
    close(conn.fd);
    close(peer);
    dispatch_free(gw.dispatch);
    pool_free(gw.pool);
    config_free(&cfg);
}

static void put(int type, const void *p, size_t n)
{
    uint8_t h[8] = { 1, (uint8_t)type, 0, 9, (uint8_t)(n >> 8), (uint8_t)n, 0, 0 };
    memcpy(out.p + out.n, h, 8);
    if (n > 0)
        memcpy(out.p + out.n + 8, p, n);
    out.n += 8 + n;
}

static void put_body(size_t n)
{
    static uint8_t body[150000];
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t at = 0; at < n; at += 40000)
        put(5, body + at, n - at < 40000 ? n - at : 40000);
    put(5, NULL, 0);
}

static void put_pairs(const char *const *kv)
{
    uint8_t pairs[2048];
    size_t n = 0;
    for (; kv[0] != NULL; kv += 2) {
        size_t a = strlen(kv[0]), b = strlen(kv[1]);
        pairs[n++] = (uint8_t)a;
        if (b > 127) {
            memcpy(pairs + n, (uint8_t[4]){ 0x80, 0, (uint8_t)(b >> 8), (uint8_t)b }, 4);
            n += 4;
        } else {
            pairs[n++] = (uint8_t)b;
        }
        memcpy(pairs + n, kv[0], a);
        memcpy(pairs + n + a, kv[1], b);
        n += a + b;
    }
    put(4, pairs, n);
    put(4, NULL, 0);
}

/* Everything up to the empty PARAMS; name, value, ..., NULL after the two that are always there. */
static void put_header(const char *method, const char *uri, ...)
{
    const char *kv[32] = { "REQUEST_METHOD", method, "REQUEST_URI", uri };
    va_list ap;
    int n = 4;
    va_start(ap, uri);
    while ((kv[n] = va_arg(ap, const char *)) != NULL)
        n++;
    va_end(ap);
    put(1, (uint8_t[8]){ 0, 1, 1 }, 8);
    put_pairs(kv);
}

static bool serve(void) /* true: the connection is kept */
{
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    out.n = 0;
    return request_serve(&gw, &conn) == REQUEST_KEEP;
}

/* Reads one whole answer into got. The stream must be exactly that: records of request 9, the empty one, END_REQUEST.
 */
static void read_answer(void)
{
    uint8_t h[8], content[65536 + 8];
    static uint8_t all[sizeof got.head + sizeof got.body];
    size_t n = 0, len;
    do {
        ck_assert_int_eq(recv(peer, h, 8, MSG_WAITALL), 8);
        ck_assert_mem_eq(h, ((uint8_t[4]){ 1, RECORD_STDOUT, 0, 9 }), 4);
        len = (size_t)(h[4] << 8 | h[5]);
        if (len + h[6] > 0)
            ck_assert_int_eq(recv(peer, content, len + h[6], MSG_WAITALL), (ssize_t)(len + h[6]));
        ck_assert_uint_le(n + len, sizeof all);
        memcpy(all + n, content, len);
        n += len;
    } while (len > 0);
    ck_assert_int_eq(recv(peer, content, 16, MSG_WAITALL), 16);
    ck_assert_mem_eq(content, ((uint8_t[16]){ 1, RECORD_END, 0, 9, 0, 8 }), 16);
    uint8_t *gap = memmem(all, n, "\r\n\r\n", 4);
    ck_assert_ptr_nonnull(gap);
    size_t head_n = (size_t)(gap - all) + 4;
    memcpy(got.head, all, head_n);
    got.head[head_n] = '\0';
    got.body_n = n - head_n;
    memcpy(got.body, all + head_n, got.body_n);
    ck_assert_int_eq(sscanf(got.head, "Status: %d", &got.status), 1);
}

static const char *code(void)
{
    static char word[64];
    const char *at = memmem(got.body, got.body_n, "\"code\":\"", 8);
    return at != NULL && sscanf(at + 8, "%63[a-z_]", word) == 1 ? word : "(none)";
}

/* Nothing more comes, and the peer sees the end. */
static void check_end(void)
{
    uint8_t c;
    shutdown(conn.fd, SHUT_RDWR);
    ck_assert_int_eq(recv(peer, &c, 1, 0), 0);
}

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

/* Bodies. */

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

START_TEST(a_body_that_breaks_off)
{
    put_header("POST", "/body", "CONTENT_LENGTH", "1000", NULL);
    put(5, "0123456789", 10);
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(request_serve(&gw, &conn), REQUEST_LINGER);
    read_answer();
    ck_assert_int_eq(got.status, 400);
    ck_assert_str_eq(code(), "body_short");
}
END_TEST

/* Unknown length, and the connection breaks off between two records: without a look at libfcgi's error it would pass
 * for the end of the body. */
START_TEST(a_body_of_unknown_length_that_breaks_off)
{
    put_header("POST", "/body", NULL);
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
    while (dispatch_body_begin(gw.dispatch))
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
    tcase_add_loop_test(t, bodies_against_their_lengths, 0, sizeof bodies / sizeof *bodies);
    tcase_add_test(t, a_body_that_breaks_off);
    tcase_add_test(t, a_body_of_unknown_length_that_breaks_off);
    tcase_add_test(t, tickets_come_back);
    tcase_add_test(t, large_buffers_stay_large_ones);
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
    SRunner *r = srunner_create(suite());
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
