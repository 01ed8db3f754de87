/* Halved planes: whatever the strips they come in, the averages of the whole plane. */
#include "../../imgcore/halve.h"
#include "suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 80

struct grid {
    uint8_t px[SIDE][SIDE];
    uint32_t w, h;
};

static void grid_random(struct grid *g, uint32_t w, uint32_t h)
{
    g->w = w;
    g->h = h;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            g->px[y][x] = (uint8_t)rand();
}

/* A half is rounded down in even columns, up in odd ones; a last odd column, alone, up. */
static struct grid grid_halved(const struct grid *g)
{
    struct grid out = { .w = (g->w + 1) / 2, .h = (g->h + 1) / 2 };
    for (uint32_t y = 0; y < out.h; y++)
        for (uint32_t x = 0; x < out.w; x++) {
            uint32_t x1 = 2 * x + 1 < g->w ? 2 * x + 1 : 2 * x, y1 = 2 * y + 1 < g->h ? 2 * y + 1 : 2 * y;
            int sum = g->px[2 * y][2 * x] + g->px[2 * y][x1] + g->px[y1][2 * x] + g->px[y1][x1];
            out.px[y][x] = (uint8_t)((sum + (x1 == 2 * x || x % 2 ? 2 : 1)) / 4);
        }
    return out;
}

static uint32_t collect(struct grid *got, const struct ic_rows *rows, int plane, uint32_t at)
{
    for (uint32_t y = 0; y < rows->n[plane]; y++) {
        ck_assert_uint_lt(at + y, got->h);
        memcpy(got->px[at + y], rows->p[plane] + rows->stride[plane] * y, got->w);
    }
    return at + rows->n[plane];
}

/* Pushes g as both planes in strips of per rows; plane 1 is halved once, plane 0 as often as level says. */
static void check_strips(const struct grid *g, uint32_t per, int level)
{
    struct ic_mem mem = { .limit = 1 << 20 };
    struct ic_halver h;
    struct ic_plane plane = { .width = g->w, .height = g->h, .channels = 1, .span_w = g->w - 0.5, .span_h = g->h };
    struct ic_planes shape = { .layout = IC_YCBCR, .n = 2, .plane = { plane, plane } };
    struct grid want[2] = { *g, grid_halved(g) }, got[2];
    uint32_t at[2] = { 0, 0 };
    int levels[IC_PLANES] = { level, 1 }, deepest[IC_PLANES] = { IC_HALVINGS, 1 };

    for (int l = 0; l < level; l++) {
        want[0] = grid_halved(&want[0]);
        plane = ic_halved(&plane);
    }
    ck_assert_uint_eq(plane.width, want[0].w);
    ck_assert_uint_eq(plane.height, want[0].h);
    ck_assert_double_eq(plane.span_w, (g->w - 0.5) / (1 << level));
    memcpy(got, want, sizeof got);
    memset(got[0].px, 0, sizeof got[0].px);
    memset(got[1].px, 0, sizeof got[1].px);
    ck_assert_int_eq(ic_halver_init(&h, &mem, &shape, deepest), IC_OK);
    for (uint32_t y = 0; y < g->h; y += per) {
        uint32_t n = g->h - y < per ? g->h - y : per;
        struct ic_rows in = { .p = { g->px[y], g->px[y] }, .stride = { SIDE, SIDE }, .n = { n, n } }, out;
        ck_assert_int_eq(ic_halver_push(&h, &in, NULL), IC_OK);
        out = ic_halver_rows(&h, levels);
        for (int p = 0; p < 2; p++)
            at[p] = collect(&got[p], &out, p, at[p]);
    }
    for (int p = 0; p < 2; p++) {
        ck_assert_uint_eq(at[p], want[p].h);
        for (uint32_t y = 0; y < want[p].h; y++)
            ck_assert_mem_eq(got[p].px[y], want[p].px[y], want[p].w);
    }
    ic_halver_free(&h);
    ck_assert_uint_eq(mem.used, 0);
}

static const struct {
    uint32_t w, h;
} sizes[] = { { 1, 1 }, { 2, 1 }, { 1, 2 }, { 3, 5 }, { 8, 8 }, { 33, 17 }, { 67, 79 }, { 80, 80 } };

START_TEST(strips_make_no_difference)
{
    struct grid g;
    grid_random(&g, sizes[_i].w, sizes[_i].h);
    for (uint32_t per = 1; per <= 17; per++)
        for (int level = 0; level <= IC_HALVINGS; level++)
            check_strips(&g, per, level);
}
END_TEST

START_TEST(a_small_budget_is_told)
{
    struct ic_planes shape = { .n = 1, .plane = { { .width = 4000, .height = 40, .channels = 1 } } };
    struct ic_halver h;
    int deepest[IC_PLANES] = { 2 };
    for (size_t limit = 0; limit < 12000; limit += 1500) {
        static uint8_t row[4000];
        struct ic_mem mem = { .limit = limit };
        struct ic_rows in = { .p = { row }, .n = { 1 } };
        struct ic_error e = { 0 };
        enum ic_code rc = ic_halver_init(&h, &mem, &shape, deepest);
        if (rc == IC_OK)
            rc = ic_halver_push(&h, &in, &e);
        ck_assert_int_eq(rc, limit < 10000 ? IC_E_MEMORY : IC_OK);
        ic_halver_free(&h);
        ck_assert_uint_eq(mem.used, 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("halve");
    TCase *t = tcase_create("all");
    ic_init();
    tcase_add_loop_test(t, strips_make_no_difference, 0, (int)(sizeof sizes / sizeof *sizes));
    tcase_add_test(t, a_small_budget_is_told);
    suite_add_tcase(s, t);
    return run_suite(s);
}
