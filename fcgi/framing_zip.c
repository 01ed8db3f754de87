/* application/zip: an entry for each image, stored, for they are compressed already; failures stand in manifest.json.
 *
 * libarchive writes it as a stream. An entry's bytes follow its header at once, so nothing is held back. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <time.h>

#include "framing.h"

struct archive; /* f->own */

static la_ssize_t on_write(struct archive *a, void *ctx, const void *p, size_t n)
{
    struct framing *f = ctx;
    (void)a;
    return f->write(f->ctx, p, n) ? (la_ssize_t)n : -1;
}

static bool begin(struct framing *f)
{
    struct archive *a = archive_write_new();
    if (!a)
        return false;
    f->own = a;
    return archive_write_set_format_zip(a) == ARCHIVE_OK && archive_write_zip_set_compression_store(a) == ARCHIVE_OK &&
           archive_write_set_format_option(a, "zip", "hdrcharset", "UTF-8") == ARCHIVE_OK &&
           archive_write_set_bytes_per_block(a, 0) == ARCHIVE_OK &&
           archive_write_open(a, f, NULL, on_write, NULL) == ARCHIVE_OK;
}

static bool put(struct framing *f, const uint8_t *p, size_t n)
{
    return archive_write_data(f->own, p, n) == (la_ssize_t)n;
}

static bool entry(struct framing *f, const char *name, const struct framing_item *i)
{
    struct archive_entry *e = archive_entry_new();
    if (!e)
        return false;
    archive_entry_set_pathname_utf8(e, name);
    archive_entry_set_size(e, (la_int64_t)i->n);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, time(NULL), 0);
    bool ok = archive_write_header(f->own, e) == ARCHIVE_OK && framing_data(f, i, put) &&
              archive_write_finish_entry(f->own) == ARCHIVE_OK;
    archive_entry_free(e);
    return ok;
}

static bool item(struct framing *f, const struct framing_item *i)
{
    return i->status >= 300 || entry(f, f->file, i);
}

static bool end(struct framing *f, const char *manifest)
{
    struct framing_item m = { .p = (const uint8_t *)manifest, .n = strlen(manifest) };
    return entry(f, "manifest.json", &m) && archive_write_close(f->own) == ARCHIVE_OK;
}

static void release(struct framing *f)
{
    archive_write_free(f->own);
    f->own = NULL;
}

const struct framing_kind framing_zip = { "application/zip", true, begin, item, end, release };
