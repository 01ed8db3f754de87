/* Files of a job, by descriptors of directories, so that no path is ever put together from what a client sent. */
#include "job_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

int job_spool_open(const char *spool_dir)
{
    int fd = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if ((mkdirat(fd, "jobs", 0700) == 0 || errno == EEXIST) && (mkdirat(fd, "new", 0700) == 0 || errno == EEXIST))
        return fd;
    close(fd);
    return -1;
}

int job_dir_open(int spool, const char *id)
{
    char path[JOB_ID + 8];
    if (!job_id_valid(id))
        return -1;
    snprintf(path, sizeof path, "jobs/%s", id);
    return openat(spool, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Of the open file description, not of the process: the kernel gives it up with the last descriptor, whatever ends the
 * process. */
int job_dir_lease(int dir)
{
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fcntl(fd, F_OFD_SETLK, &l) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Small files. */

bool job_dir_has(int dir, const char *file)
{
    return faccessat(dir, file, F_OK, 0) == 0;
}

bool job_dir_mark(int dir, const char *file, const char *text)
{
    char tmp[JOB_FILE];
    snprintf(tmp, sizeof tmp, "%s.tmp", file);
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = file_write_all(fd, text, strlen(text));
    ok = close(fd) == 0 && ok && renameat(dir, tmp, dir, file) == 0;
    if (!ok)
        unlinkat(dir, tmp, 0);
    return ok;
}

char *job_dir_text(int dir, const char *file, size_t *n)
{
    struct stat st;
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 && fstat(fd, &st) == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    ssize_t got = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[got] = '\0';
    *n = (size_t)got;
    return text;
}

void job_input_name(int item, char out[JOB_FILE])
{
    snprintf(out, JOB_FILE, "in.%04d", item);
}

void job_mark_name(int slot, char out[JOB_FILE])
{
    snprintf(out, JOB_FILE, "mark.%d", slot);
}

void job_output_name(int item, const char *output, enum ic_format f, char out[JOB_FILE])
{
    snprintf(out, JOB_FILE, "out.%04d.%.48s.%s", item, output, ic_format_name(f));
}

/* job.json. */

bool job_describe(int dir, struct job_description *d)
{
    size_t n;
    char *text = job_dir_text(dir, "job.json", &n);
    json_t *json = text ? json_loadb(text, n, 0, NULL) : NULL;
    free(text);
    *d = (struct job_description){ .json = json,
                                   .items = (int)json_array_size(json_object_get(json, "items")),
                                   .outputs = (int)json_array_size(json_object_get(json, "outputs")),
                                   .created_ms = json_integer_value(json_object_get(json, "created_ms")) };
    if (d->items > 0 && d->items <= JOB_ITEMS && d->outputs > 0)
        return true;
    job_description_free(d);
    return false;
}

void job_description_free(struct job_description *d)
{
    json_decref(d->json);
    *d = (struct job_description){ 0 };
}

static const char *text_at(const struct job_description *d, const char *list, int i)
{
    const char *s = json_string_value(json_array_get(json_object_get(d->json, list), (size_t)i));
    return s ? s : "";
}

const char *job_item_name(const struct job_description *d, int item)
{
    return text_at(d, "items", item);
}

const char *job_output(const struct job_description *d, int output)
{
    return text_at(d, "outputs", output);
}

/* Results. */

struct json_t *job_results(int dir)
{
    size_t n = 0;
    char *text = job_dir_text(dir, "results", &n);
    json_t *list = json_array();
    for (char *p = text, *end; p && (end = strchr(p, '\n')); p = end + 1) {
        json_t *line = json_loadb(p, (size_t)(end - p), 0, NULL);
        if (line)
            json_array_append_new(list, line);
    }
    free(text);
    return list;
}

/* A line that a crash tore would swallow the next one. */
static void mend(int fd)
{
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
        file_write_all(fd, "\n", 1);
}

bool job_results_append(int dir, const char *lines, size_t n)
{
    int fd = openat(dir, "results", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    mend(fd);
    bool ok = file_write_all(fd, lines, n);
    return close(fd) == 0 && ok;
}

/* Whole directories. */

/* Calls each with every name; dir stays as it is. */
static void for_each(int dir, void (*each)(int dir, const char *name, void *ctx), void *ctx)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;
    if (!d) {
        if (copy >= 0)
            close(copy);
        return;
    }
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            each(dir, e->d_name, ctx);
    closedir(d);
}

struct clean {
    const bool *done;
    int items;
    bool all;
};

static void clean_one(int dir, const char *name, void *ctx)
{
    const struct clean *c = ctx;
    bool in = !strncmp(name, "in.", 3), out = !strncmp(name, "out.", 4);
    long item = in || out ? strtol(name + (in ? 3 : 4), NULL, 10) : -1;
    size_t n = strlen(name);
    bool torn = n > 4 && !strcmp(name + n - 4, ".tmp");
    bool known = item >= 0 && item < c->items, done = known && c->done && c->done[item];
    bool mark = !strncmp(name, "mark.", 5);
    if (torn || (c->all && (in || out || mark)) || (in && (done || !known)) || (out && !done))
        unlinkat(dir, name, 0);
}

void job_dir_clean(int dir, const bool *done, int items, bool all)
{
    for_each(dir, clean_one, &(struct clean){ done, items, all });
}

static void add_bytes(int dir, const char *name, void *ctx)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        *(int64_t *)ctx += st.st_blocks * 512;
}

int64_t job_dir_bytes(int dir)
{
    int64_t bytes = 0;
    for_each(dir, add_bytes, &bytes);
    return bytes;
}

static void unlink_one(int dir, const char *name, void *ctx)
{
    (void)ctx;
    unlinkat(dir, name, 0);
}

void job_dir_remove(int spool, const char *below, const char *id)
{
    char path[JOB_ID + 8];
    snprintf(path, sizeof path, "%s/%s", below, id);
    int dir = openat(spool, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return;
    unlinkat(dir, "job.json", 0); /* first: without it a job that is half removed is none */
    for_each(dir, unlink_one, NULL);
    close(dir);
    unlinkat(spool, path, AT_REMOVEDIR);
}
