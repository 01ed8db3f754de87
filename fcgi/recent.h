/* The latest requests that were slow or failed, for /status. */
#ifndef RECENT_H
#define RECENT_H

#include "request.h"

#define RECENT_KEPT 40

struct recent {
    int64_t at_ms; /* since 1970 */
    int status;
    bool slow;
    char id[65], route[16], code[32], uri[160], options[256];
    int64_t total_ms;
    double queue_ms, read_ms, decode_ms, transform_ms, encode_ms, write_ms;
    double predicted_ms, work_ms;
};

/* Keeps it if it took slow_ms or longer, or was answered with 500, 504 or 422. Any thread. */
void recent_note(const struct request *rq, const struct reply *a);
/* The latest first. Returns how many. */
int recent_list(struct recent out[RECENT_KEPT]);

#endif
