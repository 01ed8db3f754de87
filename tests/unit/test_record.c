/* The scanner at every split point and with hostile lengths; answers to management records; framing of every size. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../fcgi/record.h"
#include "suite.h"

struct bytes {
    uint8_t p[80000];
    size_t n;
};

static struct bytes b;

static void setup(void)
{
    b.n = 0;
}

static void put(uint8_t type, uint16_t id, const void *content, size_t n, uint8_t padding)
{
    uint8_t h[8] = { 1, type, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(n >> 8), (uint8_t)n, padding, 0 };
    ck_assert_uint_le(b.n + 8 + n + padding, sizeof b.p);
    memcpy(b.p + b.n, h, 8);
    if (n > 0)
        memcpy(b.p + b.n + 8, content, n);
    memset(b.p + b.n + 8 + n, 0xee, padding);
    b.n += 8 + n + padding;
}

static void put_begin(uint16_t id, uint8_t role, uint8_t flags)
{
    put(RECORD_BEGIN, id, (uint8_t[8]){ 0, role, flags }, 8, 0);
}

static enum record_verdict scan(struct record_head *h)
{
    return record_scan(b.p, b.n, h);
}

/* What a server sends, with the pairs cut in the middle of a length, of a name and of a value. */
static const uint8_t pairs[] = "\x04\x03NAMEval\x80\x00\x00\x05\x80\x00\x00\x03LONGEryy\x00\x00\x01\x00Z";
#define PAIRS (sizeof pairs - 1)

static void put_request(size_t cut)
{
    put_begin(258, 1, 1);
    put(RECORD_PARAMS, 258, pairs, cut, 3);
    if (cut < PAIRS)
        put(RECORD_PARAMS, 258, pairs + cut, PAIRS - cut, 0);
    put(RECORD_PARAMS, 258, NULL, 0, 0);
}

