/* Which background jobs are ours: one thread, the keeper, looks at the spool every second and whenever it is told to.
 *
 * It takes over what nobody works on, oldest first; hands leases back while this gateway drains; marks what has ended;
 * and removes what is too old or too much. That it looks at the disk rather than at a list of its own is what makes
 * crashes, reloads and other processes on the same spool one and the same case. */
#include "jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "jobs_private.h"
#include "log.h"
#include "thread.h"

#define TICK_S      1
#define COUNT_MS    30000 /* between two countings of all bytes; in between they are added up */
#define DRAFT_OLD_S 60    /* a draft without a lock file was surely left behind */

/* The spool as it lies on disk. */

enum kind { KIND_OPEN, KIND_ENDED, KIND_NONE };

struct entry {
    char id[JOB_ID];
    enum kind kind;
    int64_t at_s; /* created, or ended */
    int64_t bytes;
};

struct listing {
    struct entry *p; /* owned */
    size_t n;
};

static void look_at(int spool, struct entry *e, bool count)
{
    static const char *const ends[] = { "done", "cancelled", "failed", "job.json" };
    struct stat st;
    int dir = job_dir_open(spool, e->id);
    e->kind = KIND_NONE;
    for (int i = 0; dir >= 0 && i < 4 && e->kind == KIND_NONE; i++)
        if (fstatat(dir, ends[i], &st, 0) == 0) {
            e->kind = i < 3 ? KIND_ENDED : KIND_OPEN;
            e->at_s = st.st_mtim.tv_sec;
        }
    e->bytes = count && dir >= 0 ? job_dir_bytes(dir) : 0;
    if (dir >= 0)
        close(dir);
}

static int by_age(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

/* All jobs, oldest first. */
static struct listing list_jobs(int spool, bool count)
{
    struct listing l = { 0 };
    int fd = openat(spool, "jobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        struct entry *more = job_id_valid(e->d_name) ? realloc(l.p, (l.n + 1) * sizeof *l.p) : NULL;
        if (!more)
            continue;
        l.p = more;
        snprintf(l.p[l.n].id, JOB_ID, "%.*s", JOB_ID - 1, e->d_name);
        look_at(spool, &l.p[l.n++], count);
    }
    if (d)
        closedir(d);
    if (l.n > 0)
        qsort(l.p, l.n, sizeof *l.p, by_age);
    return l;
}

/* Drafts that nobody writes any more. */
static void sweep_drafts(int spool)
{
    int fd = openat(spool, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        bool old = time(NULL) - st.st_mtim.tv_sec > DRAFT_OLD_S;
        if (S_ISREG(st.st_mode) && old)
            unlinkat(dirfd(d), e->d_name, 0);
        int dir = S_ISDIR(st.st_mode) ? openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int lease = dir >= 0 && (old || job_dir_has(dir, "lock")) ? job_dir_lease(dir) : -1;
        if (lease >= 0) {
            job_dir_remove(spool, "new", e->d_name);
            close(lease);
        }
        if (dir >= 0)
            close(dir);
    }
    if (d)
        closedir(d);
}

/* Bounds. */

static void remove_job(struct jobs *j, const struct entry *e)
{
    int dir = job_dir_open(j->spool, e->id);
    int64_t bytes = dir >= 0 ? job_dir_bytes(dir) : 0;
    if (dir >= 0)
        close(dir);
    job_dir_remove(j->spool, "jobs", e->id);
    pthread_mutex_lock(&j->lock);
    j->bytes -= bytes;
    pthread_mutex_unlock(&j->lock);
    log_line(LOG_LV_INFO, "event=job_removed id=%s", e->id);
}

static bool count_bytes(struct jobs *j, int64_t n)
{
    pthread_mutex_lock(&j->lock);
    bool fits = n <= 0 || j->bytes + n <= j->g->cfg->spool_max;
    j->bytes += fits ? n : 0;
    pthread_mutex_unlock(&j->lock);
    return fits;
}

bool jobs_make_room(struct jobs *j, int64_t n)
{
    if (count_bytes(j, n))
        return true;
    struct listing l = list_jobs(j->spool, false);
    bool fits = false;
    for (size_t i = 0; i < l.n && !fits; i++)
        if (l.p[i].kind == KIND_ENDED) {
            remove_job(j, &l.p[i]);
            fits = count_bytes(j, n);
        }
    free(l.p);
    return fits;
}

bool jobs_may_queue(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    bool may = j->queued < JOBS_QUEUED && !j->stopping;
    j->queued += may;
    pthread_mutex_unlock(&j->lock);
    return may;
}

/* The keeper. */

void jobs_look(struct jobs *j)
{
    pthread_mutex_lock(&j->lock);
    j->looking = true;
    pthread_cond_signal(&j->look);
    pthread_mutex_unlock(&j->lock);
}

static struct job_own *find_own(struct jobs *j, const char *id)
{
    struct job_own *o;
    TAILQ_FOREACH(o, &j->own, at)
    {
        if (!strcmp(o->id, id))
            return o;
    }
    return NULL;
}

/* Whoever cancels a job first marks it and then asks for the lease; who lets go of one first gives the lease back and
 * then looks for the mark. So the later of the two removes the files. */
static void clean_cancelled(const struct jobs *j, const char *id)
{
    int dir = job_dir_open(j->spool, id);
    int lease = dir >= 0 && job_dir_has(dir, "cancelled") ? job_dir_lease(dir) : -1;
    if (lease >= 0) {
        job_dir_clean(dir, NULL, 0, true);
        close(lease);
    }
    if (dir >= 0)
        close(dir);
}

/* Out of the list and out of the runners; finished where it has ended. Lock not held. */
static void let_go(struct jobs *j, struct job_own *o)
{
    char id[JOB_ID];
    memcpy(id, o->id, sizeof id);
    pthread_mutex_lock(&j->lock);
    TAILQ_REMOVE(&j->own, o, at);
    j->active--;
    pthread_mutex_unlock(&j->lock);
    runners_remove(j->g->runners, &o->guest);
    if (job_own_ended(o))
        job_own_finish(o);
    job_own_free(o);
    clean_cancelled(j, id);
}

/* Only the keeper takes jobs out of the list, so that what it finds there stays. */
static void let_go_of_ended(struct jobs *j, bool all)
{
    struct job_own *o, *next;
    pthread_mutex_lock(&j->lock);
    o = TAILQ_FIRST(&j->own);
    pthread_mutex_unlock(&j->lock);
    for (; o; o = next) {
        pthread_mutex_lock(&j->lock);
        next = TAILQ_NEXT(o, at);
        pthread_mutex_unlock(&j->lock);
        if (all || job_own_ended(o))
            let_go(j, o);
    }
}

static void take_over(struct jobs *j, const char *id)
{
    struct job_own *o = job_own_open(j, id);
    if (!o) {
        clean_cancelled(j, id);
        return;
    }
    log_line(LOG_LV_INFO, "event=job_begin id=%s items=%d open=%d", o->id, o->d.items, o->open);
    pthread_mutex_lock(&j->lock);
    TAILQ_INSERT_TAIL(&j->own, o, at);
    j->active++;
    pthread_mutex_unlock(&j->lock);
    runners_add(j->g->runners, &o->guest, &job_own_ops);
    if (job_own_ended(o))
        jobs_look(j);
}

static bool ours_or_full(struct jobs *j, const char *id)
{
    pthread_mutex_lock(&j->lock);
    bool no = j->active >= JOBS_ACTIVE || find_own(j, id);
    pthread_mutex_unlock(&j->lock);
    return no;
}

/* bytes: of all jobs, or -1: they were not counted. */
static void note(struct jobs *j, int queued, int64_t bytes)
{
    pthread_mutex_lock(&j->lock);
    j->queued = queued;
    if (bytes >= 0)
        j->bytes = bytes;
    pthread_mutex_unlock(&j->lock);
}

static void scan(struct jobs *j, bool count)
{
    struct listing l = list_jobs(j->spool, count);
    int64_t bytes = 0, old_s = time(NULL) - j->g->cfg->spool_age_s;
    int open = 0;
    for (size_t i = 0; i < l.n; i++) {
        open += l.p[i].kind == KIND_OPEN;
        bytes += l.p[i].bytes;
    }
    note(j, open, count ? bytes : -1);
    for (size_t i = 0; i < l.n; i++) {
        const struct entry *e = &l.p[i];
        if (e->kind == KIND_ENDED && e->at_s < old_s)
            remove_job(j, e);
        else if (e->kind == KIND_NONE)
            job_dir_remove(j->spool, "jobs", e->id); /* half removed */
        else if (e->kind == KIND_OPEN && !ours_or_full(j, e->id))
            take_over(j, e->id);
    }
    free(l.p);
}

/* false: it is time to stop. */
static bool wait_for_work(struct jobs *j)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += TICK_S;
    pthread_mutex_lock(&j->lock);
    if (!j->looking && !j->stopping)
        pthread_cond_timedwait(&j->look, &j->lock, &t);
    j->looking = false;
    bool go_on = !j->stopping;
    pthread_mutex_unlock(&j->lock);
    return go_on;
}

