/* Whole files in and out, for cmd_process.c. The service itself never writes a file and reads sources otherwise. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define FIRST_READ 65536

static bool file_fail(char *why, size_t why_n)
{
    snprintf(why, why_n, "%s", strerror(errno));
    return false;
}

/* Room for more; one byte beyond max shows that there is too much. */
static bool grow(uint8_t **p, size_t *cap, size_t max)
{
    size_t want = *cap < max / 2 ? *cap * 2 : max + 1;
    uint8_t *q = realloc(*p, want);

    if (!q)
        return false;
    *p = q;
    *cap = want;
    return true;
}

static bool read_all(int fd, size_t max, size_t first, uint8_t **data, size_t *n)
{
    size_t cap = first, at = 0;
    uint8_t *p = malloc(cap);
    ssize_t got = p ? 1 : -1;

    while (got > 0 && at <= max) {
        if (at == cap && !grow(&p, &cap, max)) {
            got = -1;
            break;
        }
        got = read(fd, p + at, cap - at);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            at += (size_t)got;
    }
    if (got < 0) {
        free(p);
        return false;
    }
    *data = p;
    *n = at;
    return true;
}

bool file_read(const char *path, size_t max, uint8_t **data, size_t *n, char *why, size_t why_n)
{
    bool std = strcmp(path, "-") == 0;
    int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *p = NULL;
    size_t size = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return file_fail(why, why_n);
    /* A file's size and a byte, so that its end shows without growing. */
    bool known = S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= max;
    bool ok = read_all(fd, max, known ? (size_t)st.st_size + 1 : FIRST_READ, &p, &size);
    if (!ok)
        file_fail(why, why_n);
    if (!std)
        close(fd);
    if (ok && size > max) {
        snprintf(why, why_n, "larger than %zu bytes", max);
        free(p);
        return false;
    }
    if (ok) {
        *data = p;
        *n = size;
    }
    return ok;
}

bool file_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* mkstemp gives 0600; a result gets what open would have given it. */
static bool give_mode(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask) == 0;
}

static bool write_renamed(const char *path, const uint8_t *data, size_t n)
{
    char tmp[PATH_MAX];

    if (snprintf(tmp, sizeof tmp, "%s.XXXXXX", path) >= (int)sizeof tmp) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = file_write_all(fd, data, n) && give_mode(fd);
    ok = close(fd) == 0 && ok;
    ok = ok && rename(tmp, path) == 0;
    int saved = errno;
    if (!ok)
        unlink(tmp);
    errno = saved;
    return ok;
}

static bool write_direct(const char *path, const uint8_t *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool ok = file_write_all(fd, data, n);
    return close(fd) == 0 && ok;
}

bool file_write(const char *path, const uint8_t *data, size_t n, char *why, size_t why_n)
{
    struct stat st;
    bool ok;

    if (strcmp(path, "-") == 0)
        ok = file_write_all(STDOUT_FILENO, data, n);
    else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        ok = write_direct(path, data, n);
    else
        ok = write_renamed(path, data, n);
    return ok || file_fail(why, why_n);
}
