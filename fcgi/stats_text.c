/* The numbers as Prometheus text, version 0.0.4: HELP and TYPE once a family, then its series, histograms cumulative.
 * A family without labels has its one series from the start: a counter that is missing until it counts is no zero. */
#include <stdio.h>
#include <stdlib.h>

#include "stats_private.h"

struct family_text {
    FILE *to;
    enum stats_family f;
    int n;
};

static void put_labels(FILE *to, const struct stats_row *r, const char *a, const char *b)
{
    if (r->labels[1])
        fprintf(to, "{%s=\"%s\",%s=\"%s\"}", r->labels[0], a, r->labels[1], b);
    else if (r->labels[0])
        fprintf(to, "{%s=\"%s\"}", r->labels[0], a);
}

static void put_times(FILE *to, const struct stats_row *r, const char *a, const struct stats_histogram *h)
{
    uint64_t sum = 0;
    char label[80] = "";
    if (r->labels[0])
        snprintf(label, sizeof label, "%s=\"%s\",", r->labels[0], a);
    for (int i = 0; i < STATS_BUCKETS; i++) {
        sum += h->bucket[i];
        fprintf(to, "%s_bucket{%sle=\"%g\"} %llu\n", r->name, label, stats_bounds[i], (unsigned long long)sum);
    }
    /* Counted by several threads meanwhile: never less than the last bucket. */
    unsigned long long count = h->count > sum ? h->count : sum;
    fprintf(to, "%s_bucket{%sle=\"+Inf\"} %llu\n", r->name, label, count);
    fprintf(to, "%s_sum", r->name);
    put_labels(to, r, a, "");
    fprintf(to, " %.6f\n%s_count", h->sum_s, r->name);
    put_labels(to, r, a, "");
    fprintf(to, " %llu\n", count);
}

static void put_series(void *ctx, const char *a, const char *b, double v)
{
    struct family_text *t = ctx;
    const struct stats_row *r = &stats_rows[t->f];
    t->n++;
    if (r->kind == STATS_HISTOGRAM) {
        struct stats_histogram h;
        stats_histogram(t->f, r->labels[0] ? a : NULL, &h);
        put_times(t->to, r, a, &h);
        return;
    }
    fputs(r->name, t->to);
    put_labels(t->to, r, a, b);
    fprintf(t->to, " %.17g\n", v);
}

static void put_family(FILE *to, enum stats_family f)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    const struct stats_row *r = &stats_rows[f];
    struct family_text t = { .to = to, .f = f };
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name, kinds[r->kind]);
    stats_each(f, put_series, &t);
    if (t.n == 0 && !r->labels[0])
        put_series(&t, "", "", 0);
}

char *stats_text(size_t *n)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, n);
    if (!to)
        return NULL;
    for (int f = 0; f < STATS_FAMILIES; f++)
        put_family(to, (enum stats_family)f);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
