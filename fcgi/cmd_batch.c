/* pixpool batch: whole directories on the command line, over worker processes as the service has them, so that a file
 * that brings its decoder down costs that file.
 *
 *     pixpool batch DIR... --out DIR2 [--outputs thumb,large | 'w=800'] [--jobs N] [--force] [--lines] [--key=value
 * ...]
 *
 * The same spawner, workers and pool; only what stands in the gateway's place is another. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "cmd_batch.h"
#include "log.h"
#include "process.h"

#define STATE ".pixpool-batch" /* in OUT: what was asked for when its files were made */

struct batch_command batch_command; /* one process, one command; its child inherits it */

struct words {
    char *dirs[256];
    int n;
    const char *out, *outputs, *options, *jobs;
    struct cmd_words keys;
};

static bool usage(const char *what, const char *word)
{
    cmd_complain("batch: %s%s%s; pixpool --help", what, *word ? " " : "", word);
    return false;
}

/* "--name value" or "--name=value". */
static bool take_value(int argc, char **argv, int *i, const char *name, const char **to)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] != '\0' && argv[*i][n] != '='))
        return false;
    if (argv[*i][n] == '=')
        *to = argv[*i] + n + 1;
    else
        *to = *i + 1 < argc ? argv[++*i] : "";
    return true;
}

static bool take_word(struct words *w, int argc, char **argv, int *i)
{
    char *word = argv[*i];
    if (take_value(argc, argv, i, "--out", &w->out) || take_value(argc, argv, i, "--outputs", &w->outputs) ||
        take_value(argc, argv, i, "--jobs", &w->jobs))
        return true;
    if (!strcmp(word, "--force"))
        return batch_command.force = true;
    if (!strcmp(word, "--lines"))
        return batch_command.lines = true;
    if (cmd_words_take(&w->keys, argc, argv, i))
        return true;
    if (word[0] == '-')
        return usage("not expected:", word);
    if (strchr(word, '=') && access(word, F_OK) < 0) {
        if (w->options)
            return usage("options are given twice:", word);
        w->options = word;
        return true;
    }
    if (w->n == (int)(sizeof w->dirs / sizeof *w->dirs))
        return usage("too many directories", "");
    w->dirs[w->n++] = word;
    return true;
}

static bool take_words(struct words *w, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!take_word(w, argc, argv, &i))
            return false;
    if (w->n == 0)
        return usage("which directory? DIR is missing", "");
    if (!w->out || !*w->out)
        return usage("--out DIR2 is missing", "");
    if (w->outputs && !*w->outputs)
        return usage("--outputs needs names", "");
    if (w->jobs) {
        static char key[40];
        char *end;
        long n = strtol(w->jobs, &end, 10);
        if (*end || n < 1 || n > 1024)
            return usage("--jobs takes 1 to 1024, not", w->jobs);
        snprintf(key, sizeof key, "--workers=%ld", n);
        if (w->keys.keys < (int)(sizeof w->keys.key / sizeof *w->keys.key))
            w->keys.key[w->keys.keys++] = key;
    }
    return true;
}

/* Options alone make one result of each file; names, or nothing, make those of the configuration, with the options as
 * their base. */
static bool make_order(const struct words *w)
{
    struct query_error e = { .option = "" };
    struct ic_error ie = { 0 };
    struct order *o = &batch_command.order;
    const struct config *c = &batch_command.cfg;
    order_init(o);
    bool ok = !w->options || query_parse_list(&o->base, c, w->options, &e);
    query_exempt(&o->base);
    ok = ok && (!w->outputs || order_select(o, c, w->outputs, &e)) &&
         order_finish(o, c, w->options ? ORDER_ANY : ORDER_SET, &e);
    marks_init(&batch_command.marks);
    ok = ok && marks_find_all(&batch_command.marks, c, o, &e);
    if (ok && marks_load(&batch_command.marks, NULL, &ie) != IC_OK)
        ok = snprintf(e.text, sizeof e.text, "%s", ie.text) < 0;
    if (!ok)
        cmd_complain("batch: %s", e.text);
    return ok;
}

