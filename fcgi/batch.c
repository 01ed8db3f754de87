/* The middle of api_batch.c. One mutex guards both queues; nothing that blocks is done under it.
 *
 * Memory is reserved by the file, before its first byte is read and for the largest it may become, and what is too much
 * is given back when it is complete: so a batch that waits for memory never holds part of a file, and what others hold
 * is at work and will be given back. Results take no memory at all: they go from the worker's mailbox into the spool.
 */
#include "batch.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "image_reply.h"
#include "renditions.h"
#include "request.h"
#include "runners.h"
#include "spool.h"

#define LOOK_MS 50                     /* how often a wait looks for a client that left */
#define WAIT_MS (INT64_C(3600) * 1000) /* for a worker: as long as it takes */
#define FIRST   (256u << 10)

struct batch {
    struct guest guest;
    struct gateway *g;
    const struct order *order;
    const struct marks *marks;
    const char *accept;
    int client;
    struct spool spool;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t news;  /* a result, or memory given back */
    TAILQ_HEAD(, batch_file) files, old;
    TAILQ_HEAD(, batch_result) results;
    int count, open; /* files so far; those not finished */
    bool all_in;
};

static void *batch_take(struct guest *g);
static void batch_run(struct guest *g, void *item);

static const struct guest_ops batch_ops = { batch_take, batch_run };

struct batch *batch_create(struct gateway *g, const struct order *order, const struct marks *marks, const char *accept,
                           int client)
{
    struct batch *b = calloc(1, sizeof *b);
    if (!b || !spool_open(&b->spool, "", (size_t)g->cfg->batch_spool)) {
        free(b);
        return NULL;
    }
    b->g = g;
    b->order = order;
    b->marks = marks;
    b->accept = accept;
    b->client = client;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->news, NULL);
    TAILQ_INIT(&b->files);
    TAILQ_INIT(&b->old);
    TAILQ_INIT(&b->results);
    runners_add(g->runners, &b->guest, &batch_ops);
    return b;
}

/* The bytes of a file and its share of the budget; the name stays. */
static void drop_bytes(struct batch_file *f)
{
    free(f->p);
    f->p = NULL;
    pool_leave(&f->ticket);
}

void batch_free(struct batch *b)
{
    struct batch_file *f;
    struct batch_result *r;
    if (!b)
        return;
    runners_remove(b->g->runners, &b->guest);
    while ((r = TAILQ_FIRST(&b->results))) {
        TAILQ_REMOVE(&b->results, r, at);
        free(r);
    }
    TAILQ_CONCAT(&b->old, &b->files, at);
    while ((f = TAILQ_FIRST(&b->old))) {
        TAILQ_REMOVE(&b->old, f, at);
        drop_bytes(f);
        free(f);
    }
    spool_close(&b->spool);
    pthread_cond_destroy(&b->news);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* Lock held. Returns after news, or LOOK_MS. */
static void wait_for_news(struct batch *b)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += LOOK_MS * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&b->news, &b->lock, &t);
}

static bool client_left(const struct batch *b)
{
    struct pollfd f = { .fd = b->client, .events = POLLRDHUP };
    return b->client >= 0 && poll(&f, 1, 0) > 0;
}

/* Results. */

static void add_result(struct batch *b, struct batch_result *r)
{
    pthread_mutex_lock(&b->lock);
    TAILQ_INSERT_TAIL(&b->results, r, at);
    pthread_cond_broadcast(&b->news);
    pthread_mutex_unlock(&b->lock);
}

static struct batch_result *new_result(const struct batch *b, const struct batch_file *f, int output)
{
    struct batch_result *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->item.index = f->index;
    r->item.name = f->name;
    r->item.output = b->order->outputs[output].name;
    r->item.fd = b->spool.fd;
    return r;
}

static void add_failure(struct batch *b, const struct batch_file *f, int output, int status, const char *code,
                        const char *detail)
{
    struct batch_result *r = new_result(b, f, output);
    if (!r)
        return; /* the manifest's numbers will tell */
    snprintf(r->detail, sizeof r->detail, "%s", detail);
    r->item.status = status;
    r->item.code = code;
    r->item.detail = r->detail;
    add_result(b, r);
}

static void finish_file(struct batch *b, struct batch_file *f)
{
    drop_bytes(f);
    pthread_mutex_lock(&b->lock);
    TAILQ_INSERT_TAIL(&b->old, f, at);
    b->open--;
    pthread_cond_broadcast(&b->news);
    pthread_mutex_unlock(&b->lock);
}

struct batch_result *batch_next(struct batch *b, bool *gone)
{
    struct batch_result *r;
    *gone = false;
    pthread_mutex_lock(&b->lock);
    while (!(r = TAILQ_FIRST(&b->results)) && b->open > 0 && !*gone) {
        wait_for_news(b);
        *gone = client_left(b);
    }
    if (r)
        TAILQ_REMOVE(&b->results, r, at);
    pthread_mutex_unlock(&b->lock);
    return r;
}

void batch_sent(struct batch *b, struct batch_result *r)
{
    spool_release(&b->spool, r->item.n);
    free(r);
    runners_wake(b->g->runners); /* there may be room now */
}

bool batch_done(struct batch *b)
{
    pthread_mutex_lock(&b->lock);
    bool done = b->all_in && b->open == 0;
    pthread_mutex_unlock(&b->lock);
    return done;
}

/* Files. */

