/* The parser of forms that arrive in pieces. The first byte is the size of a piece, the next line the Content-Type, the
 * rest the body.
 *
 * Beyond not crashing: where the parser of forms in memory finds a body sound, this one finds the same parts in it. */
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/multipart_reader.h"
#include "../unit/arriving.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* The data of the reader's part, compared with that of the other parser. */
static void same_data(struct multipart_reader *r, struct ic_bytes data)
{
    uint8_t piece[100];
    ssize_t n;
    while ((n = multipart_reader_data(r, piece, sizeof piece)) > 0) {
        require((size_t)n <= data.n && !memcmp(piece, data.p, (size_t)n));
        data.p += n;
        data.n -= (size_t)n;
    }
    require(n == 0 && data.n == 0);
}

static bool sound(struct ic_bytes body, const char *type)
{
    struct multipart m;
    struct multipart_part part;
    int got = multipart_begin(&m, body, type) ? 1 : -1;
    while (got > 0)
        got = multipart_next(&m, &part);
    return got == 0;
}

static void compare(struct ic_bytes body, const char *type, struct multipart_reader *r)
{
    struct multipart m;
    struct multipart_part a, b;
    require(multipart_begin(&m, body, type));
    while (multipart_next(&m, &a) > 0) {
        require(multipart_reader_next(r, &b) > 0);
        require(!strcmp(a.name, b.name) && !strcmp(a.filename, b.filename) && !strcmp(a.type, b.type));
        same_data(r, a.data);
    }
    require(multipart_reader_next(r, &b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    struct multipart_reader r;
    struct multipart_part part;
    char type[256];
    if (!newline || (size_t)(newline - data) > sizeof type)
        return 0;
    memcpy(type, data + 1, (size_t)(newline - data) - 1);
    type[newline - data - 1] = '\0';
    struct ic_bytes body = { newline + 1, size - (size_t)(newline + 1 - data) };
    struct arriving a = { body, (size_t)data[0] + 1 };
    bool begun = multipart_reader_begin(&r, type, arrive, &a);
    if (begun && sound(body, type))
        compare(body, type, &r);
    while (begun && multipart_reader_next(&r, &part) > 0)
        continue;
    multipart_reader_free(&r);
    return 0;
}
