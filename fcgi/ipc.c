/* Births on their way from the spawner to the gateway: one SEQPACKET message with three descriptors.
 *
 * A message is whole or not there, so there is no framing; the kernel closes descriptors of messages that nobody reads.
 * Descriptors are received before anything is checked and closed on every path that fails: a leak here would keep a
 * dead worker's socket open, and its death would never be seen. */
#include "process.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BORN_FDS 3

union ipc_control {
    char space[CMSG_SPACE(BORN_FDS * sizeof(int))];
    struct cmsghdr align;
};

bool ipc_send_born(int to, const struct ipc_born *b, int socket, int pidfd, int memfd)
{
    const int fds[BORN_FDS] = { socket, pidfd, memfd };
    union ipc_control control = { 0 };
    struct iovec body = { .iov_base = (void *)b, .iov_len = sizeof *b };
    struct msghdr m = {
        .msg_iov = &body, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);

    ssize_t n;
    do
        n = sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *b;
}

/* Takes the descriptors out of the message. There are never more than fds holds: the kernel drops those beyond
 * msg_controllen, and says MSG_CTRUNC. */
static int ipc_take_fds(struct msghdr *m, int fds[BORN_FDS])
{
    int n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || bytes > BORN_FDS * sizeof(int))
            continue;
        memcpy(fds, CMSG_DATA(c), bytes);
        n = (int)(bytes / sizeof(int));
    }
    return n;
}

bool ipc_recv_born(int from, struct ipc_born *b, int *socket, int *pidfd, int *memfd)
{
    union ipc_control control;
    struct ipc_born got;
    struct iovec body = { .iov_base = &got, .iov_len = sizeof got };
    struct msghdr m = { .msg_iov = &body,
                        .msg_iovlen = 1,
                        .msg_control = control.space,
                        .msg_controllen = CMSG_LEN(BORN_FDS * sizeof(int)) };
    ssize_t n;
    do
        n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return false;

    int fds[BORN_FDS];
    int count = ipc_take_fds(&m, fds);
    if (n == (ssize_t)sizeof got && count == BORN_FDS && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        *b = got;
        *socket = fds[0];
        *pidfd = fds[1];
        *memfd = fds[2];
        return true;
    }
    for (int i = 0; i < count; i++)
        close(fds[i]);
    errno = n == 0 && count == 0 ? 0 : EPROTO;
    return false;
}
