/* Which kernels this process runs. */
#ifndef IMGCORE_CPU_H
#define IMGCORE_CPU_H

#include "kernels/kernels.h"

#include <stdbool.h>

/* The levels of this architecture, each with all that is below it. AVX-512 means what Ice Lake and Zen 4 have (F, BW,
 * VL, VBMI, VNNI): on what came before, 512 bits slow the whole core down. */
enum ic_isa {
    IC_ISA_C,
#if defined(__x86_64__)
    IC_ISA_AVX2,
    IC_ISA_AVX512,
#elif defined(__aarch64__)
    IC_ISA_NEON,
#endif
    IC_ISAS
};

/* The best level this machine has, not lowered by PIXPOOL_ISA. */
enum ic_isa ic_cpu_best(void);

/* "avx2" */
const char *ic_cpu_name(enum ic_isa level);

/* The table of one level: the reference first, each level overrides what it has. Asking for more than the machine has
 * gives functions that must not be called. */
void ic_kernels_init(struct ic_kernels *k, enum ic_isa level);

/* Chooses for this process: the machine's best, or less where PIXPOOL_ISA says so. From ic_init. */
void ic_kernels_choose(void);
/* The table that was chosen; never changes afterwards. */
const struct ic_kernels *ic_kernels(void);

#endif
