/* The numbers behind /metrics: one table of families, and their series in one piece of plain memory.
 *
 * That piece is shared between processes after stats_share, so it holds words and numbers and neither locks nor
 * pointers: a series is claimed by one compare-and-swap, and a process that dies between that and the writing of its
 * labels costs one place, nothing more. Not one area per process, summed up: counts of the dead would be lost, and
 * rates would jump with each of them. */
#include "stats.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "stats_private.h"

/* clang-format off */
const struct stats_row stats_rows[STATS_FAMILIES] = {
    [STATS_REQUESTS]       = { "pixpool_requests_total", STATS_COUNTER, { "route", "status" },
                               "Requests answered, by endpoint and HTTP status." },
    [STATS_REJECTED]       = { "pixpool_rejected_total", STATS_COUNTER, { "reason" },
                               "Requests refused with 503 and Retry-After." },
    [STATS_CANCELLED]      = { "pixpool_cancelled_total", STATS_COUNTER, { "by" },
                               "Requests given up before they were answered." },
    [STATS_RESTARTS]       = { "pixpool_worker_restarts_total", STATS_COUNTER, { "reason" },
                               "Workers that were replaced." },
    [STATS_DECODE_ERRORS]  = { "pixpool_decode_errors_total", STATS_COUNTER, { "format", "kind" },
                               "Images that could not be processed." },
    [STATS_CACHE_HITS]     = { "pixpool_cache_hits_total", STATS_COUNTER, { "kind" },
                               "Requests answered without a job of their own." },
    [STATS_CACHE_MISSES]   = { "pixpool_cache_misses_total", STATS_COUNTER, { NULL },
                               "Requests whose result was not in cache_dir, so that it had to be made." },
    [STATS_CACHE_EVICTIONS] = { "pixpool_cache_evictions_total", STATS_COUNTER, { "reason" },
                               "Results removed from cache_dir by this instance." },
    [STATS_BYTES_IN]       = { "pixpool_bytes_in_total", STATS_COUNTER, { NULL }, "Bytes of request bodies read." },
    [STATS_BYTES_OUT]      = { "pixpool_bytes_out_total", STATS_COUNTER, { NULL }, "Bytes of answers written." },
    [STATS_QUEUE_DEPTH]    = { "pixpool_queue_depth", STATS_GAUGE, { "lane" }, "Requests that wait for a worker." },
    [STATS_QUEUE_COST]     = { "pixpool_queue_cost_seconds", STATS_GAUGE, { "lane" },
                               "Predicted work of the requests admitted and not yet finished." },
    [STATS_WORKERS]        = { "pixpool_workers", STATS_GAUGE, { "state" }, "Worker processes alive." },
    [STATS_INFLIGHT_BYTES] = { "pixpool_inflight_bytes", STATS_GAUGE, { NULL },
                               "Bytes reserved for bodies and results in flight." },
    [STATS_MEMORY_LIMIT]   = { "pixpool_memory_limit_bytes", STATS_GAUGE, { NULL }, "The key memory_limit." },
    [STATS_CACHE_BYTES]    = { "pixpool_cache_bytes", STATS_GAUGE, { NULL },
                               "Bytes in cache_dir, as far as its last sweep and what was written since tell." },
    [STATS_CACHE_ENTRIES]  = { "pixpool_cache_entries", STATS_GAUGE, { NULL },
                               "Results in cache_dir at its last sweep." },
    [STATS_RESIDENT]       = { "pixpool_resident_bytes", STATS_GAUGE, { "process" }, "Resident memory." },
    [STATS_CONNECTIONS]    = { "pixpool_connections", STATS_GAUGE, { NULL }, "Open FastCGI connections." },
    [STATS_SLOW_READERS]   = { "pixpool_slow_readers", STATS_GAUGE, { NULL },
                               "Answers that lie in memory because their readers are slow." },
    [STATS_SLOW_UPLOADS]   = { "pixpool_slow_uploads", STATS_GAUGE, { NULL },
                               "Uploads that have left their places to others because they come slowly." },
    [STATS_REQUEST_TIME]   = { "pixpool_request_duration_seconds", STATS_HISTOGRAM, { NULL },
                               "From a request's first byte to the last byte of its answer." },
    [STATS_STAGE_TIME]     = { "pixpool_stage_duration_seconds", STATS_HISTOGRAM, { "stage" },
                               "The parts of it." },
};
/* clang-format on */

const double stats_bounds[STATS_BUCKETS] = { 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02,
                                             0.03,   0.05,  0.075, 0.1,   0.15,  0.2,    0.3,  0.5,   0.75,
                                             1,      1.5,   2,     3,     5,     10,     30 };

/* The area. */

static struct stats_area own;
static struct stats_area *area = &own; /* set while the process has one thread */

void stats_share(void)
{
    void *p = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        area = p; /* otherwise each process counts for itself */
}

void stats_leave(void)
{
    if (area != &own)
        munmap(area, sizeof own);
    area = &own;
}

/* Series. */

/* As much of word as a label holds, and only what needs no escape in Prometheus text. */
static void label_set(char out[STATS_LABEL], const char *word)
{
    snprintf(out, STATS_LABEL, "%s", word ? word : "");
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
            *p = '_';
}

