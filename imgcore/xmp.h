/* XMP: a packet of XML, of which only some words matter here. */
#ifndef IMGCORE_XMP_H
#define IMGCORE_XMP_H

#include "mem.h"

/* The first item of a property like "dc:rights", its entities as characters, into out (not terminated). Returns its
 * length, at most room. */
size_t ic_xmp_text(struct ic_bytes xmp, const char *property, char *out, size_t room);

struct ic_xmp_facts {
    uint32_t width, height;
    uint8_t orientation;
};

/* The packet with the facts set wherever it tells of them, and without its thumbnails. *out is for ic_free(); NULL with
 * *n = 0 where it is empty or more than IC_BLOCK_MAX bytes. IC_E_MEMORY. */
enum ic_code ic_xmp_keep(struct ic_mem *mem, struct ic_bytes xmp, const struct ic_xmp_facts *f, uint8_t **out,
                         size_t *n, struct ic_error *e);

#endif
