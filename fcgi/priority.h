/* How workers stand back behind everything that answers requests. A worker is the leader of its session by then. */
#ifndef PRIORITY_H
#define PRIORITY_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIORITY_RETRY_MS 100 /* how often the kernel lets ordinary users change an autogroup */

/* A worker, for itself: its nice, and once that of its session. Never waits. */
void priority_lower(int nice);

/* The spawner, before the worker enters its sandbox: what it takes to see to the session's nice later. -1: there is
 * nothing to see to, because of nice 0 or a kernel without autogroups. */
int priority_open(pid_t worker, int nice);
/* true: nothing is left to do, and fd may be closed. false: once more, in PRIORITY_RETRY_MS. Never waits. */
bool priority_settle(int fd, pid_t worker, int nice);

#endif
