/* The gateway process: sets up signals, descriptors and threads, runs the dispatcher, and ends in order.
 *
 * Threads, not an event loop with states: a request is blocking code from top to bottom, and the dispatcher in front of
 * it makes sure that it blocks only on what has a deadline. */
#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache.h"
#include "clock.h"
#include "jobs.h"
#include "leftovers.h"
#include "libc.h"
#include "log.h"
#include "process.h"
#include "request.h"
#include "runners.h"
#include "thread.h"

#define THREADS_MARGIN 8

#define HEAP_WARM (8 << 20) /* of each arena */

/* Blocked in every thread, and taken by the dispatcher from a signalfd; what a fault raises stays with its thread. */
static void block_signals(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Results and bodies come and go all the time, and a page fault costs more than copying its page. Few arenas, so that
 * what one thread has freed serves the next. What is free beyond HEAP_WARM goes back, or the heap would stay as large
 * as the busiest moment of all days made it. */
static void keep_heap_warm(void)
{
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, HEAP_WARM);
    mallopt(M_ARENA_MAX, 2);
}

static void *accept_thread(void *arg)
{
    struct gateway *g = arg;
    struct conn *c;
    while ((c = dispatch_take(g->dispatch)) != NULL)
        request_settle(g, c, request_serve(g, c));
    return NULL;
}

static unsigned stack_bytes(const struct config *c)
{
    return c->workers > 0 ? THREAD_STACK : THREAD_STACK_CODEC;
}

/* Returns how many were started. */
static int threads_start(struct gateway *g, pthread_t *threads, int n)
{
    int started = 0;
    while (started < n && thread_start(&threads[started], stack_bytes(g->cfg), accept_thread, g) == 0)
        started++;
    return started;
}

static void threads_join(struct gateway *g, const pthread_t *threads, int n)
{
    dispatch_stop(g->dispatch);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

/* With fewer threads than requests that may be admitted, those that should be refused would wait for a thread instead,
 * and the 503 would never come. */
static bool enough_threads(const struct config *c)
{
    int64_t need = c->workers + c->queue + THREADS_MARGIN;
    if (c->shared || config_threads(c) >= need)
        return true;
    log_line(LOG_LV_ERROR, "event=threads_few threads=%d need=%lld", config_threads(c), (long long)need);
    return false;
}

static int serve(struct gateway *g)
{
    int n = config_threads(g->cfg);
    pthread_t *threads = calloc((size_t)n, sizeof *threads);
    int started = threads != NULL ? threads_start(g, threads, n) : 0;
    enum dispatch_end end = DISPATCH_DRAINED;
    if (started == n) {
        log_line(LOG_LV_INFO, "event=serving threads=%d workers=%lld", n, (long long)g->cfg->workers);
        end = dispatch_run(g->dispatch);
    } else {
        log_line(LOG_LV_ERROR, "event=threads_failed started=%d wanted=%d", started, n);
    }
    /* Requests that outlive the grace period are stopped in mid-work, and their threads cannot be joined. */
    if (end != DISPATCH_DRAINED) {
        log_line(LOG_LV_WARN, "event=exit reason=%s", end == DISPATCH_ORPHANED ? "spawner_gone" : "grace_over");
        _exit(end == DISPATCH_ORPHANED);
    }
    threads_join(g, threads, started);
    free(threads);
    return started == n ? 0 : 1;
}

static bool jobs_open(struct gateway *g)
{
    bool wanted = *g->cfg->spool_dir != '\0' && !g->cfg->shared; /* work without a request would hold no slot */
    if (wanted && (g->jobs = jobs_create(g)) == NULL)
        log_line(LOG_LV_ERROR, "event=spool_failed error=%s", strerrorname_np(errno));
    return !wanted || g->jobs != NULL;
}

/* Without it pixpool serves as well. */
static void cache_open(struct gateway *g)
{
    if (*g->cfg->cache_dir != '\0' && (g->cache = cache_create(g->cfg)) == NULL)
        log_line(LOG_LV_ERROR, "event=cache error=%s", strerrorname_np(errno));
}

int gateway_run(const struct config *c, int listen_fd, int spawner)
{
    struct gateway g = { .cfg = c, .start_ms = clock_ms() };
    int status = 1;
    log_role("gateway");
    block_signals();
    raise_descriptors();
    keep_heap_warm();
    g.sandboxed = sandbox_gateway(c);
    log_line(LOG_LV_INFO, "event=gateway sandbox=%s", g.sandboxed ? "seccomp" : "off");
    if (!enough_threads(c))
        return status;
    if (FCGX_Init() == 0 && (g.pool = pool_create(c)) != NULL)
        g.dispatch = dispatch_create(c, g.pool, listen_fd, spawner);
    if (g.pool != NULL)
        pool_spawner(g.pool, spawner);
    if (g.dispatch != NULL)
        g.runners = runners_create(c->workers > 0 && !c->shared ? (int)c->workers : 1, stack_bytes(c));
    if (g.dispatch != NULL && !c->shared) /* one of many processes serves one request at a time */
        g.leftovers = leftovers_create(&g);
    cache_open(&g);
    if (g.runners != NULL && jobs_open(&g))
        status = serve(&g);
    else
        log_line(LOG_LV_ERROR, "event=gateway_failed error=%s", strerrorname_np(errno));
    leftovers_free(g.leftovers);
    jobs_free(g.jobs);
    runners_free(g.runners);
    cache_free(g.cache);
    dispatch_free(g.dispatch);
    if (g.pool != NULL)
        pool_free(g.pool);
    if (status == 0)
        log_line(LOG_LV_INFO, "event=exit reason=drained");
    return status;
}
