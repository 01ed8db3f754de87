/* One job, from the lease of a worker to its last output. Runs in the accept thread that asked.
 *
 *     inputs -> mailbox.in,  job message ->  poll(worker, client, deadline)  -> outputs, checked -> emit
 *
 * A worker has seen strangers' bytes, so nothing it says is believed: each answer must be of this job, new, and inside
 * the mailbox, or it is killed. Whatever ends a job other than its last answer ends the worker too: there is no way to
 * stop a codec halfway, and no way to know that a stopped one left nothing behind.
 *
 * A death is the request's (IC_E_WORKER) once the worker can have read the job. Only where it certainly has not - the
 * message could not be sent, or the socket says it was closed with the message unread (ECONNRESET, see unix(7)) - is
 * the job given to another. */
#include "pool_private.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "stats.h"

#define POOL_ALIGN   64u
#define POOL_DROP_MS 50

/* What becomes of the worker. */
enum pool_end {
    POOL_GOES_ON,
    POOL_GIVE,  /* it is whole */
    POOL_BURY,  /* it is dead */
    POOL_KILL,  /* it must die */
    POOL_UNREAD /* it is dead, and never saw the job */
};

struct pool_run {
    struct pool_job *j;
    int client;          /* j's, or -1 once it has hung up */
    int64_t deadline_ms; /* j's, or sooner for an answer that nobody waits for */
    bool gone;
    struct worker *w;
    uint32_t seen; /* outputs that came, as bits */
    size_t used_in, used_out;
    enum ic_code code; /* of the whole job */
    struct ic_error *e;
};

static enum pool_end pool_end_with(struct pool_run *r, enum pool_end end, enum ic_code code, const char *text)
{
    r->code = ic_fail(r->e, code, "%s", text);
    return end;
}

/* Inputs. */

