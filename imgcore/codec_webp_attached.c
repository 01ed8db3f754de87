/* The extended WebP container (riff_container, "Extended File Format"): VP8X first, then ICCP, the image as the encoder
 * wrote it, EXIF and XMP. Done to the finished file, in its buffer; libwebpmux would copy all of it twice. */
#include "codec_webp.h"

#include <string.h>

#define RIFF_HEAD 12u
#define HEAD      8u  /* of a chunk */
#define VP8X_SIZE 18u /* head included */

enum { FLAG_XMP = 0x04, FLAG_EXIF = 0x08, FLAG_ALPHA = 0x10, FLAG_ICC = 0x20 };

static void store_le(uint8_t *to, size_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

/* As it lies in the file, padded to even. */
static size_t chunk_size(struct ic_bytes b)
{
    return b.n ? HEAD + b.n + (b.n & 1) : 0;
}

static uint8_t *put_chunk(uint8_t *to, const char *type, struct ic_bytes b)
{
    if (!b.n)
        return to;
    memcpy(to, type, 4);
    store_le(to + 4, b.n, 4);
    memcpy(to + HEAD, b.p, b.n);
    if (b.n & 1)
        to[HEAD + b.n] = 0;
    return to + chunk_size(b);
}

/* flags: those of a VP8X that was there. */
static void put_vp8x(uint8_t *to, const struct ic_attached *a, uint32_t width, uint32_t height, uint8_t flags)
{
    uint8_t payload[VP8X_SIZE - HEAD] = { 0 };

    payload[0] =
        (uint8_t)(flags | (a->profile.n ? FLAG_ICC : 0) | (a->exif.n ? FLAG_EXIF : 0) | (a->xmp.n ? FLAG_XMP : 0));
    store_le(payload + 4, width - 1, 3);
    store_le(payload + 7, height - 1, 3);
    put_chunk(to, "VP8X", (struct ic_bytes){ payload, sizeof payload });
}

/* What is behind RIFF's head, or behind a VP8X that is there already, moves up. */
enum ic_code webp_attach(struct ic_buffer *b, const struct ic_attached *a, uint32_t width, uint32_t height, bool alpha,
                         struct ic_error *e)
{
    size_t front = VP8X_SIZE + chunk_size(a->profile), back = chunk_size(a->exif) + chunk_size(a->xmp);

    if (front == VP8X_SIZE && back == 0)
        return IC_OK;
    enum ic_code rc = ic_buffer_reserve(b, front + back, e);
    if (rc != IC_OK)
        return rc;
    bool extended = memcmp(b->p + RIFF_HEAD, "VP8X", 4) == 0;
    uint8_t flags = (uint8_t)((alpha ? FLAG_ALPHA : 0) | (extended ? b->p[RIFF_HEAD + HEAD] : 0));
    size_t image = RIFF_HEAD + (extended ? VP8X_SIZE : 0), n = b->n - image;
    memmove(b->p + RIFF_HEAD + front, b->p + image, n);
    put_vp8x(b->p + RIFF_HEAD, a, width, height, flags);
    put_chunk(b->p + RIFF_HEAD + VP8X_SIZE, "ICCP", a->profile);
    uint8_t *end = put_chunk(b->p + RIFF_HEAD + front + n, "EXIF", a->exif);
    end = put_chunk(end, "XMP ", a->xmp);
    b->n = (size_t)(end - b->p);
    store_le(b->p + 4, b->n - 8, 4);
    return IC_OK;
}
