/* multipart/form-data: what well-meaning clients send, and what others do. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/multipart.h"
#include "../../fcgi/multipart_reader.h"
#include "arriving.h"
#include "suite.h"

#define TYPE     "multipart/form-data; boundary=XX"
#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* An exact copy on the heap, so that valgrind and ASan see a read past the end. */
static struct ic_bytes copy_of(const void *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (n)
        memcpy(copy, p, n);
    return (struct ic_bytes){ copy, n };
}

/* All parts as "name=value;" or "name@filename:type=value;", then "." at the sound end, or "!" and the error. */
static void describe(struct ic_bytes body, const char *type, char *out, size_t size)
{
    struct multipart m;
    struct multipart_part part;
    size_t used = 0;
    int got = multipart_begin(&m, body, type) ? 1 : -1;
    while (got > 0 && (got = multipart_next(&m, &part)) > 0) {
        used += (size_t)snprintf(out + used, size - used, "%s", part.name);
        if (part.has_filename)
            used += (size_t)snprintf(out + used, size - used, "@%s:%s", part.filename, part.type);
        used += (size_t)snprintf(out + used, size - used, "=%.*s;", (int)part.data.n, (const char *)part.data.p);
        ck_assert(part.data.p >= body.p && part.data.p + part.data.n <= body.p + body.n);
        ck_assert_uint_lt(used, size);
    }
    snprintf(out + used, size - used, "%s%s", got ? "!" : ".", m.error);
    if (got < 0)
        ck_assert_int_eq(multipart_next(&m, &part), -1); /* and it stays so */
}

#define A "Content-Disposition: form-data; name=\"a\"\r\n"

static const struct {
    const char *body, *described; /* an error: from "!" on, what it begins with */
} bodies[] = {
    { "--XX\r\n" A "\r\n1\r\n--XX--\r\n", "a=1;." },
    { "--XX\r\n" A "\r\n1\r\n--XX--", "a=1;." },
    { "--XX\r\n" A "\r\n\r\n--XX--", "a=;." },
    { "--XX\r\n" A "\r\n--XX--", "a=;." }, /* RFC 2046: the line end belongs to the delimiter */
    { "--XX\r\n" A "\r\n1\r\n2\n\r\n--XX--", "a=1\r\n2\n;." },
    { "--XX\r\n" A "\r\n1\r\n--XX\r\n" A "\r\n2\r\n--XX--", "a=1;a=2;." },
    { "--XX--", "." },
    { "--XX--\r\n", "." },
    { "preamble\r\n--XX\r\n" A "\r\n1\r\n--XX--\r\nepilogue", "a=1;." },
    { "\r\n--XX\r\n" A "\r\n1\r\n--XX--", "a=1;." },
    { "--XX \t\r\n" A "\r\n1\r\n--XX \r\n" A "\r\n2\r\n--XX-- \r\n", "a=1;a=2;." },
    { "--XX\r\n" A "\r\n1--XX--2\r\n--XX--", "a=1--XX--2;." },
    { "--XX\r\n" A "\r\n1\n--XX--\r\n--XX--", "a=1\n--XX--;." },
    { "--XX\r\ncontent-DISPOSITION:form-data;name=a\r\n\r\n1\r\n--XX--", "a=1;." },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b.jpg\"\r\nContent-Type: Image/JPEG\r\n\r\n"
      "1\r\n--XX--",
      "a@b.jpg:image/jpeg=1;." },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n\r\n--XX--", "a@:=;." },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"q\\\"\\\\.jpg\"\r\n\r\n1\r\n--XX--",
      "a@q\"\\.jpg:=1;." },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x\"; "
      "filename*=utf-8''B%C3%A4r\r\n\r\n1\r\n--XX--",
      "a@Bär:=1;." },
    { "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"; name=b\"\r\n\r\n1\r\n--XX--",
      "a@; name=b:=1;." },
    { "--XX\r\nX-Other: y\r\n" A "Content-Transfer-Encoding: Binary\r\n\r\n1\r\n--XX--", "a=1;." },
    /* refused */
    { "", "!the boundary" },
    { "--X", "!the boundary" },
    { "--YY\r\n" A "\r\n1\r\n--YY--", "!the boundary" },
    { "x--XX\r\n" A "\r\n1\r\n--XX--", "." }, /* all of it a preamble, then the closing delimiter */
    { "--XX", "!a line begins" },
    { "--XX\n" A "\r\n1\r\n--XX--", "!a line begins" },
    { "--XXY\r\n" A "\r\n1\r\n--XX--", "!a line begins" },
    { "--XX\r\n" A "\r\n1\r\n--XXY\r\n--XX--", "!a line begins" },
    { "--XX\r\n" A "\r\n1\r\n--XX--x", "!a line begins" },
    { "--XX\r\n", "!the header lines" },
    { "--XX\r\n" A, "!the header lines" },
    { "--XX\r\n" A "\r\n", "!the body ends" },
    { "--XX\r\n" A "\r\n1", "!the body ends" },
    { "--XX\r\n" A "\r\n1\r\n--X", "!the body ends" },
    { "--XX\r\n" A "\r\n1\r\n--XX", "!a line begins" },
    { "--XX\r\n" A "\r\n1\r\n--XX\r\n", "a=1;!the header lines" },
    { "--XX\r\n\r\n1\r\n--XX--", "!a part has no Content-Disposition" },
    { "--XX\r\nContent-Type: x/y\r\n\r\n1\r\n--XX--", "!a part has no Content-Disposition" },
    { "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--XX--", "!the Content-Disposition of a part" },
    { "--XX\r\nContent-Disposition: form-data-x; name=a\r\n\r\n1\r\n--XX--", "!the Content-Disposition of a part" },
    { "--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XX--", "!a part has no name" },
    { "--XX\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n1\r\n--XX--", "!a part has no name" },
    { "--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--XX--", "!a part has no name" },
    { "--XX\r\n" A A "\r\n1\r\n--XX--", "!a part has two" },
    { "--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--XX--", "!a part has no name" },
    { "--XX\r\n" A " folded\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\n" A "no colon\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\n" A ": x\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\n" A "X: a\nY: b\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\n" A "X: a\rY: b\r\n\r\n1\r\n--XX--", "!a header line" },
    { "--XX\r\n" A "Content-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--XX--", "!a part has a Content-Transfer" },
    { "--XX\r\nContent-Disposition: form-data; name=a; filename*=latin-1''x\r\n\r\n1\r\n--XX--", "!the file name" },
    { "--XX\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%zz\r\n\r\n1\r\n--XX--", "!the file name" },
    { "--XX\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%00\r\n\r\n1\r\n--XX--", "!the file name" },
    { "--XX\r\nContent-Disposition: form-data; name=a; filename*=utf-8\r\n\r\n1\r\n--XX--", "!the file name" },
    { "--XX\r\nContent-Disposition: form-data; name=a; filename=\"x\r\n\r\n1\r\n--XX--", "!a part has no name" },
};

