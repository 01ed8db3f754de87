/* multipart/form-data (RFC 7578) that lies in memory: parts are slices of the body, nothing is copied but names. */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>

#include "../imgcore/imgcore.h"

#define MULTIPART_PARTS    64   /* of one body */
#define MULTIPART_HEADERS  8192 /* bytes of one part's header lines */
#define MULTIPART_BOUNDARY 70   /* RFC 2046 section 5.1.1 */

struct multipart {
    const uint8_t *p, *end;
    char delimiter[4 + MULTIPART_BOUNDARY + 1]; /* CRLF -- boundary */
    size_t delimiter_n;
    int parts;
    bool done;
    char error[120]; /* one sentence, where a function failed */
};

struct multipart_part {
    char name[64];
    char filename[256];   /* as sent: not to be used as a path */
    bool has_filename;    /* a file field, even one without a file */
    char type[64];        /* media type, lower case; "" where absent */
    struct ic_bytes data; /* borrowed from the body */
};

/* Starts on a body; it stays borrowed. false: m->error says why. */
bool multipart_begin(struct multipart *m, struct ic_bytes body, const char *content_type);

/* The next part: 1, or 0 after the closing delimiter, or -1: m->error says why. */
int multipart_next(struct multipart *m, struct multipart_part *part);

/* For multipart_reader.c. */

/* Takes the delimiter from Content-Type. false: m->error says why. */
bool multipart_boundary(struct multipart *m, const char *content_type);
/* Reads the lines from m->p up to the empty one; m->p then stands at the data. -1: m->error says why. */
int multipart_headers(struct multipart *m, struct multipart_part *part);

#endif
