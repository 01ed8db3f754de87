/* What to try next until a result has no more than so many bytes. Stills are encoded again from their rows
 * (sink_fit.c), animations from their source (run_anim.c). */
#ifndef IMGCORE_SQUEEZE_H
#define IMGCORE_SQUEEZE_H

#include "codec.h"

#define IC_SQUEEZE_ENCODES 6 /* at most */

struct ic_squeeze {
    enum ic_format format;
    struct ic_sink_opt opt; /* of the next attempt */
    size_t max_bytes;
    struct ic_buffer best; /* owned: the best that fits, or the smallest; zeroed before the first attempt */
    int encodes;
    int low, high; /* qualities: the best that fits, 0 for none; the least that does not */
};

/* Takes what was encoded with s->opt: now is s's, or freed. Empty: it was larger than any result may be. */
void ic_squeeze_judge(struct ic_squeeze *s, struct ic_buffer *now);

/* Sets s->opt for another attempt, after ic_squeeze_judge(); false: there is nothing more to try. */
bool ic_squeeze_next(struct ic_squeeze *s);

bool ic_squeeze_fits(const struct ic_squeeze *s); /* the best one, if any */

/* Hands the best over to whoever frees it. */
struct ic_buffer ic_squeeze_take(struct ic_squeeze *s);

void ic_squeeze_free(struct ic_squeeze *s); /* accepts a zeroed one */

#endif
