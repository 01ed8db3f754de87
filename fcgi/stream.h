/* An answer that is sent while it is made, by the thread that holds the request: results of many images.
 *
 * The header goes first, and nothing after it can turn success into a failure: what fails later is told inside. */
#ifndef STREAM_H
#define STREAM_H

#include "request.h"

struct stream {
    struct request *rq; /* borrowed */
    uint8_t *buf;       /* owned */
    size_t n;
    bool vacated; /* the place in the queue was given back for a share of the writers */
};

/* Sends the header block of head, which holds a status, a type and header lines. The body must have been read.
 * false: nothing was sent, head is the 503. */
bool stream_begin(struct stream *s, struct request *rq, struct reply *head);

/* false, from then on: the peer is gone, or too slow. Bytes are collected until there are enough, or stream_flush. */
bool stream_write(struct stream *s, const void *p, size_t n);
bool stream_flush(struct stream *s);

/* The work is done and only writing is left: gives back the place in the queue where a share of the writers is free. */
void stream_vacate(struct stream *s);

/* The end of the answer; false: the peer did not get all of it. Must follow a stream_begin that succeeded. */
bool stream_end(struct stream *s);
/* The same without an end, so that the peer sees that the answer was cut off. */
void stream_abort(struct stream *s);

#endif