START_TEST(a_header_is_seen_with_its_last_byte_and_not_before)
{
    struct record_head h;
    put_request((size_t)_i);
    size_t n = b.n;
    put(5, 258, "body", 4, 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(record_scan(b.p, i, &h) == RECORD_MORE, "after %zu of %zu bytes", i, n);
    for (size_t i = n; i <= b.n; i++) {
        ck_assert_int_eq(record_scan(b.p, i, &h), RECORD_REQUEST);
        ck_assert_uint_eq(h.length, n);
        ck_assert_uint_eq(h.id, 258);
        ck_assert_uint_eq(h.role, 1);
        ck_assert(h.keep);
    }
}
END_TEST

START_TEST(flags_and_roles)
{
    struct record_head h;
    put_begin(1, 3, 0xfe);
    put(RECORD_PARAMS, 1, NULL, 0, 0);
    ck_assert_int_eq(scan(&h), RECORD_REQUEST);
    ck_assert_uint_eq(h.role, 3);
    ck_assert(!h.keep);
}
END_TEST

START_TEST(wrong_beginnings_are_refused_at_once)
{
    struct record_head h;
    for (int first = 0; first < 256; first++)
        ck_assert_int_eq(record_scan(&(uint8_t){ (uint8_t)first }, 1, &h), first == 1 ? RECORD_MORE : RECORD_BAD);
    for (int type = 2; type < 256; type++) { /* a request cannot begin with anything else */
        b.n = 0;
        put((uint8_t)type, 1, NULL, 0, 0);
        ck_assert_int_eq(scan(&h), RECORD_BAD);
    }
    static const struct {
        uint16_t id;
        size_t n;
        uint8_t padding;
    } bad[] = { { 0, 8, 0 }, { 1, 7, 0 }, { 1, 9, 0 }, { 1, 0, 0 }, { 1, 8, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        b.n = 0;
        put(RECORD_BEGIN, bad[i].id, "\0\1\0\0\0\0\0\0\0", bad[i].n, bad[i].padding);
        ck_assert_int_eq(record_scan(b.p, 8, &h), RECORD_BAD);
    }
}
END_TEST

START_TEST(only_params_of_the_same_request_follow)
{
    struct record_head h;
    for (int type = 0; type < 256; type++) {
        b.n = 0;
        put_begin(7, 1, 0);
        put((uint8_t)type, 7, NULL, 0, 0);
        ck_assert_int_eq(scan(&h), type == RECORD_PARAMS ? RECORD_REQUEST : RECORD_BAD);
    }
    static const uint16_t ids[] = { 0, 6, 8, 0x0700 };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        b.n = 0;
        put_begin(7, 1, 0);
        put(RECORD_PARAMS, ids[i], NULL, 0, 0);
        ck_assert_int_eq(scan(&h), RECORD_BAD);
    }
}
END_TEST

/* libfcgi takes the padding of an empty PARAMS record for the next header. */
START_TEST(padding_of_the_empty_record_is_refused)
{
    struct record_head h;
    put_begin(1, 1, 0);
    put(RECORD_PARAMS, 1, NULL, 0, 8);
    ck_assert_int_eq(scan(&h), RECORD_BAD);
}
END_TEST

static const struct {
    const char *text;
    size_t n;
} lies[] = {
    { "\xff\xff\xff\xff\xff\xff\xff\xff", 8 }, /* libfcgi would allocate 4 GB */
    { "\x80\x01\x00\x01\x00", 5 },             /* a name of 65537 */
    { "\x00\x80\x01\x00\x01", 5 },             /* a value of 65537 */
    { "\x01", 1 },                             /* ends inside of the lengths */
    { "\x80\x00\x00", 3 },
    { "\x01\x80\x00", 3 },
    { "\x02\x02nva", 5 }, /* ends inside of the value */
    { "\x05\x00name", 6 },
};

START_TEST(lengths_that_lie)
{
    struct record_head h;
    put_begin(1, 1, 0);
    put(RECORD_PARAMS, 1, lies[_i].text, lies[_i].n, 0);
    put(RECORD_PARAMS, 1, NULL, 0, 0);
    ck_assert_int_eq(scan(&h), RECORD_BAD);
}
END_TEST

START_TEST(headers_up_to_the_limit)
{
    static uint8_t value[RECORD_SCAN_MAX];
    struct record_head h;
    size_t rest = RECORD_SCAN_MAX - 16 - 8 - 8 - 8; /* begin, two PARAMS headers, lengths of one pair */
    memcpy(value, (uint8_t[]){ 0x80, 0, 0, 0, 0x80, 0, (uint8_t)(rest >> 8), (uint8_t)rest }, 8);
    put_begin(1, 1, 0);
    put(RECORD_PARAMS, 1, value, 8 + rest, 0);
    put(RECORD_PARAMS, 1, NULL, 0, 0);
    ck_assert_uint_eq(b.n, RECORD_SCAN_MAX);
    ck_assert_int_eq(scan(&h), RECORD_REQUEST);
    ck_assert_int_eq(record_scan(b.p, b.n - 1, &h), RECORD_MORE);

    b.n = 0;
    put_begin(1, 1, 0);
    put(RECORD_PARAMS, 1, value, 8 + rest, 1); /* one byte more in all */
    ck_assert_int_eq(record_scan(b.p, b.n, &h), RECORD_MORE);
    put(RECORD_PARAMS, 1, NULL, 0, 0);
    ck_assert_int_eq(scan(&h), RECORD_BAD);
}
END_TEST

START_TEST(management_records_stand_in_front)
{
    struct record_head h;
    put(RECORD_GET_VALUES, 0,
        "\x0e\x00"
        "FCGI_MAX_CONNS",
        16, 8);
    size_t n = b.n;
    put_request(PAIRS);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(record_scan(b.p, i, &h), RECORD_MORE);
    ck_assert_int_eq(scan(&h), RECORD_MANAGEMENT);
    ck_assert_uint_eq(h.length, n);
    ck_assert_int_eq(record_scan(b.p + n, b.n - n, &h), RECORD_REQUEST);
}
END_TEST

START_TEST(a_management_record_over_the_limit)
{
    static const uint8_t zeros[65535];
    struct record_head h;
    put(RECORD_GET_VALUES, 0, zeros, 65535, 0);
    ck_assert_int_eq(record_scan(b.p, 8, &h), RECORD_BAD);
}
END_TEST

START_TEST(get_values_is_answered)
{
    uint8_t out[RECORD_ANSWER];
    static const char asked[] = "\x0e\x00"
                                "FCGI_MAX_CONNS"
                                "\x0f\x01"
                                "FCGI_MPXS_CONNSx"
                                "\x03\x00"
                                "WHO"
                                "\x0e\x00"
                                "FCGI_MAX_CONNS";
    put(RECORD_GET_VALUES, 0, asked, sizeof asked - 1, 5);
    size_t n = record_answer(b.p, b.n, 123, out);
    ck_assert_uint_eq(n % 8, 0);
    ck_assert_uint_eq(out[1], RECORD_GET_VALUES_RESULT);
    ck_assert_uint_eq(out[5], 2 + 14 + 3 + 2 + 15 + 1);
    ck_assert_uint_eq(n, 8u + out[5] + out[6]);
    ck_assert_mem_eq(out + 8,
                     "\x0e\x03"
                     "FCGI_MAX_CONNS123"
                     "\x0f\x01"
                     "FCGI_MPXS_CONNS0",
                     37);
}
END_TEST

START_TEST(get_values_with_every_hostile_cut)
{
    static const char asked[] = "\x0d\x00"
                                "FCGI_MAX_REQS"
                                "\x80\x00\x00\x0e\x80\x00\x00\x00"
                                "FCGI_MAX_CONNS"
                                "\xff\xff\xff\xff\xff\xff\xff\xff";
    uint8_t out[RECORD_ANSWER];
    for (size_t i = 0; i < sizeof asked; i++) {
        b.n = 0;
        put(RECORD_GET_VALUES, 0, asked, i, 0);
        uint8_t *exact = malloc(b.n); /* so that a sanitizer sees one byte too far */
        memcpy(exact, b.p, b.n);
        size_t n = record_answer(exact, b.n, 4294967295u, out);
        free(exact);
        ck_assert_uint_ge(n, 8);
        ck_assert_uint_le(n, sizeof out);
        ck_assert_uint_eq(out[5], i < 15 ? 0 : i < 15 + 22 ? 25 : 25 + 26);
    }
}
END_TEST

START_TEST(unknown_management_records_are_told_so)
{
    uint8_t out[RECORD_ANSWER];
    put(77, 0, "abc", 3, 0);
    ck_assert_uint_eq(record_answer(b.p, b.n, 1, out), 16);
    ck_assert_mem_eq(out, ((uint8_t[16]){ 1, 11, 0, 0, 0, 8, 0, 0, 77 }), 16);
}
END_TEST

START_TEST(end_of_a_refused_request)
{
    uint8_t out[16];
    record_end(out, 0x1234, RECORD_UNKNOWN_ROLE);
    ck_assert_mem_eq(out, ((uint8_t[16]){ 1, 3, 0x12, 0x34, 0, 8, 0, 0, 0, 0, 0, 0, 3 }), 16);
}
END_TEST

struct wire {
    uint8_t *p;
    size_t n;
};

static struct wire frame_all(const uint8_t *head, size_t head_n, const uint8_t *body, size_t body_n)
{
    struct wire w = { malloc(head_n + body_n + body_n / 1000 + 4096), 0 };
    struct record_reply r;
    struct iovec iov[RECORD_IOV];
    int n;
    record_reply_init(&r, 0x0203, (struct iovec){ (void *)head, head_n }, (struct iovec){ (void *)body, body_n });
    while ((n = record_reply_next(&r, iov)) > 0) {
        ck_assert_int_le(n, RECORD_IOV);
        for (int i = 0; i < n; i++) {
            memcpy(w.p + w.n, iov[i].iov_base, iov[i].iov_len);
            w.n += iov[i].iov_len;
        }
    }
    ck_assert_int_eq(record_reply_next(&r, iov), 0);
    return w;
}

/* Takes the stream apart as a server does, and compares it with head and body. */
static void check_wire(const struct wire *w, const uint8_t *head, size_t head_n, const uint8_t *body, size_t body_n)
{
    size_t at = 0, got = 0;
    for (;;) {
        const uint8_t *h = w->p + at;
        size_t n = (size_t)(h[4] << 8 | h[5]);
        ck_assert_uint_le(at + 8 + n + h[6], w->n);
        ck_assert_uint_eq((n + h[6]) % 8, 0);
        ck_assert_mem_eq(h, ((uint8_t[4]){ 1, RECORD_STDOUT, 2, 3 }), 4);
        ck_assert_uint_le(got + n, head_n + body_n);
        for (size_t i = 0; i < n; i++, got++) {
            if (h[8 + i] != (got < head_n ? head[got] : body[got - head_n]))
                ck_abort_msg("byte %zu", got);
        }
        at += 8 + n + h[6];
        if (n == 0)
            break;
    }
    ck_assert_uint_eq(got, head_n + body_n);
    ck_assert_uint_eq(w->n - at, 16);
    ck_assert_mem_eq(w->p + at, ((uint8_t[16]){ 1, RECORD_END, 2, 3, 0, 8 }), 16);
}

static const size_t sizes[] = {
    0, 1, 7, 8, 9, 65000, 65527, 65528, 65529, 65535, 65536, 131056, 524224, 524225, 3000001
};

START_TEST(framed_answers_come_apart_again)
{
    size_t n = sizes[_i];
    static const size_t heads[] = { 0, 1, 8, 100, 3500 };
    uint8_t *body = malloc(n + 1), head[3500];
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)(i * 7 + i / 251);
    memset(head, 'h', sizeof head);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct wire w = frame_all(head, heads[i], n > 0 ? body : NULL, n);
        check_wire(&w, head, heads[i], body, n);
        free(w.p);
    }
    free(body);
}
END_TEST

