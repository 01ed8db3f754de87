/* What of a plan depends on pixels: found out by a decode of its own before the plan is refined. */
#ifndef IMGCORE_ANALYSE_H
#define IMGCORE_ANALYSE_H

#include "engine.h"
#include "saliency.h"

/* What a plan's `analyse` asked for. Boxes are in pixels of the source as the viewer sees it. */
struct ic_analysis {
    unsigned done;      /* bits of enum ic_analyse; 0: nothing */
    struct ic_box area; /* what was looked at: all that rect leaves */
    unsigned orient;    /* of the plan, as are the next */
    int threshold, gravity;
    uint32_t page, frames;
    bool trimmed;
    struct ic_box trim;      /* what remains without the border; area where it is all border */
    struct ic_look look;     /* of that, or of area; rgba is NULL where it was not asked for */
    struct ic_buffer pixels; /* owned here */
};

/* IC_E_CORRUPT, IC_E_MEMORY. out is set on success only, and freed by the caller. */
enum ic_code ic_analyse(struct ic_engine *g, struct ic_bytes in, const struct ic_plan *plan, struct ic_analysis *out,
                        struct ic_error *e);

/* Whether what was found out for one plan of a source answers another one as well. */
bool ic_analysis_serves(const struct ic_analysis *a, const struct ic_plan *plan);

void ic_analysis_free(struct ic_analysis *a); /* accepts a zeroed one */

#endif
