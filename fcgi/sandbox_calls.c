/* Which system calls a process may make, as programs for the kernel's filter. Compiled once by the spawner
 * (sandbox_prepare) and loaded by each child: libseccomp takes longer to compile them than a fork does.
 *
 * A worker computes: it has no reason to open, connect, fork or execute, so its list says what it may do. It was
 * derived from strace of every codec and operation, of heap growth and of abort, and reviewed for x86-64 and AArch64:
 * what one of them lacks (time, on AArch64) libseccomp leaves out. What is not on it raises SIGSYS in the worker, whose
 * handler names the call; that is a crash like any other.
 *
 * The gateway calls half of libc, so its list says what it may not: become another program, look into or steer other
 * processes, reach the network by itself, change the system. Refused there means EPERM, because a thread that dies
 * takes all requests along. */
#include "sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    int call;
    const char *why;
} worker_calls[] = {
    { SCMP_SYS(recvfrom), "the next job" },
    { SCMP_SYS(sendto), "an answer" },
    { SCMP_SYS(write), "the tally of jobs, log lines" },
    { SCMP_SYS(writev), "glibc's last words" },
    { SCMP_SYS(brk), "heap" },
    { SCMP_SYS(munmap), "heap" },
    { SCMP_SYS(mremap), "realloc of large blocks" },
    { SCMP_SYS(madvise), "trimming" },
    { SCMP_SYS(futex), "pthread_once in codecs" },
    { SCMP_SYS(sysinfo), "qsort asks how much memory there is" },
    { SCMP_SYS(getrandom), "malloc's key" },
    { SCMP_SYS(clock_gettime), "where the vDSO has no clock" },
    { SCMP_SYS(gettimeofday), "log lines, the same" },
    { SCMP_SYS(time), "log lines, the same" },
    { SCMP_SYS(getpid), "abort" },
    { SCMP_SYS(gettid), "abort" },
    { SCMP_SYS(tgkill), "abort; of itself alone, see sandbox_self" },
    { SCMP_SYS(rt_sigaction), "abort" },
    { SCMP_SYS(rt_sigprocmask), "abort" },
    { SCMP_SYS(rt_sigreturn), "the end of a signal" },
    { SCMP_SYS(restart_syscall), "after SIGSTOP and SIGCONT" },
    { SCMP_SYS(exit), "the end" },
    { SCMP_SYS(exit_group), "the end" },
};

/* Memory that is made executable is code that was brought along. */
static const int worker_maps[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };

static const int gateway_refused[] = {
    /* become another program, or one more process */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    /* other processes */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    /* the network: it is given its listening socket */
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    /* the system */
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(acct),
    SCMP_SYS(personality),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
};

static scmp_filter_ctx worker_list(uint32_t otherwise)
{
    scmp_filter_ctx f = seccomp_init(otherwise);
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < sizeof worker_calls / sizeof *worker_calls; i++)
        ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, worker_calls[i].call, 0) == 0;
    for (size_t i = 0; ok && i < sizeof worker_maps / sizeof *worker_maps; i++)
        ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, worker_maps[i], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    if (ok)
        return f;
    seccomp_release(f);
    return NULL;
}

/* clone makes threads as well as processes; clone3 hides which behind a pointer, so it is said to be missing, and libc
 * takes clone. */
static scmp_filter_ctx gateway_list(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < sizeof gateway_refused / sizeof *gateway_refused; i++)
        ok = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), gateway_refused[i], 0) == 0;
    ok = ok && seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
    ok = ok && seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
    if (ok)
        return f;
    seccomp_release(f);
    return NULL;
}

/* The kernel's program for a list, through a file in memory: older libseccomps write to descriptors only. */
static bool compile(scmp_filter_ctx f, struct sandbox_program *out)
{
    int fd = f ? memfd_create("pixpool-filter", MFD_CLOEXEC) : -1;
    *out = (struct sandbox_program){ .n = 0 };
    if (fd < 0 || seccomp_export_bpf(f, fd) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    bool ok = size > 0 && (size_t)size <= sizeof out->code && pread(fd, out->code, (size_t)size, 0) == size;
    close(fd);
    out->n = ok ? (unsigned short)((size_t)size / sizeof(struct sock_filter)) : 0;
    return ok;
}

bool sandbox_compile_worker(bool enforce, struct sandbox_program *out)
{
    scmp_filter_ctx f = worker_list(enforce ? SCMP_ACT_TRAP : SCMP_ACT_LOG);
    bool ok = compile(f, out);
    seccomp_release(f);
    return ok;
}

bool sandbox_compile_gateway(struct sandbox_program *out)
{
    scmp_filter_ctx f = gateway_list();
    bool ok = compile(f, out);
    seccomp_release(f);
    return ok;
}

/* Names, for a signal handler that may not allocate. */

#define CALLS 512

static char names[CALLS][24];

void sandbox_name_calls(void)
{
    for (int i = 0; i < CALLS; i++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);
        if (name)
            strncpy(names[i], name, sizeof names[i] - 1);
        free(name);
    }
}

const char *sandbox_call_name(int call)
{
    return call >= 0 && call < CALLS && names[call][0] ? names[call] : "?";
}
