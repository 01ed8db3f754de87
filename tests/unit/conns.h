/* What the peer of a connection sees, for the tests of the hand-over and of the loop. */
#ifndef TESTS_CONNS_H
#define TESTS_CONNS_H

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* "end": reading gives 0; "silent": nothing to read yet. */
static inline const char *state(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);
    return n > 0 ? "data" : n == 0 ? "end" : errno == EAGAIN ? "silent" : strerror(errno);
}

#endif
