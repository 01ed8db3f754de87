/* What the kernels cost: whole resizes through the scaler and each row kernel alone, on every level this machine has,
 * beside the rate at which the same run reads the source from memory. The fastest of several rounds counts: whatever
 * else the machine did can only have added. kernels.py adds Pillow and prints the ratios.
 *
 *     kernels REPEAT  ->  {"read_ms": ms, "c": {"rgb": ms, ..., "vscale_u8_mpx_s": Mpixel/s, ...}, "avx2": {...}, ...}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../imgcore/cpu.h"
#include "../../imgcore/imgcore.h"
#include "../../imgcore/scale.h"

#define SRC_W 4928
#define SRC_H 3279
#define DST_W 852
#define DST_H 567

/* One resize: a name, the plane, and from what to what. */
static const struct task {
    const char *name;
    int channels;
    bool premultiply;
    uint32_t src_w, src_h, dst_w, dst_h;
} tasks[] = {
    { "rgb", 3, false, SRC_W, SRC_H, DST_W, DST_H },
    { "rgba", 4, false, SRC_W, SRC_H, DST_W, DST_H },
    { "rgba_premultiply", 4, true, SRC_W, SRC_H, DST_W, DST_H },
    { "grey", 1, false, SRC_W, SRC_H, DST_W, DST_H },
    { "grey_1.5_down", 1, false, 1280, 852, DST_W, DST_H },
    { "rgb_1.5_down", 3, false, 1280, 852, DST_W, DST_H },
    { "rgb_1.25_up", 3, false, 1920, 1280, 2400, 1600 },
};

static uint8_t *pixels; /* SRC_W x SRC_H of four channels */

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "kernels: %s\n", what);
        exit(1);
    }
}

static double resize(const struct ic_kernels *k, const struct task *t, struct ic_mem *mem, struct ic_weights_cache *c)
{
    static uint8_t rows[4][4096];
    uint8_t *const out[4] = { rows[0], rows[1], rows[2], rows[3] };
    struct ic_axis x = { t->src_w, t->dst_w, 0, t->src_w, IC_KERNEL_LANCZOS3, 0 };
    struct ic_axis y = { t->src_h, t->dst_h, 0, t->src_h, IC_KERNEL_LANCZOS3, 0 };
    const struct ic_weights *h = ic_weights_get(c, &x), *v = ic_weights_get(c, &y);
    struct ic_scale s = { 0 };
    double from = cpu_ms();
    uint32_t made = 0;
    check(h && v && ic_scale_init(&s, mem, h, v, t->channels) == IC_OK, "no memory");
    s.k = k;
    s.premultiply = t->premultiply;
    for (uint32_t row = 0; row < t->src_h; row++) {
        size_t bytes = (size_t)t->src_w * (size_t)t->channels;
        check(ic_scale_push(&s, pixels + row * bytes, NULL) == IC_OK, "no memory");
        while (ic_scale_pull(&s, out))
            made++;
    }
    check(made == t->dst_h, "rows are missing");
    ic_scale_free(&s);
    return cpu_ms() - from;
}

static double least_resize(const struct ic_kernels *k, const struct task *t, int repeat)
{
    struct ic_mem mem = { .limit = (size_t)256 << 20 };
    struct ic_weights_cache c = { .mem = &mem };
    double least = 1e9;
    for (int i = 0; i < repeat; i++) {
        double ms = resize(k, t, &mem, &c);
        least = ms < least ? ms : least;
    }
    ic_weights_trim(&c, 0);
    return least;
}

/* The bytes of the RGB source, once. */
static double read_ms(int repeat)
{
    double least = 1e9;
    for (int i = 0; i < repeat; i++) {
        const uint64_t *p = (const uint64_t *)(const void *)pixels;
        uint64_t sum[8] = { 0 };
        double from = cpu_ms(), ms;
        for (size_t n = 0; n + 8 <= (size_t)SRC_W * SRC_H * 3 / 8; n += 8)
            for (int j = 0; j < 8; j++)
                sum[j] += p[n + (size_t)j];
        ms = cpu_ms() - from;
        check(sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7] != 1, "a sum that can't be");
        least = ms < least ? ms : least;
    }
    return least;
}

/* Single kernels, on rows that stay in the first two caches. */

#define N 4096

static uint8_t room[5][4 * N + 128];
static uint8_t *const planes[4] = { room[0], room[1], room[2], room[3] };
static const uint8_t *const sources[4] = { room[0], room[1], room[2], room[3] };
static int16_t weights[15];

