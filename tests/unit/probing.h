/* Probing in tests: files that must be understood, those that must not, and all beginnings of one. */
#ifndef TESTS_PROBING_H
#define TESTS_PROBING_H

#include "../../imgcore/exif.h"
#include "images.h"

static inline struct ic_info probe_ok(struct ic_bytes in)
{
    struct ic_info info;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_probe(in, &info, &e) == IC_OK, "%s", e.text);
    return info;
}

static inline void check_fails(struct ic_bytes in, enum ic_code code, const char *text)
{
    struct ic_info info, before;
    struct ic_error e = { 0 };
    memset(&info, 0x5a, sizeof info);
    before = info;
    ck_assert_int_eq(ic_probe(in, &info, &e), code);
    ck_assert_int_eq(e.code, code);
    ck_assert_msg(strstr(e.text, text) != NULL, "\"%s\" lacks \"%s\"", e.text, text);
    ck_assert_mem_eq(&info, &before, sizeof info);
}

/* A prefix is never a wrong image: it asks for more, until the whole header is there. */
static inline void check_prefixes(struct blob b, size_t header)
{
    struct ic_info whole = probe_ok(blob_bytes(b)), part;
    ck_assert_uint_lt(header, b.n);
    for (size_t n = 0; n < header; n++) {
        uint8_t *exact = malloc(n + !n); /* so that a sanitizer sees a read beyond */
        memcpy(exact, b.p, n);
        check_fails((struct ic_bytes){ exact, n }, IC_E_MORE, "goes on");
        free(exact);
    }
    ck_assert_int_eq(ic_probe((struct ic_bytes){ b.p, header }, &part, NULL), IC_OK);
    ck_assert_mem_eq(&whole, &part, sizeof whole);
}

static inline size_t find_bytes(struct blob b, const char *what, size_t n)
{
    for (size_t i = 0; i + n <= b.n; i++)
        if (memcmp(b.p + i, what, n) == 0)
            return i;
    ck_abort_msg("not found");
    return 0;
}

static inline struct blob blob_insert(struct blob b, size_t at, const void *p, size_t n)
{
    struct blob out = { 0 };
    blob_add(&out, b.p, at);
    blob_add(&out, p, n);
    blob_add(&out, b.p + at, b.n - at);
    free(b.p);
    return out;
}

/* A TIFF block of two entries, the second of which is the orientation. */
static inline struct blob make_exif(bool big_endian, int type, int orientation)
{
    static const char be[] = "MM\0*\0\0\0\x08\0\2\1\x0f\0\2\0\0\0\4ABC\0\1\x12\0\0\0\0\0\1\0\0\0\0\0\0\0\0";
    static const char le[] = "II*\0\x08\0\0\0\2\0\x0f\1\2\0\4\0\0\0ABC\0\x12\1\0\0\1\0\0\0\0\0\0\0\0\0\0\0";
    struct blob b = { 0 };
    blob_add(&b, big_endian ? be : le, 38);
    b.p[24 + (big_endian ? 1 : 0)] = (uint8_t)type;
    int width = type == 4 || type == 9 ? 4 : type == 3 || type == 8 ? 2 : 1;
    b.p[30 + (big_endian ? width - 1 : 0)] = (uint8_t)orientation;
    return b;
}

#endif
