/* Entity tags: known before any decode, so that If-None-Match gets its 304 at once. */
#ifndef ETAG_H
#define ETAG_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "config.h"

#define ETAG_SIZE 32 /* with quotes and NUL */

/* A strong tag: equal for equal bytes of the answer on every machine with the same versions, hence no inode.
 *
 * path     as decoded
 * options  canonical, presets applied
 * format   what Accept led to, "" where it plays no part
 * versions pixpool's and the codecs'
 * marks    which watermarks and fonts, of which contents; "" where there are none
 * ink      hash of cmyk_profile's contents, which any CMYK image may need; NULL where there is none
 *
 * A text that is NULL counts as "". */
struct etag_parts {
    const char *path, *options, *format, *versions, *marks;
    int64_t size;
    struct timespec mtime;
    const uint8_t *ink; /* CONFIG_FILE_HASH bytes */
};
void etag_make(const struct etag_parts *parts, char out[ETAG_SIZE]);

/* Whether If-None-Match (a list of tags, or *) holds etag: RFC 9110 section 13.1.2, where W/ does not matter. A
 * malformed list matches nothing from its fault on. */
bool etag_matches(const char *if_none_match, const char *etag);

#endif
