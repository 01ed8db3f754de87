/* One result that stays an animation, from its first frame to its bytes. Only run.c includes it. */
#ifndef IMGCORE_RUN_ANIM_H
#define IMGCORE_RUN_ANIM_H

#include "anim.h"
#include "squeeze.h"
#include "output.h"

struct run_anim {
    struct ic_anim *writer; /* owned; NULL before the first frame */
    struct ic_squeeze squeeze;
    bool again; /* all frames are wanted once more */
};

/* The next frame, as pixels of ic_codec_pixels; the first one makes the writer. */
enum ic_code run_anim_add(struct run_anim *a, const struct ic_plan *p, const struct ic_animation *frame,
                          const struct ic_buffer *pixels, struct ic_error *e);

/* After the last frame: sets out, or a->again, because the plan's max_bytes is exceeded and a lower quality may do. out
 * is empty and has its memory and limit set. IC_E_CORRUPT where there was no frame. */
enum ic_code run_anim_end(struct run_anim *a, const struct ic_plan *p, const struct ic_attached *attached,
                          struct ic_buffer *out, struct ic_error *e);

void run_anim_free(struct run_anim *a); /* accepts a zeroed one */

#endif
