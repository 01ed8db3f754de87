/* Limits across processes, for web servers that start many and send each one request at a time (mod_fcgid).
 *
 * One file for all processes of a user. Its bytes are never looked at, only locked: N of them are the workers of the
 * account, Q its queue. A lock ends with the last descriptor of its opening, so with any death, and nobody has to clean
 * up after anybody.
 *
 *     slots_take -> a worker's byte; or a place in the queue, then slots_promote every few milliseconds; or a refusal
 *     slots_leave -> gives back what is held
 */
#ifndef SLOTS_H
#define SLOTS_H

#include "config.h"

struct slots {
    const char *file; /* owned */
    bool private;     /* in a directory of its own, which must be ours alone */
    int workers, queue;
};

/* c is borrowed for the call. false: why says what is wrong with the file, and what to do. */
bool slots_init(struct slots *s, const struct config *c, char *why, size_t n);
void slots_free(struct slots *s); /* accepts a zeroed one */

/* What one request holds. Whoever has a duplicate of fd holds it as well: a worker gets one, so that its byte is not
 * free before it has ended, however its gateway did. */
struct slot {
    int fd;      /* owned; -1: nothing is held */
    int place;   /* in the queue; -1: none */
    bool worker; /* a worker's byte is held */
};

enum slots_answer { SLOTS_HELD, SLOTS_FULL, SLOTS_BROKEN };

/* Never blocks. SLOTS_HELD: *out is a worker's byte or, while all are taken or others wait, a place in the queue.
 * SLOTS_BROKEN: errno, the file can't be had. */
enum slots_answer slots_take(const struct slots *s, struct slot *out);
/* From the queue to a worker's byte, if one is free now. */
bool slots_promote(const struct slots *s, struct slot *held);
void slots_leave(struct slot *held);                              /* accepts one that holds nothing */
int slots_waiting(const struct slots *s, const struct slot *any); /* places taken by others */

/* What all of them know: how long jobs take, and up to when refused clients were told to stay away. Small, written as a
 * whole, and sane whatever the file holds; the last writer wins. */
struct slots_book {
    double job_ms;    /* moving average; 0: nobody has worked yet */
    double booked_ms; /* on clock_ms() */
};
struct slots_book slots_book_read(const struct slots *s);
void slots_book_write(const struct slots *s, const struct slots_book *b);

#endif
