/* Budgeted memory and growing buffers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/mem.h"
#include "suite.h"

START_TEST(alloc_counts_and_aligns)
{
    struct ic_mem m = { .limit = 1 << 20 };
    void *p = ic_alloc(&m, 100);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    ck_assert_uint_ge(m.used, 100);
    memset(p, 1, ic_stride(100)); /* the padding belongs to the block */
    ic_free(&m, p);
    ck_assert_uint_eq(m.used, 0);
    ck_assert_uint_ge(m.peak, 100);
    ic_free(&m, NULL);
}
END_TEST

START_TEST(alloc_refuses_beyond_the_budget)
{
    struct ic_mem m = { .limit = 4096 };
    void *p = ic_alloc(&m, 2048);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(ic_alloc(&m, 2048)); /* the headers do not fit */
    ck_assert_ptr_null(ic_alloc(&m, SIZE_MAX));
    ck_assert_ptr_null(ic_alloc(&m, SIZE_MAX - 64));
    ic_free(&m, p);
    p = ic_alloc(&m, 4096 - 64);
    ck_assert_ptr_nonnull(p);
    ic_free(&m, p);
}
END_TEST

START_TEST(calloc_zeroes_the_padding_too)
{
    struct ic_mem m = { .limit = 4096 };
    uint8_t *p = ic_calloc(&m, 65);
    for (int i = 0; i < 128; i++)
        ck_assert_uint_eq(p[i], 0);
    ic_free(&m, p);
}
END_TEST

START_TEST(mul_tells_overflow)
{
    size_t n;
    ck_assert(ic_mul(1 << 16, 1 << 16, &n));
    ck_assert_uint_eq(n, (size_t)1 << 32);
    ck_assert(!ic_mul(SIZE_MAX / 2, 3, &n));
}
END_TEST

START_TEST(buffer_grows_up_to_its_limit)
{
    struct ic_mem m = { .limit = 1 << 20 };
    struct ic_buffer b = { .mem = &m, .max = 100000 };
    struct ic_error e;
    uint8_t chunk[999];
    for (int i = 0; i < 100; i++) {
        memset(chunk, i, sizeof chunk);
        ck_assert_int_eq(ic_buffer_append(&b, chunk, sizeof chunk, &e), IC_OK);
    }
    ck_assert_uint_eq(b.n, 99900);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(b.p[i * 999 + 998], (unsigned)i);
    ck_assert_int_eq(ic_buffer_append(&b, chunk, 101, &e), IC_E_RESULT);
    ck_assert_int_eq(ic_buffer_append(&b, chunk, 100, &e), IC_OK);
    ck_assert_uint_eq(b.n, 100000);
    ic_buffer_free(&b);
    ck_assert_uint_eq(m.used, 0);
}
END_TEST

START_TEST(buffer_keeps_a_small_limit)
{
    struct ic_mem m = { .limit = 1 << 20 };
    struct ic_buffer b = { .mem = &m, .max = 10 };
    struct ic_error e;
    ck_assert_int_eq(ic_buffer_append(&b, "0123456789", 10, &e), IC_OK);
    ck_assert_int_eq(ic_buffer_append(&b, "x", 1, &e), IC_E_RESULT);
    ic_buffer_free(&b);
}
END_TEST

START_TEST(buffer_without_memory_fails_and_keeps_its_bytes)
{
    struct ic_mem m = { .limit = 50000 };
    struct ic_buffer b = { .mem = &m, .max = 1 << 20 };
    struct ic_error e;
    ck_assert_int_eq(ic_buffer_append(&b, "abc", 3, &e), IC_OK);
    ck_assert_int_eq(ic_buffer_reserve(&b, 40000, &e), IC_E_MEMORY);
    ck_assert_int_eq(memcmp(b.p, "abc", 3), 0);
    ic_buffer_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mem");
    TCase *t = tcase_create("mem");
    tcase_add_test(t, alloc_counts_and_aligns);
    tcase_add_test(t, alloc_refuses_beyond_the_budget);
    tcase_add_test(t, calloc_zeroes_the_padding_too);
    tcase_add_test(t, mul_tells_overflow);
    tcase_add_test(t, buffer_grows_up_to_its_limit);
    tcase_add_test(t, buffer_keeps_a_small_limit);
    tcase_add_test(t, buffer_without_memory_fails_and_keeps_its_bytes);
    suite_add_tcase(s, t);
    return run_suite(s);
}