START_TEST(parses)
{
    char out[512];
    struct ic_bytes body = copy_of(bodies[_i].body, strlen(bodies[_i].body));
    const char *expected = bodies[_i].described;
    describe(body, TYPE, out, sizeof out);
    if (strchr(expected, '!'))
        out[strlen(expected)] = '\0';
    ck_assert_str_eq(out, expected);
    free((void *)body.p);
}
END_TEST

/* The reader of bodies that arrive in pieces must find the same parts, however they are cut. */

static void describe_arriving(struct ic_bytes body, size_t step, char *out, size_t size)
{
    struct arriving a = { body, step };
    struct multipart_reader r;
    struct multipart_part part;
    size_t used = 0;
    int got = multipart_reader_begin(&r, TYPE, arrive, &a) ? 1 : -1;
    while (got > 0 && (got = multipart_reader_next(&r, &part)) > 0) {
        size_t before = used;
        uint8_t piece[5];
        ssize_t n;
        used += (size_t)snprintf(out + used, size - used, "%s", part.name);
        if (part.has_filename)
            used += (size_t)snprintf(out + used, size - used, "@%s:%s", part.filename, part.type);
        used += (size_t)snprintf(out + used, size - used, "=");
        while ((n = multipart_reader_data(&r, piece, sizeof piece)) > 0)
            used += (size_t)snprintf(out + used, size - used, "%.*s", (int)n, (const char *)piece);
        if (n == 0)
            used += (size_t)snprintf(out + used, size - used, ";");
        else
            used = before; /* a part that is not whole is not told */
    }
    snprintf(out + used, size - used, "%s%s", got ? "!" : ".", r.m.error);
    multipart_reader_free(&r);
}

/* Up to the error: which of several mistakes is told may differ. */
static void only_parts(char *s)
{
    if (strchr(s, '!'))
        strchr(s, '!')[1] = '\0';
}

