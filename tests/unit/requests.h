/* A peer that speaks FastCGI by hand, a gateway without processes, and a handler in place of route.c's. */
#ifndef TESTS_REQUESTS_H
#define TESTS_REQUESTS_H

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
    int64_t length, start_ms, deadline_ms, patience_ms;
    size_t looked_n, body_n, room; /* room: of the buffer */
    uint32_t sum;
} seen;

static inline uint32_t sum(const uint8_t *p, size_t n)
{
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++)
        s = s * 31 + p[i];
    return s;
}

static inline void note(const struct request *rq)
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

/* Refuses what begins with a 'n'. */
static inline bool look(struct request *rq, void *ctx, struct reply *a)
{
    seen.looked_n = rq->body_n;
    (void)ctx;
    if (rq->body_n == 0 || rq->body[0] != 'n')
        return true;
    reply_problem(a, 422, "no", "it begins with n");
    return false;
}

void route_request(struct request *rq, struct reply *a)
{
    note(rq);
    if (strcmp(rq->uri, "/body") == 0) {
        if (!request_admit_body(rq, a) || !request_read_body(rq, look, NULL, a))
            return;
        seen.body_n = rq->body_n;
        seen.patience_ms = rq->ticket.slow_ms - rq->ticket.begun_ms;
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

static inline void setup(void)
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

static inline void teardown(void)
{
    close(conn.fd);
    close(peer);
    dispatch_free(gw.dispatch);
    pool_free(gw.pool);
    config_free(&cfg);
}

static inline void put(int type, const void *p, size_t n)
{
    uint8_t h[8] = { 1, (uint8_t)type, 0, 9, (uint8_t)(n >> 8), (uint8_t)n, 0, 0 };
    memcpy(out.p + out.n, h, 8);
    if (n > 0)
        memcpy(out.p + out.n + 8, p, n);
    out.n += 8 + n;
}

static inline void put_body(size_t n)
{
    static uint8_t body[150000];
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t at = 0; at < n; at += 40000)
        put(5, body + at, n - at < 40000 ? n - at : 40000);
    put(5, NULL, 0);
}

static inline void put_pairs(const char *const *kv)
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
static inline void put_header(const char *method, const char *uri, ...)
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

static inline bool serve(void) /* true: the connection is kept */
{
    ck_assert_int_eq(send(peer, out.p, out.n, 0), (ssize_t)out.n);
    out.n = 0;
    return request_serve(&gw, &conn) == REQUEST_KEEP;
}

/* Reads one whole answer into got. The stream must be exactly that: records of request 9, the empty one, END_REQUEST.
 */
static inline void read_answer(void)
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

static inline const char *code(void)
{
    static char word[64];
    const char *at = memmem(got.body, got.body_n, "\"code\":\"", 8);
    return at != NULL && sscanf(at + 8, "%63[a-z_]", word) == 1 ? word : "(none)";
}

/* Nothing more comes, and the peer sees the end. */
static inline void check_end(void)
{
    uint8_t c;
    shutdown(conn.fd, SHUT_RDWR);
    ck_assert_int_eq(recv(peer, &c, 1, 0), 0);
}

#endif
