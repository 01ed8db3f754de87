/* A sink whose result must not be larger than so many bytes. */
#ifndef IMGCORE_SINK_FIT_H
#define IMGCORE_SINK_FIT_H

#include "codec.h"

/* Like codec->create, which it calls for each attempt. *exceeded (borrowed while the sink lives): set when it finishes
 * with a result that is larger still, the smallest there was. */
enum ic_code ic_fit_create(const struct ic_codec *codec, const struct ic_planes *shape, const struct ic_sink_opt *o,
                           size_t max_bytes, bool *exceeded, struct ic_buffer *out, struct ic_sink **sink,
                           struct ic_error *e);

#endif
