/* /api/jobs/{id}: what became of a background job, its results, and its end.
 *
 * Whoever knows an id may see the job: ids can't be guessed. api_token, where it is set, is asked for as well. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access.h"
#include "jobs.h"
#include "name.h"
#include "route.h"

static void no_such(struct reply *a, const char *what)
{
    reply_problem(a, 404, "no_such_job", "there is no such %s", what);
}

static void answer_state(struct request *rq, const char *id, struct reply *a)
{
    char *json = job_state_json(jobs_spool(rq->gw->jobs), id);
    if (!json) {
        no_such(a, "job");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_body(a, 200, "application/json", (uint8_t *)json, strlen(json));
}

static void answer_delete(struct request *rq, const char *id, struct reply *a)
{
    if (jobs_cancel(rq->gw->jobs, id))
        reply_body(a, 204, NULL, NULL, 0);
    else
        no_such(a, "job");
}

/* Results. */

static int open_result(int dir, int item, const char *output, enum ic_format *format)
{
    for (int f = IC_FORMAT_JPEG; f < IC_FORMATS; f++) {
        char name[JOB_FILE];
        job_output_name(item, output, (enum ic_format)f, name);
        int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        *format = (enum ic_format)f;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static void send_file(struct request *rq, int fd, enum ic_format format, struct reply *a)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !request_admit(rq, LANE_INTERACTIVE, (size_t)st.st_size, a))
        return;
    uint8_t *p = malloc((size_t)st.st_size + 1);
    if (!p || pread(fd, p, (size_t)st.st_size, 0) != st.st_size) {
        free(p);
        reply_problem(a, 500, "internal", "the result can't be read");
        return;
    }
    reply_header(a, "Cache-Control", "private, max-age=3600");
    reply_body(a, 200, ic_format_mime(format), p, (size_t)st.st_size);
}

/* rest: "ITEM/OUTPUT". */
static void answer_result(struct request *rq, const char *id, const char *rest, struct reply *a)
{
    char *end;
    enum ic_format format;
    long item = strtol(rest, &end, 10);
    int dir = job_dir_open(jobs_spool(rq->gw->jobs), id);
    bool sane = *rest >= '0' && *rest <= '9' && item <= JOB_ITEMS && *end == '/' && name_valid(end + 1, ORDER_NAME);
    bool gone = dir >= 0 && job_dir_has(dir, "cancelled");
    int fd = dir >= 0 && sane && !gone ? open_result(dir, (int)item, end + 1, &format) : -1;
    if (fd >= 0) {
        send_file(rq, fd, format, a);
        close(fd);
    } else {
        no_such(a, "result: it is not finished, or it failed, or was removed");
    }
    if (dir >= 0)
        close(dir);
}

void api_jobs(struct request *rq, const char *path, struct reply *a)
{
    char id[JOB_ID];
    size_t n = strcspn(path, "/");
    const char *rest = path + n;
    bool result = !strncmp(rest, "/results/", 9);
    rq->log.route = "jobs";
    if (!route_method(rq, result ? "GET, HEAD" : "GET, HEAD, DELETE", a) || !access_store(rq, a))
        return;
    snprintf(id, sizeof id, "%.*s", (int)(n < JOB_ID ? n : JOB_ID - 1), path);
    if (!rq->gw->jobs || n >= JOB_ID || !job_id_valid(id) || (*rest && !result))
        no_such(a, "job");
    else if (result)
        answer_result(rq, id, rest + 9, a);
    else if (!strcmp(rq->method, "DELETE"))
        answer_delete(rq, id, a);
    else
        answer_state(rq, id, a);
}
