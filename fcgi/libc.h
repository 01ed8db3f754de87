/* What glibc has only since 2.32, for the build that has to run with Debian 11's 2.31 (`make portable`). Elsewhere
 * these are glibc's own. */
#ifndef LIBC_H
#define LIBC_H

#include <features.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#if !__GLIBC_PREREQ(2, 32)
const char *strerrorname_np(int error); /* "EMFILE" */
const char *sigabbrev_np(int number);   /* "SEGV"; NULL: there is no such signal */
#endif

#if !__GLIBC_PREREQ(2, 34)
int close_range(unsigned first, unsigned last, int flags); /* on kernels without it too; flags is 0 */
#endif

#if __GLIBC_PREREQ(2, 36)
#include <sys/pidfd.h>
#else
int pidfd_open(pid_t pid, unsigned flags);
int pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned flags);
#endif

/* Numbers of calls that are the same everywhere, and younger than glibc's list. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#endif
