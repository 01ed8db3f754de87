/* What a file carries beside its pixels: colour profile, EXIF, XMP, IPTC. */
#ifndef IMGCORE_META_H
#define IMGCORE_META_H

#include "mem.h"

/* A profile beyond this is no profile: the largest of printing are some 3 MB. */
#define IC_PROFILE_MAX (4u << 20)
/* A block of EXIF, XMP or IPTC beyond this is left out: what one segment of a JPEG can hold. */
#define IC_BLOCK_MAX 65500u

/* Blocks without their containers' prefixes; n is 0 where there is none. Borrowed from the file, or owned below. */
struct ic_meta {
    struct ic_mem *mem; /* borrowed */
    struct ic_bytes profile, exif, xmp, iptc;
    bool profile_broken; /* there was one, but no use can be made of it */
    bool profile_ours;   /* the file has none, but tells what its colours mean in another way */
    uint8_t *made[2];    /* owned: what had to be put together or inflated, of profile and xmp */
};

enum { IC_META_PROFILE, IC_META_XMP };

/* Walks the container of a file whose header was probed. Broken blocks are as good as absent ones, so that only
 * IC_E_MEMORY fails. m is for ic_meta_free() in any case. */
enum ic_code ic_meta_read(struct ic_meta *m, struct ic_mem *mem, enum ic_format format, struct ic_bytes in,
                          struct ic_error *e);
void ic_meta_free(struct ic_meta *m); /* accepts a zeroed one */

/* One per format; m comes with nothing but mem. */
enum ic_code ic_meta_jpeg(struct ic_meta *m, struct ic_bytes in, struct ic_error *e);
enum ic_code ic_meta_png(struct ic_meta *m, struct ic_bytes in, struct ic_error *e);
enum ic_code ic_meta_webp(struct ic_meta *m, struct ic_bytes in, struct ic_error *e);

#endif
