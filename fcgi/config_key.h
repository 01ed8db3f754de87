/* What the files of the configuration share: the table of keys, and values as text. Nobody else includes it.
 *
 *     config_table.c  the rows           config_value.c  text <-> value of one row
 *     config.c        the four sources   config_print.c  sample file and help
 */
#ifndef CONFIG_KEY_H
#define CONFIG_KEY_H

#include "config.h"

#define CONFIG_AUTO (-1) /* a number given as "auto", until config_load has worked it out */

enum config_type {
    CONFIG_INT,    /* int64_t */
    CONFIG_BYTES,  /* int64_t; K M G T of 1024 */
    CONFIG_COUNT,  /* int64_t; K M G of 1000 */
    CONFIG_MSEC,   /* int64_t milliseconds; ms s m h d */
    CONFIG_SEC,    /* int64_t seconds; s m h d */
    CONFIG_ENUM,   /* int: the index in words */
    CONFIG_OCTAL,  /* char *; octal digits, min and max as numbers */
    CONFIG_STRING, /* char *; min 1: must not be empty; max: bytes */
};

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;      /* of the field in struct config */
    const char *def;    /* as a user would write it; parsed like any other value */
    int64_t min, max;   /* in the field's unit */
    const char *words;  /* CONFIG_ENUM: in the order of their values, separated by one space */
    bool automatic;     /* "auto" is a value as well */
    bool secret;        /* its value is shown to nobody */
    const char *values; /* CONFIG_STRING: what may be written, for people */
    const char *group;  /* heading of the rows from here on */
    const char *help;   /* sentences */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_n;
#define CONFIG_KEYS_MAX 128 /* config_table.c checks that the rows are no more */

/* Presets that ship with pixpool: name and options in turn, NULL at the end. */
extern const char *const config_presets_builtin[];
/* The same for the set of renditions, which is in force where none is configured. */
extern const char *const config_renditions_builtin[];
#define CONFIG_RENDITION "rendition." /* begins the key of one */
#define CONFIG_PRESET    "preset."    /* the same, beside the section [preset] */

/* Parses text into k's field of c, whose old string is freed. false: why says what is wrong and what is allowed, c is
 * unchanged. */
bool config_value_set(struct config *c, const struct config_key *k, const char *text, char *why, size_t why_n);
/* The field's value as config_value_set would read it. Returns out. */
const char *config_value_text(const struct config *c, const struct config_key *k, char *out, size_t n);
/* "50ms to 10m", "auto, or 0 to 1024", "off or limits". Returns out. */
const char *config_value_range(const struct config_key *k, char *out, size_t n);
/* Frees the field where it is a string. */
void config_value_free(struct config *c, const struct config_key *k);

/* config_files.c. Whether a key is mark.NAME or font.NAME. */
bool config_is_file(const char *key);
/* line 0: from the command line. false: why says what is wrong. */
bool config_file_set(struct config *c, const char *key, const char *path, int line, char *why, size_t why_n);
void config_files_print(FILE *to, const struct config *c);
void config_files_free(struct config *c);

/* The row of this name (n bytes), or NULL. */
const struct config_key *config_key_find(const char *name, size_t n);
/* The row whose name is most like it, or NULL where none is near. */
const struct config_key *config_key_nearest(const char *name, size_t n);

#endif
