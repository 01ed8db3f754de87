/* What a worker gives up before it touches a stranger's image, and a gateway before it reads a stranger's byte.
 *
 *     spawner  sandbox_prepare    compiles the filters, once
 *     worker   sandbox_enter      priority, limits, no privileges, no file system, few system calls
 *     gateway  sandbox_gateway    no privileges, no other program, no other process
 *
 * Four walls, each of which would do against most of what a codec's mistake allows: the filter of system calls, which
 * stops everything by name; Landlock (where the kernel has it), which knows what a path is and lets none be opened;
 * limits, which leave no descriptor, no process and no memory beyond the budget; and no privileges to gain.
 *
 * sandbox = limits keeps the filter in the kernel's log mode, for a system whose libraries need a call that the list
 * lacks; off is for debuggers. With strict a worker that can't have its filter does not start: a wall that is only
 * hoped for is none. */
#include "sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "priority.h"
#include "process.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#else
#define SANDBOX_SANITIZER 0
#endif

#define SANDBOX_BASE (64u << 20) /* libraries, tables, and what malloc holds ready beyond the budget of a job */

static struct sandbox_program worker_program, gateway_program;

void sandbox_prepare(const struct config *c)
{
    if (c->sandbox == SANDBOX_OFF)
        return;
    sandbox_name_calls();
    if (!sandbox_compile_worker(c->sandbox == SANDBOX_STRICT && !SANDBOX_SANITIZER, &worker_program) ||
        !sandbox_compile_gateway(&gateway_program))
        log_line(LOG_LV_ERROR, "event=sandbox error=\"the filter of system calls can't be made\"");
}

static bool sandbox_load(const struct sandbox_program *p)
{
    struct sock_fprog program = { .len = p->n, .filter = (struct sock_filter *)p->code };
    return p->n > 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* Limits. */

static bool sandbox_limit(__rlimit_resource_t what, rlim_t n)
{
    struct rlimit old;
    if (getrlimit(what, &old) == 0 && old.rlim_max < n)
        n = old.rlim_max; /* a stricter limit of the administrator stays */
    return setrlimit(what, &(struct rlimit){ n, n }) == 0;
}

/* RLIMIT_DATA, not RLIMIT_AS: the limit is for what a decoder allocates; the mailbox mapping and the text of libraries
 * are not its doing. RLIMIT_CPU is for a gateway that no longer watches: the pool retires a worker long before. No new
 * descriptor at all: those that are open stay. */
static bool sandbox_limits(const struct config *c)
{
    bool ok = sandbox_limit(RLIMIT_CORE, 0);
    if (SANDBOX_SANITIZER) /* reserves terabytes, opens files and starts threads of its own */
        return ok;
    ok &= sandbox_limit(RLIMIT_DATA, (rlim_t)c->worker_memory + SANDBOX_BASE);
    ok &= sandbox_limit(RLIMIT_CPU, WORKER_CPU_S);
    ok &= sandbox_limit(RLIMIT_NOFILE, 0);
    ok &= sandbox_limit(RLIMIT_NPROC, 0);
    return ok;
}

/* Landlock. Its numbers are the same on all architectures, and its header may be older than the kernel. */

#define LANDLOCK_CREATE   444
#define LANDLOCK_RESTRICT 446

/* false: this kernel has none, or not for us. *abi is its version. */
static bool sandbox_no_files(int *abi)
{
    static const int fs_bits[] = { 0, 13, 14, 15, 15, 16 }; /* kinds of access known by version */
    struct {
        uint64_t fs, net, scoped;
    } rules = { 0 };
    *abi = (int)syscall(LANDLOCK_CREATE, NULL, 0, 1);
    if (*abi < 1)
        return false;
    rules.fs = (UINT64_C(1) << fs_bits[*abi < 5 ? *abi : 5]) - 1;
    rules.net = 3;    /* bind and connect, from version 4 on */
    rules.scoped = 3; /* abstract sockets and signals, from version 6 on */
    size_t size = *abi >= 6 ? sizeof rules : *abi >= 4 ? offsetof(__typeof__(rules), scoped) : sizeof rules.fs;
    int fd = (int)syscall(LANDLOCK_CREATE, &rules, size, 0); /* no path is added: none may be opened */
    if (fd < 0)
        return false;
    bool ok = syscall(LANDLOCK_RESTRICT, fd, 0) == 0;
    close(fd);
    return ok;
}

/* What a refused call comes to. */

/* Says which one it was, and dies of it: by the same signal, which now has its default action. */
static void sandbox_trapped(int number, siginfo_t *info, void *context)
{
    (void)context;
    log_line(LOG_LV_ERROR, "event=sandbox call=%s number=%d text=\"refused: this worker ends\"",
             sandbox_call_name(info->si_syscall), info->si_syscall);
    signal(number, SIG_DFL);
    syscall(SYS_getppid); /* on no list */
    _exit(128 + SIGSYS);
}

static void sandbox_catch(void)
{
    struct sigaction a = { .sa_sigaction = sandbox_trapped, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigaction(SIGSYS, &a, NULL);
}

/* abort signals its own process, and the list can't say which that is: this second filter does. */
static bool sandbox_self(void)
{
    uint32_t self = (uint32_t)getpid();
    struct sandbox_program p = {
        .code = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 2),
                  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP) },
        .n = 6,
    };
    return sandbox_load(&p);
}

/* Entering. */

bool sandbox_enter(const struct config *c, struct sandbox_state *active)
{
    int abi = 0;
    *active = (struct sandbox_state){ 0 };
    priority_lower((int)c->worker_nice); /* a key of its own: health must answer while workers are busy */
    if (c->sandbox == SANDBOX_OFF)
        return true;
    bool strict = c->sandbox == SANDBOX_STRICT && !SANDBOX_SANITIZER;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* another worker of the same user can't read this one through /proc */
    bool privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    bool files = strict && sandbox_no_files(&abi);
    bool limits = sandbox_limits(c);
    sandbox_catch();
    bool filter = (!strict || sandbox_self()) && sandbox_load(&worker_program);
    *active = (struct sandbox_state){
        .filter = !filter  ? SANDBOX_NO_FILTER
                  : strict ? SANDBOX_ENFORCES
                           : SANDBOX_LOGS,
        .landlock = files ? (uint8_t)abi : 0,
        .privileges = privileges,
        .limits = limits ? SANDBOX_ALL : SANDBOX_SOME,
    };
    return filter || !strict;
}

void sandbox_phrase(const struct sandbox_state *active, char *out, size_t n)
{
    static const char *const limits[] = { "off", "some limits", "limits" };
    static const char *const filters[] = { "", ", seccomp in log mode", ", seccomp" };
    char landlock[24] = "";
    if (active->landlock)
        snprintf(landlock, sizeof landlock, ", landlock v%u", active->landlock);
    snprintf(out, n, "%s%s%s%s", limits[active->limits], active->privileges ? ", no-new-privs" : "", landlock,
             filters[active->filter]);
}

bool sandbox_gateway(const struct config *c)
{
    if (c->sandbox != SANDBOX_STRICT || SANDBOX_SANITIZER) /* leak checkers fork and trace */
        return false;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && sandbox_load(&gateway_program);
}
