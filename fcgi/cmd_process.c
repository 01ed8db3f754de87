/* pixpool process: images on the command line, with the options, limits and code of the service.
 *
 *     pixpool process IN -o OUT 'w=800,q=80' [-o OUT2 'w=200' ...] [--mark FILE] [--repeat N] [--timing] [--quiet]
 *                     [--explain] [--key=value ...]
 *
 * All outputs hang on one decode: they are the recipes of one job, run in this process as workers = 0 would. The engine
 * stays warm over the repetitions, so that --timing measures what a worker does, without the start of a program. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "cmd.h"
#include "engine.h"
#include "explain.h"
#include "file.h"
#include "marks.h"
#include "query.h"

#define REPEAT_MAX 1000000

struct output {
    const char *path;
    const char *options; /* NULL: none */
    struct query query;
    struct job_output result;
};

struct process {
    const char *in; /* path, or - */
    struct output out[JOB_OUTPUTS];
    int n;
    long repeat;
    bool timing, quiet, explain;
    struct cmd_words words;
    struct config cfg;
    uint8_t *data; /* owned: the source */
    size_t data_n;
    uint8_t *results;   /* owned: all outputs of a job, max_result bytes */
    const char *mark;   /* path, or NULL */
    uint8_t *mark_data; /* owned */
    struct marks marks;
    struct ic_engine *engine;
    struct job job;
    char why[240]; /* of a failure that concerns all outputs; "" */
};

static bool usage(const char *what, const char *word)
{
    cmd_complain("process: %s%s%s; pixpool --help", what, *word ? " " : "", word);
    return false;
}

static bool take_output(struct process *p, int argc, char **argv, int *i)
{
    if (*i + 1 >= argc)
        return usage("-o needs a file", "");
    if (p->n == JOB_OUTPUTS)
        return usage("too many outputs at", argv[*i + 1]);
    struct output *o = &p->out[p->n++];
    o->path = argv[++*i];
    for (int k = 0; k < p->n - 1; k++)
        if (strcmp(p->out[k].path, o->path) == 0)
            return usage("given twice: -o", o->path);
    if (*i + 1 < argc && argv[*i + 1][0] != '-' && strchr(argv[*i + 1], '='))
        o->options = argv[++*i];
    return true;
}

static bool take_repeat(struct process *p, const char *text)
{
    char *end;

    errno = 0;
    p->repeat = strtol(text, &end, 10);
    if (errno || end == text || *end || p->repeat < 1 || p->repeat > REPEAT_MAX)
        return usage("--repeat takes 1 to 1000000, not", text);
    return true;
}

static bool take_mark(struct process *p, const char *path)
{
    p->mark = path;
    return true;
}

static bool take_word(struct process *p, int argc, char **argv, int *i)
{
    const char *word = argv[*i];

    if (strcmp(word, "-o") == 0)
        return take_output(p, argc, argv, i);
    if (strcmp(word, "--timing") == 0)
        return p->timing = true;
    if (strcmp(word, "--explain") == 0)
        return p->explain = true;
    if (strcmp(word, "--quiet") == 0)
        return p->quiet = true;
    if (strncmp(word, "--mark=", 7) == 0)
        return take_mark(p, word + 7);
    if (strcmp(word, "--mark") == 0)
        return *i + 1 < argc ? take_mark(p, argv[++*i]) : usage("--mark needs a file", "");
    if (strncmp(word, "--repeat=", 9) == 0)
        return take_repeat(p, word + 9);
    if (strcmp(word, "--repeat") == 0)
        return *i + 1 < argc ? take_repeat(p, argv[++*i]) : usage("--repeat needs a number", "");
    if (cmd_words_take(&p->words, argc, argv, i))
        return true;
    if ((word[0] == '-' && word[1] != '\0') || p->in)
        return usage("not expected:", word);
    p->in = word;
    return true;
}

static bool take_words(struct process *p, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!take_word(p, argc, argv, &i))
            return false;
    if (!p->in)
        return usage("which image? IN is missing", "");
    return p->n > 0 || usage("-o OUT is missing", "");
}

/* IC_FORMAT_ORIGIN: the extension tells none. */
static enum ic_format format_of(const char *path)
{
    static const struct {
        const char *extension;
        enum ic_format format;
    } known[] = {
        { "jpg", IC_FORMAT_JPEG }, { "jpeg", IC_FORMAT_JPEG }, { "jpe", IC_FORMAT_JPEG },
        { "png", IC_FORMAT_PNG },  { "webp", IC_FORMAT_WEBP },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(dot + 1, known[i].extension) == 0)
            return known[i].format;
    return IC_FORMAT_ORIGIN;
}