/* Where each input will lie. false: together they are larger than the mailbox. */
static bool pool_lay_out(struct pool_job *j, size_t in_size, size_t *used)
{
    size_t at = 0;
    for (uint32_t i = 0; i < j->job.inputs; i++) {
        if (at > in_size || j->in[i].n > in_size - at)
            return false;
        j->job.in[i].offset = at;
        j->job.in[i].length = j->in[i].n;
        *used = at + j->in[i].n;
        at = (*used + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
    }
    return true;
}

static enum ic_code pool_read_file(const struct pool_input *in, uint8_t *to, struct ic_error *e)
{
    for (size_t done = 0; done < in->n;) {
        ssize_t n = pread(in->fd, to + done, in->n - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ic_fail(e, IC_E_CORRUPT, "the source can't be read: %s", strerror(errno));
        if (n == 0)
            return ic_fail(e, IC_E_CORRUPT, "the source changed while it was read");
        done += (size_t)n;
    }
    return IC_OK;
}

static enum ic_code pool_copy_inputs(const struct pool_run *r)
{
    enum ic_code rc = IC_OK;
    for (uint32_t i = 0; i < r->j->job.inputs && rc == IC_OK; i++) {
        const struct pool_input *in = &r->j->in[i];
        uint8_t *to = r->w->box.in + r->j->job.in[i].offset;
        if (in->p)
            memcpy(to, in->p, in->n);
        else
            rc = pool_read_file(in, to, r->e);
    }
    return rc;
}

/* Answers. */

static bool pool_plausible(const struct pool_run *r, const struct job_output *o)
{
    const struct job *j = &r->j->job;
    if (o->id != j->id || o->code < IC_OK || o->code >= IC_E_BUSY)
        return false;
    if (o->index == -1)
        return o->last && o->code != IC_OK;
    if (o->index < 0 || (uint32_t)o->index >= j->outputs || (r->seen & 1u << o->index))
        return false;
    uint32_t others = (uint32_t)__builtin_popcount(r->seen);
    if ((o->last != 0) != (others + 1 == j->outputs)) /* the last one, and no other, completes the job */
        return false;
    if (o->code != IC_OK)
        return true;
    size_t size = r->w->box.out_size;
    return o->offset <= size && o->length <= size - o->offset && o->format > IC_FORMAT_ORIGIN &&
           o->format < IC_FORMATS && o->source_format > IC_FORMAT_ORIGIN && o->source_format < IC_FORMATS;
}

static double pool_sane_ms(double ms)
{
    return ms >= 0 && ms < 1e9 ? ms : 0; /* false for NaN as well */
}

/* One answer that is plausible: to the caller, or into the result of the whole. */
static enum pool_end pool_accept(struct pool_run *r, struct job_output *o)
{
    o->text[sizeof o->text - 1] = '\0';
    o->decode_ms = pool_sane_ms(o->decode_ms);
    o->transform_ms = pool_sane_ms(o->transform_ms);
    o->encode_ms = pool_sane_ms(o->encode_ms);
    if (o->index == -1)
        return pool_end_with(r, POOL_GIVE, (enum ic_code)o->code, o->text);
    r->seen |= 1u << o->index;
    bool ok = o->code == IC_OK;
    if (ok && o->offset + o->length > r->used_out)
        r->used_out = o->offset + o->length;
    if (r->gone)
        return o->last ? pool_end_with(r, POOL_GIVE, IC_E_GONE, "the client left") : POOL_GOES_ON;
    r->j->emit(r->j->ctx, o, ok ? r->w->box.out + o->offset : NULL);
    r->code = IC_OK;
    return o->last ? POOL_GIVE : POOL_GOES_ON;
}

static enum pool_end pool_hear(struct pool_run *r)
{
    struct job_output o;
    ssize_t n = recv(r->w->socket, &o, sizeof o, MSG_TRUNC | MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return POOL_GOES_ON;
    if (n < 0 && errno == ECONNRESET && !r->seen)
        return POOL_UNREAD;
    if (n <= 0)
        return pool_end_with(r, POOL_BURY, IC_E_WORKER, "the worker died on this image");
    if (n != (ssize_t)sizeof o || !pool_plausible(r, &o))
        return pool_end_with(r, POOL_KILL, IC_E_WORKER, "the worker answered nonsense");
    return pool_accept(r, &o);
}

/* Nobody wants the result any more. A worker that is nearly done is left to it, because the next job would find its
 * caches warm; one that is not is killed, which costs a birth of 0.3 ms. Nearly done and wrong about it is killed too.
 */
static enum pool_end pool_client_left(struct pool_run *r)
{
    int64_t now = clock_ms();
    double left = (double)r->w->since_ms + r->w->cost_ms - (double)now; /* ours while we have the worker */
    r->client = -1;
    if (r->j->wanted && r->j->wanted(r->j->ctx))
        return POOL_GOES_ON;
    if (left <= 0 || left > POOL_DROP_MS)
        return pool_end_with(r, POOL_KILL, IC_E_GONE, "the client left");
    r->gone = true;
    if (r->deadline_ms > now + POOL_DROP_MS)
        r->deadline_ms = now + POOL_DROP_MS;
    return POOL_GOES_ON;
}

/* An answer that is there goes before client and deadline: it cost the work already. */
static enum pool_end pool_listen(struct pool_run *r)
{
    for (;;) {
        struct pollfd f[2] = { { .fd = r->w->socket, .events = POLLIN }, { .fd = r->client, .events = POLLRDHUP } };
        int n = poll(f, 2, pool_timeout_ms(r->deadline_ms));
        enum pool_end end = n > 0 && f[0].revents ? pool_hear(r) : POOL_GOES_ON;
        if (end == POOL_GOES_ON && n > 0 && !f[0].revents && f[1].revents)
            end = pool_client_left(r);
        if (end != POOL_GOES_ON)
            return end;
        if (clock_ms() < r->deadline_ms)
            continue;
        if (r->gone)
            return pool_end_with(r, POOL_KILL, IC_E_GONE, "the client left");
        if (n <= 0)
            return pool_end_with(r, POOL_KILL, IC_E_DEADLINE, "the deadline passed while working");
    }
}

/* The two ways to run a job. */

static enum pool_end pool_run_process(struct pool_run *r)
{
    const struct job *j = &r->j->job;
    if (send(r->w->socket, j, job_size(j), MSG_NOSIGNAL) == (ssize_t)job_size(j))
        return pool_listen(r);
    if (errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED || errno == ENOTCONN)
        return POOL_UNREAD;
    return pool_end_with(r, POOL_KILL, IC_E_WORKER, "the worker can't be reached");
}

static bool pool_on_output(void *ctx, const struct job_output *o)
{
    struct pool_run *r = ctx;
    struct job_output copy = *o;
    assert(pool_plausible(r, o)); /* it is our own */
    pool_accept(r, &copy);
    return true;
}

/* Here nothing can enforce the deadline, and a crash takes the process along: workers = 0 is for debuggers, fuzzers and
 * the command line. */
static enum pool_end pool_run_inline(struct pool_run *r)
{
    const struct mailbox *box = &r->w->box;
    job_run(r->w->engine, &r->j->job, box->in, box->out, box->out_size, pool_on_output, r);
    return POOL_GIVE;
}

static void pool_finish(struct pool *p, struct pool_run *r, enum pool_end end)
{
    if (end == POOL_GIVE) {
        r->w->jobs++;
        r->w->work_ms += r->j->work_ms;
        mailbox_punch(&r->w->box, r->w->memfd, r->used_in, r->used_out);
        pool_give(p, r->w);
        return;
    }
    const char *reason = r->code == IC_E_DEADLINE ? "deadline" : r->code == IC_E_GONE ? "client" : "crash";
    if (end == POOL_KILL)
        pool_kill(p, r->w, reason);
    else
        pool_bury(p, r->w, end == POOL_UNREAD ? "idle" : reason);
}

/* With a worker in hand. false: it died without having seen the job, take another. */
static bool pool_run_once(struct pool *p, struct pool_ticket *t, struct pool_run *r)
{
    pool_begin_job(p, t, r->w, r->j);
    int64_t start_us = clock_us();
    r->code = pool_copy_inputs(r);
    pool_end_turn(t);
    if (r->code != IC_OK) {
        pool_end_job(p, r->w);
        pool_give(p, r->w); /* it was not even asked */
        return true;
    }
    enum pool_end end = r->w->engine ? pool_run_inline(r) : pool_run_process(r);
    r->j->work_ms = (double)(clock_us() - start_us) / 1000.0;
    pool_end_job(p, r->w);
    if (end == POOL_GIVE || r->code == IC_E_DEADLINE)
        pool_took(p, &r->j->forecast, r->j->work_ms, end != POOL_GIVE);
    pool_finish(p, r, end);
    return end != POOL_UNREAD;
}

/* A worker for it; NULL: *why. Who has waited so long that the work would be killed halfway is told so now: the
 * worker's time is worth more to the next one, and "come back" more to the client than a 504. */
static struct worker *pool_lease(struct pool *p, const struct pool_ticket *t, struct pool_job *j, int64_t start_us,
                                 bool again, enum ic_code *why)
{
    *why = IC_E_BUSY; /* with no time left, a worker would be killed for nothing */
    struct worker *w = clock_ms() < j->deadline_ms ? pool_take(p, j, t->lane, again, why) : NULL;
    j->queue_ms = t->waited_ms + (double)(clock_us() - start_us) / 1000.0;
    bool waited = j->queue_ms >= POOL_WAITED_MS;
    if (!w || !waited || (double)(j->deadline_ms - clock_ms()) >= pool_corrected_ms(p, &j->forecast))
        return w;
    pool_give(p, w);
    *why = IC_E_BUSY;
    return NULL;
}

enum ic_code pool_run(struct pool_ticket *t, struct pool_job *j, struct ic_error *e)
{
    struct pool *p = t->pool;
    struct pool_run r = { .j = j, .client = j->client, .deadline_ms = j->deadline_ms, .e = e };
    int64_t start_us = clock_us();
    assert(j->job.inputs >= 1 && j->job.inputs <= JOB_INPUTS && j->job.outputs >= 1 && j->job.outputs <= JOB_OUTPUTS);
    j->queue_ms = j->work_ms = 0;
    j->worker = -1;
    j->retry_after_s = 0;
    j->cost_ms = pool_corrected_ms(p, &j->forecast);
    if (!pool_lay_out(j, p->in_size, &r.used_in))
        return ic_fail(e, IC_E_LIMIT, "the source is larger than max_body");
    pthread_mutex_lock(&p->lock);
    j->job.id = ++p->next_id;
    pthread_mutex_unlock(&p->lock);

    bool again = false;
    do {
        enum ic_code why;
        r.w = pool_lease(p, t, j, start_us, again, &why);
        if (!r.w && why == IC_E_GONE)
            return ic_fail(e, IC_E_GONE, "the client left");
        if (!r.w) {
            j->retry_after_s = pool_retry_after_s(p, t->lane);
            stats_add(STATS_REJECTED, 1, "no_worker_in_time", NULL);
            return ic_fail(e, IC_E_BUSY, "no worker was free before the deadline");
        }
        j->worker = r.w->index;
        if (j->work_ms_max > 0 && clock_ms() + j->work_ms_max < j->deadline_ms)
            j->deadline_ms = clock_ms() + j->work_ms_max;
        again = true;
    } while (!pool_run_once(p, t, &r));
    return r.code;
}
