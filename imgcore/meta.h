/* What the metadata of a file tells that geometry needs. */
#ifndef IMGCORE_META_H
#define IMGCORE_META_H

#include "imgcore.h"

/* The orientation 1 .. 8 that an EXIF block asks for; 1 where it is absent, malformed or out of range.
 *
 * exif  a TIFF block ("II*\0" or "MM\0*"), with or without JPEG's "Exif\0\0" before it; may be cut short
 *
 * TIFF 6.0 section 2, EXIF 2.3 section 4.6.4. Reads only inside exif. Reentrant. */
uint8_t ic_exif_orientation(struct ic_bytes exif);

#endif