START_TEST(arrives)
{
    static const size_t steps[] = { 1, 2, 3, 7, 100000 };
    struct ic_bytes body = copy_of(bodies[_i].body, strlen(bodies[_i].body));
    for (int k = 0; k < COUNT(steps); k++) {
        char whole[512], out[512];
        describe(body, TYPE, whole, sizeof whole);
        describe_arriving(body, steps[k], out, sizeof out);
        only_parts(whole);
        only_parts(out);
        /* Behind its data a part's delimiter is judged with it in memory, and with the next part where it arrives. */
        if (strcmp(out, whole) && strchr(whole, '!'))
            ck_assert_msg(!strncmp(out, whole, strlen(whole) - 1) && strchr(out, '!'), "%s: %s", whole, out);
        else
            ck_assert_str_eq(out, whole);
    }
    free((void *)body.p);
}
END_TEST

START_TEST(large_parts_arrive)
{
    static const char head[] = "--XX\r\n" A "\r\n", tail[] = "\r\n--XX--";
    size_t size = 300000, n = sizeof head - 1;
    uint8_t *body = malloc(sizeof head + size + sizeof tail), *got = malloc(size + 1);
    memcpy(body, head, n);
    for (size_t i = 0; i < size; i++) /* full of beginnings of the delimiter */
        body[n + i] = (uint8_t) "\r\n--X\r\n-"[i % 9];
    memcpy(body + n + size, tail, sizeof tail - 1);
    for (size_t step = 1021; step < 200000; step *= 13) {
        struct arriving a = { { body, n + size + sizeof tail - 1 }, step };
        struct multipart_reader r;
        struct multipart_part part;
        size_t have = 0;
        ssize_t k;
        ck_assert(multipart_reader_begin(&r, TYPE, arrive, &a));
        ck_assert_int_eq(multipart_reader_next(&r, &part), 1);
        while ((k = multipart_reader_data(&r, got + have, size + 1 - have)) > 0)
            have += (size_t)k;
        ck_assert_int_eq(k, 0);
        ck_assert_uint_eq(have, size);
        ck_assert_mem_eq(got, body + n, size);
        ck_assert_int_eq(multipart_reader_next(&r, &part), 0);
        multipart_reader_free(&r);
    }
    free(body);
    free(got);
}
END_TEST

static const struct {
    const char *type;
    bool ok;
} boundaries[] = {
    { "multipart/form-data; boundary=XX", true },
    { "multipart/form-data; boundary=\"XX\"", true },
    { "multipart/form-data;charset=utf-8;Boundary=XX", true },
    { "multipart/form-data", false },
    { "multipart/form-data; boundary=", false },
    { "multipart/form-data; boundary=\"\"", false },
    { "multipart/form-data; boundary=\"XX \"", false },
    { "multipart/form-data; boundary=XX; boundary=XX", false },
    { "multipart/form-data; boundary=\"XX", false },
    { "multipart/form-data; boundary=\"X;X\"", false },
    { "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x", false },
};

START_TEST(boundary)
{
    struct multipart m;
    const char body[] = "--XX--";
    bool ok = multipart_begin(&m, (struct ic_bytes){ (const uint8_t *)body, sizeof body - 1 }, boundaries[_i].type);
    ck_assert_msg(ok == boundaries[_i].ok, "%s: %s", boundaries[_i].type, m.error);
}
END_TEST

START_TEST(quoted_boundary_of_seventy)
{
    char out[256], type[128], body[512];
    const char *b = "'()+_,-./:=? 012345678901234567890123456789012345678901234567890123456";
    ck_assert_uint_eq(strlen(b), MULTIPART_BOUNDARY);
    snprintf(type, sizeof type, "multipart/form-data; boundary=\"%s\"", b);
    int n = snprintf(body, sizeof body, "--%s\r\n" A "\r\n1\r\n--%s--", b, b);
    describe((struct ic_bytes){ (uint8_t *)body, (size_t)n }, type, out, sizeof out);
    ck_assert_str_eq(out, "a=1;.");
}
END_TEST

