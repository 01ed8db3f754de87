/* How a worker stands back behind whatever answers requests: gateway, web server, health checks.
 *
 * nice counts among the processes that the kernel weighs together. Those of a cpu cgroup are (a service of systemd's, a
 * container); where there is none, with autogroups, those of a session (sched(7)). Sessions weigh the same whatever the
 * nice of what runs in them: workers in the gateway's own would use up its share and keep it waiting. So each worker
 * leads a session, which has a nice of its own.
 *
 *     worker   setsid, nice, nice of its session: once, since a birth does not wait
 *     spawner  every 100 ms: the sessions that still lack it
 *
 * The second line is for those who may not administer the system. The kernel takes ten such changes a second from all
 * of them together, and says EAGAIN to the rest. The worker can't make up for it between its jobs: it may be in a long
 * one, or idle, and behind its walls it has no call to wait with. */
#include "priority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static bool write_nice(int fd, int nice)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d", nice);
    return write(fd, text, (size_t)n) == n;
}

void priority_lower(int nice)
{
    setpriority(PRIO_PROCESS, 0, nice);
    if (nice == 0 || getsid(0) != getpid()) /* a session that is not its own is that of others */
        return;
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    write_nice(fd, nice); /* whether it does the spawner will see */
    close(fd);
}

int priority_open(pid_t worker, int nice)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/autogroup", (int)worker);
    return nice == 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
}

/* "/autogroup-812 nice 10"; nothing for a process that has none, or has ended. */
bool priority_settle(int fd, pid_t worker, int nice)
{
    char text[64] = "";
    int now;
    if (getsid(worker) != worker) /* not yet */
        return false;
    if (pread(fd, text, sizeof text - 1, 0) <= 0 || sscanf(text, "/autogroup-%*d nice %d", &now) != 1 || now == nice)
        return true;
    return write_nice(fd, nice) || errno != EAGAIN;
}