/* The memory for a file, within the time. */
static bool wait_for_memory(struct batch *b, struct batch_file *f, size_t bytes, int64_t until_ms)
{
    f->ticket = (struct pool_ticket){ .pool = b->g->pool, .lane = LANE_BATCH };
    while (!pool_grow(&f->ticket, bytes)) {
        if (clock_ms() >= until_ms || client_left(b))
            return false;
        pthread_mutex_lock(&b->lock);
        wait_for_news(b);
        pthread_mutex_unlock(&b->lock);
    }
    return true;
}

struct batch_file *batch_reserve(struct batch *b, const char *name, size_t bytes, int64_t timeout_ms)
{
    struct batch_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    snprintf(f->name, sizeof f->name, "%s", name);
    f->reserved = wait_for_memory(b, f, bytes, clock_ms() + timeout_ms) ? bytes : 0;
    if (!f->reserved && client_left(b)) {
        drop_bytes(f);
        free(f);
        return NULL;
    }
    pthread_mutex_lock(&b->lock);
    f->index = b->count++;
    b->open++;
    pthread_mutex_unlock(&b->lock);
    return f;
}

uint8_t *batch_room(struct batch_file *f, size_t *n)
{
    if (f->n == f->cap) {
        size_t want = f->cap ? 2 * f->cap : FIRST;
        want = want < f->reserved ? want : f->reserved;
        uint8_t *more = want > f->cap ? realloc(f->p, want) : NULL;
        if (!more)
            return NULL;
        f->p = more;
        f->cap = want;
    }
    *n = f->cap - f->n;
    return f->p + f->n;
}

void batch_put(struct batch *b, struct batch_file *f)
{
    uint8_t *exact = realloc(f->p, f->n);
    f->p = exact ? exact : f->p;
    pool_shrink(&f->ticket, f->reserved - f->n);
    pthread_mutex_lock(&b->lock);
    TAILQ_INSERT_TAIL(&b->files, f, at);
    pthread_mutex_unlock(&b->lock);
    runners_wake(b->g->runners);
}

void batch_refuse(struct batch *b, struct batch_file *f, int status, const char *code, const char *detail)
{
    for (int i = 0; i < b->order->n; i++)
        add_failure(b, f, i, status, code, detail);
    finish_file(b, f);
}

void batch_all_in(struct batch *b)
{
    pthread_mutex_lock(&b->lock);
    b->all_in = true;
    pthread_mutex_unlock(&b->lock);
}

/* Work, in the runners' threads. */

static void *batch_take(struct guest *g)
{
    struct batch *b = (struct batch *)((char *)g - offsetof(struct batch, guest));
    struct batch_file *f = NULL;
    pthread_mutex_lock(&b->lock);
    if (!b->all_in || spool_roomy(&b->spool))
        f = TAILQ_FIRST(&b->files);
    if (f)
        TAILQ_REMOVE(&b->files, f, at);
    pthread_mutex_unlock(&b->lock);
    return f;
}

/* One file at work. */
struct work {
    struct batch *b;
    struct batch_file *f;
    struct renditions *s;
    bool told[JOB_OUTPUTS]; /* its result is in the list */
};

static bool keep(void *ctx, int output, const uint8_t *data)
{
    struct work *w = ctx;
    const struct rendition *r = &w->s->out[output];
    struct batch_result *to = new_result(w->b, w->f, output);
    if (!to)
        return false;
    w->told[output] = true;
    to->item.at = spool_put(&w->b->spool, data, r->n);
    if (to->item.at < 0) {
        free(to);
        add_failure(w->b, w->f, output, 507, "batch_spool",
                    "the results that wait for the end of the body are too large");
        return true;
    }
    rendition_item(r, &to->item);
    crypto_hash_sha256(to->sha256, data, r->n);
    to->item.sha256 = to->sha256;
    add_result(w->b, to);
    return true;
}

/* Those that fail, all by themselves or with the whole. */
static void tell_the_rest(struct work *w)
{
    for (int i = 0; i < w->b->order->n; i++) {
        const struct rendition *r = &w->s->out[i];
        if (!w->told[i])
            add_failure(w->b, w->f, i, reply_status(r->code), ic_code_name(r->code), r->text);
    }
}

static void work(struct work *w)
{
    struct batch *b = w->b;
    struct ic_bytes image = { w->f->p, w->f->n };
    struct ic_error e = { 0 };
    bool sound = image_reply_probe_bytes(image, &w->s->info, &e) == IC_OK;
    for (int i = 0; i < b->order->n && !sound; i++)
        rendition_fail(&w->s->out[i], e.code, e.text);
    if (sound && renditions_plan(w->s, b->order, b->g->cfg, b->accept, &e)) {
        w->s->marks = b->marks;
        w->s->keep = keep;
        w->s->ctx = w;
        w->s->job.what = "batch";
        w->s->job.client = b->client;
        w->s->job.deadline_ms = clock_ms() + WAIT_MS;
        w->s->job.work_ms_max = b->g->cfg->deadline_ms;
        if (renditions_run(w->s, &w->f->ticket, (struct pool_input){ .p = image.p, .fd = -1, .n = image.n }, &e) ==
            IC_OK)
            account_work(w->s->decode_ms, w->s->transform_ms, w->s->encode_ms);
    }
    tell_the_rest(w);
}

static void batch_run(struct guest *g, void *item)
{
    struct batch *b = (struct batch *)((char *)g - offsetof(struct batch, guest));
    struct work w = { .b = b, .f = item, .s = renditions_create() };
    if (w.s)
        work(&w);
    for (int i = 0; i < b->order->n && !w.s; i++)
        add_failure(b, item, i, 503, "busy", "out of memory");
    renditions_free(w.s);
    finish_file(b, item);
}
