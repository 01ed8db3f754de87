/* The pixpool program: chooses the command, and starts the service.
 *
 *     serve    configuration -> kernels -> listening socket -> log -> spawner, which never comes back before the end
 *     process  cmd_process.c        info  cmd_info.c        check  cmd_check.c        sign  cmd_sign.c
 *     batch    cmd_batch.c          upgrade  cmd_upgrade.c  cache  cmd_cache.c
 *     fcgid    the same as serve, for one of the many processes that mod_fcgid starts
 *
 * The socket is opened before the log, so that whoever starts pixpool by hand sees why it did not start. Without any
 * words, a listening standard input means serve: that is how spawn-fcgi starts a program. mod_fcgid does so too, but
 * nothing tells the two apart, and a whole pixpool for each request would be wrong: fcgid has to be said, or be the end
 * of the name by which pixpool is called (pixpool.fcgi). */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"
#include "dispatch.h"
#include "engine.h"
#include "libc.h"
#include "log.h"
#include "process.h"
#include "query.h"
#include "slots.h"

#define DESCRIPTORS 16384 /* idle connections too; what is allowed below that is raised where it can be */

/* The soft limit is low on most systems for the sake of select(2), which serves no request here. */
static void raise_descriptors(const struct config *c)
{
    struct rlimit r;
    rlim_t want = dispatch_descriptors(c) > DESCRIPTORS ? dispatch_descriptors(c) : DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want) /* RLIM_INFINITY is the largest number */
        return;
    r.rlim_cur = r.rlim_max > want ? want : r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0)
        log_line(LOG_LV_WARN, "event=start error=\"descriptors: %s\"", strerror(errno));
}

/* What the program was called with, for the spawner: the words that ps shows are overwritten. */
static struct {
    char **argv; /* owned, NULL at the end */
    char exe[PATH_MAX];
} started;

/* The files that workers will read. */
static bool engine_ok(const struct config *c, char *err, size_t n)
{
    struct ic_engine *g = engine_create(c, err, n);

    ic_engine_free(g);
    return g != NULL;
}

/* What the file's parser, which knows no options, leaves open. */
static bool options_ok(struct config *c, const char *file, char *err, size_t n)
{
    char text[500];

    for (const struct config_preset *p = c->presets; p; p = p->next) {
        if (cmd_preset_ok(c, p, text, sizeof text))
            continue;
        snprintf(err, n, "%s: %s", file ? file : "PIXPOOL_CONFIG", text);
        return false;
    }
    if (!cmd_renditions_ok(c, text, sizeof text)) {
        snprintf(err, n, "%s: %s", file ? file : "PIXPOOL_CONFIG", text);
        return false;
    }
    return query_allow_valid(c, err, n) && config_files_read(c, err, n) && engine_ok(c, err, n);
}

/* For a reload: the same words, the file as it is now. */
static struct config *load_again(void *ctx, char *err, size_t n)
{
    const struct cmd_words *words = ctx;
    const char *file = words->file ? words->file : getenv("PIXPOOL_CONFIG");
    struct config *c = calloc(1, sizeof *c);

    if (!c) {
        snprintf(err, n, "out of memory");
        return NULL;
    }
    if (config_load(c, file && *file ? file : NULL, words->key, words->keys, err, n)) {
        c->shared = words->shared;
        if (options_ok(c, file, err, n))
            return c;
        config_free(c);
    }
    free(c);
    return NULL;
}

/* What many processes have together. */
static bool shared_ok(const struct config *c, char *err, size_t n)
{
    struct slots s;

    if (c->workers == 0) {
        snprintf(err, n, "workers = 0 is for debugging one process; fcgid needs at least 1, for all of them together");
        return false;
    }
    if (!slots_init(&s, c, err, n))
        return false;
    slots_free(&s);
    return true;
}

static int serve_configured(struct config *c, struct cmd_words *words)
{
    char text[600];

    if ((c->shared && !shared_ok(c, text, sizeof text)) || !options_ok(c, words->file, text, sizeof text)) {
        cmd_complain("%s", text);
        return CMD_FAILED;
    }
    ic_init();
    int fd = listen_open(c, text, sizeof text);
    if (fd < 0) {
        cmd_complain("%s", text);
        return CMD_FAILED;
    }
    if (!log_open(c->log)) {
        cmd_complain("log %s: %s", c->log, strerror(errno));
        listen_remove();
        return CMD_FAILED;
    }
    if (config_env_unknown(text, sizeof text))
        log_line(LOG_LV_WARN, "event=start warning=\"%s\"", text);
    raise_descriptors(c);
    struct spawner_source source = { .load = load_again, .ctx = words, .exe = started.exe, .argv = started.argv };
    int status = spawner_run(c, fd, &source);
    listen_remove();
    return status;
}

static int serve_words(struct cmd_words *words, int argc, char **argv)
{
    struct config c;
    enum cmd_status status;

    if ((status = cmd_words_only(words, argc, argv)) != CMD_OK || (status = cmd_configure(&c, words)) != CMD_OK)
        return status;
    int rc = serve_configured(&c, words);
    config_free(&c);
    return rc;
}

