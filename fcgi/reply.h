/* What a handler answers: an image, JSON, or a problem. Built by handlers, rendered and sent by request.c. */
#ifndef REPLY_H
#define REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../imgcore/imgcore.h"

#define REPLY_HEADERS 3072
#define REPLY_HEAD    (REPLY_HEADERS + 512) /* room for a rendered header block */

struct reply {
    int status;
    const char *type;            /* Content-Type; NULL: no body */
    char headers[REPLY_HEADERS]; /* further lines, "Name: value\r\n" each */
    size_t headers_n;
    uint8_t *body; /* owned (malloc) */
    size_t body_n;
    bool from_file; /* the body is not here but in file, from file_at on */
    int file;       /* owned */
    int64_t file_at;
    const char *code; /* of a problem, for the log; NULL otherwise */
    bool no_length;   /* HEAD answered from the plan: the length is not known */
    char vary[48];    /* names for one Vary line; "": none */
    /* Of a problem: its JSON is made by reply_render, which knows the request's id. */
    const char *title; /* static */
    char option[48];   /* "": none is to blame */
    char detail[256];
    int retry_after_s; /* 0: none */
};

/* Adds a header line; CR, LF and control bytes in the value are replaced. Lines beyond the space are dropped. */
void reply_header(struct reply *a, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Adds a name to the Vary line: one line, because caches of the field read only one. */
void reply_vary(struct reply *a, const char *name);

/* Takes over body (malloc). */
void reply_body(struct reply *a, int status, const char *type, uint8_t *body, size_t n);
/* Takes over fd: the body is read from it when it is sent. */
void reply_file(struct reply *a, int status, const char *type, int fd, int64_t at, size_t n);
void reply_text(struct reply *a, int status, const char *type, const char *text); /* copies */

/* RFC 9457 problem+json. code is a stable word ("option_unknown"), detail one sentence that says what to do.
 * Replaces whatever the reply held. Adds Cache-Control: no-store (404: max-age=10). */
void reply_problem(struct reply *a, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with the option that is to blame. */
void reply_problem_option(struct reply *a, const char *option, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Lets nginx's cache hold this refusal for a second, in the place of a picture that was made when the URL was still
 * good: what it may not keep at all it does not let displace anything. Nothing where it is no refusal, or a 404, whose
 * Cache-Control does the same. */
void reply_displaces(struct reply *a);
/* 503 with Retry-After. */
void reply_busy(struct reply *a, int retry_after_s, const char *detail);
/* The only place where an image error becomes HTTP. */
void reply_error(struct reply *a, const struct ic_error *e, int retry_after_s);

/* The status that reply_error gives. */
int reply_status(enum ic_code code);

/* The header block as FastCGI wants it ("Status: 200 OK\r\n" ... empty line) into out, with X-Request-Id; makes the
 * body of a problem. Once per reply. Returns the block's length. */
size_t reply_render(struct reply *a, const char *id, char out[REPLY_HEAD]);

void reply_free(struct reply *a); /* accepts a zeroed reply */

#endif
