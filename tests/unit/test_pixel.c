/* Pixelation against its definition in doubles. */
#include "../../imgcore/op_pixel.h"
#include "images.h"
#include "views.h"

/* Whether sample x of a plane whose samples cover f pixels lies in the square of pixel column `px`. */
static bool same_square(uint32_t x, uint32_t other, uint32_t f, uint32_t side)
{
    return (uint64_t)(x * f + f / 2) / side == (uint64_t)(other * f + f / 2) / side;
}

static double mean_by_definition(const struct picture *p, int plane, uint32_t x, uint32_t y, uint32_t side)
{
    const struct ic_view_plane *q = &p->v.plane[plane];
    uint32_t fx = ic_view_factor_x(&p->v, plane), fy = ic_view_factor_y(&p->v, plane);
    bool weighed = ic_layout_alpha(p->v.layout) && plane < p->v.n - 1;
    double sum = 0, weight = 0;
    for (uint32_t j = 0; j < q->height; j++)
        for (uint32_t i = 0; i < q->width; i++)
            if (same_square(i, x, fx, side) && same_square(j, y, fy, side)) {
                double a = weighed ? *picture_at(p, p->v.n - 1, i, j) : 1;
                sum += a * *picture_at(p, plane, i, j);
                weight += a;
            }
    return weight > 0 ? sum / weight : 0;
}

static void check_squares(enum ic_layout layout, uint32_t w, uint32_t h, uint32_t f, uint32_t side)
{
    struct picture got = picture_make(layout, w, h, f, f, side), was = picture_copy(&got);
    ic_op_pixel(&got.v, side);
    picture_check_guards(&got);
    for (int i = 0; i < got.v.n; i++)
        for (uint32_t y = 0; y < got.v.plane[i].height; y++)
            for (uint32_t x = 0; x < got.v.plane[i].width; x++)
                ck_assert_double_le(fabs(*picture_at(&got, i, x, y) - mean_by_definition(&was, i, x, y, side)), 0.5);
    picture_free(&got);
    picture_free(&was);
}

START_TEST(squares_have_their_mean)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_GREYA, IC_RGB, IC_RGBA, IC_YCBCR };
    static const uint32_t sides[] = { 1, 2, 3, 8, 15, 512 };
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        check_squares(layouts[_i], 33, 20, 2, sides[i]);
        check_squares(layouts[_i], 1, 17, 1, sides[i]);
        check_squares(layouts[_i], 16, 1, 2, sides[i]);
    }
}
END_TEST

START_TEST(invisible_colours_do_not_count)
{
    struct picture p = picture_make(IC_RGBA, 2, 1, 1, 1, 1);
    for (int i = 0; i < 3; i++) {
        *picture_at(&p, i, 0, 0) = 200;
        *picture_at(&p, i, 1, 0) = 10;
    }
    *picture_at(&p, 3, 0, 0) = 255;
    *picture_at(&p, 3, 1, 0) = 0;
    ic_op_pixel(&p.v, 2);
    for (uint32_t x = 0; x < 2; x++) {
        ck_assert_uint_eq(*picture_at(&p, 0, x, 0), 200);
        ck_assert_uint_eq(*picture_at(&p, 3, x, 0), 128);
    }
    picture_free(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pixel");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, squares_have_their_mean, 0, 5);
    tcase_add_test(t, invisible_colours_do_not_count);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
