/* EXIF: what the probes ask of it, and the blocks that results get. */
#ifndef IMGCORE_EXIF_H
#define IMGCORE_EXIF_H

#include "mem.h"

/* The orientation 1 .. 8 that an EXIF block asks for; 1 where it is absent, malformed or out of range.
 *
 * exif  a TIFF block ("II*\0" or "MM\0*"), with or without JPEG's "Exif\0\0" before it; may be cut short
 *
 * EXIF 2.3 section 4.6.4. Reads only inside exif. Reentrant. */
uint8_t ic_exif_orientation(struct ic_bytes exif);

#define IC_EXIF_ARTIST    0x013b
#define IC_EXIF_COPYRIGHT 0x8298

/* The text of a tag of the first directory, without NULs at its end; n is 0 where there is none. Borrowed. */
struct ic_bytes ic_exif_text(struct ic_bytes exif, uint16_t tag);

/* Sets all of out. Texts are sound UTF-8. */
void ic_exif_shot(struct ic_bytes exif, struct ic_shot *out);

/* What a result's block must say of it. */
struct ic_exif_facts {
    uint32_t width, height;
    uint8_t orientation;
    bool srgb; /* its colours were made sRGB, whatever the source says of its own */
};

/* exif built anew, in its byte order: the directories of the image, of the camera and of the place, with the facts set
 * where they are told. Left out are thumbnails, which show what was cropped away; the maker's notes, whose offsets into
 * the block would be wrong and which hold previews; and whatever lies between.
 *
 * *out is for ic_free(); NULL with *n = 0 where nothing is left, or more than IC_BLOCK_MAX bytes. IC_E_MEMORY. */
enum ic_code ic_exif_keep(struct ic_mem *mem, struct ic_bytes exif, const struct ic_exif_facts *f, uint8_t **out,
                          size_t *n, struct ic_error *e);

/* A block of nothing but these texts, of which either may be empty. As above. */
enum ic_code ic_exif_rights(struct ic_mem *mem, struct ic_bytes artist, struct ic_bytes copyright, uint8_t **out,
                            size_t *n, struct ic_error *e);

#endif