static bool label_is(const char label[STATS_LABEL], const char *word)
{
    return strncmp(label, word ? word : "", STATS_LABEL - 1) == 0;
}

/* FNV-1a. */
static uint32_t label_hash(const char *a, const char *b)
{
    uint32_t h = 2166136261u;
    for (const char *p = a; p && *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    h = (h ^ '/') * 16777619u;
    for (const char *p = b; p && *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    return h;
}

/* Claims an empty place. false: somebody else was faster. */
static bool series_claim(struct stats_series *s, const char *a, const char *b)
{
    int state = STATS_EMPTY;
    if (!atomic_compare_exchange_strong(&s->state, &state, STATS_CLAIMED))
        return false;
    label_set(s->a, a);
    label_set(s->b, b);
    atomic_store(&s->state, STATS_READY);
    return true;
}

/* The place of these labels; made where it is missing and make is set. NULL: there is none. A place that is
 * claimed at this very moment is waited for, but not for ever: its owner may be dead. */
static struct stats_series *series_find(enum stats_family f, const char *a, const char *b, bool make)
{
    uint32_t at = label_hash(a, b), n = f >= STATS_REQUEST_TIME ? STATS_TIMES : STATS_SERIES;
    for (uint32_t i = 0; i < n; i++) {
        struct stats_series *s = &area->series[f][(at + i) % n];
        if (atomic_load(&s->state) == STATS_EMPTY && !make)
            return NULL;
        if (series_claim(s, a, b))
            return s;
        for (int spin = 0; atomic_load(&s->state) == STATS_CLAIMED && spin < 1000; spin++)
            sched_yield();
        if (atomic_load(&s->state) == STATS_READY && label_is(s->a, a) && label_is(s->b, b))
            return s;
    }
    return make ? &area->other[f] : NULL;
}

/* Counting. */

void stats_add(enum stats_family f, uint64_t n, const char *a, const char *b)
{
    atomic_fetch_add_explicit(&series_find(f, a, b, true)->value, n, memory_order_relaxed);
}

void stats_set(enum stats_family f, double value, const char *a, const char *b)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(&series_find(f, a, b, true)->value, bits, memory_order_relaxed);
}

static struct stats_times *times_of(enum stats_family f, const char *a)
{
    struct stats_series *s = series_find(f, a, NULL, true);
    size_t at = s == &area->other[f] ? STATS_TIMES : (size_t)(s - area->series[f]);
    return &area->times[f - STATS_REQUEST_TIME][at];
}

void stats_observe(enum stats_family f, double seconds, const char *a)
{
    struct stats_times *t = times_of(f, a);
    int i = 0;
    while (i < STATS_BUCKETS && seconds > stats_bounds[i])
        i++;
    if (i < STATS_BUCKETS)
        atomic_fetch_add_explicit(&t->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&t->sum_us, seconds > 0 ? (uint64_t)(seconds * 1e6) : 0, memory_order_relaxed);
}

/* Reading. */

static double series_value(enum stats_family f, const struct stats_series *s)
{
    uint64_t bits = atomic_load_explicit(&s->value, memory_order_relaxed);
    double v;
    if (stats_rows[f].kind == STATS_COUNTER)
        return (double)bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

uint64_t stats_counter(enum stats_family f, const char *a, const char *b)
{
    const struct stats_series *s = series_find(f, a, b, false);
    return s ? atomic_load_explicit(&s->value, memory_order_relaxed) : 0;
}

void stats_each(enum stats_family f, void (*each)(void *ctx, const char *a, const char *b, double v), void *ctx)
{
    for (int i = 0; i < STATS_SERIES; i++) {
        const struct stats_series *s = &area->series[f][i];
        if (atomic_load(&s->state) == STATS_READY)
            each(ctx, s->a, s->b, series_value(f, s));
    }
    if (atomic_load(&area->other[f].value) > 0)
        each(ctx, "other", "other", series_value(f, &area->other[f]));
}

void stats_histogram(enum stats_family f, const char *a, struct stats_histogram *out)
{
    const struct stats_series *s = series_find(f, a, NULL, false);
    *out = (struct stats_histogram){ 0 };
    if (!s)
        return;
    const struct stats_times *t = &area->times[f - STATS_REQUEST_TIME][s - area->series[f]];
    for (int i = 0; i < STATS_BUCKETS; i++)
        out->bucket[i] = atomic_load_explicit(&t->bucket[i], memory_order_relaxed);
    out->count = atomic_load_explicit(&t->count, memory_order_relaxed);
    out->sum_s = (double)atomic_load_explicit(&t->sum_us, memory_order_relaxed) / 1e6;
}

double stats_quantile_ms(const struct stats_histogram *h, double q)
{
    double below = 0, rank = q * (double)h->count, from = 0;
    for (int i = 0; i < STATS_BUCKETS && h->count > 0; i++) {
        double n = (double)h->bucket[i];
        if (n > 0 && below + n >= rank)
            return 1000 * (from + (stats_bounds[i] - from) * (rank - below) / n);
        below += n;
        from = stats_bounds[i];
    }
    return h->count > 0 ? 1000 * stats_bounds[STATS_BUCKETS - 1] : 0;
}
