/* A whole image as packed pixels, for imgcore's own use. */
#ifndef IMGCORE_DECODE_H
#define IMGCORE_DECODE_H

#include "output.h"

/* Probes in and plans what r makes of it; r's format only decides about alpha (IC_FORMAT_PNG keeps it). */
enum ic_code ic_decode_plan(const struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *r,
                            struct ic_plan *plan, struct ic_error *e);

/* Decodes, resamples and turns in as planned: plan->width x plan->height packed pixels of RGBA, not premultiplied, in
 * px, which is zeroed before and freed by the caller with ic_buffer_free(). IC_E_CORRUPT also where in ends early. */
enum ic_code ic_decode(struct ic_engine *g, struct ic_bytes in, const struct ic_plan *plan, struct ic_buffer *px,
                       struct ic_error *e);

/* Feeds an open output from an open source, whose rows nobody else takes, until it is complete. IC_E_CORRUPT where the
 * source ends before. */
enum ic_code ic_decode_rows(struct ic_source *s, struct ic_output *o, struct ic_error *e);

#endif
