/* Results of 16 bits a sample (depth=16): from a PNG of 16 bits to a PNG, apart from the way of all others. */
#ifndef IMGCORE_DEEP_H
#define IMGCORE_DEEP_H

#include "engine.h"
#include "output.h"

/* Whether all that a plan asks for can be done with 16 bits: geometry by halves of a turn, profiles, backgrounds,
 * linear light can; filters, marks, text, free rotation, borders, round corners, palettes and max_bytes can't. */
bool ic_deep_can(const struct ic_plan *p);

uint64_t ic_deep_memory(const struct ic_plan *p); /* bytes, at most */

struct ic_deep_source {
    struct ic_bytes file;
    const struct ic_origin *origin;
};

struct ic_deep_result {
    struct ic_buffer bytes; /* the caller's */
    bool truncated;         /* the source was */
    unsigned warnings;      /* others: bits of enum ic_warning */
    double decode_ms, encode_ms;
};

/* Makes one result of a plan with `deep` set. out is set on success only. */
enum ic_code ic_deep_make(struct ic_engine *g, const struct ic_deep_source *from, const struct ic_plan *p,
                          struct ic_deep_result *out, struct ic_error *e);

#endif
