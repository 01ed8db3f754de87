/* The commands of the pixpool program, and what they share. Each has its own file; main.c chooses. */
#ifndef CMD_H
#define CMD_H

#include "config.h"

enum cmd_status { CMD_OK = 0, CMD_FAILED = 1, CMD_USAGE = 2 };

/* --config FILE and --key=value (or --key value) as they are found among a command's words. */
struct cmd_words {
    const char *file; /* NULL: PIXPOOL_CONFIG, or none */
    char *key[256];   /* borrowed from argv, for config_load */
    int keys;
    bool shared; /* pixpool fcgid */
};

/* Takes argv[*i] (and a value in argv[*i + 1]) where it begins with "--", and leaves *i on the last word it used.
 * false: it does not, or there are too many. */
bool cmd_words_take(struct cmd_words *w, int argc, char **argv, int *i);
/* All words must be such. CMD_OK, or CMD_USAGE after a complaint. */
enum cmd_status cmd_words_only(struct cmd_words *w, int argc, char **argv);

/* Loads the configuration. CMD_OK: c needs config_free. Otherwise the complaint is written; CMD_USAGE where it is about
 * a word of the command line. */
enum cmd_status cmd_configure(struct config *c, const struct cmd_words *w);

/* Whether the options of a preset can be understood: what the file's parser, which knows no options, leaves open.
 * why (n bytes): what is wrong, with the file's line. */
bool cmd_preset_ok(const struct config *c, const struct config_preset *p, char *why, size_t n);
/* The same for the set of renditions. */
bool cmd_renditions_ok(const struct config *c, char *why, size_t n);

/* "pixpool: ..." to stderr. */
void cmd_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* argv[0 .. argc-1]: the words after the command's name. They return the exit status. */
int cmd_process(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_sign(int argc, char **argv);
int cmd_upgrade(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_cache(int argc, char **argv);

/* cmd_help.c: what the program says about itself, on standard output. */
int cmd_help(int argc, char **argv);
int cmd_print_options(int argc, char **argv);
int cmd_man(int argc, char **argv);
int cmd_completion(int argc, char **argv);

extern const struct cmd_usage {
    const char *synopsis, *text;
} cmd_usages[];                          /* ends with NULLs */
extern const char *const cmd_examples[]; /* ends with NULL */
extern const char *const cmd_summary, *const cmd_status_text, *const cmd_options_text;

#endif
