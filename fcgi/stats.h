/* What pixpool counts: counters, gauges and histograms, for /metrics and /status.
 *
 * A family is a row in stats.c; a series of it comes into being when its labels are first used. Any thread may count;
 * it costs a hash of two short words and one atomic addition. The numbers live in memory that the spawner shares with
 * its gateways (stats_share), so that they survive a gateway and two generations count together. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To count something new: a name here, a row in stats.c, a call. */
enum stats_family {
    /* counters */
    STATS_REQUESTS,      /* route, status */
    STATS_REJECTED,      /* reason */
    STATS_CANCELLED,     /* by */
    STATS_RESTARTS,      /* reason */
    STATS_DECODE_ERRORS, /* format, kind */
    STATS_CACHE_HITS,    /* kind */
    STATS_CACHE_MISSES,
    STATS_CACHE_EVICTIONS, /* reason */
    STATS_BYTES_IN,
    STATS_BYTES_OUT,
    /* gauges: set when somebody asks */
    STATS_QUEUE_DEPTH, /* lane */
    STATS_QUEUE_COST,  /* lane; seconds */
    STATS_WORKERS,     /* state */
    STATS_INFLIGHT_BYTES,
    STATS_MEMORY_LIMIT,
    STATS_CACHE_BYTES,
    STATS_CACHE_ENTRIES,
    STATS_RESIDENT, /* process */
    STATS_CONNECTIONS,
    STATS_SLOW_READERS,
    STATS_SLOW_UPLOADS,
    /* histograms of seconds, one label at most */
    STATS_REQUEST_TIME,
    STATS_STAGE_TIME, /* stage */
    STATS_FAMILIES
};

/* a and b: values of the family's labels in their order, NULL where it has fewer. Words of our own, never of a client:
 * a family holds STATS_SERIES of them, and those beyond count as "other". */
void stats_add(enum stats_family f, uint64_t n, const char *a, const char *b); /* counters */
void stats_set(enum stats_family f, double value, const char *a, const char *b);
void stats_observe(enum stats_family f, double seconds, const char *a);

#define STATS_SERIES  128
#define STATS_BUCKETS 25

/* Upper bounds of the buckets in seconds, rising; what is beyond the last is in none but the count. */
extern const double stats_bounds[STATS_BUCKETS];

struct stats_histogram {
    uint64_t bucket[STATS_BUCKETS]; /* not cumulative */
    uint64_t count;
    double sum_s;
};

uint64_t stats_counter(enum stats_family f, const char *a, const char *b); /* its value so far */
void stats_histogram(enum stats_family f, const char *a, struct stats_histogram *out);
/* Where quantile q (0 .. 1) lies, in milliseconds, interpolated within its bucket. 0: nothing was observed. */
double stats_quantile_ms(const struct stats_histogram *h, double q);

/* Calls each for every series of f. v: counter or gauge. */
void stats_each(enum stats_family f, void (*each)(void *ctx, const char *a, const char *b, double v), void *ctx);

/* All families as Prometheus text (version 0.0.4), malloc'd and terminated; NULL: out of memory. */
char *stats_text(size_t *n);

/* The spawner, before its first fork: from now on the numbers are common to it and its children. Those that are not
 * trusted let go of them with stats_leave; what they count afterwards nobody sees. */
void stats_share(void);
void stats_leave(void);

#endif