static bool make_tree(const struct words *w)
{
    for (int i = 0; i < w->n; i++) {
        char prefix[300] = "";
        size_t n = strlen(w->dirs[i]);
        while (n > 1 && w->dirs[i][n - 1] == '/')
            w->dirs[i][--n] = '\0';
        const char *base = strrchr(w->dirs[i], '/');
        if (w->n > 1)
            snprintf(prefix, sizeof prefix, "%.255s/", base ? base + 1 : w->dirs[i]);
        if (!tree_add(&batch_command.tree, w->dirs[i], prefix, w->out)) {
            cmd_complain("batch: %s: %s", w->dirs[i], strerror(errno));
            return false;
        }
    }
    tree_finish(&batch_command.tree);
    return true;
}

/* What is asked for, as text: results made by another wish are not up to date. */
static char *wish(void)
{
    const struct order *o = &batch_command.order;
    char *text = strdup(ic_versions()), options[QUERY_CANONICAL];
    for (int i = 0; text && i < o->n; i++) {
        char *more;
        query_canonical(&o->outputs[i].query, options, sizeof options);
        if (asprintf(&more, "%s\n%s %s", text, o->named ? o->outputs[i].name : "", options) < 0)
            more = NULL;
        free(text);
        text = more;
    }
    return text;
}

/* Results older than the file that holds their wish were made for another one. */
static bool remember_wish(int out)
{
    char *text = wish(), *old = text ? calloc(1, strlen(text) + 2) : NULL;
    struct stat st = { 0 };
    int fd = old ? openat(out, STATE, O_RDWR | O_CREAT | O_CLOEXEC, 0644) : -1;
    ssize_t n = fd >= 0 ? read(fd, old, strlen(text) + 1) : -1;
    bool ok = n >= 0;
    if (ok && ((size_t)n != strlen(text) || memcmp(old, text, (size_t)n)))
        ok = ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text);
    ok = ok && fstat(fd, &st) == 0;
    batch_command.since_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    if (fd >= 0)
        close(fd);
    free(old);
    free(text);
    return ok;
}

static bool make_out(const struct words *w)
{
    bool made = mkdir(w->out, 0777) == 0 || errno == EEXIST;
    int out = made ? open(w->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = out >= 0 && remember_wish(out);
    if (!ok)
        cmd_complain("batch: %s: %s", w->out, strerror(errno));
    if (out >= 0)
        close(out);
    batch_command.out = strdup(w->out); /* argv is where the process title will be written */
    return ok && batch_command.out;
}

/* Standard error belongs to whoever reads it, and workers that come and go are nothing to tell there. */
static bool quiet_log(const struct config *c)
{
    if (log_open(!strcmp(c->log, "-") ? "/dev/null" : c->log))
        return true;
    cmd_complain("log %s: %s", c->log, strerror(errno));
    return false;
}

int cmd_batch(int argc, char **argv)
{
    struct words w = { .n = 0 };
    enum cmd_status status;
    char why[600];
    if (!take_words(&w, argc, argv))
        return CMD_USAGE;
    if ((status = cmd_configure(&batch_command.cfg, &w.keys)) != CMD_OK)
        return status;
    if (!config_files_read(&batch_command.cfg, why, sizeof why)) {
        cmd_complain("%s", why);
        return CMD_FAILED;
    }
    ic_init();
    if (batch_command.cfg.workers == 0)
        batch_command.cfg.workers = 1; /* it is processes that make a bad file harmless */
    int rc = CMD_FAILED;
    if (!make_order(&w))
        rc = CMD_USAGE;
    else if (make_out(&w) && make_tree(&w) && quiet_log(&batch_command.cfg))
        rc = spawner_run_for(&batch_command.cfg, batch_command_run);
    tree_free(&batch_command.tree);
    free(batch_command.out);
    order_free(&batch_command.order);
    marks_free(&batch_command.marks);
    config_free(&batch_command.cfg);
    return rc;
}
