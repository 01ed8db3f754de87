/* From a request to a background job, called by api_batch.c and api_renditions.c. */
#include "async.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "access.h"

#define KEY_MAX 255

bool async_wanted(const struct request *rq)
{
    static const char word[] = "respond-async";
    const char *p = request_param(rq, "HTTP_PREFER");
    while (rq->gw->jobs && *p) {
        p += strspn(p, " \t,");
        size_t n = strcspn(p, " \t,;=");
        if (n == sizeof word - 1 && !strncasecmp(p, word, n))
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

static bool no_room(struct reply *a)
{
    reply_problem(a, 507, "spool_full", "there is no room for this job: the spool is full of unfinished ones");
    return false;
}

bool async_begin(struct job_draft *d, struct request *rq, bool *exists, struct reply *a)
{
    const char *key = request_param(rq, "HTTP_IDEMPOTENCY_KEY");
    if (!access_store(rq, a))
        return false;
    if (strlen(key) > KEY_MAX) {
        reply_problem(a, 400, "idempotency_key", "Idempotency-Key is longer than %d bytes", KEY_MAX);
        return false;
    }
    if (job_draft_begin(d, rq->gw->jobs, key, exists))
        return true;
    if (errno == EAGAIN)
        reply_busy(a, 10, "too many jobs are waiting");
    else
        no_room(a);
    return false;
}

bool async_write(struct job_draft *d, int fd, const uint8_t *p, size_t n, struct reply *a)
{
    if (!job_draft_room(d, n))
        return no_room(a);
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return no_room(a);
        p += put;
        n -= (size_t)put;
    }
    return true;
}

bool async_marks(struct job_draft *d, const struct marks *m, struct reply *a)
{
    bool ok = true;
    for (int i = 0; i < IC_MARKS && ok; i++) {
        int fd = m->upload[i].p ? job_draft_mark(d, i) : -1;
        ok = !m->upload[i].p || async_write(d, fd, m->upload[i].p, m->upload[i].n, a);
        if (fd >= 0)
            close(fd);
    }
    return ok;
}

void async_finish(struct job_draft *d, const struct order *o, bool exists, struct reply *a)
{
    struct json_t *recipe = exists ? NULL : order_recipe(o);
    if (!exists && !recipe) {
        reply_problem(a, 400, "option_malformed", "an option is not UTF-8, so that it can't be kept for later");
        return;
    }
    if (!exists && !job_draft_commit(d, o, recipe, &exists)) {
        no_room(a);
        return;
    }
    char text[2 * JOB_ID + 80];
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"state\":\"queued\",\"url\":\"/api/jobs/%s\"}", d->id, d->id);
    reply_header(a, "Location", "/api/jobs/%s", d->id);
    reply_header(a, "Retry-After", "1");
    reply_header(a, "Preference-Applied", "respond-async");
    reply_header(a, "Cache-Control", "no-store");
    reply_text(a, 202, "application/json", text);
}
