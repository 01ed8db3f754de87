/* One image in the body of a request, and what to make of it: the front half of process and renditions.
 *
 * The body is the image itself, or a form with the image in a part `file` and options beside it, in any order. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "marks.h"
#include "multipart.h"
#include "order.h"
#include "request.h"

struct upload {
    struct order order;
    bool form; /* multipart/form-data */
    struct marks marks;
    struct ic_bytes file; /* borrowed from the body; p NULL: not seen */
    char name[256];       /* of the file as sent, "" where there is none: not to be used as a path */
};

/* What URL and headers say, so that nobody uploads megabytes to learn of a misspelt option; query: the options in it.
 * record: note them for later, see order_record.
 * false: a holds the error. Always to be followed by upload_free. */
bool upload_begin(struct upload *u, struct request *rq, const char *query, bool record, struct reply *a);
/* Takes a ticket, reads the body and the form in it. false: a holds the error. */
bool upload_read(struct upload *u, struct request *rq, struct reply *a);
/* Its second half, where the body was read otherwise. */
bool upload_parse(struct upload *u, struct request *rq, struct reply *a);
void upload_free(struct upload *u);

/* Whether a part of this name is an image. */
bool upload_is_file(const char *name);

#endif
