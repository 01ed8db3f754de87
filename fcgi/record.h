/* FastCGI records as bytes: looking at a request header without consuming it, and framing an answer.
 *
 * Pure but for record_send and record_push. The specification's section numbers stand beside the constants. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RECORD_HEADER   8     /* bytes before the content, section 3.3 */
#define RECORD_SCAN_MAX 65536 /* a request header longer than this is refused */
#define RECORD_ANSWER   96    /* room for the answer to a management record */

enum record_type {
    RECORD_BEGIN = 1,
    RECORD_END = 3,
    RECORD_PARAMS = 4,
    RECORD_STDOUT = 6,
    RECORD_STDERR = 7,
    RECORD_GET_VALUES = 9,
    RECORD_GET_VALUES_RESULT = 10,
    RECORD_UNKNOWN_TYPE = 11,
};

enum record_role { RECORD_RESPONDER = 1 };
enum record_end { RECORD_COMPLETE = 0, RECORD_UNKNOWN_ROLE = 3 };

enum record_verdict {
    RECORD_MORE,       /* sound as far as it goes */
    RECORD_REQUEST,    /* a whole header: BEGIN_REQUEST and PARAMS up to the empty one */
    RECORD_MANAGEMENT, /* a whole management record stands in front */
    RECORD_BAD,        /* no byte that follows can make this a request */
};

struct record_head {
    size_t length; /* bytes of the header, or of the management record */
    uint16_t id, role;
    bool keep;
};

/* Judges the first n bytes of a connection at a record boundary. out is set with RECORD_REQUEST and RECORD_MANAGEMENT.
 *
 * Stricter than libfcgi, which is to parse the same bytes afterwards: name-value lengths must fit into the stream
 * (libfcgi allocates what they claim), and no other request or management record may come between. Whatever passes
 * here, libfcgi accepts. */
enum record_verdict record_scan(const uint8_t *p, size_t n, struct record_head *out);

/* Answers one whole management record of n bytes (section 4): GET_VALUES with limit for connections and requests and no
 * multiplexing, anything else with UNKNOWN_TYPE. Returns the bytes of the answer in out. */
size_t record_answer(const uint8_t *p, size_t n, unsigned limit, uint8_t out[RECORD_ANSWER]);

/* END_REQUEST for a request that is refused: 16 bytes. */
void record_end(uint8_t out[16], uint16_t id, enum record_end status);

/* FastCGI has no word for "this connection is about to be closed", and the end of the stream may come a moment too
 * late: a server may have chosen the connection for its next request by then, and calls the loss of that our failure.
 * But nginx does not keep a connection on which something follows the answer, and closes a kept one on which anything
 * comes. So this comes: a record of standard error without content, which does no harm where it meets a request that
 * was on its way, and is answered on a connection that is still open. Returns its length. */
size_t record_farewell(uint8_t out[RECORD_HEADER], uint16_t id);

#define RECORD_BATCH 8                      /* records a call: half a megabyte */
#define RECORD_CHUNK 65528                  /* the largest multiple of 8 in a record: full ones need no padding */
#define RECORD_IOV   (4 * RECORD_BATCH + 1) /* header, two pieces, padding; and the end */

/* Head and body of an answer, cut into STDOUT records. */
struct record_reply {
    uint16_t id;
    const uint8_t *part[2]; /* borrowed: head, body */
    size_t left[2];
    bool open;     /* more will be sent by a later one: no end */
    bool farewell; /* may be set after init: the server asked to keep the connection, and it will be closed */
    bool ended;
    uint8_t headers[RECORD_BATCH][RECORD_HEADER];
    uint8_t end[RECORD_HEADER + 16 + RECORD_HEADER]; /* empty STDOUT, END_REQUEST, farewell */
};

void record_reply_init(struct record_reply *r, uint16_t id, struct iovec head, struct iovec body);
/* Fills iov with the next batch, which stays valid until the next call. Returns its length; 0: all was given. */
int record_reply_next(struct record_reply *r, struct iovec iov[RECORD_IOV]);

/* Sends all of iov on a blocking socket, changing iov as it goes. false: errno. */
bool record_send(int fd, struct iovec *iov, int n);
/* Sends what the socket takes without waiting, and leaves the rest in m, whose iov it changes. false: errno, EAGAIN
 * where there is a rest. */
bool record_push(int fd, struct msghdr *m);

#endif
