/* linear=1: resampling in linear light, as a step before an output. */
#ifndef IMGCORE_LINEAR_H
#define IMGCORE_LINEAR_H

#include "output.h"

struct ic_linear;

/* Opens o, whose plan asks for linear light, behind a resampler of its own. As ic_output_open_to() otherwise; o owns
 * what is made. */
enum ic_code ic_linear_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                            const struct ic_codec *codec, const struct ic_planes *source,
                            const struct ic_origin *origin, struct ic_error *e);

/* As ic_output_rows(). */
enum ic_code ic_linear_rows(struct ic_linear *l, const struct ic_rows *rows, struct ic_error *e);

void ic_linear_close(struct ic_linear *l); /* accepts NULL */

/* Bytes held for a plan with linear set, at most. */
uint64_t ic_linear_memory(const struct ic_plan *p);

#endif