static void *keeper(void *arg)
{
    struct jobs *j = arg;
    int64_t counted_ms = -COUNT_MS;
    do {
        bool draining = dispatch_draining(j->g->dispatch), count = clock_ms() - counted_ms >= COUNT_MS;
        let_go_of_ended(j, draining);
        if (draining)
            continue;
        if (count) {
            counted_ms = clock_ms();
            sweep_drafts(j->spool);
        }
        scan(j, count);
    } while (wait_for_work(j));
    return NULL;
}

/* Life and end. */

struct jobs *jobs_create(struct gateway *g)
{
    struct jobs *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->g = g;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->look, NULL);
    TAILQ_INIT(&j->own);
    j->spool = job_spool_open(g->cfg->spool_dir);
    if (j->spool >= 0 && thread_start(&j->keeper, THREAD_STACK, keeper, j) == 0)
        return j;
    if (j->spool >= 0)
        close(j->spool);
    free(j);
    return NULL;
}

void jobs_free(struct jobs *j)
{
    struct job_own *o;
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_signal(&j->look);
    TAILQ_FOREACH(o, &j->own, at)
    {
        job_own_hang_up(o);
    }
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->keeper, NULL);
    TAILQ_FOREACH(o, &j->own, at)
    {
        job_own_hang_up(o); /* one that came in between */
    }
    let_go_of_ended(j, true);
    close(j->spool);
    pthread_cond_destroy(&j->look);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

int jobs_spool(const struct jobs *j)
{
    return j->spool;
}

bool jobs_cancel(struct jobs *j, const char *id)
{
    struct job_description d;
    int dir = job_dir_open(j->spool, id);
    bool there = dir >= 0 && job_describe(dir, &d);
    if (there) {
        job_description_free(&d);
        there = job_dir_mark(dir, "cancelled", "");
        pthread_mutex_lock(&j->lock);
        struct job_own *o = find_own(j, id);
        if (o)
            job_own_hang_up(o);
        pthread_mutex_unlock(&j->lock);
        clean_cancelled(j, id);
        jobs_look(j);
    }
    if (dir >= 0)
        close(dir);
    return there;
}
