/* Every kernel of every level this machine has against the C reference: random data, sizes and alignments, every byte
 * compared, guard zones included. A failure names kernel, level, seed and the first wrong byte. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/cpu.h"
#include "../../imgcore/imgcore.h"
#include "../unit/suite.h"

#define ROUNDS    400
#define MAX_WIDTH 150
#define ROWS      40
#define GUARD     64
#define ROW_BYTES (4 * MAX_WIDTH + 3 * GUARD + 64)

/* What a kernel reads and writes: rows that begin at any alignment, with guard bytes around. */
struct strip {
    uint8_t row[ROWS][ROW_BYTES];
    size_t n, misalign;
};

struct random {
    uint64_t state;
};

static uint32_t random_below(struct random *r, uint32_t n)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)(r->state >> 32) % n;
}

/* Bytes of all values, with 0 and 255 often: that is where clamping and division go wrong. */
static void strip_random(struct strip *s, struct random *r)
{
    s->n = random_below(r, MAX_WIDTH);
    s->misalign = random_below(r, 32);
    for (int y = 0; y < ROWS; y++)
        for (int i = 0; i < ROW_BYTES; i++) {
            uint32_t v = random_below(r, 1024);
            s->row[y][i] = (uint8_t)(v < 256 ? v : v < 384 ? 0 : v < 512 ? 255 : v);
        }
}

static uint8_t *strip_px(struct strip *s, int y)
{
    return s->row[y] + GUARD + s->misalign;
}

/* One case a kernel: runs it from `in` into `out`, both of the same n and alignment. */
typedef void kernel_case(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r);

static uint32_t rows_random(const uint8_t **rows, struct strip *in, struct random *r)
{
    uint32_t taps = 1 + random_below(r, ROWS);
    for (uint32_t t = 0; t < taps; t++)
        rows[t] = strip_px(in, (int)t);
    return taps;
}

static void weights_random(int16_t *w, struct random *r)
{
    for (int t = 0; t < ROWS; t++)
        w[t] = (int16_t)((int)random_below(r, 8000) - 2500);
}

/* Calls the kernel, then forgets what it may write beyond n: a block of 32 to its end, and nothing after that. */
static void case_vscale(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    const uint8_t *rows[ROWS];
    int16_t w[ROWS];
    uint32_t taps = rows_random(rows, in, r);
    uint8_t before[32];
    weights_random(w, r);
    memcpy(before, strip_px(out, 0) + out->n, sizeof before);
    k->vscale_u8(strip_px(out, 0), rows, w, taps, out->n);
    memcpy(strip_px(out, 0) + out->n, before, (32 - out->n % 32) % 32);
}

static void case_vscale2(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    const uint8_t *rows[ROWS];
    int16_t w[2][ROWS];
    uint8_t before[2][32], *const dst[2] = { strip_px(out, 0), strip_px(out, 1) };
    uint32_t taps = (rows_random(rows, in, r) + 1) & ~1u;
    rows[taps - 1] = strip_px(in, 0);
    for (int i = 0; i < 2; i++) {
        weights_random(w[i], r);
        memset(w[i] + (i ? 0 : taps * 3 / 4), 0, taps / 4 * sizeof w[i][0]); /* windows that begin and end apart */
        memcpy(before[i], dst[i] + out->n, sizeof before[i]);
    }
    k->vscale2_u8(dst, rows, (const int16_t *const[]){ w[0], w[1] }, taps, out->n);
    for (int i = 0; i < 2; i++)
        memcpy(dst[i] + out->n, before[i], (32 - out->n % 32) % 32);
}

enum { MAX_STRIDE = 48, MAX_OUTPUTS = (MAX_WIDTH / IC_TAPS_GROUP + 1) * IC_TAPS_GROUP };

/* Turns t->w as weights.c does; NULL where windows are too far apart. */
static const int16_t *taps_turn(const struct ic_taps *t, int16_t *turned)
{
    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t k = 0; k < 2 * t->pairs; k++) {
            uint32_t at = (i / IC_TAPS_GROUP * t->pairs + k / 2) * IC_TAPS_GROUP + i % IC_TAPS_GROUP;
            turned[2 * at + k % 2] = t->w[i * t->stride + k];
        }
    return t->reach8 <= IC_TAPS_REACH8 ? turned : NULL;
}

static uint32_t taps_reach(const struct ic_taps *t, uint32_t group)
{
    uint32_t reach = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t r = (uint32_t)(t->first[i] - t->first[i / group * group]);
        reach = r > reach ? r : reach;
    }
    return reach;
}

