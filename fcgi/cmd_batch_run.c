/* The batch command at work, in the gateway's place: takes births from the spawner, and lets the runners go through the
 * files. The main thread draws the bar and hears of signals; results are written by the runners, each beside its final
 * name first. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "cmd_batch.h"
#include "file.h"
#include "image_reply.h"
#include "pool.h"
#include "process.h"
#include "progress.h"
#include "renditions.h"
#include "runners.h"
#include "thread.h"

#define TICK_MS     100
#define WAIT_MS     (INT64_C(24) * 3600 * 1000) /* for a worker */
#define INTERRUPTED 130

struct run {
    struct guest guest;
    struct pool *pool;
    int hangup[2];        /* a pipe: closing its writing end stops what works */
    pthread_mutex_t lock; /* guards what follows */
    size_t next, ended;
    bool stopping;
    struct progress progress;
};

/* One file at work. */
struct work {
    struct run *r;
    const struct tree_file *file;
    struct renditions *s;
    char why[240];
};

static bool fail(struct work *w, const char *what, const char *why)
{
    if (!w->why[0])
        snprintf(w->why, sizeof w->why, "%s%s%s", what, *what && *why ? ": " : "", why);
    return false;
}

/* Names. */

/* OUT/name-output.ext */
static char *result_path(const struct work *w, int output, enum ic_format f)
{
    const struct batch_command *b = &batch_command;
    char *path;
    int n =
        asprintf(&path, "%s/%s%s%s.%s", b->out, w->file->name, b->order.named ? "-" : "",
                 b->order.named ? b->order.outputs[output].name : "", f == IC_FORMAT_JPEG ? "jpg" : ic_format_name(f));
    return n < 0 ? NULL : path;
}

static void make_directories(char *path)
{
    for (char *p = strchr(path + strlen(batch_command.out) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0777); /* what can't be made will show when the file is */
        *p = '/';
    }
}

static int64_t mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

/* Made after its source, and after this was what was asked for. */
static bool up_to_date(const struct work *w, int output, const struct stat *source)
{
    struct stat st;
    char *path = result_path(w, output, w->s->out[output].format);
    bool there = path && stat(path, &st) == 0;
    free(path);
    return there && mtime_ns(&st) >= mtime_ns(source) && mtime_ns(&st) >= batch_command.since_ns;
}

/* Work. */

static bool keep(void *ctx, int output, const uint8_t *data)
{
    struct work *w = ctx;
    struct rendition *r = &w->s->out[output];
    char why[120] = "out of memory";
    char *path = result_path(w, output, r->format);
    if (path)
        make_directories(path);
    bool ok = path && file_write(path, data, r->n, why, sizeof why);
    if (!ok)
        rendition_fail(r, IC_E_BUSY, why);
    free(path);
    return ok;
}

static bool all_up_to_date(const struct work *w, const struct stat *source)
{
    for (int i = 0; i < w->s->n && !batch_command.force; i++)
        if (w->s->out[i].code != IC_E_WORKER || !up_to_date(w, i, source)) /* what was planned waits for its worker */
            return false;
    return !batch_command.force;
}

static bool make(struct work *w, int fd, const struct stat *st)
{
    struct ic_error e = { 0 };
    struct pool_ticket t = { .pool = w->r->pool, .lane = LANE_BATCH };
    w->s->marks = &batch_command.marks;
    w->s->keep = keep;
    w->s->ctx = w;
    w->s->job.client = w->r->hangup[0];
    w->s->job.deadline_ms = clock_ms() + WAIT_MS;
    w->s->job.work_ms_max = batch_command.cfg.deadline_ms;
    enum ic_code rc = renditions_run(w->s, &t, (struct pool_input){ .fd = fd, .n = (size_t)st->st_size }, &e);
    pool_leave(&t);
    for (int i = 0; i < w->s->n; i++)
        if (w->s->out[i].code != IC_OK)
            fail(w, batch_command.order.named ? batch_command.order.outputs[i].name : "", w->s->out[i].text);
    return rc != IC_E_GONE;
}

