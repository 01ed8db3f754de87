/* The three ways in which a codec goes wrong: it crashes, it never ends, it wants all memory. The crash-storm tests ask
 * for them through a recipe, because real inputs that do it get fixed. */
#include "op_test.h"

#ifdef PIXPOOL_TEST_OPS

#include <signal.h>
#include <stdlib.h>

/* As a bad pointer would: by a signal that no handler of ours catches. */
static _Noreturn void op_crash(void)
{
    raise(SIGSEGV);
    abort();
}

static _Noreturn void op_hang(void)
{
    for (volatile unsigned n = 0;; n++)
        ;
}

/* A chain of blocks up to the budget, each pointing to the one before. */
static enum ic_code op_exhaust(struct ic_mem *m, struct ic_error *e)
{
    void **last = NULL, **block;

    while ((block = ic_calloc(m, 1 << 20))) {
        *block = last;
        last = block;
    }
    while (last) {
        block = *last;
        ic_free(m, last);
        last = block;
    }
    return ic_fail(e, IC_E_MEMORY, "all %zu bytes of memory used up", m->limit);
}

enum ic_code ic_op_test(int op, struct ic_mem *m, struct ic_error *e)
{
    if (op == IC_TEST_CRASH)
        op_crash();
    if (op == IC_TEST_HANG)
        op_hang();
    if (op == IC_TEST_OOM)
        return op_exhaust(m, e);
    return ic_fail(e, IC_E_PARAM, "no such test operation: %d", op);
}

#endif
