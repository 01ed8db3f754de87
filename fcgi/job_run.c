/* Working on one background job: each item is read from its file straight into a worker's mailbox, and each result goes
 * from there into a file of its own. What an item came to is recorded in one write once all of it is on disk. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "image_reply.h"
#include "query_option.h"
#include "jobs_private.h"
#include "log.h"
#include "renditions.h"
#include "request.h"

#define WAIT_MS (INT64_C(3600) * 1000) /* for a worker */

/* Taking over. */

/* Items that have all their lines. */
static bool read_done(struct job_own *o)
{
    int *lines = calloc((size_t)o->d.items, sizeof *lines);
    json_t *list = job_results(o->dir), *line;
    size_t i;
    o->done = calloc((size_t)o->d.items, sizeof *o->done);
    json_array_foreach(list, i, line)
    {
        json_int_t item = json_integer_value(json_object_get(line, "index"));
        if (lines && item >= 0 && item < o->d.items)
            lines[item]++;
    }
    o->open = o->d.items;
    for (int k = 0; lines && o->done && k < o->d.items; k++) {
        o->done[k] = lines[k] >= o->d.outputs;
        o->open -= o->done[k];
    }
    json_decref(list);
    free(lines);
    return o->done != NULL;
}

static void read_uploads(struct job_own *o)
{
    for (int i = 0; i < IC_MARKS; i++) {
        char name[JOB_FILE];
        size_t n = 0;
        job_mark_name(i, name);
        o->uploads[i] = job_dir_text(o->dir, name, &n);
        if (o->uploads[i])
            o->marks.upload[i] = (struct ic_bytes){ (const uint8_t *)o->uploads[i], n };
    }
}

/* A job that can't be understood any more (the configuration has changed) fails as a whole, and says why. */
static void read_order(struct job_own *o)
{
    struct query_error e = { .option = "" };
    struct ic_error ie = { 0 };
    const struct config *c = o->jobs->g->cfg;
    order_init(&o->order);
    read_uploads(o);
    bool ok = order_replay(&o->order, c, json_object_get(o->d.json, "recipe"), &e) &&
              marks_find_all(&o->marks, c, &o->order, &e);
    if (ok && marks_load(&o->marks, NULL, &ie) != IC_OK)
        ok = query_fail(&e, "mark", "%s", ie.text);
    if (ok)
        return;
    o->failed = true;
    job_dir_mark(o->dir, "failed", e.text);
}

static bool open_files(struct job_own *o, const char *id)
{
    o->dir = job_dir_open(o->jobs->spool, id);
    if (o->dir < 0 || job_dir_has(o->dir, "done") || job_dir_has(o->dir, "failed"))
        return false;
    o->lease = job_dir_lease(o->dir);
    return o->lease >= 0 && !job_dir_has(o->dir, "done") && pipe2(o->hangup, O_CLOEXEC) == 0 &&
           job_describe(o->dir, &o->d) && read_done(o);
}

struct job_own *job_own_open(struct jobs *j, const char *id)
{
    struct job_own *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->jobs = j;
    o->dir = o->lease = o->hangup[0] = o->hangup[1] = -1;
    pthread_mutex_init(&o->lock, NULL);
    marks_init(&o->marks);
    snprintf(o->id, sizeof o->id, "%s", id);
    if (!open_files(o, id)) {
        job_own_free(o);
        return NULL;
    }
    read_order(o);
    o->cancelled = job_dir_has(o->dir, "cancelled");
    job_dir_clean(o->dir, o->done, o->d.items, false);
    return o;
}

void job_own_hang_up(struct job_own *o)
{
    pthread_mutex_lock(&o->lock);
    if (o->hangup[1] >= 0)
        close(o->hangup[1]);
    o->hangup[1] = -1;
    pthread_mutex_unlock(&o->lock);
}

