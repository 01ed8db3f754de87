/* The form parser. The first line is the Content-Type, the rest the body.
 *
 * Beyond not crashing: parts lie inside the body, in order and apart, with a delimiter behind each; their number is
 * bounded, and an end is an end. */
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_part(const struct multipart *m, const struct multipart_part *part, struct ic_bytes body,
                       const uint8_t *from)
{
    const uint8_t *end = part->data.p + part->data.n, *body_end = body.p + body.n;
    require(part->data.p >= from && end <= body_end);
    require(part->name[0] && strnlen(part->name, sizeof part->name) < sizeof part->name);
    require(strnlen(part->filename, sizeof part->filename) < sizeof part->filename);
    require(strnlen(part->type, sizeof part->type) < sizeof part->type);
    /* an empty part shares the line end before the delimiter with its headers */
    const uint8_t *delimiter = part->data.n ? end : NULL;
    require(!delimiter || ((size_t)(body_end - end) >= m->delimiter_n && !memcmp(end, m->delimiter, m->delimiter_n)));
    require(!memmem(part->data.p, part->data.n, m->delimiter, m->delimiter_n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    char type[256];
    struct multipart m;
    struct multipart_part part;
    if (!newline || (size_t)(newline - data) >= sizeof type)
        return 0;
    memcpy(type, data, (size_t)(newline - data));
    type[newline - data] = '\0';
    struct ic_bytes body = { newline + 1, size - (size_t)(newline + 1 - data) };
    const uint8_t *from = body.p;
    int got = multipart_begin(&m, body, type) ? 1 : -1, parts = 0;
    while (got > 0 && (got = multipart_next(&m, &part)) > 0) {
        check_part(&m, &part, body, from);
        from = part.data.p + part.data.n;
        require(++parts <= MULTIPART_PARTS);
    }
    require((got < 0) == (m.error[0] != '\0'));
    require(multipart_next(&m, &part) == got);
    return 0;
}
