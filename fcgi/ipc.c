/* Births on their way from the spawner to the gateway: one SEQPACKET message with three descriptors. And words on their
 * way back: one byte, with a descriptor or none.
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

static bool ipc_send(int to, const void *p, size_t size, const int *fds, int count)
{
    union ipc_control control = { 0 };
    struct iovec body = { .iov_base = (void *)p, .iov_len = size };
    struct msghdr m = { .msg_iov = &body, .msg_iovlen = 1 };
    if (count > 0) {
        m.msg_control = control.space;
        m.msg_controllen = CMSG_SPACE((size_t)count * sizeof *fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)count * sizeof *fds);
        memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof *fds);
    }
    ssize_t n;
    do
        n = sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

bool ipc_send_born(int to, const struct ipc_born *b, int socket, int pidfd, int memfd)
{
    return ipc_send(to, b, sizeof *b, (const int[BORN_FDS]){ socket, pidfd, memfd }, BORN_FDS);
}

bool ipc_send_word(int to, char word, int fd)
{
    return ipc_send(to, &word, 1, &fd, fd >= 0);
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

/* What is expected: size bytes, to p, with least to most descriptors. */
struct ipc_parcel {
    void *p;
    size_t size;
    int least, most;
};

/* A whole message. How many descriptors it brought; -1: none, and errno. */
static int ipc_recv(int from, int flags, const struct ipc_parcel *want, int fds[BORN_FDS])
{
    union ipc_control control;
    struct iovec body = { .iov_base = want->p, .iov_len = want->size };
    struct msghdr m = { .msg_iov = &body,
                        .msg_iovlen = 1,
                        .msg_control = control.space,
                        .msg_controllen = CMSG_LEN((size_t)want->most * sizeof *fds) };
    ssize_t n;
    do
        n = recvmsg(from, &m, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    int count = ipc_take_fds(&m, fds);
    bool fits = n == (ssize_t)want->size && count >= want->least && count <= want->most;
    if (fits && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return count;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    errno = n == 0 && count == 0 ? 0 : EPROTO;
    return -1;
}

bool ipc_recv_born(int from, struct ipc_born *b, int *socket, int *pidfd, int *memfd)
{
    struct ipc_born got;
    int fds[BORN_FDS];
    const struct ipc_parcel want = { .p = &got, .size = sizeof got, .least = BORN_FDS, .most = BORN_FDS };
    if (ipc_recv(from, 0, &want, fds) < 0)
        return false;
    *b = got;
    *socket = fds[0];
    *pidfd = fds[1];
    *memfd = fds[2];
    return true;
}

bool ipc_recv_word(int from, char *word, int *fd)
{
    char got;
    const struct ipc_parcel want = { .p = &got, .size = 1, .least = 0, .most = 1 };
    int fds[BORN_FDS], count = ipc_recv(from, MSG_DONTWAIT, &want, fds);
    if (count < 0)
        return false;
    *word = got;
    *fd = count > 0 ? fds[0] : -1;
    return true;
}
