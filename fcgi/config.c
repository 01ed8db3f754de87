/* Loading the configuration: defaults, file, environment, command line, each over the one before; then what was left
 * to us ("auto"), and the checks that concern several keys.
 *
 * Called by main.c once per start, and by the spawner for a new generation. All four sources give text for a row of
 * config_table.c, so that they accept the same and complain alike; they differ in what a complaint begins with. INI and
 * not JSON or YAML: people edit it, and a line number is all they need when it is wrong. */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cidr.h"
#include "config_key.h"
#include "name.h"
#include "sign.h"

#define NAME_SIZE   64 /* of a key as somebody wrote it; longer ones are cut and so unknown */
#define THREADS_MIN 8  /* beyond workers + queue, or the 503 never fires */
#define THREADS_ADD 80 /* the same for threads = auto: most of them wait for slow uploads */
#define MEGA        (INT64_C(1) << 20)
#define PRESET_MAX  64 /* characters of a preset's name in the file, */
#define NAMED_MAX   48 /* and in a key: that of a rendition becomes an output's (ORDER_NAME) */

extern char **environ;

/* Presets. */

static const struct config_preset *preset_find(const struct config_preset *list, const char *name, size_t n)
{
    for (const struct config_preset *p = list; p; p = p->next)
        if (strlen(p->name) == n && memcmp(p->name, name, n) == 0)
            return p;
    return NULL;
}

/* At the end, so that they print in the order in which they were written. false: out of memory. */
static bool preset_add(struct config_preset **list, const char *name, const char *options, int line)
{
    struct config_preset *p = calloc(1, sizeof *p), **end = list;

    if (!p || !(p->name = strdup(name)) || !(p->options = strdup(options))) {
        if (p)
            free(p->name);
        free(p);
        return false;
    }
    p->line = line;
    while (*end)
        end = &(*end)->next;
    *end = p;
    return true;
}

const char *config_preset(const struct config *c, const char *name, size_t n)
{
    const struct config_preset *p = preset_find(c->presets, name, n);
    return p ? p->options : NULL;
}

static bool presets_builtin(struct config *c)
{
    bool none = !c->renditions;

    for (const char *const *p = config_presets_builtin; *p; p += 2)
        if (!preset_find(c->presets, p[0], strlen(p[0])) && !preset_add(&c->presets, p[0], p[1], 0))
            return false;
    for (const char *const *p = config_renditions_builtin; none && *p; p += 2)
        if (!preset_add(&c->renditions, p[0], p[1], 0))
            return false;
    return true;
}

/* Keys of the form rendition.NAME and preset.NAME, which no row of the table can stand for. From the command line one
 * replaces the file's of the same name. */
static bool is_named(const char *key)
{
    return strncmp(key, CONFIG_RENDITION, strlen(CONFIG_RENDITION)) == 0 ||
           strncmp(key, CONFIG_PRESET, strlen(CONFIG_PRESET)) == 0;
}

static bool named_set(struct config *c, const char *key, const char *options, int line, char *why, size_t why_n)
{
    const char *name = strchr(key, '.') + 1;
    struct config_preset **list = key[0] == CONFIG_PRESET[0] ? &c->presets : &c->renditions;
    struct config_preset *old = (struct config_preset *)preset_find(*list, name, strlen(name));
    char *copy = old && line == 0 ? strdup(options) : NULL;

    if (!name_valid(name, NAMED_MAX))
        snprintf(why, why_n, "%s: a name has 1 to %d letters, digits, _ or -", key, NAMED_MAX);
    else if (old && line > 0)
        snprintf(why, why_n, "%s is given twice, first in line %d", key, old->line);
    else if (old ? !copy : !preset_add(list, name, options, line))
        snprintf(why, why_n, "out of memory");
    else {
        if (copy) {
            free(old->options);
            old->options = copy;
        }
        return true;
    }
    free(copy);
    return false;
}

/* One pair. */

/* "unknown key "deadlin", did you mean deadline?" */
static void unknown_key(const char *name, size_t n, char *why, size_t why_n)
{
    const struct config_key *near = config_key_nearest(name, n);

    if (near)
        snprintf(why, why_n, "unknown key \"%.*s\", did you mean %s?", (int)(n < 60 ? n : 60), name, near->name);
    else
        snprintf(why, why_n, "unknown key \"%.*s\"; pixpool --help lists them all", (int)(n < 60 ? n : 60), name);
}

