/* EXIF, as far as geometry depends on it. Called by the header probes of all formats.
 *
 * Only the first directory is read: orientation lives nowhere else, and not following offsets any further leaves a
 * hostile file nothing to loop on. */
#include "meta.h"

#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define TYPE_LONG       4
#define ENTRY_SIZE      12

struct tiff {
    struct ic_bytes b;
    bool big_endian;
};

static uint32_t get16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->b.p + at;
    return t->big_endian ? (uint32_t)(p[0] << 8 | p[1]) : (uint32_t)(p[1] << 8 | p[0]);
}

static uint32_t get32(const struct tiff *t, size_t at)
{
    uint32_t first = get16(t, at), second = get16(t, at + 2);
    return t->big_endian ? first << 16 | second : second << 16 | first;
}

static bool tiff_open(struct tiff *t, struct ic_bytes b)
{
    if (b.n >= 6 && memcmp(b.p, "Exif\0\0", 6) == 0)
        b = (struct ic_bytes){ b.p + 6, b.n - 6 };
    if (b.n < 8)
        return false;
    *t = (struct tiff){ b, b.p[0] == 'M' };
    return memcmp(b.p, "II*\0", 4) == 0 || memcmp(b.p, "MM\0*", 4) == 0;
}

/* Some writers store the value as LONG, which readers accept. */
static uint32_t entry_value(const struct tiff *t, size_t at)
{
    uint32_t type = get16(t, at + 2);
    if (type == TYPE_SHORT)
        return get16(t, at + 8);
    return type == TYPE_LONG ? get32(t, at + 8) : 0;
}

uint8_t ic_exif_orientation(struct ic_bytes exif)
{
    struct tiff t;
    if (!tiff_open(&t, exif))
        return 1;
    size_t at = get32(&t, 4);
    if (at > t.b.n - 2)
        return 1;
    uint32_t entries = get16(&t, at);
    at += 2;
    for (; entries && t.b.n - at >= ENTRY_SIZE; entries--, at += ENTRY_SIZE) {
        if (get16(&t, at) != TAG_ORIENTATION)
            continue;
        uint32_t value = entry_value(&t, at);
        return value >= 1 && value <= 8 ? (uint8_t)value : 1;
    }
    return 1;
}
