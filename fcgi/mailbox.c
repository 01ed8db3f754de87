/* The memory that the gateway and one worker share: a sealed memfd, mapped once per birth on both sides.
 *
 *     [ in: max_body and marks, rounded up to pages | out: max_result ]
 *
 * It holds bytes only; lengths travel in messages and are checked by the receiver. The size is sealed, so neither side
 * can pull pages away under the other (SIGBUS). Mapped for life because page faults cost more than copying: a fresh
 * memfd for every job was measured at fourteen times the price. There is no F_SEAL_WRITE and no seal against holes,
 * since holes are how the pages of a large job are given back. */
#include "process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAILBOX_PAGE 4096u
#define MAILBOX_WARM (4u << 20) /* bytes of each area that stay resident between jobs */

/* Both sides compute this from the same configuration. 0: too large. */
static size_t mailbox_span(size_t n)
{
    return n > SIZE_MAX / 4 ? 0 : (n + MAILBOX_PAGE - 1) / MAILBOX_PAGE * MAILBOX_PAGE;
}

static size_t mailbox_total(size_t in_size, size_t out_size)
{
    size_t in = mailbox_span(in_size), out = mailbox_span(out_size);
    return in && out ? in + out : 0;
}

int mailbox_create(size_t in_size, size_t out_size)
{
    size_t total = mailbox_total(in_size, out_size);
    if (!total)
        return -1;
    int fd = memfd_create("pixpool-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)total) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    close(fd);
    return -1;
}

bool mailbox_map(struct mailbox *m, int memfd, size_t in_size, size_t out_size)
{
    size_t total = mailbox_total(in_size, out_size);
    if (!total)
        return false;
    int flags = memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    uint8_t *p = mmap(NULL, total, PROT_READ | PROT_WRITE, flags, memfd, 0);
    if (p == MAP_FAILED)
        return false;
    *m = (struct mailbox){ .in = p, .out = p + mailbox_span(in_size), .in_size = in_size, .out_size = out_size };
    return true;
}

void mailbox_unmap(struct mailbox *m)
{
    if (m->in)
        munmap(m->in, mailbox_total(m->in_size, m->out_size));
    *m = (struct mailbox){ 0 };
}

/* Frees the pages from MAILBOX_WARM on: the first ones are what the next job will touch. */
static void mailbox_punch_area(uint8_t *area, int memfd, off_t at, size_t used)
{
    if (used <= MAILBOX_WARM)
        return;
    size_t n = mailbox_span(used) - MAILBOX_WARM;
    if (memfd < 0)
        madvise(area + MAILBOX_WARM, n, MADV_DONTNEED);
    else
        fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at + MAILBOX_WARM, (off_t)n);
}

void mailbox_punch(struct mailbox *m, int memfd, size_t used_in, size_t used_out)
{
    mailbox_punch_area(m->in, memfd, 0, used_in);
    mailbox_punch_area(m->out, memfd, m->out - m->in, used_out);
}
