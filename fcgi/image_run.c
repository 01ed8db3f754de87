/* From a plan to a result: a job of our own, or that of an equal request in this process or in another one.
 *
 *     share_job   a thread of this process is at it: its result comes by memory          flight.c
 *     share_turn  a process that shares the cache is at it: its result comes by a file   cache_turn.c
 *     make        nobody is: a worker, and what it makes is kept for all
 */
#include <stdlib.h>
#include <string.h>

#include "flight.h"
#include "image_reply.h"
#include "stats.h"

/* The one output of the job, copied out of the worker's mailbox. */
struct output {
    struct pool_ticket *ticket;
    struct flight *flight;
    size_t reserve;
    struct flight_result r; /* body owned */
    bool no_room;
    int turn;             /* among processes: cache_turn_give's */
    struct cache_hit hit; /* where found: another process has made it */
    bool found;
};

static void on_output(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct output *out = ctx;
    out->r.told = *o;
    if (o->code != IC_OK || !data)
        return;
    if (o->length > out->reserve && !pool_grow(out->ticket, o->length - out->reserve)) {
        out->no_room = true;
        return;
    }
    out->r.body = malloc(o->length + 1);
    if (out->r.body)
        memcpy(out->r.body, data, o->length);
    else
        out->no_room = true;
}

static bool still_wanted(void *ctx)
{
    return flight_followed(((struct output *)ctx)->flight);
}

static void log_output(struct request_log *l, const struct pool_job *j, const struct job_output *o)
{
    l->queue_ms = j->queue_ms;
    l->worker = j->worker;
    l->predicted_ms = j->cost_ms;
    l->work_ms = j->work_ms;
    l->decode_ms = o->decode_ms;
    l->transform_ms = o->transform_ms;
    l->encode_ms = o->encode_ms;
}

static void say_cache(struct request *rq, enum image_cache part, struct reply *a)
{
    static const struct {
        const char *word; /* of X-Cache and the log */
        enum stats_family counts;
        const char *kind; /* its label */
    } parts[] = {
        [IMAGE_CACHE_HIT] = { "hit", STATS_CACHE_HITS, "stored" },
        [IMAGE_CACHE_MISS] = { "miss", STATS_CACHE_MISSES, NULL },
        [IMAGE_CACHE_COALESCED] = { "coalesced", STATS_CACHE_HITS, "coalesced" },
    };
    rq->log.cache = parts[part].word;
    reply_header(a, "X-Cache", "%s", parts[part].word);
    stats_add(parts[part].counts, 1, parts[part].kind, NULL);
}

static void reply_image(struct request *rq, struct output *out, struct reply *a)
{
    const struct job_output *o = &out->r.told;
    image_reply_told(rq, o, a);
    reply_body(a, 200, ic_format_mime((enum ic_format)o->format), out->r.body, o->length);
    out->r.body = NULL;
}

void image_reply_hit(struct request *rq, const struct cache_hit *hit, enum image_cache part, struct reply *a)
{
    rq->log.in = (enum ic_format)hit->told.source_format;
    image_reply_told(rq, &hit->told, a);
    reply_file(a, 200, ic_format_mime((enum ic_format)hit->told.format), hit->fd, hit->at, hit->told.length);
    say_cache(rq, part, a);
}

/* The job's failure, or that of its one output, becomes the result's. */
static void judge(struct output *out)
{
    struct flight_result *r = &out->r;
    if (r->code != IC_OK)
        return;
    if (r->told.code != IC_OK)
        r->code = ic_fail(&r->e, (enum ic_code)r->told.code, "%s", r->told.text);
    else if (out->no_room)
        r->code = ic_fail(&r->e, IC_E_BUSY, "no memory for the result at the moment");
    else if (!r->body)
        r->code = ic_fail(&r->e, IC_E_WORKER, "the worker sent no result");
}