static bool load_defaults(struct config *c, char *err, size_t errsize)
{
    for (size_t i = 0; i < config_keys_n; i++)
        if (!config_value_set(c, &config_keys[i], config_keys[i].def, err, errsize))
            return false;
    return true;
}

/* The file. */

struct file {
    struct config *c;
    FILE *from;
    int line;                   /* the one in hand */
    int first[CONFIG_KEYS_MAX]; /* line on which a key was given, 0: not yet */
    int failed;                 /* line of the first complaint, 0: none */
    char why[400];
};

static int file_fail(struct file *f, const char *why)
{
    if (!f->failed) {
        f->failed = f->line;
        if (why != f->why)
            snprintf(f->why, sizeof f->why, "%s", why);
    }
    return 0;
}

/* fgets for inih, which tells its handler no line number and cuts long lines in silence. Leading blanks go, because
 * inih takes an indented line for more of the value above it. */
static char *file_line(char *to, int size, void *arg)
{
    struct file *f = arg;
    int ch, n = 0;
    bool cut = false;

    f->line++;
    while ((ch = getc(f->from)) != EOF && ch != '\n') {
        if ((n == 0 && isspace(ch)) || ch == '\0')
            continue;
        if (n < size - 2)
            to[n++] = (char)ch;
        else
            cut = true;
    }
    if (ch == EOF && n == 0)
        return NULL;
    to[n++] = '\n';
    to[n] = '\0';
    if (cut && to[0] != '#' && to[0] != ';') {
        char why[80];
        snprintf(why, sizeof why, "the line is longer than %d bytes", size - 2);
        file_fail(f, why);
    }
    return to;
}

static int file_key(struct file *f, const char *name, const char *value)
{
    const struct config_key *k = config_key_find(name, strlen(name));
    char why[sizeof f->why];

    if (is_named(name))
        return named_set(f->c, name, value, f->line, why, sizeof why) ? 1 : file_fail(f, why);
    if (config_is_file(name))
        return config_file_set(f->c, name, value, f->line, why, sizeof why) ? 1 : file_fail(f, why);
    if (!k) {
        unknown_key(name, strlen(name), why, sizeof why);
        return file_fail(f, why);
    }
    int *first = &f->first[k - config_keys];
    if (*first) {
        snprintf(why, sizeof why, "%s is given twice, first in line %d", name, *first);
        return file_fail(f, why);
    }
    *first = f->line;
    return config_value_set(f->c, k, value, why, sizeof why) ? 1 : file_fail(f, why);
}

static int file_preset(struct file *f, const char *name, const char *options)
{
    if (!name_valid(name, PRESET_MAX))
        return file_fail(f, "a preset's name has 1 to 64 letters, digits, _ or -");
    if (preset_find(f->c->presets, name, strlen(name)))
        return file_fail(f, "a preset of this name is given above");
    return preset_add(&f->c->presets, name, options, f->line) ? 1 : file_fail(f, "out of memory");
}

static int file_pair(void *arg, const char *section, const char *name, const char *value)
{
    struct file *f = arg;

    if (f->failed)
        return 0;
    if (strcmp(section, "preset") == 0)
        return file_preset(f, name, value);
    if (*section == '\0' || strcmp(section, "pixpool") == 0)
        return file_key(f, name, value);
    char why[120];
    snprintf(why, sizeof why, "unknown section [%.40s]: there are [pixpool] and [preset]", section);
    return file_fail(f, why);
}

static bool load_file(struct config *c, const char *name, char *err, size_t errsize)
{
    struct file f = { .c = c, .from = fopen(name, "re") };

    if (!f.from) {
        snprintf(err, errsize, "%s: %s", name, strerror(errno));
        return false;
    }
    int bad = ini_parse_stream(file_line, &f, file_pair, &f);
    bool unread = ferror(f.from);
    fclose(f.from);
    if (unread)
        snprintf(err, errsize, "%s: can't be read", name);
    else if (bad > 0 && (f.failed == 0 || bad < f.failed)) /* inih's own complaint is about an earlier line */
        snprintf(err, errsize, "%s:%d: neither key = value nor [section]", name, bad);
    else if (f.failed)
        snprintf(err, errsize, "%s:%d: %s", name, f.failed, f.why);
    return !unread && bad == 0 && !f.failed;
}

/* Environment and command line. */

#define ENV_PREFIX "PIXPOOL_"

