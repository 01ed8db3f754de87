/* BlurHash and ThumbHash against the answers of their reference implementations. */
#include "../../imgcore/placeholder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define SIDE 100

enum kind { slope, texture, fade, island, clear };

static const struct {
    enum kind kind;
    uint32_t w, h;
    const char *blurhash, *thumbhash;
} cases[] = {
#include "placeholder_vectors.h"
};

static uint8_t px[SIDE * SIDE * 4];

/* As placeholder_vectors.mjs draws them. */
static void draw_pixel(enum kind kind, uint32_t x, uint32_t y, uint32_t w, uint32_t h, uint8_t *p)
{
    bool inside = x * 3 > w && x * 4 < 3 * w && y * 5 > h && y * 3 < 2 * h;

    switch (kind) {
    case slope:
        p[0] = (uint8_t)(255 * (w - x) * (w - x) / (w * w));
        p[1] = (uint8_t)(255 * (h - y) * (2 * w - x) / (2 * h * w));
        p[2] = (uint8_t)(255 * x * y / (w * h));
        p[3] = 255;
        break;
    case texture:
        p[0] = (uint8_t)(255 - (x * 7 + y * 3) % 256);
        p[1] = (uint8_t)(255 - (x * x + y) % 256);
        p[2] = (uint8_t)(255 - x * y % 256);
        p[3] = 255;
        break;
    case fade:
        p[0] = 200;
        p[1] = (uint8_t)(255 * (h - y) / h);
        p[2] = 40;
        p[3] = (uint8_t)(255 * x * (w + y) / (w * (w + h)));
        break;
    case island:
        memcpy(p, (uint8_t[4]){ 250, 20, 90, inside ? 255 : 0 }, 4);
        break;
    default:
        memset(p, 0, 4);
    }
}

static struct ic_pixels draw(enum kind kind, uint32_t w, uint32_t h)
{
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            draw_pixel(kind, x, y, w, h, px + 4 * (y * w + x));
    return (struct ic_pixels){ px, w * 4, w, h };
}

START_TEST(blurhash_is_what_the_reference_makes)
{
    struct ic_mem mem = { .limit = 1 << 20 };
    struct ic_error e;
    char hash[IC_BLURHASH];

    ck_assert_int_eq(ic_blurhash(draw(cases[_i].kind, cases[_i].w, cases[_i].h), &mem, hash, &e), IC_OK);
    ck_assert_str_eq(hash, cases[_i].blurhash);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(thumbhash_is_what_the_reference_makes)
{
    struct ic_mem mem = { .limit = 1 << 20 };
    struct ic_error e;
    uint8_t hash[IC_THUMBHASH], n;
    char hex[2 * IC_THUMBHASH + 1];

    ck_assert_int_eq(ic_thumbhash(draw(cases[_i].kind, cases[_i].w, cases[_i].h), &mem, hash, &n, &e), IC_OK);
    for (int i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    ck_assert_str_eq(hex, cases[_i].thumbhash);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(limits_are_told)
{
    struct ic_mem mem = { .limit = 100 };
    struct ic_error e;
    uint8_t thumb[IC_THUMBHASH], n;
    char blur[IC_BLURHASH];

    ck_assert_int_eq(ic_blurhash(draw(slope, 100, 75), &mem, blur, &e), IC_E_MEMORY);
    ck_assert_int_eq(ic_thumbhash(draw(slope, 100, 75), &mem, thumb, &n, &e), IC_E_MEMORY);
    ck_assert_int_eq(ic_thumbhash((struct ic_pixels){ px, 404, 101, 1 }, &mem, thumb, &n, &e), IC_E_PARAM);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placeholder");
    TCase *t = tcase_create("all");
    int n = (int)(sizeof cases / sizeof *cases);

    tcase_add_loop_test(t, blurhash_is_what_the_reference_makes, 0, n);
    tcase_add_loop_test(t, thumbhash_is_what_the_reference_makes, 0, n);
    tcase_add_test(t, limits_are_told);
    suite_add_tcase(s, t);
    return run_suite(s);
}
