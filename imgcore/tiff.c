/* TIFF directories, read with every offset checked. Called by the probes for orientation and by exif.c for the rest. */
#include "tiff.h"

#include <string.h>

static uint32_t tiff_get16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->b.p + at;
    return t->big_endian ? (uint32_t)(p[0] << 8 | p[1]) : (uint32_t)(p[1] << 8 | p[0]);
}

uint32_t tiff_get32(const struct tiff *t, size_t at)
{
    uint32_t first = tiff_get16(t, at), second = tiff_get16(t, at + 2);
    return t->big_endian ? first << 16 | second : second << 16 | first;
}

bool tiff_open(struct tiff *t, struct ic_bytes b)
{
    if (b.n >= 6 && memcmp(b.p, "Exif\0\0", 6) == 0)
        b = (struct ic_bytes){ b.p + 6, b.n - 6 };
    if (b.n < 8)
        return false;
    *t = (struct tiff){ b, b.p[0] == 'M' };
    return memcmp(b.p, "II*\0", 4) == 0 || memcmp(b.p, "MM\0*", 4) == 0;
}

uint32_t tiff_entries(const struct tiff *t, size_t at)
{
    if (at < 8 || at > t->b.n - 2)
        return 0;
    uint32_t n = tiff_get16(t, at);
    size_t seen = (t->b.n - at - 2) / TIFF_ENTRY_SIZE;
    return n < seen ? n : (uint32_t)seen;
}

bool tiff_entry(const struct tiff *t, size_t directory, uint32_t i, struct tiff_entry *out)
{
    static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4 };
    size_t at = directory + 2 + (size_t)i * TIFF_ENTRY_SIZE;

    *out = (struct tiff_entry){ .tag = (uint16_t)tiff_get16(t, at),
                                .type = (uint16_t)tiff_get16(t, at + 2),
                                .count = tiff_get32(t, at + 4),
                                .at = at + 8 };
    if (out->type == 0 || out->type >= sizeof sizes || out->count > t->b.n)
        return false;
    out->n = (size_t)out->count * sizes[out->type];
    if (out->n > 4)
        out->at = tiff_get32(t, at + 8);
    return out->at <= t->b.n && out->n <= t->b.n - out->at;
}

bool tiff_find(const struct tiff *t, size_t directory, uint16_t tag, struct tiff_entry *out)
{
    uint32_t n = tiff_entries(t, directory);

    for (uint32_t i = 0; i < n; i++)
        if (tiff_entry(t, directory, i, out) && out->tag == tag)
            return true;
    return false;
}

uint32_t tiff_value(const struct tiff *t, const struct tiff_entry *e)
{
    if (e->count == 0)
        return 0;
    switch (e->type) {
    case TIFF_BYTE:
    case TIFF_SBYTE:
        return t->b.p[e->at];
    case TIFF_SHORT:
    case TIFF_SSHORT:
        return tiff_get16(t, e->at);
    case TIFF_LONG:
    case TIFF_SLONG:
        return tiff_get32(t, e->at);
    default:
        return 0;
    }
}