static void run_vscale(const struct ic_kernels *k)
{
    static const uint8_t *rows[12];
    for (int i = 0; i < 12; i++)
        rows[i] = room[i % 4] + N * (i / 4);
    k->vscale_u8(room[4], rows, weights, 12, N);
}
static void run_vscale2(const struct ic_kernels *k)
{
    static const uint8_t *rows[14];
    static uint8_t second[N];
    for (int i = 0; i < 14; i++)
        rows[i] = room[i % 4] + N * (i / 4);
    k->vscale2_u8((uint8_t *const[]){ room[4], second }, rows, (const int16_t *const[]){ weights, weights + 1 }, 14, N);
}
static const struct ic_taps *taps_up, *taps_down; /* of rows enlarged by 1.25 and shrunk by 2.4 */

static void run_hscale_up(const struct ic_kernels *k)
{
    k->hscale_u8(room[4], room[0], taps_up);
}
static void run_hscale_down(const struct ic_kernels *k)
{
    k->hscale_u8(room[4], room[0], taps_down);
}
static void run_deinterleave3(const struct ic_kernels *k)
{
    k->deinterleave3(planes, room[4], N);
}
static void run_deinterleave4(const struct ic_kernels *k)
{
    k->deinterleave4(planes, room[4], N);
}
static void run_interleave3(const struct ic_kernels *k)
{
    k->interleave3(room[4], sources, N);
}
static void run_interleave4(const struct ic_kernels *k)
{
    k->interleave4(room[4], sources, N);
}
static void run_premultiply_rgba(const struct ic_kernels *k)
{
    k->premultiply_rgba(room[4], room[0], N);
}
static void run_unpremultiply(const struct ic_kernels *k)
{
    k->unpremultiply(room[4], room[0], N);
}
static void run_ycc_rgb(const struct ic_kernels *k)
{
    k->ycc_rgb(planes, N);
}

static const struct {
    const char *name;
    void (*run)(const struct ic_kernels *k);
} singles[] = {
    { "vscale_u8_12_taps", run_vscale },
    { "vscale2_u8_14_taps", run_vscale2 },
    { "hscale_u8_1.25_up", run_hscale_up },
    { "hscale_u8_2.4_down", run_hscale_down },
    { "deinterleave3", run_deinterleave3 },
    { "deinterleave4", run_deinterleave4 },
    { "interleave3", run_interleave3 },
    { "interleave4", run_interleave4 },
    { "premultiply_rgba", run_premultiply_rgba },
    { "unpremultiply", run_unpremultiply },
    { "ycc_rgb", run_ycc_rgb },
};

static const struct ic_taps *taps(struct ic_weights_cache *c, uint32_t src_n)
{
    const struct ic_weights *w = ic_weights_get(c, &(struct ic_axis){ src_n, N, 0, src_n, IC_KERNEL_LANCZOS3, 0 });
    check(w, "no memory");
    return &w->taps;
}

static double mpx_s(const struct ic_kernels *k, void (*run)(const struct ic_kernels *k), int repeat)
{
    enum { CALLS = 200 };
    double least = 1e9;
    for (int i = 0; i < repeat; i++) {
        double from = cpu_ms(), ms;
        for (int j = 0; j < CALLS; j++)
            run(k);
        ms = cpu_ms() - from;
        least = ms < least ? ms : least;
    }
    return CALLS * (double)N / 1e3 / least;
}

static void level(enum ic_isa isa, int repeat)
{
    struct ic_kernels k;
    ic_kernels_init(&k, isa);
    printf(",\n \"%s\": {", ic_cpu_name(isa));
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        printf("%s\"%s\": %.2f", i ? ", " : "", tasks[i].name, least_resize(&k, &tasks[i], repeat));
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++)
        printf(",\n  \"%s_mpx_s\": %.0f", singles[i].name, mpx_s(&k, singles[i].run, repeat));
    printf("}");
}

int main(int argc, char **argv)
{
    int repeat = argc > 1 ? atoi(argv[1]) : 5;
    size_t n = (size_t)SRC_W * SRC_H * 4;
    uint32_t state = 1;
    struct ic_mem mem = { .limit = (size_t)256 << 20 };
    struct ic_weights_cache c = { .mem = &mem };
    pixels = malloc(n);
    check(pixels && repeat > 0, "usage: kernels REPEAT");
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    for (int i = 0; i < 15; i++)
        weights[i] = (int16_t)(1300 + i);
    taps_up = taps(&c, 3277);
    taps_down = taps(&c, 9830);
    printf("{\"read_ms\": %.2f", read_ms(repeat));
    for (int isa = 0; isa <= (int)ic_cpu_best(); isa++)
        level((enum ic_isa)isa, repeat);
    printf("}\n");
    ic_weights_trim(&c, 0);
    free(pixels);
    return 0;
}
