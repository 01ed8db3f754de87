/* The only file that asks the machine what it can do, and the only mutable state of imgcore: the kernel table, set once
 * by ic_kernels_choose(). PIXPOOL_ISA lowers the level, so that tests run every path on one machine; it can't raise it.
 */
#include "cpu.h"

#include "imgcore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const isa_names[IC_ISAS] = {
    [IC_ISA_C] = "c",
#if defined(__x86_64__)
    [IC_ISA_AVX2] = "avx2",
    [IC_ISA_AVX512] = "avx512",
#elif defined(__aarch64__)
    [IC_ISA_NEON] = "neon",
#endif
};

/* In the order of struct ic_kernels. */
static const char *const kernel_names[] = {
    "vscale_u8",    "vscale2_u8",  "hscale_u8",   "deinterleave2",     "deinterleave3",    "deinterleave4",
    "interleave2",  "interleave3", "interleave4", "premultiply_greya", "premultiply_rgba", "unpremultiply",
    "ycc_rgb",      "transpose16", "png_unsub",   "png_unup",          "png_unaverage",    "png_unpaeth",
    "png_unpaeth2", "png_filter",  "png_weigh",   "halve_u8",          "affine1",          "affine3",
};
#define KERNELS (sizeof(kernel_names) / sizeof(kernel_names[0]))

typedef void kernel_fn(void);
_Static_assert(sizeof(struct ic_kernels) == KERNELS * sizeof(kernel_fn *), "each kernel has a name");

static struct ic_kernels chosen;
static enum ic_isa chosen_level;

/* __builtin_cpu_supports asks xgetbv as well: a system that does not save the wide registers counts as a CPU without.
 */
enum ic_isa ic_cpu_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni"))
        return IC_ISA_AVX512;
    if (__builtin_cpu_supports("avx2"))
        return IC_ISA_AVX2;
#elif defined(__aarch64__)
    return IC_ISA_NEON; /* part of the architecture */
#endif
    return IC_ISA_C;
}

const char *ic_cpu_name(enum ic_isa level)
{
    return isa_names[level];
}

void ic_kernels_init(struct ic_kernels *k, enum ic_isa level)
{
    ic_kernels_scale_c(k);
    ic_kernels_rows_c(k);
    ic_kernels_png_c(k);
    ic_kernels_halve_c(k);
    ic_kernels_tone_c(k);
#if defined(__x86_64__)
    if (level >= IC_ISA_AVX2) {
        ic_kernels_scale_avx2(k);
        ic_kernels_rows_avx2(k);
        ic_kernels_png_avx2(k);
        ic_kernels_halve_avx2(k);
        ic_kernels_tone_avx2(k);
    }
    if (level >= IC_ISA_AVX512) {
        ic_kernels_scale_avx512(k);
        ic_kernels_rows_avx512(k);
    }
#elif defined(__aarch64__)
    if (level >= IC_ISA_NEON) {
        ic_kernels_scale_neon(k);
        ic_kernels_rows_neon(k);
        ic_kernels_png_neon(k);
        ic_kernels_halve_neon(k);
    }
#else
    (void)level;
#endif
}

static enum ic_isa cpu_lowered(enum ic_isa best)
{
    const char *want = getenv("PIXPOOL_ISA");

    for (int i = 0; want && i < IC_ISAS; i++)
        if (!strcmp(want, isa_names[i]) && i < (int)best)
            return (enum ic_isa)i;
    return best;
}

void ic_kernels_choose(void)
{
    chosen_level = cpu_lowered(ic_cpu_best());
    ic_kernels_init(&chosen, chosen_level);
}

const struct ic_kernels *ic_kernels(void)
{
    return &chosen;
}

/* The level a kernel comes from: the lowest whose table holds the same function. */
static const char *kernel_isa(size_t kernel)
{
    kernel_fn *now[KERNELS], *at[KERNELS];
    struct ic_kernels k;

    memcpy(now, &chosen, sizeof(now));
    for (int level = 0; level <= (int)chosen_level; level++) {
        ic_kernels_init(&k, (enum ic_isa)level);
        memcpy(at, &k, sizeof(at));
        if (at[kernel] == now[kernel])
            return isa_names[level];
    }
    return "none";
}

size_t ic_cpu_report(char *buf, size_t n)
{
    size_t len = 0;

    if (n)
        buf[0] = '\0';
    for (size_t i = 0; i < KERNELS; i++)
        len += (size_t)snprintf(len < n ? buf + len : NULL, len < n ? n - len : 0, "%s %s\n", kernel_names[i],
                                kernel_isa(i));
    return len;
}
