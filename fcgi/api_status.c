/* GET /status and /status.json: what pixpool does at this moment, for people. Never queued.
 *
 * The page is static and asks for the JSON every second; rates are its own differences of the counters, so that nothing
 * is kept here for it. Keys of the configuration that are secrets are told as set or not set. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "cache.h"
#include "clock.h"
#include "config_key.h"
#include "gauges.h"
#include "leftovers.h"
#include "ledger.h"
#include "process.h"
#include "recent.h"
#include "route.h"
#include "stats.h"
#include "status_page.h"

/* Tenths are enough, and seventeen digits are none. */
static json_t *tenths(double ms)
{
    return json_real((double)(long long)(ms * 10 + 0.5) / 10);
}

static json_t *list_workers(const struct gateway *g, int64_t *resident)
{
    json_t *list = json_array();
    int max = (int)g->cfg->workers + 8;
    int64_t now = clock_ms();
    struct pool_worker *w = calloc((size_t)max, sizeof *w);
    int n = w ? pool_list(g->pool, w, max) : 0;
    for (int i = 0; i < n; i++) {
        int64_t bytes = gauges_resident(w[i].pid);
        json_t *o = json_pack("{s:i, s:i, s:s, s:I, s:f, s:I}", "index", w[i].index, "pid", (int)w[i].pid, "state",
                              w[i].busy ? "busy" : "idle", "jobs", (json_int_t)w[i].jobs, "age_s",
                              (double)(now - w[i].born_ms) / 1000, "resident", (json_int_t)bytes);
        *resident += bytes;
        if (w[i].busy) {
            json_object_set_new(o, "job", json_string(w[i].what));
            json_object_set_new(o, "job_ms", json_integer(now - w[i].since_ms));
            json_object_set_new(o, "predicted_ms", tenths(w[i].cost_ms));
        }
        json_array_append_new(list, o);
    }
    free(w);
    return list;
}

static json_t *list_lanes(const struct pool_state *s)
{
    json_t *list = json_array();
    for (int i = 0; i < POOL_LANES; i++)
        json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "name", pool_lane_name((enum pool_lane)i), "waiting",
                                              s->lane_waiting[i], "cost_ms", tenths(s->lane_cost_ms[i])));
    return list;
}

/* Counters of one family: {"queue": 3}, or {"img 200": 5} where there are two labels. */
static void add_count(void *ctx, const char *a, const char *b, double v)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", a, *b ? " " : "", b);
    json_object_set_new(ctx, name, json_integer((json_int_t)v));
}

static json_t *counts(enum stats_family f)
{
    json_t *o = json_object();
    stats_each(f, add_count, o);
    return o;
}

static json_t *stage(const char *name, const struct stats_histogram *h)
{
    json_t *buckets = json_array();
    for (int i = 0; i < STATS_BUCKETS; i++)
        json_array_append_new(buckets, json_integer((json_int_t)h->bucket[i]));
    return json_pack("{s:s, s:I, s:f, s:o, s:o, s:o, s:o}", "name", name, "count", (json_int_t)h->count, "sum_s",
                     h->sum_s, "p50_ms", tenths(stats_quantile_ms(h, 0.5)), "p90_ms", tenths(stats_quantile_ms(h, 0.9)),
                     "p99_ms", tenths(stats_quantile_ms(h, 0.99)), "buckets", buckets);
}

static json_t *list_stages(void)
{
    static const char *const names[] = { "queue", "read", "decode", "transform", "encode", "write" };
    struct stats_histogram h;
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        stats_histogram(STATS_STAGE_TIME, names[i], &h);
        json_array_append_new(list, stage(names[i], &h));
    }
    stats_histogram(STATS_REQUEST_TIME, NULL, &h);
    json_array_append_new(list, stage("total", &h));
    return list;
}

