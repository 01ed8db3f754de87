/* The option table and its parser: query strings, the path form, form fields, JSON operations and the command line all
 * come through here, so that one row declares an option for every door. */
#ifndef QUERY_H
#define QUERY_H

#include <stdio.h>

#include "config.h"

#define QUERY_TEXT 128 /* bytes of a text option, its NUL included */

/* Options of one output, with what is not imgcore's business. Fields below `seen` are what the doors fill and
 * query_finish turns into the recipe; handlers have no use for them. */
struct query {
    struct ic_recipe recipe;
    bool format_auto;   /* format=auto: negotiate Accept */
    int64_t maxage_s;   /* -1: not given */
    char v[QUERY_TEXT]; /* cache buster */
    bool explain;       /* the plan instead of the image */
    bool dl;            /* Content-Disposition: attachment */
    char filename[QUERY_TEXT];
    int64_t expires_s;          /* Unix time; -1: not given */
    char signature[QUERY_TEXT]; /* s */
    char key_id[QUERY_TEXT];    /* k */
    uint64_t seen[2];           /* rows of the table that were given, for repeats and presets */
    int format;                 /* enum ic_format, or QUERY_FORMAT_AUTO */
    int mirror;                 /* of flip=: bits of enum ic_turn */
    bool flop;
    struct query_colour {
        struct ic_colour colour;
        bool given;
    } bg, start, stop, tint;
    char preset[QUERY_TEXT];         /* names, comma-separated */
    uint64_t exempt[2];              /* rows that the operator gave: allowed_* do not concern them */
    bool own;                        /* the operator began it, perhaps with no row at all: no preset is required */
    int fit_enlarges;                /* of a fit in another service's words: enum query_enlarge */
    char mark[IC_MARKS][QUERY_TEXT]; /* what marks.c looks for */
    char font[QUERY_TEXT];           /* of the text */
    struct query_colour text_colour;
};

enum query_enlarge { QUERY_SILENT, QUERY_ENLARGES, QUERY_KEEPS };

#define QUERY_FORMAT_AUTO IC_FORMATS

/* What went wrong, for a 400 and for the command line. */
struct query_error {
    char option[48];  /* the name as it was given, "" where none is to blame */
    const char *code; /* "option_unknown" "option_range" "option_repeated" "option_malformed" "option_clash"
                         "option_not_allowed" */
    char text[240];
};

void query_init(struct query *q);

/* In all of these c may be NULL: nothing is ignored, there are no presets. */

/* A query string: k=v&k=v, percent-encoded, + is a space. */
bool query_parse(struct query *q, const struct config *c, const char *text, struct query_error *e);
/* The path form's segment and the command line: k=v,k=v; a piece without = continues the value before it. */
bool query_parse_list(struct query *q, const struct config *c, const char *text, struct query_error *e);
/* One decoded pair: form fields. n bytes of value. */
bool query_set(struct query *q, const struct config *c, const char *name, const char *value, size_t n,
               struct query_error *e);
/* {"width":800,...}: n bytes of JSON. */
bool query_parse_json(struct query *q, const struct config *c, const char *json, size_t n, struct query_error *e);
/* Takes over from p, which is not finished either, the options that q leaves open. */
void query_fill(struct query *q, const struct query *p);
/* What was given so far is the operator's own: allowed_options and the like do not concern it. Before query_finish. */
void query_exempt(struct query *q);
/* After the last option: refuses what is not allowed, applies presets below what was given, checks clashes. Required
 * before the recipe is used. */
bool query_finish(struct query *q, const struct config *c, struct query_error *e);

/* Whether a segment of the path form begins with a known option. */
bool query_is_options(const char *segment, size_t n);
/* Whether name, or an alias of it, is in the table. */
bool query_is_known(const char *name);
/* Whether ignore_options names it, or names its beginning with a * behind. c may be NULL. */
bool query_ignored(const struct config *c, const char *name);
/* Whether the option was given so far, by any of its names. */
bool query_given(const struct query *q, const char *name);

/* Whether allowed_options and allowed_sizes can be read. false: why says what is wrong. */
bool query_allow_valid(const struct config *c, char *why, size_t n);

/* The options that differ from their defaults in table order, "w=800,h=600", for ETags and logs; after query_finish.
 * Always terminated. Returns the length needed, without the NUL; QUERY_CANONICAL bytes hold any. */
#define QUERY_CANONICAL 4096
size_t query_canonical(const struct query *q, char *out, size_t n);

/* The table as a JSON array (malloc'd text), as lines of help, as a table in Markdown, and as entries of a manual page;
 * and name=word,word lines for whoever completes them. */
char *query_table_json(void);
void query_help(FILE *to);
void query_markdown(FILE *to);
void query_man(FILE *to);
void query_words(FILE *to);

#endif
