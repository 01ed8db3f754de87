/* The dispatcher's loop, and peers made by hand: the fixtures of its tests.
 *
 * Each test is a process of its own, so that it may send itself signals and lower its limits. */
#ifndef TESTS_DISPATCHING_H
#define TESTS_DISPATCHING_H

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/handoff.h"
#include "conns.h"

static struct config cfg;
static struct dispatch *d;
static struct sockaddr_un where;
static pthread_t loop;
static int listener, spawner[2];

static inline void *run(void *arg)
{
    return (void *)(intptr_t)dispatch_run(arg);
}

static inline void loop_start(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    where = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(where.sun_path + 1, sizeof where.sun_path - 1, "pixpool-test-%d", (int)getpid()); /* abstract */
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&where, sizeof where), 0);
    ck_assert_int_eq(listen(listener, 64), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, spawner), 0);
    d = dispatch_create(&cfg, NULL, listener, spawner[0]);
    ck_assert_ptr_nonnull(d);
    ck_assert_int_eq(pthread_create(&loop, NULL, run, d), 0);
}

static inline void cfg_setup(void)
{
    cfg = (struct config){
        .workers = 1, .threads = 12, .header_timeout_ms = 150, .idle_timeout_ms = 1000, .grace_ms = 600
    };
}

static inline void loop_setup(void)
{
    cfg_setup();
    loop_start();
}

/* For what happens at once: no time limit could bring it about. */
static inline void patient_setup(void)
{
    cfg_setup();
    cfg.header_timeout_ms = cfg.idle_timeout_ms = cfg.grace_ms = 60000;
    loop_start();
}

static inline enum dispatch_end loop_end(void)
{
    void *end;
    pthread_join(loop, &end);
    return (enum dispatch_end)(intptr_t)end;
}

/* Ends the loop in order, and lets a sanitizer see what was not freed. */
static inline void loop_teardown(void)
{
    kill(getpid(), SIGTERM);
    ck_assert_int_ne(loop_end(), DISPATCH_ORPHANED);
    dispatch_free(d);
    close(listener);
    close(spawner[0]);
    close(spawner[1]);
}

static inline int join(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

/* BEGIN_REQUEST, one pair, the empty PARAMS. */
static const uint8_t header[] = "\1\1\0\1\0\x08\0\0\0\1\1\0\0\0\0\0"
                                "\1\4\0\1\0\x04\0\0\1\1AB"
                                "\1\4\0\1\0\0\0\0";
#define HEADER ((int)sizeof header - 1)

static inline void give(int fd, const void *p, int n)
{
    ck_assert_int_eq(send(fd, p, (size_t)n, MSG_NOSIGNAL), n);
}

/* Milliseconds until the peer has ended the connection; -1: it has not within 20 s. */
static inline int ended_after(int fd)
{
    int64_t from = clock_ms();
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll(&p, 1, 20000) <= 0 || strcmp(state(fd), "data") == 0 || strcmp(state(fd), "silent") == 0)
        return -1;
    return (int)(clock_ms() - from);
}

/* Until the loop knows n connections. */
static inline void known(int n)
{
    int64_t limit = clock_ms() + 20000;
    while (handoff_conns((struct handoff *)d) != n && clock_ms() < limit)
        usleep(1000);
    ck_assert_int_eq(handoff_conns((struct handoff *)d), n);
}

#endif
