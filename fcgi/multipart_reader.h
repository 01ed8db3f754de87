/* multipart/form-data that is read while it arrives: the parts one after another, each part's data in pieces. */
#ifndef MULTIPART_READER_H
#define MULTIPART_READER_H

#include <sys/types.h>

#include "multipart.h"

struct multipart_reader {
    /* More bytes, at least one and at most n: returns how many, 0: the body ended. */
    size_t (*read)(void *ctx, uint8_t *to, size_t n);
    void *ctx;
    struct multipart m; /* its error is ours */
    uint8_t *buf;       /* owned */
    size_t at, have;    /* bytes of buf consumed, and there */
    bool in_part;       /* its delimiter is still to come */
    bool fresh;         /* the line end before the data is not consumed: an empty part shares it with its delimiter */
};

/* false: r->m.error says why. To be followed by multipart_reader_free. */
bool multipart_reader_begin(struct multipart_reader *r, const char *content_type,
                            size_t (*read)(void *ctx, uint8_t *to, size_t n), void *ctx);
void multipart_reader_free(struct multipart_reader *r);

/* The next part, without its data, of which what was not read is skipped: 1, or 0 after the closing delimiter, or -1:
 * r->m.error says why. There may be any number of parts. */
int multipart_reader_next(struct multipart_reader *r, struct multipart_part *part);

/* Up to n bytes of the part's data. 0: that was all. -1: r->m.error says why. */
ssize_t multipart_reader_data(struct multipart_reader *r, uint8_t *to, size_t n);

#endif
