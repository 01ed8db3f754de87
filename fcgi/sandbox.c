/* What a worker gives up before it touches a stranger's image. Called once by worker.c, after its descriptors are down
 * to the few it needs.
 *
 * A worker computes: it owns memory, one socket and its mailbox, and has no reason to open, connect, fork or execute.
 * The limits hold against mistakes of a codec; the system call filter, for now, writes what it would have refused into
 * the kernel's log (SCMP_ACT_LOG) instead of killing: a list that is one call short must not cost images, and libraries
 * differ between systems. The list below was derived from strace of every codec, of heap growth, and of abort. */
#include "process.h"

#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#else
#define SANDBOX_SANITIZER 0
#endif

#define SANDBOX_BASE (64u << 20) /* libraries, tables, and what malloc holds ready beyond the budget of a job */

static const struct {
    int call;
    const char *why;
} sandbox_calls[] = {
    { SCMP_SYS(recvfrom), "the next job" },
    { SCMP_SYS(sendto), "an answer" },
    { SCMP_SYS(write), "the tally of jobs, log lines" },
    { SCMP_SYS(writev), "glibc's last words" },
    { SCMP_SYS(brk), "heap" },
    { SCMP_SYS(mmap), "heap, large blocks; what abort prints" },
    { SCMP_SYS(munmap), "heap" },
    { SCMP_SYS(mremap), "realloc of large blocks" },
    { SCMP_SYS(mprotect), "growth of a heap that is not the main one" },
    { SCMP_SYS(madvise), "trimming" },
    { SCMP_SYS(futex), "pthread_once in codecs" },
    { SCMP_SYS(sysinfo), "qsort asks how much memory there is" },
    { SCMP_SYS(getrandom), "malloc's key" },
    { SCMP_SYS(clock_gettime), "where the vDSO has no clock" },
    { SCMP_SYS(gettimeofday), "log lines, the same" },
    { SCMP_SYS(time), "log lines, the same" },
    { SCMP_SYS(getpid), "abort" },
    { SCMP_SYS(gettid), "abort" },
    { SCMP_SYS(tgkill), "abort" },
    { SCMP_SYS(rt_sigaction), "abort" },
    { SCMP_SYS(rt_sigprocmask), "abort" },
    { SCMP_SYS(rt_sigreturn), "the end of a signal" },
    { SCMP_SYS(restart_syscall), "after SIGSTOP and SIGCONT" },
    { SCMP_SYS(exit), "the end" },
    { SCMP_SYS(exit_group), "the end" },
};

static bool sandbox_limit(__rlimit_resource_t what, rlim_t n)
{
    struct rlimit old;
    if (getrlimit(what, &old) == 0 && old.rlim_max < n)
        n = old.rlim_max; /* a stricter limit of the administrator stays */
    return setrlimit(what, &(struct rlimit){ n, n }) == 0;
}

/* RLIMIT_DATA, not RLIMIT_AS: the limit is for what a decoder allocates; the mailbox mapping and the text of libraries
 * are not its doing. No RLIMIT_CPU: a worker lives long, and the gateway kills what passes its deadline. */
static bool sandbox_limits(const struct config *c)
{
    bool ok = sandbox_limit(RLIMIT_CORE, 0);
    if (SANDBOX_SANITIZER) /* reserves terabytes, opens files and starts threads of its own */
        return ok;
    ok &= sandbox_limit(RLIMIT_DATA, (rlim_t)c->worker_memory + SANDBOX_BASE);
    ok &= sandbox_limit(RLIMIT_NOFILE, 16);
    ok &= sandbox_limit(RLIMIT_NPROC, 0);
    return ok;
}

static bool sandbox_filter(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_LOG);
    if (!f)
        return false;
    bool ok = true;
    for (size_t i = 0; i < sizeof sandbox_calls / sizeof sandbox_calls[0]; i++)
        ok &= seccomp_rule_add(f, SCMP_ACT_ALLOW, sandbox_calls[i].call, 0) == 0;
    ok = ok && seccomp_load(f) == 0;
    seccomp_release(f);
    return ok;
}

const char *sandbox_enter(const struct config *c)
{
    static char phrase[64];
    setpriority(PRIO_PROCESS, 0, (int)c->worker_nice); /* a key of its own: health must answer while workers are busy */
    if (c->sandbox == SANDBOX_OFF)
        return "off";
    bool limits = sandbox_limits(c);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* another worker of the same user can't read this one through /proc */
    bool privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    bool filter = sandbox_filter();
    snprintf(phrase, sizeof phrase, "%s%s%s", limits ? "limits" : "some limits", privileges ? ", no-new-privs" : "",
             filter ? ", seccomp in log mode" : "");
    return phrase;
}
