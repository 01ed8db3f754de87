/* The thread of a gateway that sweeps the cache: now and then for what is old, and soon after much was written.
 *
 * All processes that share a cache see the time of the last sweep and how much was written since, so that whoever comes
 * first does it for all of them, and a process that lives for minutes takes its part. It is a thread of its own, at the
 * lowest priority, because a sweep looks at every entry. */
#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"
#include "libc.h"
#include "log.h"
#include "stats.h"
#include "thread.h"

#define OFTEN_S 1
#define RARE_S  600

int64_t cache_interval_s(const struct config *c)
{
    int64_t s = c->cache_ttl_s / 8;
    return s < OFTEN_S ? OFTEN_S : s > RARE_S ? RARE_S : s;
}

/* Whether the last sweep was long ago. */
static bool is_time(const struct config *c)
{
    char path[CACHE_PATH];
    struct stat st;
    cache_path(c, "sweep", path);
    if (stat(path, &st) != 0)
        return true;
    int64_t age = time(NULL) - st.st_mtim.tv_sec;
    return age >= cache_interval_s(c) || age < 0;
}

/* Once for each kind of trouble, and once when it is over. */
static void report(struct cache *k, int err)
{
    if (err == EAGAIN || err == k->sweep_trouble)
        return;
    k->sweep_trouble = err;
    if (err)
        log_line(LOG_LV_ERROR, "event=cache_sweep error=%s text=\"cache_dir can't be swept, and may grow\"",
                 strerrorname_np(err));
    else
        log_line(LOG_LV_INFO, "event=cache_sweep text=\"cache_dir is swept again\"");
}

static int sweep(struct cache *k)
{
    struct cache_swept s;
    int err = cache_sweep(k->cfg, &k->stop, &s);
    static const char *const reasons[CACHE_WHYS] = { "old", "stale", "large", "torn" };
    int64_t gone = 0;
    report(k, err);
    for (int i = 0; !err && i < CACHE_WHYS; i++) {
        gone += s.gone[i];
        stats_add(STATS_CACHE_EVICTIONS, (uint64_t)s.gone[i], reasons[i], NULL);
    }
    if (gone > 0)
        log_line(LOG_LV_INFO, "event=cache_swept old=%lld stale=%lld large=%lld torn=%lld entries=%lld bytes=%lld",
                 (long long)s.gone[CACHE_OLD], (long long)s.gone[CACHE_STALE], (long long)s.gone[CACHE_LARGE],
                 (long long)s.gone[CACHE_TORN], (long long)s.entries, (long long)s.bytes);
    return err;
}

/* Waits so long, or until woken. With the lock. */
static void rest(struct cache *k, int64_t s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += s;
    while (!k->stop && !k->due && pthread_cond_timedwait(&k->wake, &k->lock, &t) != ETIMEDOUT)
        ;
}

static void *keeper(void *arg)
{
    struct cache *k = arg;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19); /* on Linux, of this thread */
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        bool due = k->due;
        k->due = false;
        pthread_mutex_unlock(&k->lock);
        int err = due || is_time(k->cfg) ? sweep(k) : 0;
        pthread_mutex_lock(&k->lock);
        bool again = due && err == EAGAIN; /* whoever is at it may have been past what we know of */
        rest(k, again ? OFTEN_S : cache_interval_s(k->cfg));
        k->due |= again;
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int cache_keeper_start(struct cache *k)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return thread_start(&k->thread, THREAD_STACK, keeper, k);
}

static void wake(struct cache *k, bool stop)
{
    pthread_mutex_lock(&k->lock);
    k->due = true;
    if (stop)
        k->stop = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
}

void cache_keeper_stop(struct cache *k)
{
    wake(k, true);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
}

void cache_keeper_tell(struct cache *k, int64_t grown)
{
    if (grown > k->cfg->cache_size / 16)
        wake(k, false);
}
