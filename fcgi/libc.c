/* See libc.h. Nothing is left of this file where glibc is new enough. */
#include "libc.h"

#include <errno.h>

#if !__GLIBC_PREREQ(2, 32)

/* Those that a log of pixpool's can have. */
const char *strerrorname_np(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = { { 0, "0" },           { EACCES, "EACCES" }, { EAGAIN, "EAGAIN" },   { EBADF, "EBADF" },
                  { EEXIST, "EEXIST" }, { EINTR, "EINTR" },   { EINVAL, "EINVAL" },   { EIO, "EIO" },
                  { EMFILE, "EMFILE" }, { ENFILE, "ENFILE" }, { ENOBUFS, "ENOBUFS" }, { ENOENT, "ENOENT" },
                  { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { ENOTDIR, "ENOTDIR" }, { EPERM, "EPERM" },
                  { EPIPE, "EPIPE" },   { EROFS, "EROFS" },   { EDQUOT, "EDQUOT" } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].error == error)
            return names[i].name;
    return "other";
}

const char *sigabbrev_np(int number)
{
    static const char *const names[] = {
        [SIGHUP] = "HUP",   [SIGINT] = "INT",   [SIGQUIT] = "QUIT", [SIGILL] = "ILL",   [SIGTRAP] = "TRAP",
        [SIGABRT] = "ABRT", [SIGBUS] = "BUS",   [SIGFPE] = "FPE",   [SIGKILL] = "KILL", [SIGUSR1] = "USR1",
        [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM", [SIGTERM] = "TERM",
        [SIGXCPU] = "XCPU", [SIGSYS] = "SYS"
    };

    return number > 0 && (size_t)number < sizeof names / sizeof *names ? names[number] : NULL;
}

#endif

#if !__GLIBC_PREREQ(2, 34)

int close_range(unsigned first, unsigned last, int flags)
{
    if (syscall(SYS_close_range, first, last, flags) == 0)
        return 0;
    long open = sysconf(_SC_OPEN_MAX); /* Linux before 5.9 */
    for (unsigned fd = first; fd <= last && (long)fd < open; fd++)
        close((int)fd);
    return 0;
}

#endif

#if !__GLIBC_PREREQ(2, 36)

int pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

int pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, info, flags);
}

#endif
