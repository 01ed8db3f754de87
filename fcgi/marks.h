/* The watermarks of one job: what its options name, found, read, and put beside the source.
 *
 *     marks_upload    a part of the form                      while the body is read
 *     marks_find      names -> files, and numbers in recipes  after query_finish, for each output
 *     marks_load      files -> bytes                          once there is a ticket
 *     marks_hand      bytes -> inputs of the job
 */
#ifndef MARKS_H
#define MARKS_H

#include "config.h"
#include "order.h"
#include "pool.h"
#include "query.h"
#include "source.h"

#define MARKS_ETAG 1024 /* bytes that hold marks_etag's text */

struct mark_input {
    char name[QUERY_TEXT];      /* as the option gave it */
    struct ic_bytes bytes;      /* borrowed from the configuration or the body, or from `owned`; p NULL: to be read */
    struct source file;         /* by path; fd -1: none */
    uint8_t *owned;             /* owned */
    bool named;                 /* in the configuration, which knows the hash */
    uint8_t hash[IC_MARK_HASH]; /* of bytes */
};

struct marks {
    int n;
    struct mark_input in[IC_MARKS];
    struct ic_bytes upload[IC_MARKS]; /* borrowed; p NULL: there is none */
};

void marks_init(struct marks *m);
void marks_free(struct marks *m); /* accepts an initialised one */

/* Whether a part of a form is a watermark: `watermark`, or `watermark.1` .2, with a file in it. Takes it, then;
 * it is borrowed from the body. */
bool marks_upload(struct marks *m, const char *name, bool file, struct ic_bytes data);

/* Finds what q names, and tells q's recipe which input each is. Where nothing is named, an uploaded one is meant.
 * false: e names the option and, where that helps, the names there are; its code is "busy" where it is our trouble. */
bool marks_find(struct marks *m, const struct config *c, struct query *q, struct query_error *e);

/* The same for every output of an order. */
bool marks_find_all(struct marks *m, const struct config *c, struct order *o, struct query_error *e);

/* Reads what is still to be read; grows the ticket by it (t NULL: there is none). IC_E_BUSY: no memory for it. */
enum ic_code marks_load(struct marks *m, struct pool_ticket *t, struct ic_error *e);

/* Puts the marks behind the source of a job that has one input so far. They are borrowed until it ends. */
void marks_hand(const struct marks *m, struct job *j, struct pool_input *in);

/* What an ETag must hold of them and of the text in q: which files, of which contents. After marks_find. Returns out.
 */
const char *marks_etag(const struct marks *m, const struct query *q, const struct config *c, char *out, size_t n);

#endif
