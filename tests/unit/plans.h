/* Plans in tests: sources, recipes, limits, and a plan that must or must not come about. */
#ifndef TESTS_PLANS_H
#define TESTS_PLANS_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/imgcore.h"

static const struct ic_limits limits = { .max_pixels_in = 100000000,
                                         .max_side_in = 30000,
                                         .max_side_out = 16384,
                                         .max_memory = (size_t)512 << 20,
                                         .max_result = (size_t)64 << 20 };

static inline struct ic_info photo(uint32_t w, uint32_t h)
{
    return (struct ic_info){ .format = IC_FORMAT_JPEG,
                             .width = w,
                             .height = h,
                             .frames = 1,
                             .components = 3,
                             .depth = 8,
                             .orientation = 1,
                             .hsamp = { 2, 1, 1 },
                             .vsamp = { 2, 1, 1 } };
}

static inline struct ic_len px(double v)
{
    return (struct ic_len){ v, v > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
}

static inline struct ic_len percent(double v)
{
    return (struct ic_len){ v, IC_UNIT_PERCENT };
}

static inline struct ic_recipe recipe(double w, double h)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.width = px(w);
    r.height = px(h);
    return r;
}

static inline struct ic_plan plan(const struct ic_recipe *r, struct ic_info info)
{
    struct ic_plan p;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_plan(r, &info, &limits, &p, &e) == IC_OK, "%s", e.text);
    return p;
}

static inline void refused(const struct ic_recipe *r, struct ic_info info, struct ic_limits l, enum ic_code code)
{
    struct ic_plan p = { .width = 77 };
    struct ic_error e = { 0 };
    ck_assert_int_eq(ic_plan(r, &info, &l, &p, &e), code);
    ck_assert_int_eq(e.code, code);
    ck_assert_uint_eq(p.width, 77); /* set on success only */
    ck_assert_str_ne(e.text, "");
}

static inline void check_box(const struct ic_plan *p, double x0, double y0, double x1, double y1)
{
    ck_assert_double_eq_tol(p->crop.x0, x0, 1e-9);
    ck_assert_double_eq_tol(p->crop.y0, y0, 1e-9);
    ck_assert_double_eq_tol(p->crop.x1, x1, 1e-9);
    ck_assert_double_eq_tol(p->crop.y1, y1, 1e-9);
}

#define N(table) ((int)(sizeof table / sizeof *table))

#endif