/* A job of our own. Returns Retry-After for a 503. */
static int run_job(struct request *rq, const struct image_reply *im, struct pool_input in, struct output *out)
{
    char what[64];
    struct pool_job j = { .forecast = image_reply_forecast(im),
                          .what = what,
                          .deadline_ms = rq->deadline_ms,
                          .client = rq->conn->fd,
                          .wanted = still_wanted,
                          .emit = on_output,
                          .ctx = out };
    snprintf(what, sizeof what, "%s %.40s", rq->log.route, rq->id);
    j.worker = -1;
    j.job.inputs = j.job.outputs = 1;
    marks_hand(im->marks, &j.job, j.in);
    j.job.recipe[0] = im->recipe;
    j.in[0] = in;
    if (!pool_price(&rq->ticket, &j.forecast, rq->deadline_ms, &j.retry_after_s, &out->r.e)) {
        out->r.code = IC_E_BUSY;
        return j.retry_after_s;
    }
    out->r.code = pool_run(&rq->ticket, &j, &out->r.e);
    log_output(&rq->log, &j, &out->r.told);
    judge(out);
    flight_land(out->flight, &out->r);
    out->flight = NULL;
    return j.retry_after_s;
}

/* Another request was at it until its client left or the time was over. */
static void give_up(struct output *out, bool gone)
{
    if (gone)
        out->r.code = ic_fail(&out->r.e, IC_E_GONE, "the client left");
    else
        out->r.code = ic_fail(&out->r.e, IC_E_DEADLINE, "the deadline passed while an equal request was at work");
}

/* The job of another thread, where there is one. false: it has to be our own. */
static bool share_job(struct request *rq, const struct cache_key *key, struct output *out, struct reply *a)
{
    enum flight_role role;
    pool_waive(&rq->ticket);
    do
        role = flight_join(key->etag, rq->conn->fd, rq->deadline_ms, &out->flight, &out->r);
    while (role == FLIGHT_AGAIN && !(out->found = cache_find(rq->gw->cache, key, &out->hit)));
    if (role == FLIGHT_LEADS)
        return false;
    if (role == FLIGHT_GONE || role == FLIGHT_LATE)
        give_up(out, role == FLIGHT_GONE);
    if (role != FLIGHT_FOLLOWED)
        return true;
    size_t n = out->r.told.length;
    if (out->r.body && n > out->reserve && !pool_grow(out->ticket, n - out->reserve))
        out->r.code = ic_fail(&out->r.e, IC_E_BUSY, "no memory for the result at the moment");
    say_cache(rq, IMAGE_CACHE_COALESCED, a);
    return true;
}

/* The job of another process, in the same way. Those who follow us find its result as we do. */
static bool share_turn(struct request *rq, const struct cache_key *key, struct output *out)
{
    enum cache_turn turn = cache_turn_take(rq->gw->cache, key, rq->conn->fd, rq->deadline_ms, &out->turn, &out->hit);
    out->found = turn == CACHE_FOUND;
    if (turn == CACHE_GONE || turn == CACHE_LATE)
        give_up(out, turn == CACHE_GONE);
    return turn != CACHE_MINE;
}

static int make(struct request *rq, const struct image_reply *im, const struct cache_key *key, struct pool_input in,
                struct output *out, struct reply *a)
{
    int retry_after_s = run_job(rq, im, in, out);
    if (out->r.code == IC_OK && key)
        cache_keep(rq->gw->cache, key, &out->r.told, out->r.body);
    if (rq->gw->cache && key)
        say_cache(rq, IMAGE_CACHE_MISS, a);
    return retry_after_s;
}

void image_reply_run(struct request *rq, const struct image_reply *im, const struct cache_key *key,
                     struct pool_input in, struct reply *a)
{
    struct output out = { .ticket = &rq->ticket, .reserve = im->reserve, .turn = -1 };
    int retry_after_s = 1;
    if (!key || (!share_job(rq, key, &out, a) && !share_turn(rq, key, &out)))
        retry_after_s = make(rq, im, key, in, &out, a);
    cache_turn_give(out.turn);
    flight_land(out.flight, NULL); /* where there was no job */
    if (out.found)
        image_reply_hit(rq, &out.hit, IMAGE_CACHE_COALESCED, a);
    else if (out.r.code != IC_OK)
        reply_error(a, &out.r.e, retry_after_s);
    else
        reply_image(rq, &out, a);
    free(out.r.body);
}
