/* Files of the cache: paths, and writing so that nobody ever sees half of one.
 *
 * A file is written below tmp/ and renamed: what a crash leaves lies in one place, where the sweep finds it. O_TMPFILE
 * would leave nothing, but what it makes can't take the place of an older file. Paths are put together anew each time,
 * and nothing below cache_dir is held open, so that a directory that was removed or mounted over meanwhile is simply
 * the next one. cache_dir itself is never made: the disk that belongs there may be missing. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"
#include "file.h"

#define UNIT  16384 /* bytes that one byte of `grown` stands for */
#define PIECE ((size_t)64 << 10)

void cache_path(const struct config *c, const char *name, char out[CACHE_PATH])
{
    snprintf(out, CACHE_PATH, "%s/" CACHE_HOME "%s%s", c->cache_dir, *name ? "/" : "", name);
}

bool cache_tag_path(const char *etag, char out[CACHE_TAG + 4])
{
    if (strlen(etag) != CACHE_TAG + 2)
        return false;
    snprintf(out, CACHE_TAG + 4, "%.2s/%.*s", etag + 1, CACHE_TAG, etag + 1);
    return true;
}

int64_t cache_disk_bytes(int64_t size)
{
    return (size + 4095) / 4096 * 4096;
}

static int make_directory(const struct config *c, const char *name, size_t n)
{
    char path[CACHE_PATH], part[CACHE_TAG + 4];
    snprintf(part, sizeof part, "%.*s", (int)n, name);
    cache_path(c, part, path);
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
}

int cache_make_home(const struct config *c)
{
    return make_directory(c, "", 0);
}

bool cache_owner(const struct config *c, uid_t *owner)
{
    char path[CACHE_PATH];
    struct stat st;
    cache_path(c, "", path);
    if (stat(path, &st) != 0)
        return false;
    *owner = st.st_uid;
    return true;
}

/* The directory that name lies in, and those above it. */
static int make_way(const struct config *c, const char *name)
{
    const char *slash = strchr(name, '/');
    int err = cache_make_home(c);
    return err || !slash ? err : make_directory(c, name, (size_t)(slash - name));
}

void cache_temporary(const struct config *c, char tmp[CACHE_PATH])
{
    char name[48];
    snprintf(name, sizeof name, "tmp/%d.%08x%08x", (int)getpid(), randombytes_random(), randombytes_random());
    cache_path(c, name, tmp);
}

static int open_new(const struct config *c, char tmp[CACHE_PATH], int *fd)
{
    cache_temporary(c, tmp);
    for (int tries = 0; tries < 2; tries++) {
        *fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int err = *fd < 0 ? errno : 0;
        if (err != ENOENT || (err = make_way(c, "tmp/")) != 0)
            return err;
    }
    return ENOENT;
}

/* Closes the new file, and removes it where it is not ok. */
static int finish(int fd, bool ok, const char *tmp, struct stat *st)
{
    if (ok && st)
        ok = fchmod(fd, 0644) == 0 && fstat(fd, st) == 0; /* others are to read it */
    int err = ok ? 0 : errno;
    if (close(fd) != 0 && ok)
        err = errno;
    if (err)
        unlink(tmp);
    return err;
}

int cache_write(const struct config *c, struct iovec head, struct iovec image, char tmp[CACHE_PATH], struct stat *st)
{
    int fd, err = open_new(c, tmp, &fd);
    if (err)
        return err;
    bool ok = file_write_all(fd, head.iov_base, head.iov_len) && file_write_all(fd, image.iov_base, image.iov_len);
    return finish(fd, ok, tmp, st);
}

/* In pieces: an image is no part of the memory that its request was admitted with. */
static bool copy(int from, int64_t at, uint64_t n, int to)
{
    uint8_t *piece = malloc(PIECE);
    bool ok = piece != NULL;
    for (ssize_t k; ok && n > 0; n -= (uint64_t)k, at += k) {
        k = pread(from, piece, n < PIECE ? n : PIECE, at);
        if (k == 0)
            errno = EIO; /* it was longer when it was found */
        ok = k > 0 && file_write_all(to, piece, (size_t)k);
    }
    free(piece);
    return ok;
}

int cache_copy(const struct config *c, int from, int64_t at, uint64_t n, char tmp[CACHE_PATH], struct stat *st)
{
    int fd, err = open_new(c, tmp, &fd);
    return err ? err : finish(fd, copy(from, at, n, fd), tmp, st);
}

int cache_publish(const struct config *c, const char *tmp, const char *name)
{
    char path[CACHE_PATH];
    int err = 0;
    cache_path(c, name, path);
    for (int tries = 0; tries < 2; tries++) {
        if (rename(tmp, path) == 0)
            return 0;
        err = errno;
        if (err != ENOENT || (err = make_way(c, name)) != 0)
            break;
    }
    unlink(tmp);
    return err ? err : ENOENT;
}

/* Appended bytes, because appending is one step for all processes, and a file that grows needs no one who reads and
 * writes a number under a lock. */
int64_t cache_grow(const struct config *c, int64_t n)
{
    char path[CACHE_PATH];
    static const char marks[64];
    struct stat st = { .st_size = 0 };
    int64_t units = (n + UNIT - 1) / UNIT;
    cache_path(c, "grown", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return n;
    for (int64_t k; units > 0; units -= k) {
        k = units < (int64_t)sizeof marks ? units : (int64_t)sizeof marks;
        if (!file_write_all(fd, marks, (size_t)k))
            break;
    }
    fstat(fd, &st);
    close(fd);
    return st.st_size * UNIT;
}

int64_t cache_grown(const struct config *c)
{
    char path[CACHE_PATH];
    struct stat st;
    cache_path(c, "grown", path);
    return stat(path, &st) == 0 ? st.st_size * UNIT : 0;
}