static void env_name(const struct config_key *k, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, ENV_PREFIX);

    for (const char *p = k->name; *p && at + 1 < n; p++)
        out[at++] = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    out[at] = '\0';
}

static bool load_environment(struct config *c, char *err, size_t errsize)
{
    char name[64], why[400];

    for (size_t i = 0; i < config_keys_n; i++) {
        env_name(&config_keys[i], name, sizeof name);
        const char *value = getenv(name);
        if (value && !config_value_set(c, &config_keys[i], value, why, sizeof why)) {
            snprintf(err, errsize, "%s: %s", name, why);
            return false;
        }
    }
    return true;
}

bool config_env_unknown(char *out, size_t n)
{
    for (char **e = environ; *e; e++) {
        char name[NAME_SIZE];
        size_t at = 0, len = strlen(ENV_PREFIX);
        if (strncmp(*e, ENV_PREFIX, len) != 0)
            continue;
        for (const char *p = *e + len; *p && *p != '=' && at < sizeof name - 1; p++)
            name[at++] = (char)tolower((unsigned char)*p);
        name[at] = '\0';
        const struct config_key *near = config_key_nearest(name, at);
        if (!near || config_key_find(name, at))
            continue;
        char meant[64];
        env_name(near, meant, sizeof meant);
        snprintf(out, n, "%.*s is ignored, did you mean %s?", (int)strcspn(*e, "="), *e, meant);
        return true;
    }
    return false;
}

/* --max-body reads as --max_body; names behind a point are somebody's own. */
static size_t argument_name(const char *arg, char *out, size_t n)
{
    size_t at = 0, own = strcspn(arg, ".");

    for (const char *p = arg + 2; *p && *p != '=' && at < n - 1; p++)
        out[at++] = *p == '-' && (size_t)(p - arg) < own ? '_' : *p;
    out[at] = '\0';
    return at;
}

/* Takes one key with its value from argv[*i ...] and leaves *i on the last word it used. */
static bool load_argument(struct config *c, char *const *argv, int n, int *i, char *why, size_t why_n)
{
    const char *arg = argv[*i], *value = strchr(arg, '=');
    char name[NAME_SIZE];

    if (strncmp(arg, "--", 2) != 0 || arg[2] == '\0') {
        snprintf(why, why_n, "expected --key=value");
        return false;
    }
    size_t len = argument_name(arg, name, sizeof name);
    const struct config_key *k = config_key_find(name, len);
    if (!k && !is_named(name) && !config_is_file(name)) {
        unknown_key(name, len, why, why_n);
        return false;
    }
    if (!value && *i + 1 >= n) {
        snprintf(why, why_n, "%s needs a value", name);
        return false;
    }
    const char *text = value ? value + 1 : argv[++*i];
    if (k)
        return config_value_set(c, k, text, why, why_n);
    return is_named(name) ? named_set(c, name, text, 0, why, why_n) : config_file_set(c, name, text, 0, why, why_n);
}

static bool load_arguments(struct config *c, char *const *argv, int n, char *err, size_t errsize)
{
    char why[400];

    for (int i = 0; i < n; i++) {
        const char *arg = argv[i];
        if (!load_argument(c, argv, n, &i, why, sizeof why)) {
            snprintf(err, errsize, "%.*s: %s", (int)strcspn(arg, "="), arg, why);
            return false;
        }
    }
    return true;
}

/* What was left to us, and what must fit together. */

int config_threads(const struct config *c)
{
    if (c->shared) /* each process is sent one request at a time */
        return 1;
    return (int)(c->threads > 0 ? c->threads : c->workers + c->queue + THREADS_ADD);
}

int config_threads_aside(const struct config *c)
{
    int64_t spare = config_threads(c) - c->workers - c->queue - THREADS_MIN;
    return spare > 0 && !c->shared ? (int)(spare * 5 / 6) : 0;
}

static void resolve(struct config *c)
{
    if (c->workers == CONFIG_AUTO) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        c->workers = cpus < 1 ? 1 : cpus > 1024 ? 1024 : cpus;
    }
    if (c->threads == CONFIG_AUTO)
        c->threads = 0;
    if (c->memory_limit == CONFIG_AUTO) {
        int64_t flight = 2 * (c->max_body + c->max_result);
        c->memory_limit = c->workers * c->worker_memory + (flight > 512 * MEGA ? flight : 512 * MEGA);
    }
}

