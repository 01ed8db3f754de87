/* Many images of one request: files come in, the runners work on them, results wait in a spool until they are asked
 * for.
 *
 *     batch_reserve -> batch_put  (the request's thread, while the body arrives)
 *            runners: one file, all outputs, one decode -> spool
 *     batch_next -> batch_sent    (the request's thread, once the body is in)
 */
#ifndef BATCH_H
#define BATCH_H

#include <sys/queue.h>

#include "dispatch.h"
#include "framing.h"
#include "marks.h"
#include "order.h"

struct batch;

/* One file. Its name stays until batch_free. */
struct batch_file {
    int index;
    char name[256];
    size_t reserved; /* bytes of the memory budget that it may use */
    struct pool_ticket ticket;
    uint8_t *p; /* owned */
    size_t n, cap;
    TAILQ_ENTRY(batch_file) at;
};

struct batch_result {
    struct framing_item item; /* name and output borrowed from the batch */
    char detail[200];
    uint8_t sha256[FRAMING_SHA256];
    TAILQ_ENTRY(batch_result) at;
};

/* order, finished, marks, loaded, and accept are borrowed. client: descriptor on which its leaving shows. NULL: errno.
 */
struct batch *batch_create(struct gateway *g, const struct order *order, const struct marks *marks, const char *accept,
                           int client);
/* Drops what waits, and waits for what runs. Accepts NULL. */
void batch_free(struct batch *b);

/* A new file that may grow to `bytes`: waits for as much of the memory budget. The file is the batch's.
 * NULL: out of memory, or the client left. With reserved 0 there was no room in time. */
struct batch_file *batch_reserve(struct batch *b, const char *name, size_t bytes, int64_t timeout_ms);
/* Room for *n more bytes behind f->n, for the caller to fill. NULL: out of memory, or all that was reserved is taken.
 */
uint8_t *batch_room(struct batch_file *f, size_t *n);
/* It is complete. */
void batch_put(struct batch *b, struct batch_file *f);
/* It can't be worked on: one failed result for each output. */
void batch_refuse(struct batch *b, struct batch_file *f, int status, const char *code, const char *detail);
/* No file comes any more. Before this, a result that finds no room in the spool fails; after it, work waits for room.
 */
void batch_all_in(struct batch *b);

/* The next result, in the order in which they were finished; waits for it. NULL: there is none any more, or
 * *gone: the client left. */
struct batch_result *batch_next(struct batch *b, bool *gone);
/* It was sent; frees it. */
void batch_sent(struct batch *b, struct batch_result *r);
/* Whether all work is done, and only results may be left. */
bool batch_done(struct batch *b);

#endif
