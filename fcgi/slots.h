/* Limits across processes, for web servers that start many and send each one request at a time (mod_fcgid).
 *
 * One file for all processes of a user. Its bytes are never looked at, only locked: N of them are the workers of the
 * account, N + Q the places of requests that are in, at work or waiting. A lock ends with the last descriptor of its
 * opening, so with any death, and nobody has to clean up after anybody.
 *
 *     slots_take    -> a place, or a refusal
 *     slots_promote -> a worker's byte as well, once there is one: asked every few milliseconds
 *     slots_leave   -> gives back what is held
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
    int place;   /* -1: none */
    bool worker; /* a worker's byte is held, too */
    bool asked;  /* for one, before */
};

enum slots_answer { SLOTS_HELD, SLOTS_FULL, SLOTS_BROKEN };

/* A place. Never blocks. SLOTS_BROKEN: errno, the file can't be had. */
enum slots_answer slots_take(const struct slots *s, struct slot *out);
/* A worker's byte, if one is free now. Whoever asks for the first time lets those go first who wait already. */
bool slots_promote(const struct slots *s, struct slot *held);
void slots_leave(struct slot *held); /* accepts one that holds nothing */

/* What others hold. */
struct slots_load {
    int places, workers;
};
struct slots_load slots_load(const struct slots *s, const struct slot *mine); /* mine may hold nothing */

/* What all of them know: how long jobs take, and up to when refused clients were told to stay away. Small, written as a
 * whole, and sane whatever the file holds; the last writer wins. */
struct slots_book {
    double job_ms;    /* moving average; 0: nobody has worked yet */
    double booked_ms; /* on clock_ms() */
};
struct slots_book slots_book_read(const struct slots *s);
void slots_book_write(const struct slots *s, const struct slots_book *b);

#endif
