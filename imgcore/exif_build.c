/* EXIF, written: directories copied entry by entry into a block of our own, so that nothing gets into it that is not
 * meant to. Called by run_meta.c.
 *
 *     header | directory, its long values | camera's directory, its long values | place's directory, ...
 *
 * Two passes over each directory, one to count and one to write. Values are copied as bytes, in the byte order they
 * have. */
#include "exif.h"
#include "meta.h"
#include "tiff.h"

#include <string.h>

#define TIFF_HEAD 8u

enum tag {
    TAG_WIDTH = 0x0100,
    TAG_HEIGHT = 0x0101,
    TAG_ORIENTATION = 0x0112,
    TAG_CAMERA = 0x8769,
    TAG_PLACE = 0x8825,
    TAG_COLOUR_SPACE = 0xa001,
    TAG_PIXEL_WIDTH = 0xa002,
    TAG_PIXEL_HEIGHT = 0xa003
};

/* Of every directory: where pixels and subjects lie, which is never true of the result; pointers we do not follow;
 * other blocks in this one's clothes; notes of makers; and, since it may say Adobe RGB, DCF's name of the colour space.
 */
static const uint16_t dropped[] = { 0x00fe, 0x00ff, 0x0111, 0x0116, 0x0117, 0x0120, 0x0121, 0x0142, 0x0143, 0x0144,
                                    0x0145, 0x014a, 0x0200, 0x0201, 0x0202, 0x0207, 0x0208, 0x0209, 0x02bc, 0x83bb,
                                    0x8649, 0x8773, 0x9214, 0x927c, 0xa005, 0xa214, 0xc634, 0xc6d2, 0xc6d3, 0xea1c };

struct writer {
    struct tiff from;
    const struct ic_exif_facts *facts;
    uint8_t *p;          /* IC_BLOCK_MAX bytes */
    size_t n;            /* used */
    bool full;           /* no block comes of it */
    size_t first;        /* directory of the source */
    uint32_t pointer[2]; /* its entries that lead to the camera's and the place's directory */
};

static void put16(const struct writer *w, size_t at, uint32_t v)
{
    w->p[at + (w->from.big_endian ? 1 : 0)] = (uint8_t)v;
    w->p[at + (w->from.big_endian ? 0 : 1)] = (uint8_t)(v >> 8);
}

static void put32(const struct writer *w, size_t at, uint32_t v)
{
    put16(w, at + (w->from.big_endian ? 2 : 0), v & 0xffff);
    put16(w, at + (w->from.big_endian ? 0 : 2), v >> 16);
}

/* Takes n bytes, zeroed and at an even place; false where there is no room. */
static bool take(struct writer *w, size_t n, size_t *at)
{
    *at = w->n + (w->n & 1);
    if (n > IC_BLOCK_MAX || *at > IC_BLOCK_MAX - n) {
        w->full = true;
        return false;
    }
    memset(w->p + w->n, 0, *at + n - w->n);
    w->n = *at + n;
    return true;
}

static bool is_dropped(uint16_t tag)
{
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (dropped[i] == tag)
            return true;
    return false;
}

/* Nesting is as deep as this: a camera's or a place's directory has none below it, and of several only the first
 * counts. */
static bool is_pointer(uint16_t tag)
{
    return tag == TAG_CAMERA || tag == TAG_PLACE;
}

static bool is_taken(const struct writer *w, size_t directory, uint32_t i, struct tiff_entry *e)
{
    if (!tiff_entry(&w->from, directory, i, e) || is_dropped(e->tag))
        return false;
    return !is_pointer(e->tag) || (directory == w->first && i == w->pointer[e->tag == TAG_PLACE]);
}

/* What is known better than the source knows it; 0: nothing. */
static uint32_t fact_of(const struct writer *w, uint16_t tag)
{
    switch (tag) {
    case TAG_WIDTH:
    case TAG_PIXEL_WIDTH:
        return w->facts->width;
    case TAG_HEIGHT:
    case TAG_PIXEL_HEIGHT:
        return w->facts->height;
    case TAG_ORIENTATION:
        return w->facts->orientation;
    case TAG_COLOUR_SPACE:
        return w->facts->srgb ? 1 : 0;
    default:
        return 0;
    }
}

static void put_head(const struct writer *w, size_t at, const struct tiff_entry *e, unsigned type, uint32_t count)
{
    put16(w, at, e->tag);
    put16(w, at + 2, type);
    put32(w, at + 4, count);
}

/* One entry that is no pointer. */
static void put_entry(struct writer *w, size_t at, const struct tiff_entry *e)
{
    uint32_t fact = fact_of(w, e->tag);
    bool is_short = e->tag == TAG_ORIENTATION || e->tag == TAG_COLOUR_SPACE;
    size_t value = at + 8;

    if (fact) {
        put_head(w, at, e, is_short ? TIFF_SHORT : TIFF_LONG, 1);
        if (is_short)
            put16(w, value, fact);
        else
            put32(w, value, fact);
        return;
    }
    put_head(w, at, e, e->type, e->count);
    if (e->n > 4) {
        if (!take(w, e->n, &value))
            return;
        put32(w, at + 8, (uint32_t)value);
    }
    memcpy(w->p + value, w->from.b.p + e->at, e->n);
}