/* What clients sent need not be UTF-8. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    char *plain = j ? NULL : strdup(s);
    for (char *p = plain; p && *p; p++)
        if (*p & 0x80)
            *p = '?';
    if (plain)
        j = json_string(plain);
    free(plain);
    return j;
}

static json_t *list_recent(void)
{
    json_t *list = json_array();
    struct recent *r = calloc(RECENT_KEPT, sizeof *r);
    int n = r ? recent_list(r) : 0;
    for (int i = 0; i < n; i++) {
        json_t *o =
            json_pack("{s:I, s:i, s:b, s:s, s:s, s:s, s:o, s:o, s:I}", "at_ms", (json_int_t)r[i].at_ms, "status",
                      r[i].status, "slow", r[i].slow, "id", r[i].id, "route", r[i].route, "code", r[i].code, "uri",
                      text(r[i].uri), "options", text(r[i].options), "total_ms", (json_int_t)r[i].total_ms);
        json_object_set_new(o, "stages",
                            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "queue", tenths(r[i].queue_ms), "read",
                                      tenths(r[i].read_ms), "decode", tenths(r[i].decode_ms), "transform",
                                      tenths(r[i].transform_ms), "encode", tenths(r[i].encode_ms), "write",
                                      tenths(r[i].write_ms)));
        json_object_set_new(o, "predicted_ms", tenths(r[i].predicted_ms));
        json_object_set_new(o, "work_ms", tenths(r[i].work_ms));
        json_array_append_new(list, o);
    }
    free(r);
    return list;
}

static json_t *list_deaths(void)
{
    struct ledger_death d[LEDGER_DEATHS];
    json_t *list = json_array();
    int n = ledger_deaths(d);
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:I, s:s, s:i, s:s, s:I, s:I}", "at_s", (json_int_t)d[i].at_s, "who",
                                              d[i].who, "pid", (int)d[i].pid, "end", d[i].end, "age_ms",
                                              (json_int_t)d[i].age_ms, "jobs", (json_int_t)d[i].jobs));
    return list;
}

static json_t *config_in_force(const struct config *c)
{
    json_t *o = json_object();
    for (size_t i = 0; i < config_keys_n; i++) {
        const struct config_key *k = &config_keys[i];
        char value[4200];
        config_value_text(c, k, value, sizeof value);
        if (k->secret)
            snprintf(value, sizeof value, "%s", *value ? "(set)" : "");
        json_object_set_new(o, k->name, text(value));
    }
    return o;
}

static json_t *memory(const struct config *c, const struct pool_state *s, int64_t workers)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "limit", (json_int_t)c->memory_limit, "workers",
                     (json_int_t)workers, "gateway", (json_int_t)gauges_resident(getpid()), "spawner",
                     (json_int_t)gauges_resident(getppid()), "inflight", (json_int_t)s->bytes, "inflight_limit",
                     (json_int_t)s->bytes_max);
}

/* What is configured, and what this system made of it. */
static json_t *sandbox(const struct gateway *g)
{
    static const char *const modes[] = { "off", "limits", "strict" }, *const filters[] = { "none", "log", "enforced" },
                             *const limits[] = { "none", "some", "all" };
    struct sandbox_state active = ledger_told();
    char workers[96];
    sandbox_phrase(&active, workers, sizeof workers);
    return json_pack("{s:s, s:s, s:s, s:i, s:b, s:s, s:s}", "mode", modes[g->cfg->sandbox], "workers", workers,
                     "seccomp", filters[active.filter], "landlock", (int)active.landlock, "no_new_privs",
                     (int)active.privileges, "limits", limits[active.limits], "gateway",
                     g->sandboxed ? "seccomp" : "off");
}

static json_t *cache(const struct gateway *g)
{
    int64_t entries, bytes;
    if (!g->cache)
        return json_null();
    cache_content(g->cache, &entries, &bytes);
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "entries", (json_int_t)entries, "bytes", (json_int_t)bytes, "limit",
                     (json_int_t)g->cfg->cache_size, "hits",
                     (json_int_t)stats_counter(STATS_CACHE_HITS, "stored", NULL), "misses",
                     (json_int_t)stats_counter(STATS_CACHE_MISSES, NULL, NULL));
}

static json_t *status_json(const struct gateway *g)
{
    struct pool_state s = pool_state(g->pool);
    int64_t resident = 0;
    json_t *o = json_object();
    json_object_set_new(o, "version", json_string(ic_versions()));
    json_object_set_new(o, "now_ms", json_integer((json_int_t)time(NULL) * 1000));
    json_object_set_new(
        o, "gateway",
        json_pack("{s:i, s:f}", "pid", (int)getpid(), "age_s", (double)(clock_ms() - g->start_ms) / 1000));
    json_object_set_new(o, "draining", json_boolean(dispatch_draining(g->dispatch)));
    json_object_set_new(o, "sandbox", sandbox(g));
    json_object_set_new(o, "queue",
                        json_pack("{s:i, s:i, s:i, s:o, s:i, s:i, s:i}", "places",
                                  (int)(g->cfg->queue + (g->cfg->workers > 0 ? g->cfg->workers : 1)), "admitted",
                                  s.admitted, "waiting", s.waiting, "running_ms", tenths(s.running_ms), "connections",
                                  dispatch_connections(g->dispatch), "slow_readers", leftovers_waiting(g->leftovers),
                                  "slow_uploads", s.aside));
    json_object_set_new(o, "lanes", list_lanes(&s));
    json_object_set_new(o, "workers", list_workers(g, &resident));
    json_object_set_new(o, "memory", memory(g->cfg, &s, resident));
    json_object_set_new(o, "requests", counts(STATS_REQUESTS));
    json_object_set_new(o, "rejected", counts(STATS_REJECTED));
    json_object_set_new(o, "cancelled", counts(STATS_CANCELLED));
    json_object_set_new(o, "restarts", counts(STATS_RESTARTS));
    json_object_set_new(o, "cache_hits", counts(STATS_CACHE_HITS));
    json_object_set_new(o, "cache", cache(g));
    json_object_set_new(o, "decode_errors", counts(STATS_DECODE_ERRORS));
    json_object_set_new(o, "stages", list_stages());
    json_object_set_new(o, "recent", list_recent());
    json_object_set_new(o, "deaths", list_deaths());
    json_object_set_new(o, "config", config_in_force(g->cfg));
    return o;
}

void api_status_json(struct request *rq, struct reply *a)
{
    rq->log.route = "status";
    if (!route_method(rq, "GET, HEAD", a) || !access_admin_check(rq, a))
        return;
    json_t *o = status_json(rq->gw);
    char *out = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(o);
    if (!out) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_body(a, 200, "application/json", (uint8_t *)out, strlen(out));
}

void api_status(struct request *rq, struct reply *a)
{
    rq->log.route = "status";
    if (!route_method(rq, "GET, HEAD", a) || !access_admin_check(rq, a))
        return;
    reply_header(a, "Cache-Control", "no-store");
    reply_header(a, "Content-Security-Policy",
                 "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                 "img-src data:; base-uri 'none'; form-action 'none'");
    reply_text(a, 200, "text/html; charset=utf-8", status_page);
}
