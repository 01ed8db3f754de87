/* Results that wait for their turn to be sent: a temporary file without a name, which ends with its descriptor.
 *
 * Not memory, because a batch's results wait until its whole body is in, however long that takes. Any thread may call
 * it. */
#ifndef SPOOL_H
#define SPOOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool {
    int fd; /* owned; borrowed by readers */
    size_t max;
    pthread_mutex_t lock; /* guards the rest */
    off_t end;
    size_t held; /* bytes written and not yet released */
};

/* dir "": where temporary files go. false: errno. */
bool spool_open(struct spool *s, const char *dir, size_t max);
void spool_close(struct spool *s);

/* Where n bytes now lie, or -1: there is no room for them. */
off_t spool_put(struct spool *s, const void *p, size_t n);
/* They have been read. */
void spool_release(struct spool *s, size_t n);
/* Whether less than half of the room is taken. */
bool spool_roomy(struct spool *s);

#endif