static bool check_threads(const struct config *c, char *why, size_t n)
{
    int64_t least = c->workers + c->queue + THREADS_MIN;

    if (config_threads(c) >= least)
        return true;
    snprintf(why, n,
             "threads = %lld is less than workers + queue + %d = %lld, so that nobody is left to answer 503: raise "
             "threads (auto does), or lower queue or workers",
             (long long)c->threads, THREADS_MIN, (long long)least);
    return false;
}

static bool check_memory(const struct config *c, char *why, size_t n)
{
    int64_t flight = c->max_body + c->max_result, least = c->workers * c->worker_memory + flight;

    if (c->memory_limit >= least)
        return true;
    snprintf(
        why, n,
        "memory_limit = %lldM is less than workers x worker_memory + max_body + max_result = %lld x %lldM + %lldM: "
        "raise memory_limit to %lldM (auto does), or lower workers, worker_memory, max_body or max_result",
        (long long)(c->memory_limit / MEGA), (long long)c->workers, (long long)(c->worker_memory / MEGA),
        (long long)((flight + MEGA - 1) / MEGA), (long long)((least + MEGA - 1) / MEGA));
    return false;
}

static bool check_networks(const struct config *c, char *why, size_t n)
{
    char bad[64];

    if (cidr_valid(c->admin_allow, bad, sizeof bad))
        return true;
    snprintf(why, n, "admin_allow: \"%s\" is no network: write 192.0.2.0/24, 2001:db8::/32 or one address", bad);
    return false;
}

static bool check_keys(const struct config *c, char *why, size_t n)
{
    return sign_keys_valid(c->signing_keys, why, n);
}

/* A web server that answers by itself would give away what a signature guards. */
static bool check_cache(const struct config *c, char *why, size_t n)
{
    if (!*c->cache_dir || c->cache_layout != LAYOUT_PATH || !*c->signing_keys)
        return true;
    snprintf(why, n,
             "cache_layout = path lets a web server answer without asking, so that signing_keys would guard "
             "nothing: set cache_layout = hashed");
    return false;
}

static bool check_image_url(const struct config *c, char *why, size_t n)
{
    const char *url = c->image_url;

    if (*url == '/' && url[strlen(url) - 1] == '/' && !strpbrk(url, "?# ") && !strstr(url, "//"))
        return true;
    snprintf(why, n, "image_url: \"%.80s\" is no path that begins and ends with one slash, such as /photos/", url);
    return false;
}

static bool finish(struct config *c, const char *file, char *err, size_t errsize)
{
    char why[400];

    resolve(c);
    if (!presets_builtin(c)) {
        snprintf(err, errsize, "out of memory");
        return false;
    }
    if (check_threads(c, why, sizeof why) && check_memory(c, why, sizeof why) && check_networks(c, why, sizeof why) &&
        check_keys(c, why, sizeof why) && check_cache(c, why, sizeof why) && check_image_url(c, why, sizeof why))
        return true;
    snprintf(err, errsize, "%s: %s", file ? file : "configuration", why);
    return false;
}

bool config_load(struct config *c, const char *file, char *const *argv, int n, char *err, size_t errsize)
{
    memset(c, 0, sizeof *c);
    if (load_defaults(c, err, errsize) && (!file || load_file(c, file, err, errsize)) &&
        load_environment(c, err, errsize) && load_arguments(c, argv, n, err, errsize) && finish(c, file, err, errsize))
        return true;
    config_free(c);
    return false;
}

static void presets_free(struct config_preset **list)
{
    while (*list) {
        struct config_preset *p = *list;
        *list = p->next;
        free(p->name);
        free(p->options);
        free(p);
    }
}

void config_free(struct config *c)
{
    config_files_free(c);
    for (size_t i = 0; i < config_keys_n; i++)
        config_value_free(c, &config_keys[i]);
    presets_free(&c->presets);
    presets_free(&c->renditions);
}

size_t config_input_size(const struct config *c)
{
    return (size_t)c->max_body + IC_MARKS * ((size_t)c->max_mark + 64); /* each begins on a multiple of 64 */
}

struct ic_limits config_limits(const struct config *c)
{
    return (struct ic_limits){ .max_pixels_in = (uint64_t)c->max_pixels_in,
                               .max_frames = (uint32_t)c->max_frames,
                               .max_side_in = (uint32_t)c->max_side_in,
                               .max_side_out = (uint32_t)c->max_side_out,
                               .max_memory = (size_t)c->worker_memory,
                               .max_result = (size_t)c->max_result };
}
