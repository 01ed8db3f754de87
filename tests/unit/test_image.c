/* Turns and the frame they are done in. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/cpu.h"
#include "../../imgcore/image.h"
#include "suite.h"

#define BLOCK_W 37
#define BLOCK_H 39

/* A turn by its definition: where pixel x, y of a w x h block goes. */
static void turned(unsigned turn, uint32_t w, uint32_t h, uint32_t *x, uint32_t *y)
{
    if (turn & IC_TURN_TRANSPOSE) {
        uint32_t t = *x;
        *x = *y;
        *y = t;
        t = w;
        w = h;
        h = t;
    }
    if (turn & IC_TURN_FLOP)
        *x = w - 1 - *x;
    if (turn & IC_TURN_FLIP)
        *y = h - 1 - *y;
}

START_TEST(then_composes)
{
    for (unsigned a = 0; a < 8; a++)
        for (unsigned b = 0; b < 8; b++)
            for (uint32_t i = 0; i < 6; i++) {
                uint32_t x = i % 2, y = i / 2, x2 = x, y2 = y;
                bool swap = a & IC_TURN_TRANSPOSE;
                turned(a, 2, 3, &x, &y);
                turned(b, swap ? 3 : 2, swap ? 2 : 3, &x, &y);
                turned(ic_turn_then(a, b), 2, 3, &x2, &y2);
                ck_assert_uint_eq(x, x2);
                ck_assert_uint_eq(y, y2);
            }
}
END_TEST

/* EXIF 2.3, table of orientations: which sides of the picture as shown the 0th row and the 0th column are. */
START_TEST(exif_orientations)
{
    static const struct {
        const char *row, *column;
    } shown[9] = {
        [1] = { "top", "left" }, [2] = { "top", "right" }, [3] = { "bottom", "right" }, [4] = { "bottom", "left" },
        [5] = { "left", "top" }, [6] = { "right", "top" }, [7] = { "right", "bottom" }, [8] = { "left", "bottom" }
    };
    uint32_t w = 4, h = 3, row_x = 1, row_y = 0, col_x = 0, col_y = 1;
    unsigned t = ic_turn_of_exif(_i);
    uint32_t ow = t & IC_TURN_TRANSPOSE ? h : w, oh = t & IC_TURN_TRANSPOSE ? w : h;
    uint32_t corner_x = 0, corner_y = 0;
    turned(t, w, h, &row_x, &row_y);
    turned(t, w, h, &col_x, &col_y);
    turned(t, w, h, &corner_x, &corner_y);
    /* A second pixel of the 0th row shares with the corner the side that the row lies on. */
    const char *row = row_x == corner_x ? (row_x == 0 ? "left" : "right") : (row_y == 0 ? "top" : "bottom");
    const char *column = col_x == corner_x ? (col_x == 0 ? "left" : "right") : (col_y == 0 ? "top" : "bottom");
    ck_assert_str_eq(row, shown[_i].row);
    ck_assert_str_eq(column, shown[_i].column);
    ck_assert(row_x < ow && row_y < oh);
}
END_TEST

START_TEST(rotation_is_clockwise)
{
    uint32_t x = 0, y = 0;
    turned(ic_turn_of_rotation(90), 4, 3, &x, &y);
    ck_assert(x == 2 && y == 0); /* the top left corner goes to the top right */
    x = y = 0;
    turned(ic_turn_of_rotation(270), 4, 3, &x, &y);
    ck_assert(x == 0 && y == 3);
    ck_assert_uint_eq(ic_turn_of_rotation(180), IC_TURN_FLIP | IC_TURN_FLOP);
    ck_assert_uint_eq(ic_turn_of_rotation(0), 0);
}
END_TEST

static uint8_t pixel(uint32_t x, uint32_t y)
{
    return (uint8_t)(1 + x + y * BLOCK_W);
}

/* Puts the block in strips of `step` rows and compares every byte of the plane with the definition. */
static void put_and_check(unsigned turn, uint32_t step)
{
    struct ic_mem mem = { .limit = 1 << 20 };
    struct ic_image img = { .mem = &mem };
    struct ic_spot spot = { turn, BLOCK_W, BLOCK_H, 3, 2 };
    uint8_t block[BLOCK_H][BLOCK_W], want[64][64];
    memset(want, 7, sizeof want);
    for (uint32_t y = 0; y < BLOCK_H; y++)
        for (uint32_t x = 0; x < BLOCK_W; x++) {
            uint32_t tx = x, ty = y;
            block[y][x] = pixel(x, y);
            turned(turn, BLOCK_W, BLOCK_H, &tx, &ty);
            want[ty + 2][tx + 3] = block[y][x];
        }
    ck_assert_int_eq(ic_image_add(&img, 1, 1, 0, NULL), IC_OK);
    ck_assert_int_eq(ic_image_add(&img, 64, 64, 7, NULL), IC_OK);
    for (uint32_t y = 0; y < BLOCK_H; y += step) {
        struct ic_rows rows = { .p = { NULL, block[y] },
                                .stride = { 0, BLOCK_W },
                                .n = { 0, BLOCK_H - y < step ? BLOCK_H - y : step } };
        ic_image_put(&img, 1, &spot, &rows, y);
    }
    for (uint32_t y = 0; y < 64; y++)
        ck_assert_mem_eq(img.plane[1].p + y * img.plane[1].stride, want[y], 64);
    ic_image_free(&img);
    ck_assert_uint_eq(mem.used, 0);
}

START_TEST(put_turns_and_places)
{
    static const uint32_t steps[] = { 1, 7, 16, 39 };
    for (int i = 0; i < 4; i++)
        put_and_check((unsigned)_i, steps[i]);
}
END_TEST

START_TEST(budget_holds)
{
    struct ic_mem mem = { .limit = 1000 };
    struct ic_image img = { .mem = &mem };
    struct ic_error e = { 0 };
    ck_assert_int_eq(ic_image_add(&img, 100, 100, 0, &e), IC_E_MEMORY);
    ck_assert_int_eq(e.code, IC_E_MEMORY);
    ck_assert_int_eq(img.n, 0);
    ck_assert_int_eq(ic_image_add(&img, UINT32_MAX, UINT32_MAX, 0, NULL), IC_E_MEMORY);
    ic_image_free(&img);
}
END_TEST

int main(void)
{
    ic_init();
    Suite *s = suite_create("image");
    TCase *t = tcase_create("all");
    tcase_add_test(t, then_composes);
    tcase_add_loop_test(t, exif_orientations, 1, 9);
    tcase_add_test(t, rotation_is_clockwise);
    tcase_add_loop_test(t, put_turns_and_places, 0, 8);
    tcase_add_test(t, budget_holds);
    suite_add_tcase(s, t);
    return run_suite(s);
}
