/* Short texts that files hold, made fit to be shown: sound UTF-8, bounded, without control characters. */
#ifndef IMGCORE_LABEL_H
#define IMGCORE_LABEL_H

#include "imgcore.h"

struct ic_label {
    char *out; /* always terminated; filled with zeros at first */
    size_t size, n;
    bool full; /* a character did not fit: none follows */
};

void ic_label_begin(struct ic_label *l, char *out, size_t size);
/* One character; what is none becomes U+FFFD, a control character a space, of which none leads. */
void ic_label_put(struct ic_label *l, uint32_t c);
void ic_label_end(struct ic_label *l); /* drops spaces at the end */

/* The text up to its first NUL. Where it is not UTF-8, which EXIF never promised, it is taken as Latin-1. */
void ic_label(struct ic_bytes text, char *out, size_t size);

#endif
