/* Writing a job while its request is read. It becomes one by a single rename, with everything in it, and until then it
 * is nobody's: what a crash leaves in SPOOL/new is removed by the next keeper that finds its lease free. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "framing.h"
#include "jobs_private.h"

static bool make_directory(struct job_draft *d)
{
    char path[JOB_ID + 8];
    snprintf(path, sizeof path, "new/%s", d->id);
    if (mkdirat(d->jobs->spool, path, 0700) < 0)
        return false;
    d->dir = openat(d->jobs->spool, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d->lease = d->dir >= 0 ? job_dir_lease(d->dir) : -1;
    d->items = json_array();
    return d->lease >= 0 && d->items;
}

/* The directory below new/ has a name of its own, so that two requests with one key do not meet before the end. */
bool job_draft_begin(struct job_draft *d, struct jobs *j, const char *key, bool *exists)
{
    char id[JOB_ID];
    *d = (struct job_draft){ .jobs = j, .dir = -1, .lease = -1 };
    if (!job_id_make(j->spool, j->g->cfg, key, id))
        return false;
    int there = *key ? job_dir_open(j->spool, id) : -1;
    *exists = there >= 0;
    if (*exists) {
        close(there);
        memcpy(d->id, id, sizeof d->id);
        return true;
    }
    if (!jobs_may_queue(j)) {
        errno = EAGAIN;
        return false;
    }
    return job_id_make(j->spool, j->g->cfg, "", d->id) && make_directory(d) && snprintf(d->final, JOB_ID, "%s", id) > 0;
}

int job_draft_file(struct job_draft *d, const char *name)
{
    char file[JOB_FILE];
    json_t *text = json_string(name);
    job_input_name((int)json_array_size(d->items), file);
    json_array_append_new(d->items, text ? text : json_string("image"));
    return openat(d->dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int job_draft_mark(struct job_draft *d, int slot)
{
    char file[JOB_FILE];
    job_mark_name(slot, file);
    return openat(d->dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

bool job_draft_room(struct job_draft *d, size_t n)
{
    d->bytes += (int64_t)n;
    return jobs_make_room(d->jobs, (int64_t)n);
}

bool job_draft_refuse(struct job_draft *d, const struct order *o, const char *name, int status, const char *code,
                      const char *detail)
{
    bool ok = true;
    for (int k = 0; k < o->n && ok; k++) {
        struct framing_item i = { .index = (int)json_array_size(d->items) - 1, .name = name, .status = status };
        i.output = o->outputs[k].name;
        i.code = code;
        i.detail = detail;
        json_t *j = framing_json(NULL, &i);
        char *text = j ? json_dumps(j, JSON_COMPACT) : NULL, *line = NULL;
        int n = text ? asprintf(&line, "%s\n", text) : -1;
        ok = n > 0 && job_results_append(d->dir, line, (size_t)n);
        free(line);
        free(text);
        json_decref(j);
    }
    return ok;
}

static char *description(const struct job_draft *d, const struct order *o, json_t *recipe)
{
    struct timespec t;
    json_t *outputs = json_array();
    for (int i = 0; i < o->n; i++)
        json_array_append_new(outputs, json_string(o->outputs[i].name));
    clock_gettime(CLOCK_REALTIME, &t);
    json_t *j = json_pack("{s:i, s:I, s:O, s:o, s:O}", "version", 1, "created_ms",
                          (json_int_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, "recipe", recipe, "outputs", outputs,
                          "items", d->items);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    return text;
}

bool job_draft_commit(struct job_draft *d, const struct order *o, struct json_t *recipe, bool *exists)
{
    char from[JOB_ID + 8], to[JOB_ID + 8];
    char *text = description(d, o, recipe);
    bool ok = text && job_dir_mark(d->dir, "job.json", text);
    free(text);
    snprintf(from, sizeof from, "new/%s", d->id);
    snprintf(to, sizeof to, "jobs/%s", d->final);
    *exists = false;
    if (!ok)
        return false;
    if (renameat(d->jobs->spool, from, d->jobs->spool, to) < 0) {
        *exists = errno == ENOTEMPTY || errno == EEXIST;
        if (*exists)
            job_dir_remove(d->jobs->spool, "new", d->id);
        memcpy(d->id, d->final, sizeof d->id);
        return *exists;
    }
    memcpy(d->id, d->final, sizeof d->id);
    d->committed = true;
    close(d->lease); /* the keeper takes it, here or elsewhere */
    d->lease = -1;
    jobs_look(d->jobs);
    return true;
}

void job_draft_free(struct job_draft *d)
{
    bool mine = d->dir >= 0 && !d->committed;
    if (mine && strcmp(d->id, d->final) != 0)
        job_dir_remove(d->jobs->spool, "new", d->id);
    if (mine)
        jobs_make_room(d->jobs, -d->bytes);
    if (d->dir >= 0)
        close(d->dir);
    if (d->lease >= 0)
        close(d->lease);
    json_decref(d->items);
    *d = (struct job_draft){ .dir = -1, .lease = -1 };
}
