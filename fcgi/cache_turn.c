/* Whose turn it is to make a result, among all processes that share a cache. Called by image_run.c.
 *
 * Each result has a byte of one file, by a hash of its tag, and whoever holds the lock on that byte makes it. The
 * kernel frees the lock whatever ends its owner, so that a killed leader frees the others, of whom one leads next. The
 * lock belongs to the open file, not to the process, so threads exclude each other too. Those who wait look every few
 * milliseconds: there is no way to wait for a lock, a client and a deadline at once, and a blocking wait would need a
 * thread to end it. Two results that share a byte wait for each other, one time in 65,536.
 *
 * Where nothing can be kept nobody waits: the result of another would not be found. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "cache_private.h"
#include "clock.h"

#define TURNS    65536
#define FIRST_MS 2
#define LAST_MS  10

/* FNV-1a; the tag is a hash already, but its characters are few. */
static off_t turn_of(const char *etag)
{
    uint32_t h = 2166136261u;
    for (; *etag; etag++)
        h = (h ^ (uint8_t)*etag) * 16777619u;
    return (off_t)((h ^ h >> 16) % TURNS);
}

static int open_turns(const struct config *c)
{
    char path[CACHE_PATH];
    cache_path(c, "turns", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT && cache_make_home(c) == 0)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

/* Sleeps, or not even that. CACHE_MINE: look again. */
static enum cache_turn wait_a_moment(int client, int64_t deadline_ms, int ms)
{
    struct pollfd p = { .fd = client, .events = POLLRDHUP };
    if (clock_ms() >= deadline_ms)
        return CACHE_LATE;
    return poll(&p, 1, ms) > 0 && p.revents ? CACHE_GONE : CACHE_MINE;
}

enum cache_turn cache_turn_take(struct cache *k, const struct cache_key *key, int client, int64_t deadline_ms,
                                int *turn, struct cache_hit *hit)
{
    enum cache_turn end = CACHE_MINE;
    *turn = k && key->keep && !k->trouble ? open_turns(k->cfg) : -1;
    if (*turn < 0)
        return CACHE_MINE;
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = turn_of(key->etag), .l_len = 1 };
    for (int ms = FIRST_MS; end == CACHE_MINE; ms = ms < LAST_MS ? ms + 1 : LAST_MS) {
        bool mine = fcntl(*turn, F_OFD_SETLK, &l) == 0, busy = !mine && (errno == EAGAIN || errno == EACCES);
        if (cache_find(k, key, hit)) /* after the lock: what its last owner made is there */
            end = CACHE_FOUND;
        else if (!busy)
            return CACHE_MINE;
        else
            end = wait_a_moment(client, deadline_ms, ms);
    }
    cache_turn_give(*turn);
    *turn = -1;
    return end;
}

void cache_turn_give(int turn)
{
    if (turn >= 0)
        close(turn);
}