static uint32_t count_taken(const struct writer *w, size_t directory)
{
    uint32_t n = tiff_entries(&w->from, directory), count = 0;
    struct tiff_entry e;

    for (uint32_t i = 0; i < n; i++)
        count += is_taken(w, directory, i, &e);
    return count;
}

/* Returns where. Those that it points to follow behind it. */
static uint32_t put_directory(struct writer *w, size_t directory)
{
    uint32_t n = tiff_entries(&w->from, directory), count = count_taken(w, directory);
    struct tiff_entry e;
    size_t start, at;

    if (!take(w, 2 + (size_t)count * TIFF_ENTRY_SIZE + 4, &start))
        return 0;
    put16(w, start, count);
    at = start + 2;
    for (uint32_t i = 0; i < n && !w->full; i++) {
        if (!is_taken(w, directory, i, &e))
            continue;
        if (is_pointer(e.tag)) {
            put_head(w, at, &e, TIFF_LONG, 1);
            put32(w, at + 8, put_directory(w, tiff_value(&w->from, &e)));
        } else {
            put_entry(w, at, &e);
        }
        at += TIFF_ENTRY_SIZE;
    }
    return (uint32_t)start;
}

/* Where the pointers stand among the first directory's entries. */
static void find_pointers(struct writer *w)
{
    struct tiff_entry e;

    w->first = tiff_get32(&w->from, 4);
    w->pointer[0] = w->pointer[1] = UINT32_MAX;
    for (uint32_t i = tiff_entries(&w->from, w->first); i-- > 0;)
        if (tiff_entry(&w->from, w->first, i, &e) && is_pointer(e.tag))
            w->pointer[e.tag == TAG_PLACE] = i;
}

static void put_block(struct writer *w)
{
    find_pointers(w);
    if (count_taken(w, w->first) == 0) {
        w->full = true;
        return;
    }
    memcpy(w->p, w->from.big_endian ? "MM\0*" : "II*\0", 4);
    put32(w, 4, TIFF_HEAD);
    w->n = TIFF_HEAD;
    put_directory(w, w->first);
}

/* Gives back what the block needs of its room, or nothing. */
static void finish(struct writer *w, struct ic_mem *mem, uint8_t **out, size_t *n)
{
    uint8_t *exact = w->full ? NULL : ic_realloc(mem, w->p, w->n);

    *n = exact ? w->n : 0;
    *out = exact;
    if (!exact)
        ic_free(mem, w->p);
}

enum ic_code ic_exif_keep(struct ic_mem *mem, struct ic_bytes exif, const struct ic_exif_facts *f, uint8_t **out,
                          size_t *n, struct ic_error *e)
{
    struct writer w = { .facts = f };

    *n = 0;
    if (!tiff_open(&w.from, exif) || tiff_entries(&w.from, tiff_get32(&w.from, 4)) == 0)
        return IC_OK;
    if (!(w.p = ic_alloc(mem, IC_BLOCK_MAX)))
        return ic_fail(e, IC_E_MEMORY, "no memory for EXIF");
    put_block(&w);
    finish(&w, mem, out, n);
    return IC_OK;
}

/* A text with the NUL that EXIF ends it with. */
static void put_text(struct writer *w, size_t at, uint16_t tag, struct ic_bytes text)
{
    struct tiff_entry e = { .tag = tag };
    size_t value = at + 8;

    put_head(w, at, &e, TIFF_ASCII, (uint32_t)text.n + 1);
    if (text.n + 1 > 4) {
        if (!take(w, text.n + 1, &value))
            return;
        put32(w, at + 8, (uint32_t)value);
    }
    memcpy(w->p + value, text.p, text.n);
}

enum ic_code ic_exif_rights(struct ic_mem *mem, struct ic_bytes artist, struct ic_bytes copyright, uint8_t **out,
                            size_t *n, struct ic_error *e)
{
    uint32_t count = (artist.n ? 1u : 0u) + (copyright.n ? 1u : 0u);
    struct writer w = { .n = TIFF_HEAD };
    size_t at;

    *n = 0;
    if (!count)
        return IC_OK;
    if (!(w.p = ic_alloc(mem, IC_BLOCK_MAX)))
        return ic_fail(e, IC_E_MEMORY, "no memory for EXIF");
    memcpy(w.p, "II*\0", 4);
    put32(&w, 4, TIFF_HEAD);
    take(&w, 2 + count * TIFF_ENTRY_SIZE + 4, &at); /* there is room */
    put16(&w, at, count);
    at += 2;
    if (artist.n) {
        put_text(&w, at, IC_EXIF_ARTIST, artist);
        at += TIFF_ENTRY_SIZE;
    }
    if (copyright.n && !w.full)
        put_text(&w, at, IC_EXIF_COPYRIGHT, copyright);
    finish(&w, mem, out, n);
    return IC_OK;
}