void job_own_free(struct job_own *o)
{
    job_own_hang_up(o);
    if (o->hangup[0] >= 0)
        close(o->hangup[0]);
    if (o->lease >= 0)
        close(o->lease);
    if (o->dir >= 0)
        close(o->dir);
    job_description_free(&o->d);
    order_free(&o->order);
    marks_free(&o->marks);
    for (int i = 0; i < IC_MARKS; i++)
        free(o->uploads[i]);
    pthread_mutex_destroy(&o->lock);
    free(o->done);
    free(o);
}

/* Ends. */

/* Another generation may have cancelled it, which shows on disk only. */
static bool is_cancelled(struct job_own *o)
{
    o->cancelled = o->cancelled || job_dir_has(o->dir, "cancelled");
    return o->cancelled;
}

bool job_own_ended(struct job_own *o)
{
    pthread_mutex_lock(&o->lock);
    bool ended = o->open == 0 || o->failed || is_cancelled(o);
    pthread_mutex_unlock(&o->lock);
    return ended;
}

void job_own_finish(struct job_own *o)
{
    job_dir_clean(o->dir, o->done, o->d.items, o->cancelled || o->failed);
    if (!o->cancelled && !o->failed)
        job_dir_mark(o->dir, "done", "");
    log_line(LOG_LV_INFO, "event=job_end id=%s items=%d end=%s", o->id, o->d.items,
             o->cancelled ? "cancelled"
             : o->failed  ? "failed"
                          : "done");
}

/* Items. */

static void *job_take(struct guest *g)
{
    struct job_own *o = (struct job_own *)((char *)g - offsetof(struct job_own, guest));
    int *item = NULL;
    pthread_mutex_lock(&o->lock);
    while (o->next < o->d.items && o->done[o->next])
        o->next++;
    if (o->next < o->d.items && !o->failed && !is_cancelled(o) && (item = malloc(sizeof *item)))
        *item = o->next++;
    pthread_mutex_unlock(&o->lock);
    return item;
}

