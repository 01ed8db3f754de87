/* Headers of ZIP files. Called by framing_zip.c.
 *
 *     local header, name, data    for each entry
 *     central directory           a second header for each, kept until the end
 *     end record                  with its larger brother before it, where 16 or 32 bits are too few (ZIP64)
 *
 * Not libarchive, whose own libraries (XML, Unicode, ciphers, six kinds of compression) took two thirds of the time
 * that pixpool needs to start, for one hundred lines of use. */
#include "zip.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOCAL     0x04034b50u
#define CENTRAL   0x02014b50u
#define END       0x06054b50u
#define END64     0x06064b50u
#define LOCATOR64 0x07064b50u

#define UNIX     (3u << 8)                  /* made by: how attributes are to be read */
#define V_PLAIN  20u                        /* version needed */
#define V_64     45u                        /* the same with ZIP64 */
#define UTF8     0x0800u                    /* flag: of the name */
#define MODE     ((uint32_t)0100644u << 16) /* a file, rw-r--r-- */
#define EXTRA_64 1u
#define MAX16    0xffffu
#define MAX32    0xffffffffu

#define HEAD_MAX 100 /* bytes of a header with its extra field, without its name */

/* Little-endian numbers, one behind the other. */

struct head {
    uint8_t p[HEAD_MAX];
    size_t n;
};

static void put(struct head *h, unsigned bytes, uint64_t v)
{
    for (unsigned i = 0; i < bytes; i++)
        h->p[h->n++] = (uint8_t)(v >> 8 * i);
}

static uint64_t capped(uint64_t v, uint64_t max)
{
    return v < max ? v : max; /* max itself says: look into the extra field */
}

/* What the local and the central header have in common. */
static void put_entry(struct head *h, const struct zip *z, const char *name, uint64_t n, uint32_t crc, size_t extra)
{
    put(h, 2, extra > 0 ? V_64 : V_PLAIN);
    put(h, 2, UTF8);
    put(h, 2, 0); /* stored */
    put(h, 2, z->time);
    put(h, 2, z->date);
    put(h, 4, crc);
    put(h, 4, capped(n, MAX32));
    put(h, 4, capped(n, MAX32));
    put(h, 2, strlen(name));
    put(h, 2, extra);
}

void zip_begin(struct zip *z, zip_write *write, void *ctx)
{
    time_t now = time(NULL);
    struct tm t;
    *z = (struct zip){ .write = write, .ctx = ctx };
    if (localtime_r(&now, &t) == NULL || t.tm_year < 80)
        t = (struct tm){ .tm_year = 80, .tm_mday = 1 };
    z->date = (uint16_t)((t.tm_year - 80) << 9 | (t.tm_mon + 1) << 5 | t.tm_mday);
    z->time = (uint16_t)(t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec / 2);
}

bool zip_data(struct zip *z, const void *p, size_t n)
{
    z->at += n;
    return n == 0 || z->write(z->ctx, p, n);
}

/* The central directory. */

static bool remember(struct zip *z, const struct head *h, const char *name, const struct head *extra)
{
    size_t name_n = strlen(name), want = z->directory_n + h->n + name_n + extra->n;
    if (want > z->directory_size) {
        size_t size = 2 * want + 4096;
        uint8_t *p = realloc(z->directory, size);
        if (!p)
            return false;
        z->directory = p;
        z->directory_size = size;
    }
    uint8_t *to = z->directory + z->directory_n;
    memcpy(to, h->p, h->n);
    memcpy(to + h->n, name, name_n);
    memcpy(to + h->n + name_n, extra->p, extra->n);
    z->directory_n = want;
    return true;
}

static bool note_entry(struct zip *z, const char *name, uint64_t n, uint32_t crc)
{
    struct head h = { .n = 0 }, extra = { .n = 0 };
    bool large = n >= MAX32, far = z->at >= MAX32;
    if (large || far) { /* only what does not fit, in this order */
        put(&extra, 2, EXTRA_64);
        put(&extra, 2, (large ? 16u : 0u) + (far ? 8u : 0u));
        if (large) {
            put(&extra, 8, n);
            put(&extra, 8, n);
        }
        if (far)
            put(&extra, 8, z->at);
    }
    put(&h, 4, CENTRAL);
    put(&h, 2, UNIX | V_64);
    put_entry(&h, z, name, n, crc, extra.n);
    put(&h, 2, 0); /* comment */
    put(&h, 2, 0); /* disk */
    put(&h, 2, 0); /* internal attributes */
    put(&h, 4, MODE);
    put(&h, 4, capped(z->at, MAX32));
    z->entries++;
    return remember(z, &h, name, &extra);
}

bool zip_entry(struct zip *z, const char *name, uint64_t n, uint32_t crc)
{
    struct head h = { .n = 0 }, extra = { .n = 0 };
    if (strlen(name) > MAX16 || !note_entry(z, name, n, crc))
        return false;
    if (n >= MAX32) {
        put(&extra, 2, EXTRA_64);
        put(&extra, 2, 16);
        put(&extra, 8, n);
        put(&extra, 8, n);
    }
    put(&h, 4, LOCAL);
    put_entry(&h, z, name, n, crc, extra.n);
    return zip_data(z, h.p, h.n) && zip_data(z, name, strlen(name)) && zip_data(z, extra.p, extra.n);
}

/* The end. */

static bool end64(struct zip *z, uint64_t from)
{
    struct head h = { .n = 0 };
    uint64_t here = z->at;
    put(&h, 4, END64);
    put(&h, 8, 44); /* bytes behind this number */
    put(&h, 2, UNIX | V_64);
    put(&h, 2, V_64);
    put(&h, 4, 0);
    put(&h, 4, 0);
    put(&h, 8, z->entries);
    put(&h, 8, z->entries);
    put(&h, 8, z->directory_n);
    put(&h, 8, from);
    put(&h, 4, LOCATOR64);
    put(&h, 4, 0);
    put(&h, 8, here);
    put(&h, 4, 1);
    return zip_data(z, h.p, h.n);
}

bool zip_end(struct zip *z)
{
    struct head h = { .n = 0 };
    uint64_t from = z->at;
    if (!zip_data(z, z->directory, z->directory_n))
        return false;
    bool large = z->entries >= MAX16 || from >= MAX32 || z->directory_n >= MAX32;
    if (large && !end64(z, from))
        return false;
    put(&h, 4, END);
    put(&h, 2, 0);
    put(&h, 2, 0);
    put(&h, 2, capped(z->entries, MAX16));
    put(&h, 2, capped(z->entries, MAX16));
    put(&h, 4, capped(z->directory_n, MAX32));
    put(&h, 4, capped(from, MAX32));
    put(&h, 2, 0);
    return zip_data(z, h.p, h.n);
}

void zip_free(struct zip *z)
{
    free(z->directory);
    *z = (struct zip){ 0 };
}
