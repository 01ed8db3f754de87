/* Finished frames to an animated WebP. */
#ifndef IMGCORE_ANIM_H
#define IMGCORE_ANIM_H

#include "codec.h"

struct ic_anim;

/* effort, quality and lossless of o count. Encoded frames are held by libwebpmux, outside of the budget; the plan
 * predicts them. */
enum ic_code ic_anim_create(uint32_t width, uint32_t height, const struct ic_animation *a, const struct ic_sink_opt *o,
                            struct ic_anim **out, struct ic_error *e);

/* The next frame: width * height packed pixels of RGBA, straight, shown for so long. */
enum ic_code ic_anim_add(struct ic_anim *a, const uint8_t *rgba, uint32_t duration_ms, struct ic_error *e);

/* After the last frame; out is empty and has its memory and limit set. alpha: frames may have it, for where only one is
 * left, which is written as a still image. */
enum ic_code ic_anim_finish(struct ic_anim *a, const struct ic_attached *attached, bool alpha, struct ic_buffer *out,
                            struct ic_error *e);

void ic_anim_free(struct ic_anim *a); /* accepts NULL */

#endif
