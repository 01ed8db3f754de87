/* One request from its first record to its last: params in, body in, reply out, one access line. */
#ifndef REQUEST_H
#define REQUEST_H

#include <fcgiapp.h>

#include "dispatch.h"
#include "reply.h"

/* What the access line tells beside id, status and bytes. Handlers fill what they know. */
struct request_log {
    const char *route; /* "img", "process": static */
    enum ic_format in, out;
    uint32_t source_width, source_height, width, height;
    double queue_ms, read_ms, decode_ms, transform_ms, encode_ms;
    double predicted_ms, work_ms; /* of the job as a whole */
    int worker;                   /* -1: none */
    const char *cache;            /* X-Cache; NULL: the cache had no part in it */
    char options[2048];           /* as asked, for slow requests */
    /* request.c's own */
    double write_ms;
    size_t bytes_in, bytes_out;
};

struct request {
    struct gateway *gw;
    struct conn *conn;
    FCGX_Request fx;
    char id[65]; /* X-Request-Id, taken over or made */
    const char *method;
    bool head;
    const char *uri;        /* REQUEST_URI's path, still encoded, without the query; owned by the request */
    const char *query;      /* QUERY_STRING, "" where absent */
    int64_t content_length; /* -1: unknown */
    int64_t start_ms, deadline_ms;
    struct pool_ticket ticket;
    uint8_t *body; /* owned; NULL until request_read_body */
    size_t body_n, body_cap;
    int64_t body_until_ms; /* of a body that is read piece by piece: the deadline but for what its bytes are worth */
    bool body_done;        /* fully read, or there was none: the connection may be kept */
    bool write_share;      /* of the threads that may write large answers: request_hold, or request.c itself */
    bool streamed;         /* stream.c has sent the answer */
    bool stream_failed;    /* or could not */
    struct request_log log;
};

/* Whether its answer ends with a farewell: the server asked to keep the connection, and is about to lose it. */
bool request_parts(const struct request *rq);

/* What becomes of the connection. */
enum request_end {
    REQUEST_CLOSE,
    REQUEST_KEEP,   /* it stands at a record boundary */
    REQUEST_LINGER, /* answered before its body was read: the peer may still be sending */
    REQUEST_LATER   /* its answer is still on its way, and what becomes of it is no longer the caller's business */
};

/* An accept thread's work on a connection that holds a request header: serves one request. */
enum request_end request_serve(struct gateway *g, struct conn *c);
/* And what follows from it. */
void request_settle(struct gateway *g, struct conn *c, enum request_end end);

/* A FastCGI parameter ("HTTP_ACCEPT"), "" where absent. */
const char *request_param(const struct request *rq, const char *name);

/* Reserves memory and a ticket, or fills a with the 503. To be called before request_read_body. */
bool request_admit(struct request *rq, enum pool_lane lane, size_t bytes, struct reply *a);

/* The same for a request with a body: there must be memory for all of it, but until it is read it has only a little. */
bool request_admit_body(struct request *rq, struct reply *a);

/* Before an answer of n bytes that needs no worker and so has no ticket: sees to it that those who read slowly can't
 * take all threads. false: a holds the 503. */
bool request_hold(struct request *rq, size_t n, struct reply *a);

/* Looks at the beginning of a body, rq->body, before there is time for the rest. false: a holds the answer, and nothing
 * more of it is read. */
typedef bool request_look(struct request *rq, void *ctx, struct reply *a);

/* Reads the whole body, once it is its turn. look: NULL, or called once in between for a body that is not small, with
 * ctx. false: a holds the error (413 too large, 400 short or empty, 408 too slow, or look's own) and the connection
 * will not be kept. Needs request_admit_body's ticket, which grows with it. The time it takes has a limit of its own,
 * so the request's deadline moves by it. */
bool request_read_body(struct request *rq, request_look *look, void *ctx, struct reply *a);

/* Reads a body that is small and in the socket already, without a ticket and without waiting. false: it is not. */
bool request_read_small(struct request *rq);
/* The same for a body that is read piece by piece and kept nowhere: its size has no limit but the reader's own. begin
 * takes a share of the threads for bodies; end gives it back and judges what was read, which a handler that refuses in
 * the middle has no use for (a NULL then). */
bool request_stream_begin(struct request *rq, struct reply *a);
size_t request_stream_read(struct request *rq, uint8_t *to, size_t n); /* at least one byte, 0: no more */
/* Our own waiting is not the peer's lateness. */
void request_stream_paused(struct request *rq, int64_t ms);
bool request_stream_end(struct request *rq, struct reply *a);

/* body.c, access_log.c: parts of request.c's work. */

/* Where no handler read the body: reads STDIN to its end if that is here, or as good as here. Sets body_done. */
void request_end_input(struct request *rq);
void request_free_body(struct request *rq);

/* The access line, and a second one for a slow request. */
void access_log(const struct request *rq, const struct reply *a);

/* account.c: what an ended request adds to the metrics. */
void account_request(const struct request *rq, const struct reply *a);
/* The stages of an image that has no request of its own. */
void account_work(double decode_ms, double transform_ms, double encode_ms);

#endif
