/* The processes that are not the gateway: spawner and workers, and what passes between them. */
#ifndef PROCESS_H
#define PROCESS_H

#include <sys/types.h>

#include "config.h"

/* Where the spawner gets what comes next: the configuration as it is now, and this program as it is now. */
struct spawner_source {
    struct config *(*load)(void *ctx, char *err, size_t n); /* malloc'd; NULL: err says why */
    void *ctx;
    const char *exe;   /* path */
    char *const *argv; /* as this program was started: [0] its name, [1] "serve" or nothing, then words */
};

/* spawner.c: the first process. Forks the gateway, then workers; reaps, writes obituaries, gives birth again with a
 * brake on crash loops; SIGHUP reloads, SIGUSR2 upgrades, SIGTERM and SIGINT drain. Reads no client byte. source may be
 * NULL: then it can neither reload nor upgrade. Returns the exit status. */
int spawner_run(const struct config *c, int listen_fd, const struct spawner_source *source);
/* The same for a command that needs workers: run stands in the gateway's place, with the socket on which births come,
 * and when it ends, all ends. Returns its exit status. */
int spawner_run_for(const struct config *c, int (*run)(const struct config *c, int births));

/* worker.c: runs jobs from socket until it closes; never returns. Adds 1 to the eventfd `tally` as each job arrives, so
 * that the spawner knows what a dead worker had been given; -1: nobody counts. */
_Noreturn void worker_run(const struct config *c, int index, int socket, int memfd, int tally);

#define WORKER_CPU_S 3600 /* RLIMIT_CPU; the pool retires a worker well before that */

/* sandbox.c: what processes give up. sandbox_prepare: in the spawner, before its first fork. */
void sandbox_prepare(const struct config *c);
/* What a process has given up, as far as this system takes it. All zeroes: nothing. */
struct sandbox_state {
    uint8_t filter;     /* of system calls: SANDBOX_LOGS, SANDBOX_ENFORCES */
    uint8_t landlock;   /* its version */
    uint8_t privileges; /* 1: may gain none */
    uint8_t limits;     /* rlimits: SANDBOX_SOME, SANDBOX_ALL */
};
enum { SANDBOX_NO_FILTER, SANDBOX_LOGS, SANDBOX_ENFORCES };
enum { SANDBOX_NONE, SANDBOX_SOME, SANDBOX_ALL };

/* A worker, before its first job: after it nothing can be opened. false: c demands more than this system has, and it
 * must not work. */
bool sandbox_enter(const struct config *c, struct sandbox_state *active);
/* "limits, no-new-privs, landlock v7, seccomp", or "off". */
void sandbox_phrase(const struct sandbox_state *active, char *out, size_t n);
/* A gateway, before its first thread. false: it has given up nothing. */
bool sandbox_gateway(const struct config *c);

/* ipc.c: messages with descriptors over SEQPACKET. */
struct ipc_born {
    int index;
    pid_t pid;
};
/* Never blocks; the descriptors stay the caller's. false: errno, EAGAIN where the reader is far behind. */
bool ipc_send_born(int to, const struct ipc_born *b, int socket, int pidfd, int memfd);
/* Blocks unless `from` is O_NONBLOCK (the gateway's end is). The descriptors become the caller's.
 * false: errno is EAGAIN (nothing there), EPROTO (nonsense, skipped), or 0 and others: the sender is gone. */
bool ipc_recv_born(int from, struct ipc_born *b, int *socket, int *pidfd, int *memfd);

/* A word from the gateway to the spawner, with a descriptor or none (fd -1), which stays the caller's. Never blocks. */
#define IPC_READY 'r' /* it serves */
#define IPC_WANT  'w' /* a worker, which shall hold this descriptor for life */
#define IPC_DROP  'd' /* that one is not wanted any more, if it is not born yet */
bool ipc_send_word(int to, char word, int fd);
/* Never blocks. *fd becomes the caller's; -1: none. false: errno as from ipc_recv_born. */
bool ipc_recv_word(int from, char *word, int *fd);

/* mailbox.c: one sealed memfd per birth, mapped for life on both sides: [ in | out ]. */
struct mailbox {
    uint8_t *in, *out; /* mapped, 64-byte aligned */
    size_t in_size, out_size;
};
int mailbox_create(size_t in_size, size_t out_size); /* a memfd of fixed size, or -1 */
/* memfd -1: private memory of the same shape, for jobs that run in this process. */
bool mailbox_map(struct mailbox *m, int memfd, size_t in_size, size_t out_size);
void mailbox_unmap(struct mailbox *m); /* accepts a zeroed one */
/* After a job that used much: gives the pages back. Contents become zeroes. Does nothing after a small job. */
void mailbox_punch(struct mailbox *m, int memfd, size_t used_in, size_t used_out);

/* listen.c: the listening socket of c->listen: unix:/path (a live one is never unlinked), host:port, [v6]:port, fd:0;
 * systemd's LISTEN_FDS and a listening fd 0 go first. Never 0, 1 or 2, never blocking. -1: err says why. */
int listen_open(const struct config *c, char *err, size_t errsize);
/* upgrade.c: the listening socket of the program that this one replaced in the same process; -1: there was none. */
int upgrade_listen_fd(void);
/* Removes the unix socket that listen_open made, where it is still that one. */
void listen_remove(void);

#endif
