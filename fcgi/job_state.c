/* What a job's files say about it, for whoever asks: no memory of any process is needed, so every generation and every
 * process gives the same answer. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jobs.h"

struct view {
    int dir;
    const char *id;
    struct job_description d;
    json_t *results; /* by line */
    json_t **at;     /* by item and output; borrowed from results, NULL: not yet */
    int done, failed, total;
    int64_t last_ms;
};

static int output_index(const struct job_description *d, const char *name)
{
    for (int i = 0; name && i < d->outputs; i++)
        if (!strcmp(job_output(d, i), name))
            return i;
    return -1;
}

static void place(struct view *v)
{
    size_t i;
    json_t *line;
    json_array_foreach(v->results, i, line)
    {
        int item = (int)json_integer_value(json_object_get(line, "index"));
        int output = output_index(&v->d, json_string_value(json_object_get(line, "output")));
        json_int_t at = json_integer_value(json_object_get(line, "at_ms"));
        if (item < 0 || item >= v->d.items || output < 0 || v->at[item * v->d.outputs + output])
            continue;
        v->at[item * v->d.outputs + output] = line;
        bool ok = json_integer_value(json_object_get(line, "status")) < 300;
        v->done += ok;
        v->failed += !ok;
        v->last_ms = at > v->last_ms ? at : v->last_ms;
    }
}

static const char *state(const struct view *v)
{
    if (job_dir_has(v->dir, "cancelled"))
        return "cancelled";
    if (job_dir_has(v->dir, "failed"))
        return "failed";
    if (v->done + v->failed == v->total)
        return "done";
    return job_dir_has(v->dir, "started") ? "running" : "queued";
}

static json_t *item(const struct view *v, int i, int output, bool urls)
{
    json_t *line = v->at[i * v->d.outputs + output];
    if (!line)
        return json_pack("{s:i, s:s, s:s, s:n}", "index", i, "name", job_item_name(&v->d, i), "output",
                         job_output(&v->d, output), "status");
    json_t *copy = json_copy(line);
    json_object_del(copy, "at_ms");
    if (urls && json_integer_value(json_object_get(line, "status")) < 300) {
        char url[2 * JOB_ID + 64];
        snprintf(url, sizeof url, "/api/jobs/%s/results/%d/%s", v->id, i, job_output(&v->d, output));
        json_object_set_new(copy, "url", json_string(url));
    }
    return copy;
}

/* From what the job took so far; it says nothing before the first result. */
static json_t *eta(const struct view *v, const char *word)
{
    int ended = v->done + v->failed;
    bool open = !strcmp(word, "running") || !strcmp(word, "queued");
    if (!open)
        return json_integer(0);
    if (ended == 0 || v->last_ms <= v->d.created_ms)
        return json_null();
    return json_integer((v->last_ms - v->d.created_ms) * (v->total - ended) / ended);
}

static json_t *render(const struct view *v)
{
    const char *word = state(v);
    json_t *list = json_array();
    bool urls = strcmp(word, "cancelled") != 0;
    for (int i = 0; i < v->d.items; i++)
        for (int k = 0; k < v->d.outputs; k++)
            json_array_append_new(list, item(v, i, k, urls));
    json_t *j =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:o, s:I}", "id", v->id, "state", word, "total", v->total, "done", v->done,
                  "failed", v->failed, "eta_ms", eta(v, word), "created_ms", (json_int_t)v->d.created_ms);
    size_t n;
    char *why = job_dir_text(v->dir, "failed", &n);
    if (why)
        json_object_set_new(j, "error", json_string(why));
    free(why);
    json_object_set_new(j, "items", list);
    return j;
}

char *job_state_json(int spool, const char *id)
{
    struct view v = { .dir = job_dir_open(spool, id), .id = id };
    char *text = NULL;
    if (v.dir < 0)
        return NULL;
    if (job_describe(v.dir, &v.d)) {
        v.total = v.d.items * v.d.outputs;
        v.results = job_results(v.dir);
        v.at = calloc((size_t)v.total, sizeof(json_t *));
        if (v.at) {
            place(&v);
            json_t *j = render(&v);
            text = json_dumps(j, JSON_COMPACT);
            json_decref(j);
        }
        free(v.at);
        json_decref(v.results);
        job_description_free(&v.d);
    }
    close(v.dir);
    return text;
}
