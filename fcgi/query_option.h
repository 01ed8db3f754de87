/* Inside the query module: a row of the option table, and the types its values have. */
#ifndef QUERY_OPTION_H
#define QUERY_OPTION_H

#include "query.h"

struct query_word {
    const char *word;
    int value;
};

struct query_option;

/* How a value is read and written. One const object per type. */
struct query_type {
    const char *name;
    size_t size; /* bytes of the field in struct query */
    bool flag;   /* an empty value means on; other types keep their default then */
    bool ranged; /* min and max mean something */
    /* Sets *field; false: e->code and e->text say why. e->option holds the name as given. */
    bool (*parse)(const struct query_option *o, const char *text, void *field, struct query_error *e);
    /* The canonical text, "" where there is nothing to tell. NULL: the row is told by another one. */
    void (*print)(const struct query_option *o, const void *field, char *out, size_t n);
};

extern const struct query_type query_type_length, query_type_edge, query_type_area, query_type_integer,
    query_type_colours, query_type_number, query_type_bool, query_type_word, query_type_mirror, query_type_colour,
    query_type_duration, query_type_text, query_type_preset, query_type_sides, query_type_border, query_type_radius,
    query_type_sharp, query_type_usm, query_type_note, query_type_time, query_type_trim;

struct query_option {
    const char *name;
    const char *aliases; /* comma-separated; ! before one negates a bool */
    const struct query_type *type;
    size_t offset; /* of the field in struct query */
    double min, max;
    const char *def;                /* as the client would write it; NULL: not given */
    const char *text;               /* one line for people */
    const struct query_word *words; /* of a word: ends with a NULL word; the first of several with one value is told */
    const char *hint;               /* added to the error where a number was given instead of a word */
    bool area;                      /* rect and its four parts: given together they replace one another in presets */
};

extern const struct query_option query_options[];
extern const int query_options_n;
extern const struct query_word query_fits[]; /* of the row fit */

/* query_text.c, a part of query_finish: the text's font and colour. */
extern const struct query_type query_type_caption;
bool query_finish_text(struct query *q, const struct config *c, struct query_error *e);
/* Escaped, so that no text can pass for other options. */
void query_text_print(const struct query_option *o, const void *field, char *out, size_t n);

/* The row with this name or alias, or NULL. *negated (may be NULL) is set for aliases like we. */
const struct query_option *query_option_find(const char *name, size_t n, bool *negated);
/* The name or alias with the least edit distance, copied to out. Returns out. */
const char *query_option_nearest(const char *name, char *out, size_t n);

/* Fills e's code and text, returns false. */
bool query_fail(struct query_error *e, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The start of a value for an error text, with anything but printable ASCII replaced. Returns out. */
const char *query_show(const char *value, char *out, size_t n);

/* Digits, a sign, a point; nothing else, whatever the locale. */
bool query_number(const char *text, double *out);
/* Writes it back in the fewest digits, with suffix. */
void query_number_text(double value, const char *suffix, char *out, size_t n);
/* RGB RRGGBB RRGGBBAA with or without #, a CSS name, rgb(), rgba(). */
bool query_colour_parse(const char *text, struct ic_colour *out);

/* What query_parse does, for a name and a value that are C strings. */
bool query_put(struct query *q, const struct config *c, const char *name, const char *value, struct query_error *e);

/* For order.c, which knows of JSON with several outputs. */

struct json_t;
/* An object, not nested too deeply, without duplicates; NULL: e says why. To be freed by json_decref. */
struct json_t *query_json_load(const char *json, size_t n, struct query_error *e);
/* Every member of an object as an option. */
bool query_json_put(struct query *q, const struct config *c, struct json_t *object, struct query_error *e);

/* query_allow.c, parts of query_finish. Before presets: the options that clients gave. */
bool query_allow_options(const struct query *q, const struct config *c, struct query_error *e);
/* Before presets: whether a client gave a size. After them: whether it is allowed. */
bool query_asks_size(const struct query *q);
bool query_allow_size(const struct query *q, const struct config *c, struct query_error *e);
/* Whether the operator gave this row. */
bool query_is_exempt(const struct query *q, const struct query_option *o);

/* query_dialect.c: pixpool's word for a word of fit in fit_dialect; notes in q what that says about enlarging. */
const char *query_dialect(struct query *q, const struct config *c, const char *word);

#endif
