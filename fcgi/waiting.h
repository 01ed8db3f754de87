/* The connections that hold no thread: silent ones, those with part of a request header, and those that were answered
 * before their bodies were read. Used by dispatch.c alone, in its one thread. */
#ifndef WAITING_H
#define WAITING_H

#include "handoff.h"
#include "record.h"

struct waiting {
    struct handoff *h;
    const struct config *cfg;
    int epoll;
    unsigned threads;
    bool drains, retires;
    struct conn_list idle, begun, leaving, deaf; /* oldest first */
    uint8_t peek[RECORD_SCAN_MAX];
};

/* On a zeroed w. All three are borrowed: h gets the connections whose header is here, and counts all of them; in epoll
 * a connection's tag is its struct conn. */
void waiting_init(struct waiting *w, struct handoff *h, const struct config *c, int epoll);
void waiting_free(struct waiting *w); /* closes what still waits */

/* Takes over fd, which was accepted just now. */
void waiting_accepted(struct waiting *w, int fd);
/* From a thread: a lingering one, or one at a record boundary, where the next request may lie already. */
void waiting_returned(struct waiting *w, struct conn *c);
/* epoll tells of c, which may be gone afterwards; no other one is. */
void waiting_event(struct waiting *w, struct conn *c, bool hangup);

/* Closes what has waited too long. Returns when to look again; INT64_MAX: no need. */
int64_t waiting_expire(struct waiting *w, int64_t now_ms);
/* Whether none could give way. */
bool waiting_none(const struct waiting *w);
/* Closes the one that is missed least: first the answered, then the silent, then the half-sent. There must be one. */
void waiting_give_way(struct waiting *w);
/* From now on a kept connection that is silent is closed; a new one has a moment to send its request. retires: another
 * generation serves, so that a kept one is told to ask no more, and its peer has time to close it. A server may be
 * sending a request at the very time at which we would, and call that our failure; whatever it sends is answered. */
void waiting_drain(struct waiting *w, bool retires);

#endif
