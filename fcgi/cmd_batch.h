/* What cmd_batch.c, which reads the words, hands to cmd_batch_run.c, which works. */
#ifndef CMD_BATCH_H
#define CMD_BATCH_H

#include "config.h"
#include "marks.h"
#include "order.h"
#include "tree.h"

struct batch_command {
    struct config cfg;
    struct order order; /* finished */
    struct marks marks; /* loaded */
    struct tree tree;
    char *out;        /* owned: a directory that exists */
    int64_t since_ns; /* what was made before that is not up to date; 0: all is */
    bool force, lines;
};

/* In the gateway's place: births come over `spawner`. Returns the exit status. */
int batch_command_run(const struct config *c, int spawner);
extern struct batch_command batch_command;

#endif
