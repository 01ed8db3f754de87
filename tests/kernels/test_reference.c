/* The C kernels, which are the reference of all others (test_kernels.c), against arithmetic done another way. */
#include <math.h>
#include <stdlib.h>

#include "../../imgcore/cpu.h"
#include "../unit/suite.h"

START_TEST(premultiply_is_exact_and_opaque_is_kept)
{
    for (int c = 0; c < 256; c++)
        for (int a = 0; a < 256; a++) {
            uint8_t px[4] = { (uint8_t)c, (uint8_t)c, (uint8_t)c, (uint8_t)a };
            ic_premultiply_rgba_c(px, px, 1);
            ck_assert_int_eq(px[1], (2 * c * a + 255) / 510);
            ck_assert_int_eq(px[3], a);
        }
}
END_TEST

START_TEST(unpremultiply_undoes)
{
    for (int a = 0; a < 256; a++)
        for (int c = 0; c < 256; c++) {
            uint8_t colour = (uint8_t)c, alpha = (uint8_t)a;
            int want = a ? (2 * c * 255 + a) / (2 * a) : 0;
            ic_unpremultiply_c(&colour, &alpha, 1);
            ck_assert_int_eq(colour, want > 255 ? 255 : want);
        }
}
END_TEST

START_TEST(ycc_rgb_is_jfif)
{
    for (int y = 0; y < 256; y += 5)
        for (int cb = 0; cb < 256; cb += 5)
            for (int cr = 0; cr < 256; cr += 5) {
                uint8_t v[3] = { (uint8_t)y, (uint8_t)cb, (uint8_t)cr };
                uint8_t *const p[3] = { &v[0], &v[1], &v[2] };
                double want[3] = { y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
                                   y + 1.772 * (cb - 128) };
                ic_ycc_rgb_c(p, 1);
                for (int i = 0; i < 3; i++) {
                    double w = want[i] < 0 ? 0 : want[i] > 255 ? 255 : want[i];
                    if (fabs(w - v[i]) > 0.52)
                        ck_abort_msg("%d %d %d: channel %d is %d, should be %g", y, cb, cr, i, v[i], want[i]);
                }
            }
}
END_TEST

static int nearest(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* The predictor as the specification words it, by three distances. */
START_TEST(paeth_is_the_nearest)
{
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++)
            for (int c = 0; c < 256; c += 3) {
                uint8_t px[2] = { (uint8_t)a, 0 }, above[2] = { (uint8_t)c, (uint8_t)b }, src = 7, out;
                struct ic_png_row r = { px + 1, above + 1, 1, 1 };
                ic_png_unpaeth_c(px + 1, &src, above + 1, 1, 1);
                ic_png_filter_c(&out, &r, IC_PNG_PAETH);
                if (px[1] != (uint8_t)(7 + nearest(a, b, c)) || out != 7)
                    ck_abort_msg("a %d, b %d, c %d: %d, should be %d", a, b, c, px[1], nearest(a, b, c));
            }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reference");
    TCase *t = tcase_create("all");
    tcase_add_test(t, premultiply_is_exact_and_opaque_is_kept);
    tcase_add_test(t, unpremultiply_undoes);
    tcase_add_test(t, ycc_rgb_is_jfif);
    tcase_add_test(t, paeth_is_the_nearest);
    suite_add_tcase(s, t);
    return run_suite(s);
}
