/* A worker process: one thread, one image at a time, nothing it could lose. Started by the spawner's fork, spoken to by
 * the gateway.
 *
 *     job message --> imgcore: mailbox.in -> mailbox.out --> one message per output
 *
 * It lives until its socket closes: the gateway counts jobs and closes it after worker_jobs, and the kernel closes it
 * when the gateway dies. So a worker never decides to leave while a job may be on its way. */
#include "process.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "job.h"
#include "ledger.h"
#include "log.h"

/* Heaps stay warm: freed memory is kept instead of being returned and faulted in again, page by page, for the next
 * image. RLIMIT_DATA and the engine's budget bound it; beyond WORKER_WARM it does go back. */
#define WORKER_WARM (64 << 20)
#define WORKER_PAD  (4 << 20)

struct worker_seat {
    int socket, tally;
    struct mailbox box;
    struct ic_engine *engine;
};

static void worker_warm_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, WORKER_WARM);
    mallopt(M_TOP_PAD, WORKER_PAD);
}

static bool worker_answer(void *ctx, const struct job_output *o)
{
    const struct worker_seat *s = ctx;
    ssize_t n;
    do
        n = send(s->socket, o, sizeof *o, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *o; /* false: the gateway is gone, and so is whoever waited */
}

/* false: the socket is closed. */
static bool worker_next(const struct worker_seat *s, struct job *j, size_t *size)
{
    ssize_t n;
    do
        n = recv(s->socket, j, sizeof *j, MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    *size = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void worker_count(const struct worker_seat *s)
{
    uint64_t one = 1;
    if (s->tally >= 0 && write(s->tally, &one, sizeof one) < 0)
        log_line(LOG_LV_WARN, "event=tally error=\"%s\"", strerror(errno));
}

static void worker_loop(const struct worker_seat *s)
{
    static struct job j; /* a page and more; one thread */
    size_t size;
    while (worker_next(s, &j, &size)) {
        worker_count(s);
        if (!job_valid(&j, size, s->box.in_size)) {
            log_line(LOG_LV_ERROR, "event=job error=\"malformed message of %zu bytes\"", size);
            _exit(2); /* the gateway sees the end of the socket and answers for this job */
        }
        job_run(s->engine, &j, s->box.in, s->box.out, s->box.out_size, worker_answer, (void *)s);
    }
}

_Noreturn void worker_run(const struct config *c, int index, int socket, int memfd, int tally)
{
    log_role("worker %d", index);
    worker_warm_heap();
    struct worker_seat s = { .socket = socket, .tally = tally };
    char why[300];
    if (!mailbox_map(&s.box, memfd, config_input_size(c), (size_t)c->max_result)) {
        log_line(LOG_LV_ERROR, "event=start error=\"mailbox: %s\"", strerror(errno));
        _exit(1);
    }
    close(memfd);
    s.engine = engine_create(c, why, sizeof why);
    if (!s.engine) {
        log_line(LOG_LV_ERROR, "event=start error=\"%s\"", why);
        _exit(1);
    }
    tzset(); /* reads the time zone's file, as it does once a process; lcms2 asks for the date of a profile */
    struct sandbox_state active;
    char sandbox[96];
    if (!sandbox_enter(c, &active)) {
        log_line(LOG_LV_ERROR, "event=start error=\"sandbox = strict can't be had on this system, limits can\"");
        _exit(1);
    }
    ledger_tell(&active);
    ledger_leave(); /* before the first stranger's byte */
    sandbox_phrase(&active, sandbox, sizeof sandbox);
    struct ic_error e = { 0 };
    if (!config_fonts_add(c, s.engine, &e))
        log_line(LOG_LV_ERROR, "event=start error=\"fonts: %s\"", e.text);
    if (!c->shared) /* there one is born for each request */
        log_line(LOG_LV_INFO, "event=born sandbox=\"%s\"", sandbox);
    worker_loop(&s);
    _exit(0); /* not exit: handlers and buffers belong to the process that forked this one */
}
