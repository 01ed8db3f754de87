/* Space is taken at the end and given back as a whole, when nothing is held any more: results leave in the order in
 * which they came, so that moment comes often enough, and until then max bounds what was written since the last one. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int open_named(const char *dir)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s/.pixpool-XXXXXX", dir) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

bool spool_open(struct spool *s, const char *dir, size_t max)
{
    const char *tmp = getenv("TMPDIR");
    if (!*dir)
        dir = tmp && *tmp ? tmp : "/tmp";
    *s = (struct spool){ .max = max };
    s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        s->fd = open_named(dir); /* file systems that know no O_TMPFILE */
    if (s->fd < 0)
        return false;
    pthread_mutex_init(&s->lock, NULL);
    return true;
}

void spool_close(struct spool *s)
{
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
}

/* A place for n bytes, -1: too many. */
static off_t reserve(struct spool *s, size_t n)
{
    pthread_mutex_lock(&s->lock);
    if (s->held == 0)
        s->end = 0;
    bool fits = n <= s->max && (size_t)s->end <= s->max - n;
    off_t at = fits ? s->end : -1;
    s->end += fits ? (off_t)n : 0;
    s->held += fits ? n : 0;
    pthread_mutex_unlock(&s->lock);
    return at;
}

off_t spool_put(struct spool *s, const void *p, size_t n)
{
    off_t at = reserve(s, n);
    for (size_t done = 0; at >= 0 && done < n;) {
        ssize_t put = pwrite(s->fd, (const char *)p + done, n - done, at + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            spool_release(s, n);
            return -1;
        }
        done += (size_t)put;
    }
    return at;
}

void spool_release(struct spool *s, size_t n)
{
    pthread_mutex_lock(&s->lock);
    s->held -= n;
    pthread_mutex_unlock(&s->lock);
}

bool spool_roomy(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    bool roomy = (size_t)s->end <= s->max / 2 || s->held == 0;
    pthread_mutex_unlock(&s->lock);
    return roomy;
}