struct reader {
    int fd;
    uint8_t *p;
    size_t n;
    pthread_t sender;
};

static void nothing(int sig)
{
    (void)sig;
}

/* Interrupts the sender while it is blocked: only then does a blocking send take part of what it was given. */
static void *read_slowly(void *arg)
{
    struct reader *r = arg;
    ssize_t n;
    for (int i = 0; i < 20; i++) {
        usleep(2000);
        pthread_kill(r->sender, SIGUSR1);
        n = read(r->fd, r->p + r->n, 70001);
        r->n += n > 0 ? (size_t)n : 0;
    }
    while ((n = read(r->fd, r->p + r->n, 4099)) > 0)
        r->n += (size_t)n;
    return NULL;
}

START_TEST(send_goes_on_after_interruptions)
{
    int fd[2];
    pthread_t t;
    size_t n = 2000003;
    uint8_t *body = malloc(n);
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)(i * 13 + i / 509);
    sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = nothing }, NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    struct reader r = { .fd = fd[1], .p = malloc(n + 70001), .sender = pthread_self() };
    pthread_create(&t, NULL, read_slowly, &r);
    struct iovec iov[3] = { { body, 1 }, { body + 1, 1000001 }, { body + 1000002, n - 1000002 } };
    ck_assert(record_send(fd[0], iov, 3));
    shutdown(fd[0], SHUT_WR);
    pthread_join(t, NULL);
    ck_assert_uint_eq(r.n, n);
    ck_assert_mem_eq(r.p, body, n);
    close(fd[0]);
    close(fd[1]);
    free(r.p);
    free(body);
}
END_TEST