/* Windows of every length a stride has, from all at one place to all over the row. */
static struct ic_taps taps_random(struct random *r, uint32_t n)
{
    static int16_t w[MAX_OUTPUTS * MAX_STRIDE], turned[MAX_OUTPUTS * MAX_STRIDE];
    static int32_t first[MAX_OUTPUTS];
    uint32_t max_len = 1 + random_below(r, MAX_STRIDE), step = random_below(r, 20), at = 0;
    struct ic_taps t = { first, w, n, (max_len + 7) / 8 * 8, NULL, (max_len + 1) / 2, 0, 0, 0 };
    memset(w, 0, sizeof w);
    memset(first, 0, sizeof first);
    memset(turned, 0, sizeof turned);
    for (uint32_t i = 0; i < n; i++) {
        first[i] = (int32_t)at;
        at += random_below(r, step + 1);
        at = at < 4 * MAX_WIDTH - MAX_STRIDE ? at : 4 * MAX_WIDTH - MAX_STRIDE;
        for (uint32_t k = 0; k < max_len; k++)
            w[i * t.stride + k] = (int16_t)((int)random_below(r, 8000) - 2500);
    }
    t.reach4 = taps_reach(&t, 4);
    t.reach8 = taps_reach(&t, 8);
    t.reach16 = taps_reach(&t, 16);
    t.turned = taps_turn(&t, turned);
    return t;
}

static void case_hscale(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    struct ic_taps t = taps_random(r, (uint32_t)out->n);
    k->hscale_u8(strip_px(out, 0), strip_px(in, 0), &t);
}

static void deinterleave(const struct ic_kernels *k, int channels, struct strip *out, struct strip *in)
{
    uint8_t *dst[4] = { strip_px(out, 0), strip_px(out, 1) + 1, strip_px(out, 2), strip_px(out, 3) + 3 };
    void (*fn[])(uint8_t *const *, const uint8_t *, size_t) = { k->deinterleave2, k->deinterleave3, k->deinterleave4 };
    fn[channels - 2](dst, strip_px(in, 0), out->n);
}

static void interleave(const struct ic_kernels *k, int channels, struct strip *out, struct strip *in)
{
    const uint8_t *src[4] = { strip_px(in, 0), strip_px(in, 1) + 1, strip_px(in, 2), strip_px(in, 3) + 3 };
    void (*fn[])(uint8_t *, const uint8_t *const *, size_t) = { k->interleave2, k->interleave3, k->interleave4 };
    fn[channels - 2](strip_px(out, 0), src, out->n);
}

#define LAYOUT_CASE(kind, channels)                                                                                    \
    static void case_##kind##channels(const struct ic_kernels *k, struct strip *out, struct strip *in,                 \
                                      struct random *r)                                                                \
    {                                                                                                                  \
        (void)r;                                                                                                       \
        kind(k, channels, out, in);                                                                                    \
    }
LAYOUT_CASE(deinterleave, 2)
LAYOUT_CASE(deinterleave, 3)
LAYOUT_CASE(deinterleave, 4)
LAYOUT_CASE(interleave, 2)
LAYOUT_CASE(interleave, 3)
LAYOUT_CASE(interleave, 4)

/* Into another row or in place, as the dice say. */
static void case_premultiply_greya(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    if (random_below(r, 2))
        memcpy(strip_px(out, 0), strip_px(in, 0), 2 * out->n);
    k->premultiply_greya(strip_px(out, 0), random_below(r, 2) ? strip_px(in, 0) : strip_px(out, 0), out->n);
}

static void case_premultiply_rgba(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    /* A stretch of opaque pixels, which whole vectors of may pass untouched. */
    uint32_t from = random_below(r, MAX_WIDTH), to = random_below(r, MAX_WIDTH);
    for (uint32_t i = from; i < to; i++)
        strip_px(in, 0)[4 * i + 3] = 255;
    if (random_below(r, 2))
        memcpy(strip_px(out, 0), strip_px(in, 0), 4 * out->n);
    k->premultiply_rgba(strip_px(out, 0), random_below(r, 2) ? strip_px(in, 0) : strip_px(out, 0), out->n);
}

static void case_unpremultiply(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    (void)r;
    memcpy(strip_px(out, 0), strip_px(in, 0), out->n);
    k->unpremultiply(strip_px(out, 0), strip_px(in, 1), out->n);
}

