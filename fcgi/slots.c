/* Byte-range locks on one file. Called by pool_slots.c, in the one thread that works on a request.
 *
 *     byte 0 .. N-1                    workers
 *     byte QUEUE .. QUEUE+Q-1          places in the queue
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
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define SLOTS_QUEUE     65536 /* offset of the queue; more than there are workers */
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
    int fd = s->file ? slots_open(s) : -1;
    if (fd >= 0) {
        close(fd);
        return true;
    }
    snprintf(why, n, "slot_file: %s: %s: it must be a file of this user%s; set slot_file to a path that can be",
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

/* How many of n bytes others hold. */
static int slots_count(int fd, off_t from, int n)
{
    int held = 0;
    off_t end = from + n;
    while (from < end) {
        struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = end - from };
        if (fcntl(fd, F_OFD_GETLK, &l) < 0 || l.l_type == F_UNLCK)
            break;
        off_t next = l.l_len > 0 ? l.l_start + l.l_len : end;
        held += (int)((next < end ? next : end) - (l.l_start > from ? l.l_start : from));
        from = next;
    }
    return held;
}

/* Those who wait go before who comes now: it joins them, even if a byte is free at this moment. */
enum slots_answer slots_take(const struct slots *s, struct slot *out)
{
    struct slot got = { .fd = slots_open(s), .place = -1 };
    if (got.fd < 0)
        return SLOTS_BROKEN;
    bool others = slots_count(got.fd, SLOTS_QUEUE, s->queue) > 0;
    got.worker = !others && slots_lock_any(got.fd, 0, s->workers) >= 0;
    if (!got.worker)
        got.place = slots_lock_any(got.fd, SLOTS_QUEUE, s->queue);
    if (!got.worker && got.place < 0) { /* the queue may be full and a worker free, as its places are left too late */
        got.worker = slots_lock_any(got.fd, 0, s->workers) >= 0;
        if (!got.worker) {
            close(got.fd);
            return SLOTS_FULL;
        }
    }
    *out = got;
    return SLOTS_HELD;
}

bool slots_promote(const struct slots *s, struct slot *held)
{
    if (held->worker)
        return true;
    held->worker = slots_lock_any(held->fd, 0, s->workers) >= 0;
    if (held->worker && held->place >= 0) {
        slots_lock(held->fd, SLOTS_QUEUE + held->place, F_UNLCK);
        held->place = -1;
    }
    return held->worker;
}

/* Only the place is unlocked in words: a worker's byte is free when the last who shares it has closed it. */
void slots_leave(struct slot *held)
{
    if (held->fd >= 0 && held->place >= 0)
        slots_lock(held->fd, SLOTS_QUEUE + held->place, F_UNLCK);
    if (held->fd >= 0)
        close(held->fd);
    *held = (struct slot){ .fd = -1, .place = -1 };
}

int slots_waiting(const struct slots *s, const struct slot *any)
{
    int fd = any && any->fd >= 0 ? any->fd : slots_open(s), n = fd >= 0 ? slots_count(fd, SLOTS_QUEUE, s->queue) : 0;
    if (fd >= 0 && !(any && any->fd == fd))
        close(fd);
    return n;
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