START_TEST(send_to_a_peer_that_left_fails_without_a_signal)
{
    int fd[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    close(fd[1]);
    struct iovec iov = { (void *)"x", 1 };
    ck_assert(!record_send(fd[0], &iov, 1));
    ck_assert_int_eq(errno, EPIPE);
    close(fd[0]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("record");
    TCase *t = tcase_create("scan");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, a_header_is_seen_with_its_last_byte_and_not_before, 1, (int)PAIRS + 1);
    tcase_add_test(t, flags_and_roles);
    tcase_add_test(t, wrong_beginnings_are_refused_at_once);
    tcase_add_test(t, only_params_of_the_same_request_follow);
    tcase_add_test(t, padding_of_the_empty_record_is_refused);
    tcase_add_loop_test(t, lengths_that_lie, 0, sizeof lies / sizeof *lies);
    tcase_add_test(t, headers_up_to_the_limit);
    tcase_add_test(t, management_records_stand_in_front);
    tcase_add_test(t, a_management_record_over_the_limit);
    tcase_add_test(t, get_values_is_answered);
    tcase_add_test(t, get_values_with_every_hostile_cut);
    tcase_add_test(t, unknown_management_records_are_told_so);
    suite_add_tcase(s, t);
    t = tcase_create("write");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, end_of_a_refused_request);
    tcase_add_loop_test(t, framed_answers_come_apart_again, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(t, send_goes_on_after_interruptions);
    tcase_add_test(t, send_to_a_peer_that_left_fails_without_a_signal);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