static void case_ycc_rgb(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    uint8_t *p[3] = { strip_px(out, 0), strip_px(out, 1) + 5, strip_px(out, 2) };
    (void)r;
    for (int i = 0; i < 3; i++)
        memcpy(p[i], strip_px(in, i), out->n);
    k->ycc_rgb(p, out->n);
}

/* Down the strip, or up it. */
static void case_transpose16(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    const uint8_t *src[16];
    ptrdiff_t step = 16 + (ptrdiff_t)random_below(r, 40);
    size_t room = sizeof out->row - 2 * GUARD - 64, n = out->n;
    for (int y = 0; y < 16; y++)
        src[y] = strip_px(in, y);
    n = n < room / (size_t)step ? n : room / (size_t)step;
    if (n > 0 && random_below(r, 2))
        k->transpose16(strip_px(out, 0) + (ptrdiff_t)(n - 1) * step, -step, src, n);
    else
        k->transpose16(strip_px(out, 0), step, src, n);
}

/* Whole pixels, from rows whose left neighbours are anything; src ends where the row does. */
static size_t png_case(struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = 1 + random_below(r, 4);
    out->n -= out->n % bpp;
    in->n = out->n;
    memcpy(strip_px(out, 0) - bpp, strip_px(in, 3), bpp);
    return bpp;
}

static void case_png_unsub(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = png_case(out, in, r);
    k->png_unsub(strip_px(out, 0), strip_px(in, 0), out->n, bpp);
}

static void case_png_unup(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    (void)r;
    k->png_unup(strip_px(out, 0), strip_px(in, 0), strip_px(in, 1) + 3, out->n);
}

static void case_png_unaverage(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = png_case(out, in, r);
    k->png_unaverage(strip_px(out, 0), strip_px(in, 0), strip_px(in, 1) + 3, out->n, bpp);
}

static void case_png_unpaeth(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = png_case(out, in, r);
    k->png_unpaeth(strip_px(out, 0), strip_px(in, 0), strip_px(in, 1) + 3, out->n, bpp);
}

static void case_png_unpaeth2(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = png_case(out, in, r);
    memcpy(strip_px(out, 1) - bpp, strip_px(in, 4), bpp);
    k->png_unpaeth2(strip_px(out, 0), ROW_BYTES, strip_px(in, 0), strip_px(in, 2) + 3, out->n, bpp);
}

/* Repeated pixels among the random ones, in some rows. */
static struct ic_png_row png_row(struct strip *out, struct strip *in, struct random *r)
{
    size_t bpp = png_case(out, in, r);
    if (random_below(r, 2))
        for (size_t i = 0; i + bpp <= out->n; i += bpp * (1 + random_below(r, 3)))
            memcpy(strip_px(in, 0) + i, strip_px(in, 0) + i - bpp, bpp);
    return (struct ic_png_row){ strip_px(in, 0), strip_px(in, 1) + 3, out->n, bpp };
}

static void case_png_filter(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    struct ic_png_row row = png_row(out, in, r);
    k->png_filter(strip_px(out, 0), &row, (int)random_below(r, 5));
}

static void case_png_weigh(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    struct ic_png_row row = png_row(out, in, r);
    uint64_t sums[5] = { 1, 2, 3, 4, 5 };
    k->png_weigh(sums, &row);
    memcpy(strip_px(out, 1), sums, sizeof sums);
}

static void case_halve(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    (void)r;
    k->halve_u8(strip_px(out, 0), strip_px(in, 0), strip_px(in, 1), in->n / 2);
}

/* Any matrix whose sums fit 32 bits: 3 * 255 * 2^20 + 2^30 do. */
static struct ic_affine random_affine(struct random *r)
{
    struct ic_affine a = { .shift = (int)random_below(r, 20), .max = 255 };
    for (int i = 0; i < 3; i++) {
        a.off[i] = (int32_t)random_below(r, 1u << 30) - (1 << 29);
        for (int j = 0; j < 3; j++)
            a.m[i][j] = (int32_t)random_below(r, 1u << 21) - (1 << 20);
    }
    return a;
}

static void case_affine1(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    struct ic_affine a = random_affine(r);
    const uint8_t *src[3] = { strip_px(in, 0), strip_px(in, 1), strip_px(in, 2) };
    k->affine1(strip_px(out, 0), src, &a, out->n);
}

/* In place, too. */
static void case_affine3(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    struct ic_affine a = random_affine(r);
    uint8_t *dst[3] = { strip_px(out, 0), strip_px(out, 1), strip_px(out, 2) };
    const uint8_t *src[3] = { strip_px(in, 0), strip_px(in, 1), strip_px(in, 2) };
    if (random_below(r, 2))
        for (int c = 0; c < 3; c++)
            src[c] = memcpy(dst[c], src[c], out->n);
    k->affine3(dst, src, &a, out->n);
}