/* Whether the options name a format: then giving another one is a repeat. */
static bool names_format(const struct query *q, const struct config *c)
{
    struct query copy = *q;
    struct query_error e;

    return !query_set(&copy, c, "format", "origin", strlen("origin"), &e);
}

/* The extension decides, unless an option does. format=auto has nobody to negotiate with: the extension again. */
static bool parse_options(const struct output *o, const struct config *c, struct query *q, struct query_error *e)
{
    enum ic_format ext = format_of(o->path);
    const char *name = ext == IC_FORMAT_ORIGIN ? "" : ic_format_name(ext);

    query_init(q);
    if (o->options && !query_parse_list(q, c, o->options, e))
        return false;
    bool named = names_format(q, c);
    if (*name && !named && !query_set(q, c, "format", name, strlen(name), e))
        return false;
    query_exempt(q);
    if (!query_finish(q, c, e))
        return false;
    if (q->format_auto)
        q->recipe.format = (int)ext;
    if (!*name && !named && q->recipe.format == IC_FORMAT_ORIGIN && strcmp(o->path, "-") != 0) {
        snprintf(e->text, sizeof e->text, "no format is known by this extension: use .jpg .png .webp, or format=");
        return false;
    }
    return true;
}

static bool read_marks(struct process *p)
{
    size_t n;
    char why[600];

    if (!config_files_read(&p->cfg, why, sizeof why)) {
        cmd_complain("%s", why);
        return false;
    }
    if (p->mark && !file_read(p->mark, (size_t)p->cfg.max_mark, &p->mark_data, &n, why, sizeof why)) {
        cmd_complain("%s: %s", p->mark, why);
        return false;
    }
    return !p->mark || marks_upload(&p->marks, "watermark", true, (struct ic_bytes){ p->mark_data, n });
}

static bool make_job(struct process *p)
{
    struct query_error e;

    p->job.outputs = (uint32_t)p->n;
    p->job.inputs = 1;
    for (int i = 0; i < p->n; i++) {
        struct query *q = &p->out[i].query;

        if (!parse_options(&p->out[i], &p->cfg, q, &e) || !marks_find(&p->marks, &p->cfg, q, &e)) {
            cmd_complain("%s: %s", p->out[i].path, e.text);
            return false;
        }
        p->job.recipe[i] = q->recipe;
        p->explain = p->explain || q->explain;
    }
    return true;
}

