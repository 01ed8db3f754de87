/* Inflating the small compressed blocks of a PNG, within bounds whatever they claim. */
#ifndef IMGCORE_INFLATE_H
#define IMGCORE_INFLATE_H

#include "mem.h"

/* A zlib stream of at most `most` bytes. *out is for ic_free(); NULL with *n = 0 where the stream is broken or longer,
 * which is no failure: only IC_E_MEMORY is. */
enum ic_code ic_inflate(struct ic_mem *mem, struct ic_bytes z, size_t most, uint8_t **out, size_t *n,
                        struct ic_error *e);

/* A zlib stream that holds an ICC profile, which begins with its size. As above. */
enum ic_code ic_inflate_profile(struct ic_mem *mem, struct ic_bytes z, uint8_t **out, size_t *n, struct ic_error *e);

#endif