/* false: it was stopped. */
static bool work(struct work *w, bool *skipped)
{
    struct ic_error e = { 0 };
    struct stat st;
    int fd = open(w->file->path, O_RDONLY | O_CLOEXEC);
    bool done = true;
    if (fd < 0 || fstat(fd, &st) < 0)
        fail(w, strerror(errno), "");
    else if (st.st_size > batch_command.cfg.max_body)
        fail(w, "larger than max_body", "");
    else if (!w->s)
        fail(w, "out of memory", "");
    else if (!image_reply_probe(fd, st.st_size, &w->s->info, &e) ||
             !renditions_plan(w->s, &batch_command.order, &batch_command.cfg, "", &e))
        fail(w, e.text, "");
    else if (!(*skipped = all_up_to_date(w, &st)))
        done = make(w, fd, &st);
    if (fd >= 0)
        close(fd);
    return done;
}

static void *run_take(struct guest *g)
{
    struct run *r = (struct run *)((char *)g - offsetof(struct run, guest));
    const struct tree_file *f = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->next < batch_command.tree.n && !r->stopping)
        f = &batch_command.tree.files[r->next++];
    pthread_mutex_unlock(&r->lock);
    return (void *)f;
}

static void run_work(struct guest *g, void *item)
{
    struct run *r = (struct run *)((char *)g - offsetof(struct run, guest));
    struct work w = { .r = r, .file = item, .s = renditions_create() };
    bool skipped = false, done = work(&w, &skipped);
    pthread_mutex_lock(&r->lock);
    if (done) {
        progress_file(&r->progress, w.file->path, w.why[0] ? w.why : NULL, skipped);
        r->ended++;
    }
    pthread_mutex_unlock(&r->lock);
    renditions_free(w.s);
}

static const struct guest_ops run_ops = { run_take, run_work };

/* The main thread. */

/* Closed once: what waits for a worker and what works hears of it. */
static void stop(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    if (!r->stopping)
        close(r->hangup[1]);
    r->stopping = true;
    pthread_mutex_unlock(&r->lock);
}

/* All birth messages that are there. false: the spawner is gone. */
static bool take_births(struct run *r, int spawner)
{
    struct ipc_born b;
    int socket, pidfd, memfd;
    while (ipc_recv_born(spawner, &b, &socket, &pidfd, &memfd))
        pool_born(r->pool, &b, socket, pidfd, memfd);
    return errno == EAGAIN || errno == EPROTO;
}

static bool finished(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    progress_draw(&r->progress, false);
    bool all = r->ended == batch_command.tree.n;
    pthread_mutex_unlock(&r->lock);
    return all;
}

static bool look(struct run *r, int signals, int spawner)
{
    struct pollfd f[2] = { { .fd = signals, .events = POLLIN }, { .fd = spawner, .events = POLLIN } };
    poll(f, 2, TICK_MS);
    if (f[1].revents && !take_births(r, spawner))
        return false;
    return !f[0].revents;
}

static int signals_open(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int batch_command_run(const struct config *c, int spawner)
{
    struct run r = { .lock = PTHREAD_MUTEX_INITIALIZER };
    int signals = signals_open();
    bool ok = signals >= 0 && pipe2(r.hangup, O_CLOEXEC) == 0 && (r.pool = pool_create(c)) != NULL;
    struct runners *runners = ok ? runners_create((int)c->workers, THREAD_STACK) : NULL;
    if (!runners)
        return 1;
    progress_begin(&r.progress, batch_command.tree.n, batch_command.lines);
    runners_add(runners, &r.guest, &run_ops);
    bool go_on = true;
    while (!finished(&r) && (go_on = look(&r, signals, spawner)))
        continue;
    stop(&r);
    runners_remove(runners, &r.guest);
    runners_free(runners);
    progress_end(&r.progress, !go_on);
    pool_free(r.pool);
    return !go_on ? INTERRUPTED : r.progress.failed > 0;
}
