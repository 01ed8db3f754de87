/* A request whose answer goes out: request.c, which serves it, serving.c, which sends, and leftovers.c, which waits for
 * slow readers. Nobody else includes this. */
#ifndef SERVING_H
#define SERVING_H

#include "leftovers.h"
#include "record.h"
#include "request.h"

/* On the heap, so that it may outlive the thread's turn. Owned by one thread at a time. */
struct serving {
    struct request rq;
    struct reply a;
    int copy; /* libfcgi's descriptor; owned; -1: no longer needed */
    char head[REPLY_HEAD];
    struct record_reply out;
    struct iovec iov[RECORD_IOV];
    struct msghdr rest; /* of the batch that iov holds */
    size_t given;       /* bytes that out was given */
    uint8_t *piece; /* owned; of a body in a file, of which left more bytes follow from at on. NULL: it is in memory */
    size_t left;
    int64_t at, from_us;
    struct serving *next; /* leftovers.c's own */
};

enum sent { SENT_ALL, SENT_PART, SENT_FAILED };

/* In an accept thread: renders the answer and sends it, for as long as the reader keeps up. SENT_PART: it does not, and
 * leftovers_take may wait for it. */
enum sent serving_begin(struct serving *s);
/* Sends what the socket takes now. */
enum sent serving_send(struct serving *s);
/* request.c, afterwards: log, metrics, and s is freed. Returns what becomes of its connection. */
enum request_end serving_end(struct serving *s, bool sent);

/* To leftovers.c, which takes s over: the caller is done with it and with its connection. */
void leftovers_take(struct leftovers *l, struct serving *s);

#endif
