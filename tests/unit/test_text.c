/* Text by itself: what the edge would have refused, what has no room, what has no memory. How it looks is judged in
 * tests/integration/test_text.py. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/text.h"
#include "suite.h"

#define SANS "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"

static struct ic_fonts *fonts;
static struct ic_mem mem;
static uint8_t *file;

static void setup(void)
{
    FILE *f = fopen(SANS, "rb");
    ck_assert_msg(f != NULL, "fonts-dejavu-core is not installed");
    file = malloc(4 << 20);
    size_t n = fread(file, 1, 4 << 20, f);
    fclose(f);
    mem = (struct ic_mem){ .limit = 64 << 20 };
    ck_assert_int_eq(ic_fonts_add(&fonts, (struct ic_bytes){ file, n }, NULL), IC_OK);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem.used, 0);
    ic_fonts_free(fonts);
    fonts = NULL;
    free(file);
}

static struct ic_text text(const char *s)
{
    struct ic_text t = { .size = 20, .colour = { 255, 255, 255, 255 }, .pos = IC_CENTER, .alpha = 100 };
    snprintf(t.text, sizeof t.text, "%s", s);
    return t;
}

/* The sum of all alpha; the size is checked against the room. */
static uint64_t draw(const struct ic_text *t, double w, double h)
{
    struct ic_text_pixels px;
    struct ic_error e = { 0 };
    uint64_t sum = 0;
    ck_assert_msg(ic_text_draw(fonts, &mem, t, w, h, &px, &e) == IC_OK, "%s", e.text);
    for (size_t i = 0; px.p && i < (size_t)px.w * px.h; i++)
        sum += px.p[4 * i + 3];
    ck_assert(!px.p || (px.w <= w + 2.0 * px.margin + 1 && px.h <= h + 2.0 * px.margin + 1));
    ic_free(&mem, px.p);
    return sum;
}

START_TEST(draws)
{
    struct ic_text t = text("Hello"), space = text("   "), lines = text("\n\n\n");
    uint64_t once = draw(&t, 400, 300);
    ck_assert_uint_gt(once, 0);
    t.colour.a = 128;
    ck_assert_uint_lt(draw(&t, 400, 300), once * 6 / 10);
    ck_assert_uint_eq(draw(&space, 400, 300), 0);
    ck_assert_uint_eq(draw(&lines, 400, 300), 0);
}
END_TEST

/* The edge checks UTF-8; a worker does not rely on it. */
START_TEST(broken_utf8_is_drawn_somehow)
{
    static const char *const broken[] = { "\xff\xfe\xfd", "a\xc3",    "\xe2\x82",
                                          "\xf0\x9f\x98", "\x80\x80", "\xed\xa0\x80" };
    struct ic_text t = text(broken[_i]);
    draw(&t, 400, 300);
}
END_TEST

START_TEST(no_room)
{
    struct ic_text t = text("WWWWWWWW WWWWWWWW WWWWWWWW");
    for (double w = 1; w < 40; w += 7)
        for (double h = 1; h < 40; h += 7)
            draw(&t, w, h);
    memset(t.text, 'W', sizeof t.text - 1);
    draw(&t, 1, 100000);
    t.size = 1000;
    draw(&t, 16384, 50);
}
END_TEST

START_TEST(failures)
{
    struct ic_text t = text("Hello");
    struct ic_text_pixels px;
    struct ic_error e;
    t.font = 1;
    ck_assert_int_eq(ic_text_draw(fonts, &mem, &t, 400, 300, &px, &e), IC_E_PARAM);
    t.font = 0;
    ck_assert_int_eq(ic_text_draw(NULL, &mem, &t, 400, 300, &px, &e), IC_E_PARAM);
    for (size_t limit = 0; limit < 80000; limit += 5000) {
        mem.limit = limit;
        enum ic_code rc = ic_text_draw(fonts, &mem, &t, 400, 300, &px, &e);
        ck_assert(rc == IC_OK || rc == IC_E_MEMORY);
        ic_free(&mem, px.p);
    }
    ck_assert_int_eq(ic_fonts_add(&fonts, (struct ic_bytes){ (const uint8_t *)"no font", 7 }, &e), IC_E_FORMAT);
    ck_assert_int_eq(ic_fonts_count(fonts), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text");
    TCase *t = tcase_create("text");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, draws);
    tcase_add_loop_test(t, broken_utf8_is_drawn_somehow, 0, 6);
    tcase_add_test(t, no_room);
    tcase_add_test(t, failures);
    suite_add_tcase(s, t);
    return run_suite(s);
}
