/* Single flight: identical requests that are in the air at the same time share one job. */
#ifndef FLIGHT_H
#define FLIGHT_H

#include "job.h"

struct flight; /* one job and those who wait for it */

/* What the leader hands down. Followers own the body that they get. */
struct flight_result {
    enum ic_code code; /* of the job; its one output has a code of its own in told */
    struct ic_error e;
    struct job_output told;
    uint8_t *body; /* malloc'd, told.length bytes; NULL on failure */
};

enum flight_role {
    FLIGHT_LEADS,    /* run the job, then flight_land */
    FLIGHT_FOLLOWED, /* out holds the result of somebody else's job */
    FLIGHT_AGAIN,    /* the leader had no result that is ours as well: ask again */
    FLIGHT_GONE,     /* the client left */
    FLIGHT_LATE      /* the deadline passed */
};

/* key: says all that the result depends on; copied. Blocks while another thread is at it, until deadline_ms (clock_ms)
 * or until client (-1: none) hangs up. *f is set with FLIGHT_LEADS only, and may be NULL (no memory): the leader then
 * flies alone. Any thread. */
enum flight_role flight_join(const char *key, int client, int64_t deadline_ms, struct flight **f,
                             struct flight_result *out);

/* Whether anybody follows: a leader whose client left goes on for them. */
bool flight_followed(struct flight *f); /* accepts NULL */

/* The leader's end. r is borrowed (its body is copied for those who follow); NULL, or a failure that is not the
 * image's but this job's: the followers ask again. Frees f; accepts NULL. */
void flight_land(struct flight *f, const struct flight_result *r);

#endif