static int cmd_serve(int argc, char **argv)
{
    return serve_words(&(struct cmd_words){ .keys = 0 }, argc, argv);
}

static bool stdin_listens(void)
{
    int yes = 0;
    socklen_t n = sizeof yes;

    return getsockopt(0, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes;
}

/* Apache's descriptors come along, its pipes and locks among them: a process that kept them would keep others waiting.
 * And where Apache is killed, nobody is left to tell its processes to end, but the kernel. */
static int fcgid(struct cmd_words *words, int argc, char **argv)
{
    words->shared = true;
    if (!stdin_listens()) {
        cmd_complain(
            "fcgid is for Apache's mod_fcgid, which hands over a listening socket as standard input; by hand it "
            "is: pixpool serve");
        return CMD_USAGE;
    }
    close_range(3, ~0u, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == 1) /* dead already */
        return CMD_OK;
    return serve_words(words, argc, argv);
}

static int cmd_fcgid(int argc, char **argv)
{
    return fcgid(&(struct cmd_words){ .keys = 0 }, argc, argv);
}

/* Called as pixpool.fcgi: with pixpool.conf beside it, where there is one, and paths in there as seen from it. */
static int called_as_script(const char *name)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(name, '/');

    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - name) + 1 : 2, slash ? name : "./");
    if (chdir(dir) < 0) {
        cmd_complain("%s: %s", dir, strerror(errno));
        return CMD_FAILED;
    }
    return fcgid(&(struct cmd_words){ .file = access("pixpool.conf", F_OK) == 0 ? "pixpool.conf" : NULL }, 0, NULL);
}

/* Alone: the sample, the same on every machine. With a file or keys: what they come to here. */
static int cmd_print_config(int argc, char **argv)
{
    struct cmd_words words = { .keys = 0 };
    struct config c;
    enum cmd_status status;

    if (argc == 0) {
        config_print(stdout, NULL);
        return CMD_OK;
    }
    if ((status = cmd_words_only(&words, argc, argv)) != CMD_OK || (status = cmd_configure(&c, &words)) != CMD_OK)
        return status;
    config_print(stdout, &c);
    config_free(&c);
    return CMD_OK;
}

static int cmd_cpu(int argc, char **argv)
{
    (void)argc, (void)argv;
    ic_init();
    char probe[1];
    size_t n = ic_cpu_report(probe, sizeof probe) + 1;
    char *text = malloc(n);

    if (!text)
        return CMD_FAILED;
    ic_cpu_report(text, n);
    fputs(text, stdout);
    free(text);
    return CMD_OK;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    ic_init();
    puts(ic_versions());
    return CMD_OK;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "serve", cmd_serve },
    { "fcgid", cmd_fcgid },
    { "process", cmd_process },
    { "batch", cmd_batch },
    { "sign", cmd_sign },
    { "info", cmd_info },
    { "check", cmd_check },
    { "upgrade", cmd_upgrade },
    { "cache", cmd_cache },
    { "--print-config", cmd_print_config },
    { "--print-options", cmd_print_options },
    { "--man", cmd_man },
    { "--completion", cmd_completion },
    { "--cpu", cmd_cpu },
    { "--version", cmd_version },
    { "--help", cmd_help },
    { "-h", cmd_help },
    { "help", cmd_help },
};

static bool ends_in_fcgi(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".fcgi") == 0;
}

static int run(int argc, char **argv)
{
    if (argc == 1 && ends_in_fcgi(argv[0]))
        return called_as_script(argv[0]);
    if (argc < 2 && stdin_listens())
        return cmd_serve(0, NULL);
    if (argc < 2) {
        cmd_complain("what shall be done? serve, process, batch, info, sign, check, cache, upgrade, or --help");
        return CMD_USAGE;
    }
    if (argc > 2 && strcmp(argv[2], "--help") == 0)
        return cmd_help(0, NULL);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    cmd_complain("\"%.80s\" is no command: serve, process, batch, info, sign, check, cache, upgrade, or --help",
                 argv[1]);
    return CMD_USAGE;
}

/* A full disk must not look like success. */
static int flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cmd_complain("standard output: %s", strerror(errno));
    return status == CMD_OK ? CMD_FAILED : status;
}

/* false: out of memory. */
static bool remember_start(int argc, char **argv)
{
    ssize_t n = readlink("/proc/self/exe", started.exe, sizeof started.exe - 1);

    started.exe[n > 0 ? n : 0] = '\0';
    started.argv = calloc((size_t)argc + 1, sizeof *started.argv);
    for (int i = 0; started.argv && i < argc; i++)
        if (!(started.argv[i] = strdup(argv[i])))
            return false;
    return started.argv != NULL;
}

int main(int argc, char **argv)
{
    if (!remember_start(argc, argv))
        return CMD_FAILED;
    log_title_init(argc, argv);
    return flushed(run(argc, started.argv));
}