static const struct {
    const char *name;
    kernel_case *run;
} cases[] = {
    { "vscale_u8", case_vscale },
    { "vscale2_u8", case_vscale2 },
    { "hscale_u8", case_hscale },
    { "deinterleave2", case_deinterleave2 },
    { "deinterleave3", case_deinterleave3 },
    { "deinterleave4", case_deinterleave4 },
    { "interleave2", case_interleave2 },
    { "interleave3", case_interleave3 },
    { "interleave4", case_interleave4 },
    { "premultiply_greya", case_premultiply_greya },
    { "premultiply_rgba", case_premultiply_rgba },
    { "unpremultiply", case_unpremultiply },
    { "ycc_rgb", case_ycc_rgb },
    { "transpose16", case_transpose16 },
    { "png_unsub", case_png_unsub },
    { "png_unup", case_png_unup },
    { "png_unaverage", case_png_unaverage },
    { "png_unpaeth", case_png_unpaeth },
    { "png_unpaeth2", case_png_unpaeth2 },
    { "png_filter", case_png_filter },
    { "png_weigh", case_png_weigh },
    { "halve_u8", case_halve },
    { "affine1", case_affine1 },
    { "affine3", case_affine3 },
};

#define CASES ((int)(sizeof cases / sizeof *cases))
_Static_assert(sizeof(struct ic_kernels) == sizeof cases / sizeof *cases * sizeof(void (*)(void)), "a case a kernel");

static void compare(const struct strip *ref, const struct strip *got, int c, int level, uint64_t seed)
{
    const uint8_t *a = ref->row[0], *b = got->row[0];
    size_t i = 0;
    while (i < sizeof ref->row && a[i] == b[i])
        i++;
    if (i < sizeof ref->row)
        ck_abort_msg("%s level %d seed %llu n %zu: row %zu byte %d is %d, should be %d", cases[c].name, level,
                     (unsigned long long)seed, ref->n, i / ROW_BYTES, (int)(i % ROW_BYTES) - GUARD - (int)ref->misalign,
                     b[i], a[i]);
}

static void round_of(int c, const struct ic_kernels *ref, const struct ic_kernels *got, int level, uint64_t seed)
{
    static struct strip in, a, b;
    struct random r = { seed }, again;
    strip_random(&in, &r);
    memset(a.row, 0xa5, sizeof a.row);
    a.n = in.n;
    a.misalign = in.misalign;
    b = a;
    again = r;
    cases[c].run(ref, &a, &in, &r);
    cases[c].run(got, &b, &in, &again);
    compare(&a, &b, c, level, seed);
}

START_TEST(equals_reference)
{
    struct ic_kernels ref, got;
    ic_kernels_init(&ref, IC_ISA_C);
    for (int level = 1; level <= (int)ic_cpu_best(); level++) {
        ic_kernels_init(&got, (enum ic_isa)level);
        for (uint64_t seed = 1; seed <= ROUNDS; seed++)
            round_of(_i, &ref, &got, level, seed * 0x9e3779b97f4a7c15ull);
    }
}
END_TEST

START_TEST(report_names_each_kernel)
{
    char buf[1000], tiny[8];
    ck_assert_int_eq(setenv("PIXPOOL_ISA", "c", 1), 0);
    ic_init();
    ck_assert_uint_lt(ic_cpu_report(buf, sizeof buf), sizeof buf);
    for (int c = 0; c < CASES; c++) {
        char line[64];
        snprintf(line, sizeof line, "%s c\n", cases[c].name);
        ck_assert_ptr_nonnull(strstr(buf, line));
    }
    ck_assert_uint_eq(ic_cpu_report(tiny, sizeof tiny), strlen(buf));
    ck_assert_str_eq(tiny, "vscale_");
    ck_assert_int_eq(setenv("PIXPOOL_ISA", "sse9", 1), 0);
    ic_init();
    ic_cpu_report(buf, sizeof buf);
    char best[64];
    snprintf(best, sizeof best, "hscale_u8 %s\n", ic_cpu_name(ic_cpu_best()));
    ck_assert_ptr_nonnull(strstr(buf, best));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, equals_reference, 0, CASES);
    tcase_add_test(t, report_names_each_kernel);
    suite_add_tcase(s, t);
    return run_suite(s);
}