START_TEST(binary_data_comes_through)
{
    static const char head[] = "--XX\r\n" A "\r\n", tail[] = "\r\n--XX--";
    uint8_t body[sizeof head + sizeof tail + 512];
    struct multipart m;
    struct multipart_part part;
    size_t n = sizeof head - 1;
    memcpy(body, head, n);
    for (int i = 0; i < 512; i++)
        body[n++] = (uint8_t)i;
    memcpy(body + n, tail, sizeof tail - 1);
    struct ic_bytes copy = copy_of(body, n + sizeof tail - 1);
    ck_assert(multipart_begin(&m, copy, TYPE));
    ck_assert_int_eq(multipart_next(&m, &part), 1);
    ck_assert_uint_eq(part.data.n, 512);
    ck_assert_ptr_eq(part.data.p, copy.p + sizeof head - 1); /* a slice, no copy */
    ck_assert_int_eq(part.data.p[511], 255);
    ck_assert_int_eq(multipart_next(&m, &part), 0);
    ck_assert_int_eq(multipart_next(&m, &part), 0);
    free((void *)copy.p);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    static const char whole[] = "--XX\r\n" A "Content-Type: image/png\r\n\r\n123\r\n--XX\r\n" A "\r\n4\r\n--XX--";
    char out[512];
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct ic_bytes cut = copy_of(whole, n);
        describe(cut, TYPE, out, sizeof out);
        ck_assert_msg(strchr(out, '!'), "%zu bytes: %s", n, out);
        free((void *)cut.p);
    }
    describe((struct ic_bytes){ (const uint8_t *)whole, sizeof whole - 1 }, TYPE, out, sizeof out);
    ck_assert_str_eq(out, "a=123;a=4;.");
}
END_TEST

/* n times the text, behind a beginning. */
static struct ic_bytes repeated(const char *begin, const char *text, size_t n)
{
    size_t b = strlen(begin), t = strlen(text);
    uint8_t *p = malloc(b + n * t);
    memcpy(p, begin, b);
    for (size_t i = 0; i < n; i++)
        memcpy(p + b + i * t, text, t);
    return (struct ic_bytes){ p, b + n * t };
}

START_TEST(numbers_and_sizes_are_bounded)
{
    static const struct {
        const char *begin, *text;
        size_t n;
        const char *says;
    } cases[] = {
        { "--XX\r\n", A "\r\n1\r\n--XX\r\n", 65, "!more than 64 parts" },
        { "--XX\r\n", "X: y\r\n", 4000, "!the header lines" },
        { "--XX\r\nX: ", "y", 4000, "!the header lines" },
        { "--XX\r\nContent-Disposition: form-data; name=\"", "y", 70, "!the header lines" },
        { "--XX\r\nContent-Disposition: form-data; name=", "yyyyyyy", 10, "!the header lines" },
    };
    char out[2048];
    struct ic_bytes body = repeated(cases[_i].begin, cases[_i].text, cases[_i].n);
    describe(body, TYPE, out, sizeof out);
    ck_assert_msg(strstr(out, cases[_i].says), "%s", out);
    free((void *)body.p);
}
END_TEST

START_TEST(names_are_bounded)
{
    char body[1024], out[1024], name[300];
    memset(name, 'n', sizeof name);
    for (int n = 63; n <= 64; n++) {
        int size = snprintf(body, sizeof body, "--XX\r\nContent-Disposition: form-data; name=%.*s\r\n\r\n1\r\n--XX--",
                            n, name);
        describe((struct ic_bytes){ (uint8_t *)body, (size_t)size }, TYPE, out, sizeof out);
        ck_assert_int_eq(strchr(out, '!') != NULL, n == 64);
    }
    for (int n = 255; n <= 256; n++) {
        int size =
            snprintf(body, sizeof body,
                     "--XX\r\nContent-Disposition: form-data; name=a; filename=\"%.*s\"\r\n\r\n1\r\n--XX--", n, name);
        describe((struct ic_bytes){ (uint8_t *)body, (size_t)size }, TYPE, out, sizeof out);
        ck_assert_int_eq(strchr(out, '!') != NULL, n == 256);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("multipart");
    TCase *t = tcase_create("multipart");
    tcase_add_loop_test(t, parses, 0, COUNT(bodies));
    tcase_add_loop_test(t, arrives, 0, COUNT(bodies));
    tcase_add_test(t, large_parts_arrive);
    tcase_add_loop_test(t, boundary, 0, COUNT(boundaries));
    tcase_add_test(t, quoted_boundary_of_seventy);
    tcase_add_test(t, binary_data_comes_through);
    tcase_add_test(t, every_cut_is_refused);
    tcase_add_loop_test(t, numbers_and_sizes_are_bounded, 0, 5);
    tcase_add_test(t, names_are_bounded);
    suite_add_tcase(s, t);
    return run_suite(s);
}
