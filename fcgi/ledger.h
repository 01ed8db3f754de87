/* What the processes of one pixpool know of each other: bytes in flight of each generation, what its workers gave up,
 * and the latest deaths.
 * Shared memory, made by the spawner: numbers and words, no locks. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "process.h"

#define LEDGER_SLOTS  4 /* generations at one time */
#define LEDGER_DEATHS 24

/* The spawner, before its first fork. fd: what ledger_fd() gave the binary that this one replaced, taken over where
 * both mean the same by it (true); -1: there was none. */
bool ledger_share(int fd);
int ledger_fd(void);       /* the spawner; -1: it is not shared */
void ledger_leave(void);   /* a worker, before it is given anything */
void ledger_sit(int slot); /* a gateway or a worker: what it books and tells from now on is its slot's */

/* Bytes in flight. ledger_book: takes them if all generations together stay within max. */
bool ledger_book(size_t bytes, size_t max);
void ledger_unbook(size_t bytes);
size_t ledger_booked(void); /* by all */
/* The spawner: a gateway is dead, and what it held with it; or so much is taken for what a retired one keeps alive. */
void ledger_clear(int slot);

/* A worker, once its sandbox is closed; and what the latest one of this generation told. */
void ledger_tell(const struct sandbox_state *active);
struct sandbox_state ledger_told(void);

/* A gateway's dispatcher went round at that time (clock_ms); the latest such time of a slot, 0 where there was none. */
void ledger_beat(int64_t now_ms);
int64_t ledger_beat_ms(int slot);

struct ledger_death {
    int64_t at_s; /* since 1970 */
    pid_t pid;
    int64_t age_ms, jobs;
    char who[24], end[48]; /* "worker 2"; "SIGSEGV", "exit 0" */
};
void ledger_mourn(const struct ledger_death *d); /* the spawner alone */
/* The latest first. Returns how many. */
int ledger_deaths(struct ledger_death out[LEDGER_DEATHS]);

#endif