struct work {
    struct job_own *o;
    int item;
    struct renditions *s;
    json_t *lines[JOB_OUTPUTS]; /* owned: of results that lie on disk */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static json_t *line(const struct work *w, int output, struct framing_item *i)
{
    i->index = w->item;
    i->name = job_item_name(&w->o->d, w->item);
    i->output = w->o->order.outputs[output].name;
    json_t *j = framing_json(NULL, i);
    json_object_set_new(j, "at_ms", json_integer(now_ms()));
    return j;
}

static bool write_result(const struct work *w, int output, const uint8_t *data)
{
    const struct rendition *r = &w->s->out[output];
    char name[JOB_FILE], tmp[JOB_FILE + 4];
    job_output_name(w->item, w->o->order.outputs[output].name, r->format, name);
    snprintf(tmp, sizeof tmp, "%s.tmp", name);
    int fd = openat(w->o->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t done = 0;
    while (fd >= 0 && done < r->n) {
        ssize_t put = write(fd, data + done, r->n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    bool ok = fd >= 0 && done == r->n;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    return ok && renameat(w->o->dir, tmp, w->o->dir, name) == 0;
}

static bool keep(void *ctx, int output, const uint8_t *data)
{
    struct work *w = ctx;
    struct rendition *r = &w->s->out[output];
    unsigned char sha256[FRAMING_SHA256];
    struct framing_item i = { .sha256 = sha256 };
    if (!jobs_make_room(w->o->jobs, (int64_t)r->n))
        return false;
    if (!write_result(w, output, data)) {
        jobs_make_room(w->o->jobs, -(int64_t)r->n);
        return false;
    }
    rendition_item(r, &i);
    crypto_hash_sha256(sha256, data, r->n);
    w->lines[output] = line(w, output, &i);
    return true;
}

/* Whether the item came to an end of its own, rather than being stopped from outside. */
static bool make(struct work *w, int fd, int64_t size)
{
    struct ic_error e = { 0 };
    const struct config *c = w->o->jobs->g->cfg;
    struct pool_ticket t = { .pool = w->o->jobs->g->pool, .lane = LANE_BATCH };
    const char *accept = json_string_value(json_object_get(json_object_get(w->o->d.json, "recipe"), "accept"));
    bool sound = fd >= 0 && image_reply_probe(fd, size, &w->s->info, &e);
    if (fd < 0)
        ic_fail(&e, IC_E_CORRUPT, "the source is missing");
    for (int i = 0; i < w->o->order.n && !sound; i++)
        rendition_fail(&w->s->out[i], e.code, e.text);
    if (!sound || !renditions_plan(w->s, &w->o->order, c, accept ? accept : "", &e))
        return true;
    w->s->marks = &w->o->marks;
    w->s->keep = keep;
    w->s->ctx = w;
    w->s->job.what = "job";
    w->s->job.client = w->o->hangup[0];
    w->s->job.deadline_ms = clock_ms() + WAIT_MS;
    w->s->job.work_ms_max = c->deadline_ms;
    enum ic_code rc = renditions_run(w->s, &t, (struct pool_input){ .fd = fd, .n = (size_t)size }, &e);
    pool_leave(&t);
    if (rc == IC_OK)
        account_work(w->s->decode_ms, w->s->transform_ms, w->s->encode_ms);
    return rc != IC_E_GONE;
}

static void append(char **text, size_t *n, json_t *j)
{
    char *one = j ? json_dumps(j, JSON_COMPACT) : NULL;
    size_t k = one ? strlen(one) : 0;
    char *more = one ? realloc(*text, *n + k + 2) : NULL;
    if (more) {
        memcpy(more + *n, one, k);
        memcpy(more + *n + k, "\n", 2);
        *text = more;
        *n += k + 1;
    }
    free(one);
}

/* Now it is done, whatever happens. */
static void record(struct work *w, int64_t size)
{
    char *text = NULL, name[JOB_FILE];
    size_t n = 0;
    for (int i = 0; i < w->o->order.n; i++) {
        struct framing_item failed = { 0 };
        rendition_item(&w->s->out[i], &failed);
        if (!w->lines[i])
            w->lines[i] = line(w, i, &failed);
        append(&text, &n, w->lines[i]);
    }
    pthread_mutex_lock(&w->o->lock);
    bool told = text && job_results_append(w->o->dir, text, n);
    w->o->done[w->item] = told;
    w->o->open -= told;
    w->o->failed |= !told; /* a full disk; what can't be told here can't be told at all */
    bool ended = w->o->open == 0 || w->o->failed;
    pthread_mutex_unlock(&w->o->lock);
    free(text);
    job_input_name(w->item, name);
    if (told && unlinkat(w->o->dir, name, 0) == 0)
        jobs_make_room(w->o->jobs, -size);
    if (ended)
        jobs_look(w->o->jobs);
}

static void job_work(struct guest *g, void *item)
{
    struct job_own *o = (struct job_own *)((char *)g - offsetof(struct job_own, guest));
    struct work w = { .o = o, .item = *(int *)item, .s = renditions_create() };
    struct stat st = { 0 };
    char name[JOB_FILE];
    free(item);
    if (!job_dir_has(o->dir, "started"))
        job_dir_mark(o->dir, "started", "");
    job_input_name(w.item, name);
    int fd = openat(o->dir, name, O_RDONLY | O_CLOEXEC);
    if (w.s && (fd < 0 || fstat(fd, &st) == 0) && make(&w, fd, st.st_size) && !job_own_ended(o))
        record(&w, st.st_size);
    if (fd >= 0)
        close(fd);
    for (int i = 0; i < JOB_OUTPUTS; i++)
        json_decref(w.lines[i]);
    renditions_free(w.s);
}

const struct guest_ops job_own_ops = { job_take, job_work };
