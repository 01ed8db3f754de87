/* What a request wants made of each of its images: one output, or up to 32 named ones.
 *
 * Options come by the URL, by form fields and by JSON operations; operations may hold `outputs`, each with options of
 * its own, for which all others are the base. */
#ifndef ORDER_H
#define ORDER_H

#include "job.h"
#include "query.h"

#define ORDER_NAME   48 /* bytes of an output's name */
#define ORDER_SINGLE "default"

struct order_output {
    char name[ORDER_NAME + 1]; /* letters, digits, _ and -: safe in a file name, a URL and a header */
    struct query query;        /* finished */
};

struct order {
    struct query base;
    bool operations;              /* were given */
    bool named;                   /* outputs have names that the client chose or the configuration gives */
    int n;                        /* outputs */
    struct order_output *outputs; /* owned; finished by order_finish */
    struct json_t *recipe;        /* owned; what was given, NULL unless order_record */
};

void order_init(struct order *o);
void order_free(struct order *o); /* accepts an initialised or finished one */

/* The three doors; in all of them c may be NULL, as for query_parse. false: e says why. */
bool order_url(struct order *o, const struct config *c, const char *text, struct query_error *e);
bool order_field(struct order *o, const struct config *c, const char *name, const char *value, size_t n,
                 struct query_error *e);
bool order_operations(struct order *o, const struct config *c, const char *json, size_t n, struct query_error *e);

/* What stands for outputs where none are given. */
enum order_kind {
    ORDER_ONE, /* one output of the base's options; given outputs are an error */
    ORDER_ANY, /* one output of the base's options */
    ORDER_SET, /* the configured set */
};

/* After the last option. */
bool order_finish(struct order *o, const struct config *c, enum order_kind kind, struct query_error *e);

/* Takes over only the outputs of these names, separated by commas, of the configured set. */
bool order_select(struct order *o, const struct config *c, const char *names, struct query_error *e);

/* order_recipe.c: an order that outlives its request. */

/* From now on what is given is noted as well. false: out of memory. */
bool order_record(struct order *o);
/* The notes, borrowed. NULL: there are none, or something was given that JSON can't hold. */
struct json_t *order_recipe(const struct order *o);
/* Gives an initialised order all that stands in a recipe, and finishes it. */
bool order_replay(struct order *o, const struct config *c, const struct json_t *recipe, struct query_error *e);

/* Between the two files. */
void order_note(struct order *o, const char *what, const char *text, size_t n);
void order_note_pair(struct order *o, const char *list, const char *name, const char *value, size_t n);
bool order_put_configured(struct order *o, const struct config *c, const char *name, const char *options,
                          struct query_error *e);

#endif
