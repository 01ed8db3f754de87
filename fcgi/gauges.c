/* The gauges of /metrics: read from the pool, the dispatcher and /proc at the moment somebody asks. */
#include "gauges.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache.h"
#include "leftovers.h"
#include "stats.h"

int64_t gauges_resident(pid_t pid)
{
    char name[40], text[128] = "";
    long long size, resident = 0;
    snprintf(name, sizeof name, "/proc/%d/statm", (int)pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || sscanf(text, "%lld %lld", &size, &resident) != 2)
        return 0;
    return resident * sysconf(_SC_PAGESIZE);
}

static void set_workers(const struct gateway *g, const struct pool_state *s)
{
    int64_t resident = 0;
    int max = (int)g->cfg->workers + 8;
    struct pool_worker *w = calloc((size_t)max, sizeof *w);
    int n = w ? pool_list(g->pool, w, max) : 0;
    for (int i = 0; i < n && g->cfg->workers > 0; i++)
        resident += gauges_resident(w[i].pid);
    free(w);
    stats_set(STATS_WORKERS, s->idle, "idle", NULL);
    stats_set(STATS_WORKERS, s->alive - s->idle, "busy", NULL);
    stats_set(STATS_RESIDENT, (double)resident, "workers", NULL);
}

static void set_cache(const struct gateway *g)
{
    int64_t entries = 0, bytes = 0;
    if (g->cache)
        cache_content(g->cache, &entries, &bytes);
    stats_set(STATS_CACHE_ENTRIES, (double)entries, NULL, NULL);
    stats_set(STATS_CACHE_BYTES, (double)bytes, NULL, NULL);
}

void gauges_set(const struct gateway *g)
{
    struct pool_state s = pool_state(g->pool);
    for (int i = 0; i < POOL_LANES; i++) {
        const char *lane = pool_lane_name((enum pool_lane)i);
        stats_set(STATS_QUEUE_DEPTH, s.lane_waiting[i], lane, NULL);
        stats_set(STATS_QUEUE_COST, s.lane_cost_ms[i] / 1000, lane, NULL);
    }
    set_workers(g, &s);
    set_cache(g);
    stats_set(STATS_INFLIGHT_BYTES, (double)s.bytes, NULL, NULL);
    stats_set(STATS_MEMORY_LIMIT, (double)g->cfg->memory_limit, NULL, NULL);
    stats_set(STATS_RESIDENT, (double)gauges_resident(getpid()), "gateway", NULL);
    stats_set(STATS_RESIDENT, (double)gauges_resident(getppid()), "spawner", NULL);
    stats_set(STATS_SLOW_READERS, leftovers_waiting(g->leftovers), NULL, NULL);
    stats_set(STATS_SLOW_UPLOADS, s.aside, NULL, NULL);
    stats_set(STATS_CONNECTIONS, dispatch_connections(g->dispatch), NULL, NULL);
}
