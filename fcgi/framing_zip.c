/* application/zip: an entry for each image, stored, for they are compressed already; failures stand in manifest.json.
 *
 * An entry's header holds its checksum, so that its bytes are looked at twice: with libdeflate that is a few gigabytes
 * a second. Its bytes follow at once, and nothing is held back. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#include "framing.h"
#include "zip.h"

struct framing_zip {
    struct zip zip;
    uint32_t crc; /* of the entry in hand, so far */
};

static bool begin(struct framing *f)
{
    struct framing_zip *z = calloc(1, sizeof *z);
    f->own = z;
    if (z)
        zip_begin(&z->zip, f->write, f->ctx);
    return z != NULL;
}

static bool sum(struct framing *f, const uint8_t *p, size_t n)
{
    struct framing_zip *z = f->own;
    z->crc = libdeflate_crc32(z->crc, p, n);
    return true;
}

static bool put(struct framing *f, const uint8_t *p, size_t n)
{
    return zip_data(&((struct framing_zip *)f->own)->zip, p, n);
}

static bool entry(struct framing *f, const char *name, const struct framing_item *i)
{
    struct framing_zip *z = f->own;
    z->crc = 0;
    return framing_data(f, i, sum) && zip_entry(&z->zip, name, i->n, z->crc) && framing_data(f, i, put);
}

static bool item(struct framing *f, const struct framing_item *i)
{
    return i->status >= 300 || entry(f, f->file, i);
}

static bool end(struct framing *f, const char *manifest)
{
    struct framing_item m = { .p = (const uint8_t *)manifest, .n = strlen(manifest) };
    return entry(f, "manifest.json", &m) && zip_end(&((struct framing_zip *)f->own)->zip);
}

static void release(struct framing *f)
{
    if (f->own)
        zip_free(&((struct framing_zip *)f->own)->zip);
    free(f->own);
    f->own = NULL;
}

const struct framing_kind framing_zip = { "application/zip", true, begin, item, end, release };
