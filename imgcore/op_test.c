/* The ways in which a codec goes wrong: it crashes, it never ends, it takes its time, it wants all memory, and once
 * taken over by a hostile image it reaches for files, sockets and other processes. Tests ask for them through a recipe,
 * because real inputs that do it get fixed. */
#include "op_test.h"

#ifdef PIXPOOL_TEST_OPS

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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

/* By its CPU time: on a busy machine it takes as long as other work would. */
static void op_busy(void)
{
    clock_t end = clock() + CLOCKS_PER_SEC / 20;

    while (clock() < end)
        ;
}

/* Asleep: as long on a busy machine as on an idle one. On a semaphore, because the sandbox has no nanosleep. */
static void op_nap(void)
{
    sem_t never;
    struct timespec end;

    sem_init(&never, 0, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += 50 * 1000000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    while (sem_clockwait(&never, CLOCK_MONOTONIC, &end) != 0 && errno == EINTR)
        ;
}

/* Straight to the kernel, as code that was smuggled in would. */
static long op_reach(int op)
{
    static char *const argv[] = { "/bin/true", NULL };

    switch (op) {
    case IC_TEST_OPEN:
        return syscall(SYS_openat, -100, "/etc/passwd", 0);
    case IC_TEST_SOCKET:
        return syscall(SYS_socket, 2, 1, 0);
    case IC_TEST_EXEC:
        return syscall(SYS_execve, argv[0], argv, NULL);
    case IC_TEST_PTRACE:
        return syscall(SYS_ptrace, 16, 1, 0, 0);
    case IC_TEST_FORK:
        return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    default:
        return syscall(SYS_kill, 1, 0);
    }
}

enum ic_code ic_op_test(int op, struct ic_mem *m, struct ic_error *e)
{
    if (op == IC_TEST_CRASH)
        op_crash();
    if (op == IC_TEST_HANG)
        op_hang();
    if (op == IC_TEST_OOM)
        return op_exhaust(m, e);
    if (op == IC_TEST_BUSY) {
        op_busy();
        return IC_OK;
    }
    if (op == IC_TEST_NAP) {
        op_nap();
        return IC_OK;
    }
    return ic_fail(e, IC_E_PARAM, "the sandbox let it pass: %ld", op_reach(op));
}

#endif
