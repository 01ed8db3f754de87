/* What an image is, as JSON: the answer of /api/images/info and of `pixpool info`. */
#ifndef INFO_JSON_H
#define INFO_JSON_H

#include <stddef.h>

#include "../imgcore/imgcore.h"

/* One object as text with a newline behind (malloc'd); NULL: out of memory. f may come from a worker and hold anything.
 * bytes: of the source. gps: tell where it was taken, if the image does. */
char *info_json(const struct ic_facts *f, size_t bytes, bool gps);

#endif