static bool on_output(void *ctx, const struct job_output *r)
{
    struct process *p = ctx;

    if (r->index >= 0 && r->index < p->n)
        p->out[r->index].result = *r;
    else
        snprintf(p->why, sizeof p->why, "%s", r->text);
    return true;
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_once(struct process *p)
{
    double cpu = cpu_seconds();
    int64_t wall = clock_us();
    unsigned long long bytes = 0;

    job_run(p->engine, &p->job, p->data, p->results, (size_t)p->cfg.max_result, on_output, p);
    cpu = cpu_seconds() - cpu;
    wall = clock_us() - wall;
    for (int i = 0; i < p->n; i++)
        bytes += p->out[i].result.length;
    if (p->timing)
        fprintf(stderr, "cpu_s=%.6f wall_s=%.6f bytes=%llu\n", cpu, (double)wall / 1e6, bytes);
}

/* Behind the source, in the same buffer: a job's inputs are offsets. */
static bool append_marks(struct process *p)
{
    struct pool_input in[JOB_INPUTS];
    struct ic_error e;

    if (marks_load(&p->marks, NULL, &e) != IC_OK) {
        cmd_complain("%s", e.text);
        return false;
    }
    marks_hand(&p->marks, &p->job, in);
    for (uint32_t i = 1; i < p->job.inputs; i++) {
        uint8_t *grown = realloc(p->data, p->data_n + in[i].n);
        if (!grown) {
            cmd_complain("out of memory");
            return false;
        }
        p->data = grown;
        memcpy(p->data + p->data_n, in[i].p, in[i].n);
        p->job.in[i].offset = p->data_n;
        p->job.in[i].length = in[i].n;
        p->data_n += in[i].n;
    }
    return true;
}

static bool prepare(struct process *p)
{
    char why[300];
    struct ic_error e = { .text = "" };

    if (!file_read(p->in, (size_t)p->cfg.max_body, &p->data, &p->data_n, why, sizeof why)) {
        cmd_complain("%s: %s", p->in, why);
        return false;
    }
    /* A worker's warm heap, for the same speed. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 4 << 20);
    ic_init();
    p->job.in[0].length = p->data_n;
    if (!append_marks(p))
        return false;
    p->results = malloc((size_t)p->cfg.max_result);
    p->engine = engine_create(&p->cfg, why, sizeof why);
    if (!p->results)
        cmd_complain("out of memory");
    else if (!p->engine)
        cmd_complain("%s", why);
    else if (!config_fonts_add(&p->cfg, p->engine, &e))
        cmd_complain("%s", e.text);
    else
        return true;
    return false;
}

static bool deliver(const struct process *p, const struct output *o)
{
    const struct job_output *r = &o->result;
    char why[160], text[120];
    const char *warning = ic_warnings_text(r->warnings, text, sizeof text);

    if (r->code != IC_OK) {
        cmd_complain("%s: %s: %s", p->in, o->path, r->text);
        return false;
    }
    if (!file_write(o->path, p->results + r->offset, (size_t)r->length, why, sizeof why)) {
        cmd_complain("%s: %s", o->path, why);
        return false;
    }
    if (!p->quiet)
        fprintf(stderr, "%s: %ux%u %s, %llu bytes%s%s%s\n", o->path, r->width, r->height,
                ic_format_name((enum ic_format)r->format), (unsigned long long)r->length,
                r->warnings & IC_WARN_LARGE ? "; more than max_bytes" : "", warning ? "; warning: " : "",
                warning ? warning : "");
    return true;
}

/* --explain: the plans of all outputs on standard output, one after the other, and no image. */
static bool explain_output(const struct process *p, const struct output *o, const struct ic_info *info)
{
    struct ic_limits limits = config_limits(&p->cfg);
    struct ic_plan plan;
    struct ic_error e;

    if (ic_plan(&o->query.recipe, info, &limits, &plan, &e) != IC_OK) {
        cmd_complain("%s: %s: %s", p->in, o->path, e.text);
        return false;
    }
    char *json = explain_json(&o->query, &plan);
    if (json)
        fputs(json, stdout);
    free(json);
    return json != NULL;
}

static enum cmd_status process_explain(struct process *p)
{
    struct ic_info info;
    struct ic_error e;
    bool ok = true;

    if (!prepare(p))
        return CMD_FAILED;
    if (image_reply_probe_bytes((struct ic_bytes){ p->data, p->data_n }, &info, &e) != IC_OK) {
        cmd_complain("%s: %s", p->in, e.text);
        return CMD_FAILED;
    }
    for (int i = 0; i < p->n; i++)
        ok = explain_output(p, &p->out[i], &info) && ok;
    return ok ? CMD_OK : CMD_FAILED;
}

static enum cmd_status process_run(struct process *p)
{
    bool ok = true;

    if (!prepare(p))
        return CMD_FAILED;
    for (long k = 0; k < p->repeat && !p->why[0]; k++)
        run_once(p);
    if (p->why[0]) {
        cmd_complain("%s: %s", p->in, p->why);
        return CMD_FAILED;
    }
    for (int i = 0; i < p->n; i++)
        ok = deliver(p, &p->out[i]) && ok; /* one that fails does not keep the others back */
    return ok ? CMD_OK : CMD_FAILED;
}

int cmd_process(int argc, char **argv)
{
    struct process *p = calloc(1, sizeof *p); /* too large for comfort on a stack */
    enum cmd_status status = CMD_USAGE;

    if (!p) {
        cmd_complain("out of memory");
        return CMD_FAILED;
    }
    p->repeat = 1;
    marks_init(&p->marks);
    if (take_words(p, argc, argv) && (status = cmd_configure(&p->cfg, &p->words)) == CMD_OK) {
        status = !read_marks(p) ? CMD_FAILED
                 : !make_job(p) ? CMD_USAGE
                 : p->explain   ? process_explain(p)
                                : process_run(p);
        ic_engine_free(p->engine);
        marks_free(&p->marks);
        config_free(&p->cfg);
    }
    free(p->results);
    free(p->data);
    free(p->mark_data);
    free(p);
    return status;
}
