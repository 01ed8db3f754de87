/* Workers for tests of the pool: real processes on real sockets that do what the recipe's quality says, born and born
 * again by a process of their own, as the spawner would (a process with threads must not fork). */
#ifndef NURSERY_H
#define NURSERY_H

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/pool.h"
#include "../../fcgi/process.h"
#include "descriptors.h"

/* In recipe[0].quality. Outputs carry the worker's pid in source_width. */
enum nursery_act {
    ACT_COPY = 1,    /* each output is the whole input area up to the last input's end, each byte plus the index */
    ACT_DIE,         /* after reading the job */
    ACT_DIE_HALFWAY, /* after the first output */
    ACT_HANG,
    ACT_NAP,      /* for recipe[0].effort milliseconds, then copy */
    ACT_FAIL,     /* the job as a whole: IC_E_CORRUPT */
    ACT_RUN_AWAY, /* answers, then dies in idleness */
    ACT_CHATTER,  /* answers twice */
    ACT_LIE       /* nonsense number recipe[0].effort */
};

static inline void nursery_output(const struct job *j, const struct mailbox *box, uint32_t i, struct job_output *o)
{
    size_t n = j->in[j->inputs - 1].offset + j->in[j->inputs - 1].length;
    memset(o, 0, sizeof *o);
    o->id = j->id;
    o->index = (int32_t)i;
    o->last = i + 1 == j->outputs;
    o->format = o->source_format = IC_FORMAT_PNG;
    o->source_width = (uint32_t)getpid();
    o->offset = i * n;
    o->length = n;
    for (size_t k = 0; k < n; k++)
        box->out[o->offset + k] = (uint8_t)(box->in[k] + i);
}

static inline void nursery_lie(struct job_output *o, int which, size_t out_size)
{
    switch (which) {
    case 0:
        o->id++;
        break;
    case 1:
        o->index = 1;
        break; /* there is one output */
    case 2:
        o->index = -2;
        break;
    case 3:
        o->offset = out_size;
        break;
    case 4:
        o->offset = UINT64_MAX;
        break;
    case 5:
        o->length = out_size + 1;
        break;
    case 6:
        o->code = -1;
        break;
    case 7:
        o->code = IC_E_GONE;
        break;
    case 8:
        o->last = 0;
        break;
    case 9:
        o->format = IC_FORMATS;
        break;
    case 10:
        o->format = IC_FORMAT_ORIGIN;
        break;
    case 11:
        o->index = -1;
        break; /* the whole failed, with IC_OK */
    case 12:
        o->source_format = -1;
        break;
    default:
        break;
    }
}
#define NURSERY_LIES 13

static inline void nursery_copy(int socket, const struct job *j, const struct mailbox *box)
{
    for (uint32_t i = 0; i < j->outputs; i++) {
        struct job_output o;
        nursery_output(j, box, i, &o);
        send(socket, &o, sizeof o, MSG_NOSIGNAL);
        if (j->recipe[0].quality == ACT_DIE_HALFWAY)
            raise(SIGKILL);
    }
}

static inline void nursery_act(int socket, const struct job *j, const struct mailbox *box)
{
    struct job_output o;
    nursery_output(j, box, 0, &o);
    switch (j->recipe[0].quality) {
    case ACT_DIE:
        raise(SIGKILL);
        break;
    case ACT_HANG:
        pause();
        break;
    case ACT_NAP:
        usleep((useconds_t)j->recipe[0].effort * 1000);
        break;
    default:
        break;
    }
    if (j->recipe[0].quality == ACT_LIE) {
        nursery_lie(&o, j->recipe[0].effort, box->out_size);
        send(socket, &o, sizeof o, MSG_NOSIGNAL);
    } else if (j->recipe[0].quality == ACT_FAIL) {
        o.index = -1;
        o.last = 1;
        o.code = IC_E_CORRUPT;
        strcpy(o.text, "broken");
        send(socket, &o, sizeof o, MSG_NOSIGNAL);
    } else {
        nursery_copy(socket, j, box);
    }
    if (j->recipe[0].quality == ACT_CHATTER)
        nursery_copy(socket, j, box);
    if (j->recipe[0].quality == ACT_RUN_AWAY)
        _exit(0);
}

_Noreturn static inline void nursery_worker(const struct config *c, pid_t parent, int socket, int memfd)
{
    static struct job j;
    struct mailbox box;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    if (!mailbox_map(&box, memfd, config_input_size(c), (size_t)c->max_result))
        _exit(1);
    ssize_t n;
    while ((n = recv(socket, &j, sizeof j, 0)) > 0) {
        if (!job_valid(&j, (size_t)n, box.in_size))
            _exit(2);
        nursery_act(socket, &j, &box);
    }
    _exit(0);
}

static inline pid_t nursery_bear(const struct config *c, int to, int index)
{
    int pair[2], memfd = mailbox_create(config_input_size(c), (size_t)c->max_result);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        _exit(1);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        close(to);
        close(pair[0]);
        nursery_worker(c, parent, pair[1], memfd);
    }
    int pidfd = pidfd_open(pid, 0);
    if (!ipc_send_born(to, &(struct ipc_born){ .index = index, .pid = pid }, pair[0], pidfd, memfd))
        _exit(0);
    close(pidfd);
    close(memfd);
    close(pair[0]);
    close(pair[1]);
    return pid;
}

