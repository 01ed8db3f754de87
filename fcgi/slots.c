/* Byte-range locks on one file. Called by pool_slots.c, in the one thread that works on a request.
 *
 *     byte 0 .. N-1                    workers
 *     byte PLACES .. PLACES+N+Q-1      places
 *     contents                         struct slots_book
 *
 * Locks of open file descriptions (F_OFD_SETLK), not of processes: those would be given up by any close of the file in
 * the process, and could not pass to a worker. The two ranges lie far apart, so that processes with another
 * configuration of the same user count with us and not across us. Counters in shared memory or in the file would have
 * to be mended after every SIGKILL; a semaphore would too.
 *
 * The file is opened anew for each request: cleaners of /tmp may have removed it, and processes that kept different
 * ones would not see each other. */
#include "slots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define SLOTS_PLACES    65536 /* offset; more than there are workers */
#define SLOTS_NAME      "slots"
#define SLOTS_JOB_MAX   3600000.0
#define SLOTS_AHEAD_MAX 3600000.0 /* of booked_ms; a restart of the machine sets the clock back */

/* The file. */

/* The directory exists, and nobody else can put anything into it. */
static bool slots_directory(const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%.*s", (int)(strrchr(file, '/') - file), file);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return false;
    if (lstat(path, &st) < 0)
        return false;
    errno = EPERM;
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static int slots_open(const struct slots *s)
{
    struct stat st;
    if (s->private && !slots_directory(s->file))
        return -1;
    int fd = open(s->file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

bool slots_init(struct slots *s, const struct config *c, char *why, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/pixpool-%u/" SLOTS_NAME, (unsigned)geteuid());
    *s = (struct slots){ .private = *c->slot_file == '\0', .workers = (int)c->workers, .queue = (int)c->queue };
    s->file = strdup(s->private ? path : c->slot_file);
    struct flock any = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int fd = s->file ? slots_open(s) : -1;
    bool locks = fd >= 0 && fcntl(fd, F_OFD_GETLK, &any) == 0; /* some network file systems have none */
    if (fd >= 0)
        close(fd);
    if (locks)
        return true;
    snprintf(
        why, n,
        "slot_file: %s: %s: it must be a file of this user%s, where files can be locked; set slot_file to such a path",
        s->file ? s->file : "", errno == EPERM ? "not ours alone" : strerror(errno),
        s->private ? " in a directory that no other user can write to" : "");
    slots_free(s);
    return false;
}

void slots_free(struct slots *s)
{
    free((char *)s->file);
    *s = (struct slots){ 0 };
}

/* Bytes. */

static bool slots_lock(int fd, off_t at, short type)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

/* The first of n bytes that nobody has; -1: none. */
static int slots_lock_any(int fd, off_t from, int n)
{
    for (int i = 0; i < n; i++)
        if (slots_lock(fd, from + i, F_WRLCK))
            return i;
    return -1;
}

/* How many of n bytes others hold. Byte by byte: asked for a range, the kernel names any lock in it, not the first. */
static int slots_count(int fd, off_t from, int n)
{
    int held = 0;
    for (int i = 0; i < n; i++) {
        struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from + i, .l_len = 1 };
        held += fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
    }
    return held;
}

static struct slots_load slots_count_all(const struct slots *s, int fd)
{
    return (struct slots_load){ .places = slots_count(fd, SLOTS_PLACES, s->workers + s->queue),
                                .workers = slots_count(fd, 0, s->workers) };
}

enum slots_answer slots_take(const struct slots *s, struct slot *out)
{
    int fd = slots_open(s), place = fd >= 0 ? slots_lock_any(fd, SLOTS_PLACES, s->workers + s->queue) : -1;
    if (fd < 0)
        return SLOTS_BROKEN;
    if (place < 0) {
        bool full = errno == EAGAIN || errno == EACCES;
        close(fd);
        return full ? SLOTS_FULL : SLOTS_BROKEN;
    }
    *out = (struct slot){ .fd = fd, .place = place };
    return SLOTS_HELD;
}

bool slots_promote(const struct slots *s, struct slot *held)
{
    struct slots_load others = { 0 };
    if (held->worker)
        return true;
    if (!held->asked)
        others = slots_count_all(s, held->fd);
    held->asked = true;
    if (others.places > others.workers) /* some of them wait */
        return false;
    held->worker = slots_lock_any(held->fd, 0, s->workers) >= 0;
    return held->worker;
}

/* The place is given up in words: those who share the descriptor may live on for a moment. A worker's byte is free when
 * the last of them has closed it. */
void slots_leave(struct slot *held)
{
    if (held->fd >= 0 && held->place >= 0)
        slots_lock(held->fd, SLOTS_PLACES + held->place, F_UNLCK);
    if (held->fd >= 0)
        close(held->fd);
    *held = (struct slot){ .fd = -1, .place = -1 };
}

struct slots_load slots_load(const struct slots *s, const struct slot *mine)
{
    struct slots_load l = { 0 };
    int fd = mine->fd >= 0 ? mine->fd : slots_open(s);
    if (fd >= 0)
        l = slots_count_all(s, fd);
    if (fd >= 0 && fd != mine->fd)
        close(fd);
    return l;
}

/* The book. */

struct slots_book slots_book_read(const struct slots *s)
{
    struct slots_book b = { 0 };
    int fd = slots_open(s);
    if (fd >= 0 && pread(fd, &b, sizeof b, 0) != (ssize_t)sizeof b)
        b = (struct slots_book){ 0 };
    if (fd >= 0)
        close(fd);
    if (!(b.job_ms >= 0 && b.job_ms <= SLOTS_JOB_MAX)) /* NaN is neither */
        b.job_ms = 0;
    if (!(b.booked_ms >= 0 && b.booked_ms <= (double)clock_ms() + SLOTS_AHEAD_MAX))
        b.booked_ms = 0;
    return b;
}

void slots_book_write(const struct slots *s, const struct slots_book *b)
{
    int fd = slots_open(s);
    if (fd < 0)
        return;
    if (pwrite(fd, b, sizeof *b, 0) < 0) /* a full disk: the others go on with what they know */
        errno = 0;
    close(fd);
}
