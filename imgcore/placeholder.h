/* A picture in a few bytes, for pages to show until the real one has come. */
#ifndef IMGCORE_PLACEHOLDER_H
#define IMGCORE_PLACEHOLDER_H

#include "quant.h"

#define IC_BLURHASH       32  /* bytes for 4 x 3 components, with the NUL: 4 + 2 * 12 + 1 are used */
#define IC_THUMBHASH      25  /* bytes at most */
#define IC_THUMBHASH_SIDE 100 /* pixels at most */

/* BlurHash (github.com/woltapp/blurhash, Algorithm.md) of 4 x 3 components, or 3 x 4 where src is higher than wide.
 * What is transparent counts as far as it shows on white. IC_E_MEMORY. */
enum ic_code ic_blurhash(struct ic_pixels src, struct ic_mem *mem, char out[IC_BLURHASH], struct ic_error *e);

/* ThumbHash (evanw.github.io/thumbhash). src: at most IC_THUMBHASH_SIDE pixels a side. n: bytes of out used.
 * IC_E_MEMORY. */
enum ic_code ic_thumbhash(struct ic_pixels src, struct ic_mem *mem, uint8_t out[IC_THUMBHASH], uint8_t *n,
                          struct ic_error *e);

#endif
