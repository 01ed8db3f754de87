/* What stats.c (counting) and stats_text.c (writing it down) share. Nobody else includes this. */
#ifndef STATS_PRIVATE_H
#define STATS_PRIVATE_H

#include <stdatomic.h>

#include "stats.h"

#define STATS_LABEL 28
#define STATS_TIMES 16 /* series of a histogram */

enum stats_kind { STATS_COUNTER, STATS_GAUGE, STATS_HISTOGRAM };

struct stats_row {
    const char *name;
    enum stats_kind kind;
    const char *labels[2]; /* NULL: fewer */
    const char *help;
};
extern const struct stats_row stats_rows[STATS_FAMILIES];

enum { STATS_EMPTY, STATS_CLAIMED, STATS_READY };

struct stats_series {
    atomic_int state;
    char a[STATS_LABEL], b[STATS_LABEL]; /* written once, before STATS_READY */
    atomic_uint_fast64_t value;          /* a count, or the bits of a double */
};

struct stats_times {
    atomic_uint_fast64_t bucket[STATS_BUCKETS], count, sum_us;
};

struct stats_area {
    struct stats_series series[STATS_FAMILIES][STATS_SERIES]; /* by hash of the labels */
    struct stats_series other[STATS_FAMILIES];                /* once a family is full */
    struct stats_times times[STATS_FAMILIES - STATS_REQUEST_TIME][STATS_TIMES + 1];
};

#endif
