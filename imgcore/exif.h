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

#endif