/* A pool with its births. */
struct nursery {
    struct config c;
    struct pool *pool;
    pid_t pid;
    int births;
    pthread_t receiver;
};

static inline void *nursery_receive(void *ctx)
{
    struct nursery *n = ctx;
    struct ipc_born b;
    int socket, pidfd, memfd;
    while (ipc_recv_born(n->births, &b, &socket, &pidfd, &memfd))
        pool_born(n->pool, &b, socket, pidfd, memfd);
    return NULL;
}

_Noreturn static inline void nursery_run(const struct config *c, int to)
{
    pid_t pid[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < c->workers; i++)
        pid[i] = nursery_bear(c, to, i);
    for (pid_t dead; (dead = wait(NULL)) > 0;)
        for (int i = 0; i < c->workers; i++)
            if (pid[i] == dead)
                pid[i] = nursery_bear(c, to, i);
    _exit(0);
}

static inline void nursery_wait_idle(const struct nursery *n, int idle)
{
    int64_t limit = clock_ms() + 3000;
    while (pool_state(n->pool).idle != idle && clock_ms() < limit)
        usleep(500);
    ck_assert_int_eq(pool_state(n->pool).idle, idle);
}

static inline void nursery_open(struct nursery *n, int workers)
{
    int pair[2];
    n->c.workers = workers;
    n->c.memory_limit = n->c.memory_limit ? n->c.memory_limit : INT64_C(1) << 30;
    n->c.deadline_ms = n->c.deadline_ms ? n->c.deadline_ms : 10000;
    n->c.max_body = n->c.max_result = 8 << 20;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    n->pid = fork();
    if (n->pid == 0) {
        close(pair[0]);
        nursery_run(&n->c, pair[1]);
    }
    close(pair[1]);
    n->births = pair[0];
    n->pool = pool_create(&n->c);
    ck_assert_ptr_nonnull(n->pool);
    ck_assert_int_eq(pthread_create(&n->receiver, NULL, nursery_receive, n), 0);
    nursery_wait_idle(n, workers);
}

static inline void nursery_close(struct nursery *n)
{
    kill(n->pid, SIGKILL);
    waitpid(n->pid, NULL, 0);
    pthread_join(n->receiver, NULL);
    pool_free(n->pool);
    close(n->births);
}

/* One call of pool_run and what came of it. */
struct errand {
    struct nursery *n;
    struct pool_ticket ticket;
    struct pool_job job;
    uint8_t in[200];
    int emitted, wrong; /* outputs, and those among them that are not what ACT_COPY makes */
    pid_t pid;          /* of the worker that answered */
    enum ic_code code;
    struct ic_error e;
    int64_t ended_us;
    pthread_t thread;
};

static inline void errand_emit(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct errand *r = ctx;
    r->emitted++;
    r->pid = (pid_t)o->source_width;
    if (o->code != IC_OK) {
        r->wrong += data != NULL;
        return;
    }
    bool same = o->length == r->job.in[0].n || r->job.job.inputs > 1;
    for (size_t k = 0; same && k < r->job.in[0].n; k++)
        same = data[k] == (uint8_t)(r->in[k] + o->index);
    r->wrong += !same;
}

static inline void errand_init(struct errand *r, struct nursery *n, enum nursery_act act, int ms)
{
    memset(r, 0, sizeof *r);
    r->n = n;
    r->ticket = (struct pool_ticket){ .pool = n->pool };
    r->job.job.inputs = r->job.job.outputs = 1;
    r->job.job.recipe[0].quality = (int)act;
    for (size_t k = 0; k < sizeof r->in; k++)
        r->in[k] = (uint8_t)rand();
    r->job.in[0] = (struct pool_input){ .p = r->in, .n = sizeof r->in };
    r->job.deadline_ms = clock_ms() + ms;
    r->job.client = -1;
    r->job.emit = errand_emit;
    r->job.ctx = r;
}

static inline enum ic_code errand_run(struct errand *r)
{
    r->code = pool_run(&r->ticket, &r->job, &r->e);
    r->ended_us = clock_us();
    return r->code;
}

static inline void *errand_thread(void *ctx)
{
    errand_run(ctx);
    return NULL;
}

static inline void errand_start(struct errand *r)
{
    ck_assert_int_eq(pthread_create(&r->thread, NULL, errand_thread, r), 0);
}

static inline enum ic_code errand_join(struct errand *r)
{
    pthread_join(r->thread, NULL);
    return r->code;
}

/* The ordinary case, to see that all is well. */
static inline pid_t errand_copy(struct nursery *n)
{
    struct errand r;
    errand_init(&r, n, ACT_COPY, 3000);
    ck_assert_msg(errand_run(&r) == IC_OK, "%s", r.e.text);
    ck_assert_int_eq(r.emitted, 1);
    ck_assert_int_eq(r.wrong, 0);
    return r.pid;
}

#endif
