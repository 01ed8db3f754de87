/* What the files of the spawner share: spawner.c (signals, the loop), generation.c (births and deaths), upgrade.c (a
 * new binary). Nobody else includes this. */
#ifndef SPAWNER_PRIVATE_H
#define SPAWNER_PRIVATE_H

#include <sys/types.h>

#include "ledger.h"
#include "process.h"

#define SPAWNER_GENERATIONS LEDGER_SLOTS
#define SPAWNER_MARGIN_MS   500 /* for the gateway to end by itself after grace, and for workers after the gateway */

/* One place for a process: a gateway's, or that of worker k. Nothing in it is handed to anybody else. */
struct life {
    char who[24];
    pid_t pid;     /* 0: to be born at due_ms */
    int tally;     /* eventfd that counts the jobs it received; -1: there is none */
    int autogroup; /* owned: for priority_settle, while there is something to do; -1: there is not */
    int64_t born_ms, due_ms;
    int futile; /* deaths in a row of processes that were young and had done nothing */
};

/* A gateway and its workers, all of one configuration. */
struct generation {
    const struct config *c;
    struct config *own; /* owned: c, where a reload made it; NULL otherwise */
    int place;          /* in the ledger */
    struct life gateway;
    int to_gateway;       /* births go here, and its words come from here; -1: none */
    int slot;             /* owned: what the worker shall hold that the gateway wants; -1: it wants none (slots.h) */
    struct life *workers; /* owned */
    int n;
    bool adopted;      /* born by the spawner that this one replaced: gets no more workers */
    bool ready;        /* its gateway serves, and said so */
    bool retired;      /* drains: its gateway is not born again */
    bool failed;       /* was to serve and could not */
    int64_t kill_ms;   /* while retired, or not ready yet: when it is killed; INT64_MAX: not */
    int64_t settle_ms; /* when priorities that workers could not take are tried again; INT64_MAX: all have theirs */
};

struct spawner {
    const struct spawner_source *source;            /* borrowed; NULL: neither reload nor upgrade */
    int (*run)(const struct config *c, int births); /* in the gateway's place; NULL: the gateway */
    int run_status;
    int listen_fd, signals;
    struct generation *serving;                  /* the one that is kept alive */
    struct generation *next;                     /* about to take its place; NULL: none */
    struct generation *all[SPAWNER_GENERATIONS]; /* owned; NULL: free */
    bool stopping, reload_due;
    int64_t kill_ms;  /* while stopping: when whoever is left is killed */
    int64_t pulse_ms; /* when the manager hears next that all is well; INT64_MAX: it does not ask */
    pid_t trial;      /* the new binary, asked whether it starts at all; 0: none */
    int64_t trial_ms;
};

/* generation.c */

/* A place for one more; NULL: all are taken, or out of memory. own: taken over with it, on success only. */
struct generation *generation_create(struct spawner *s, const struct config *c, struct config *own);
/* The same in the place that it has had before, with all that it booked there. */
struct generation *generation_create_at(struct spawner *s, int slot, const struct config *c, struct config *own);
void generation_births(struct spawner *s, struct generation *g); /* whoever is due */
/* A death, if it is one of g's. */
bool generation_bury(struct spawner *s, struct generation *g, pid_t pid, int status);
void generation_kill(const struct generation *g); /* the gateway, or what it left */
void generation_settle(struct generation *g);     /* priorities that are due */
bool generation_deserted(const struct generation *g);
void generation_free(struct spawner *s, struct generation *g);
void generation_hear(struct generation *g);                                     /* what its gateway says */
int64_t generation_due_ms(const struct spawner *s, const struct generation *g); /* the next birth; INT64_MAX: none */

/* spawner.c */

void spawner_retire(struct generation *g); /* its gateway drains; once more does no harm */

/* upgrade.c */

void upgrade_begin(struct spawner *s); /* asks the new binary */
/* A death, if it is the trial's; where all is well it does not return: this process is the new binary. */
bool upgrade_bury(struct spawner *s, pid_t pid, int status);
void upgrade_expire(struct spawner *s);
/* What the spawner before this one left: its generations, which become serving until s->next serves. */
void upgrade_adopt(struct spawner *s, const struct config *c);

#endif
