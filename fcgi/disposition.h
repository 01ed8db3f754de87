/* Content-Disposition: the name under which a result is saved. */
#ifndef DISPOSITION_H
#define DISPOSITION_H

#include <stdbool.h>

#include "../imgcore/imgcore.h"

#define DISPOSITION_SIZE 1000

/* The header's value (RFC 6266): attachment or inline, with the name.
 *
 * name    what the client or the source calls it, perhaps with folders in front, whatever bytes it holds; "": image.
 *         The extension becomes that of the format.
 *
 * Names that are not plain ASCII are told twice, in ASCII and as UTF-8 (RFC 8187). Returns out. */
const char *disposition(bool attachment, const char *name, enum ic_format format, char out[DISPOSITION_SIZE]);

#endif
