/* IPTC-IIM 4.2: datasets of news agencies, in JPEGs. */
#ifndef IMGCORE_IPTC_H
#define IMGCORE_IPTC_H

#include "mem.h"

#define IC_IPTC_BYLINE    80
#define IC_IPTC_COPYRIGHT 116

/* The first dataset 2:number; n is 0 where there is none. Borrowed. */
struct ic_bytes ic_iptc_text(struct ic_bytes iptc, uint8_t number);

/* The datasets as they are, but for previews of the picture (2:200 to 2:202), as far as they are well formed. *out is
 * for ic_free(); NULL with *n = 0 where nothing is left, or more than IC_BLOCK_MAX bytes. IC_E_MEMORY. */
enum ic_code ic_iptc_keep(struct ic_mem *mem, struct ic_bytes iptc, uint8_t **out, size_t *n, struct ic_error *e);

#endif
