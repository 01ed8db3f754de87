/* Every kernel of every level this machine has against the C reference: random data, sizes and alignments, every byte
 * compared, guard zones included. A failure names kernel, level, seed and the first wrong byte. */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/cpu.h"
#include "../../imgcore/imgcore.h"

#define ROUNDS    400
#define MAX_WIDTH 150
#define ROWS      40
#define GUARD     64
#define ROW_BYTES (4 * MAX_WIDTH + 2 * GUARD + 64)

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

static void case_vscale(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    const uint8_t *rows[ROWS];
    int16_t w[ROWS];
    uint32_t taps = 1 + random_below(r, ROWS);
    for (uint32_t t = 0; t < taps; t++) {
        rows[t] = strip_px(in, (int)t);
        w[t] = (int16_t)((int)random_below(r, 8000) - 2500);
    }
    uint8_t before[32];
    memcpy(before, strip_px(out, 0) + out->n, sizeof before);
    k->vscale_u8(strip_px(out, 0), rows, w, taps, out->n);
    /* A block of 32 may be written to its end; nothing beyond it. */
    memcpy(strip_px(out, 0) + out->n, before, (32 - out->n % 32) % 32);
}

static void case_hscale(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    enum { MAX_STRIDE = 48 };
    static int16_t w[(MAX_WIDTH + 8) * MAX_STRIDE];
    static int32_t first[MAX_WIDTH + 8];
    struct ic_taps t = { .first = first, .w = w, .n = (uint32_t)out->n, .stride = 8 * (1 + random_below(r, 6)) };
    for (uint32_t i = 0; i < t.n; i++)
        first[i] = (int32_t)random_below(r, MAX_WIDTH);
    for (uint32_t i = t.n; i < t.n + 8; i++)
        first[i] = 0;
    for (uint32_t i = 0; i < (t.n + 8) * t.stride; i++)
        w[i] = (int16_t)((int)random_below(r, 8000) - 2500);
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

static void case_halve(const struct ic_kernels *k, struct strip *out, struct strip *in, struct random *r)
{
    (void)r;
    k->halve_u8(strip_px(out, 0), strip_px(in, 0), strip_px(in, 1), in->n / 2);
}

static const struct {
    const char *name;
    kernel_case *run;
} cases[] = {
    { "vscale_u8", case_vscale },
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
    { "halve_u8", case_halve },
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

/* The reference itself, against arithmetic done another way. */

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

START_TEST(report_names_each_kernel)
{
    char buf[600], tiny[8];
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
    ck_assert_ptr_nonnull(strstr(buf, ic_cpu_best() == IC_ISA_C ? "hscale_u8 c\n" : "hscale_u8 avx2\n"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kernels");
    TCase *t = tcase_create("all");
    tcase_add_loop_test(t, equals_reference, 0, CASES);
    tcase_add_test(t, premultiply_is_exact_and_opaque_is_kept);
    tcase_add_test(t, unpremultiply_undoes);
    tcase_add_test(t, ycc_rgb_is_jfif);
    tcase_add_test(t, report_names_each_kernel);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
