/* What can be asked at any time and need not be counted, put beside the counters. */
#ifndef GAUGES_H
#define GAUGES_H

#include <sys/types.h>

#include "dispatch.h"

/* Sets every gauge of stats.h. */
void gauges_set(const struct gateway *g);

/* Resident bytes of a process, 0 where it is gone. */
int64_t gauges_resident(pid_t pid);

#endif
