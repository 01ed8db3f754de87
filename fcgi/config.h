/* The configuration: one table of keys feeds the checks, --help, --print-config and conf/pixpool.conf.
 *
 * Sources in rising order: defaults, file (INI), environment PIXPOOL_<KEY>, command line --key=value. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../imgcore/imgcore.h"

enum config_sandbox { SANDBOX_OFF, SANDBOX_LIMITS, SANDBOX_STRICT };
enum config_layout { LAYOUT_HASHED, LAYOUT_PATH };
enum config_dialect { DIALECT_PIXPOOL, DIALECT_IMGIX, DIALECT_CLOUDFLARE, DIALECT_GLIDE };

struct config_preset {
    char *name, *options; /* owned; options as in a query string or the path form */
    struct config_preset *next;
    int line; /* of the file that gave it; 0: built in */
};

#define CONFIG_FILE_NAME 32                 /* bytes, NUL included */
#define CONFIG_FILE_HASH IC_MARK_HASH       /* bytes */
#define CONFIG_FONT_MAX  ((size_t)64 << 20) /* bytes of a font's file */

/* A file under a name, mark.NAME or font.NAME; or cmyk_profile's, which needs neither name nor path. */
struct config_file {
    char name[CONFIG_FILE_NAME];
    char *path;     /* owned */
    uint8_t *bytes; /* owned; NULL until config_files_read */
    size_t n;
    uint8_t hash[CONFIG_FILE_HASH]; /* of bytes */
    struct config_file *next;
    int line; /* of the configuration file; 0: given on the command line */
};

/* Plain values, read-only once loaded. Strings are owned by the configuration, never NULL, "" where not set. */
struct config {
    /* where requests come from */
    char *listen;      /* unix:/path, host:port, [v6]:port, fd:0 */
    char *socket_mode; /* octal, of a unix socket */
    char *socket_group;
    int64_t backlog;
    /* where images come from */
    char *image_root;
    char *image_url;           /* begins and ends with a slash */
    char *cmyk_profile;        /* a file; "": none */
    struct config_file cmyk;   /* what is in it */
    char *mark_root;           /* watermarks by path; "": there are none */
    struct config_file *marks; /* owned, as fonts */
    struct config_file *fonts; /* the first is the default */
    /* processes and threads */
    int64_t workers;     /* 0: jobs run in the accept threads */
    int64_t queue;       /* requests that may wait beyond those at work */
    int64_t threads;     /* accept threads; 0: as many as workers + queue need */
    int64_t worker_jobs; /* a worker is replaced after so many; 0: never */
    int64_t worker_nice;
    int sandbox;     /* enum config_sandbox */
    char *slot_file; /* "": in a private directory below /tmp */
    bool shared;     /* no key: one of many processes, which have workers and queue together (slots.h) */
    /* bytes */
    int64_t memory_limit;  /* all of pixpool: workers, and bodies and results in flight */
    int64_t worker_memory; /* one job */
    int64_t max_body, max_result;
    int64_t max_mark; /* a watermark's file */
    /* batches */
    int64_t batch_max;   /* files of one batch */
    int64_t batch_spool; /* bytes of results that wait in a file */
    /* background jobs */
    char *spool_dir;
    int64_t spool_max, spool_age_s;
    char *node_name;
    char *store_dir, *store_url;
    /* result cache */
    char *cache_dir;
    int cache_layout; /* enum config_layout */
    int64_t cache_size, cache_ttl_s;
    /* images */
    int64_t max_pixels_in, max_side_in, max_side_out, max_frames;
    /* time, milliseconds */
    int64_t deadline_ms; /* a request from its first byte to its result, waiting included */
    int64_t header_timeout_ms, body_timeout_ms, write_timeout_ms, idle_timeout_ms;
    int64_t grace_ms; /* SIGTERM: how long running requests may take to finish */
    /* who may do what */
    char *api_token;    /* Bearer, of POST and jobs; "": everybody may */
    char *admin_allow;  /* networks */
    char *cors_origins; /* origins, or * */
    char *signing_keys; /* id:key, separated by commas; "": GET needs no signature */
    /* which options clients may use */
    char *allowed_options, *allowed_sizes; /* "": all */
    int only_presets;                      /* 0 or 1 */
    int fit_dialect;                       /* enum config_dialect */
    /* answers */
    int64_t maxage_s;
    char *ignore_options;             /* comma-separated, * at the end matches any rest */
    struct config_preset *presets;    /* owned; "sharp" is always there unless replaced */
    struct config_preset *renditions; /* owned; the set of outputs where a request names none */
    /* logs */
    char *log; /* "-": stderr, or a path */
    int64_t slow_ms;
};

/* Fills c with the defaults, then the file (may be NULL), the environment, and argv's --key=value / --key value pairs
 * (argv[0 .. n-1], no program name). false: err holds one line naming file, line and range. */
bool config_load(struct config *c, const char *file, char *const *argv, int n, char *err, size_t errsize);
void config_free(struct config *c);
/* A PIXPOOL_ variable that is no key but looks like one: out says so. Others (PIXPOOL_PORT of a container platform) are
 * nobody's mistake. false: there is none. */
bool config_env_unknown(char *out, size_t n);

/* The sample file: every key with its help, range and default. With c not NULL the values in force. */
void config_print(FILE *to, const struct config *c);
/* Part of --help: one line per key; the same as entries of a manual page, and as --name=word,word lines. */
void config_help(FILE *to);
void config_man(FILE *to);
void config_words(FILE *to);

/* Options of a preset, or NULL. */
const char *config_preset(const struct config *c, const char *name, size_t n);

/* Reads what mark.NAME, font.NAME and cmyk_profile name, once. false: why names the key and the reason. */
bool config_files_read(struct config *c, char *why, size_t why_n);
/* Gives an engine the configured fonts, in their order. false: e says why not. */
bool config_fonts_add(const struct config *c, struct ic_engine *g, struct ic_error *e);
const struct config_file *config_file_find(const struct config_file *list, const char *name); /* or NULL */
/* The hash of cmyk_profile's contents, CONFIG_FILE_HASH bytes; NULL: there is none. */
const uint8_t *config_ink(const struct config *c);
/* "a, b, c" as far as they fit, or "none". Returns out. */
const char *config_file_names(const struct config_file *list, char *out, size_t n);

/* Bytes of a mailbox's input area: a source and all its watermarks. */
size_t config_input_size(const struct config *c);

/* The limits imgcore works under. */
struct ic_limits config_limits(const struct config *c);

/* Accept threads to start: c->threads, or workers + queue + a margin where that is 0. */
int config_threads(const struct config *c);
/* Of these, beyond those that the queue needs, how many may wait for uploads that come slowly. */
int config_threads_aside(const struct config *c);

#endif
