/* What a plan predicts: memory, and time. Whether runs keep to it is for test_run_memory.c and the benches. */
#include "plans.h"
#include "suite.h"

START_TEST(memory_is_predicted)
{
    struct ic_recipe r = recipe(800, 600);
    struct ic_info info = photo(4288, 2848);
    struct ic_limits l = limits;
    uint64_t baseline = plan(&r, info).memory, progressive;
    ck_assert_uint_lt(baseline, 8 << 20);
    info.progressive = true;
    progressive = plan(&r, info).memory;
    ck_assert_uint_ge(progressive - baseline, (uint64_t)4288 * 2848 * 3); /* 16-bit coefficients of 4:2:0 */
    l.max_memory = 16 << 20;
    refused(&r, info, l, IC_E_MEMORY);
    info.format = IC_FORMAT_WEBP;
    ck_assert_uint_ge(plan(&r, info).memory, (uint64_t)4288 * 2848 * 3 / 2);
}
END_TEST

START_TEST(cost_follows_the_work)
{
    struct ic_recipe r = recipe(800, 600);
    double photo_ms = plan(&r, photo(4288, 2848)).cost_ms;
    ck_assert_double_ge(photo_ms, 15);
    ck_assert_double_le(photo_ms, 60);
    ck_assert_double_le(plan(&r, photo(1000, 800)).cost_ms, photo_ms / 3);
    r.format = IC_FORMAT_WEBP;
    ck_assert_double_ge(plan(&r, photo(4288, 2848)).cost_ms, photo_ms + 10);
}
END_TEST

START_TEST(each_frame_costs)
{
    struct ic_recipe r = recipe(100, 100);
    struct ic_info info = photo(400, 300);
    info.format = IC_FORMAT_WEBP;
    info.frames = 7;
    ck_assert_double_ge(plan(&r, info).cost_ms, 7 * plan(&r, photo(400, 300)).cost_ms);
}
END_TEST

/* Measured with cjpeg's files of the same picture: nine times the time sequentially and at 1/8, twice progressively. */
START_TEST(arithmetic_coding_costs_more)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        struct ic_recipe r = recipe(20, 0);
        struct ic_info info = photo(4288, 2848);
        info.progressive = progressive;
        double huffman_ms = plan(&r, info).cost_ms;
        info.arithmetic = true;
        ck_assert_double_ge(plan(&r, info).cost_ms, huffman_ms * (progressive ? 1.9 : 9));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_cost");
    TCase *t = tcase_create("all");
    tcase_add_test(t, memory_is_predicted);
    tcase_add_test(t, cost_follows_the_work);
    tcase_add_test(t, each_frame_costs);
    tcase_add_test(t, arithmetic_coding_costs_more);
    suite_add_tcase(s, t);
    return run_suite(s);
}
