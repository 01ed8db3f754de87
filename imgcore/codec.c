/* The table of formats, and the thin calls through a source's or sink's operations.
 *
 * Everybody outside of the codecs comes in here, so a new format is one file, one line below, and a header in probe.c.
 */
#include "codec.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

static const struct ic_codec *const codecs[] = { &ic_codec_jpeg, &ic_codec_png, &ic_codec_webp };

#define CODECS (sizeof codecs / sizeof *codecs)

const struct ic_codec *ic_codec_of(enum ic_format f)
{
    for (size_t i = 0; i < CODECS; i++)
        if (codecs[i]->format == f)
            return codecs[i];
    return f == IC_FORMAT_PIXELS ? &ic_codec_pixels : NULL;
}

const char *ic_format_name(enum ic_format f)
{
    const struct ic_codec *c = ic_codec_of(f);
    return c ? c->name : "origin";
}

const char *ic_format_mime(enum ic_format f)
{
    const struct ic_codec *c = ic_codec_of(f);
    return c ? c->mime : "application/octet-stream";
}

enum ic_code ic_source_rows(struct ic_source *s, struct ic_rows *rows, struct ic_error *e)
{
    memset(rows, 0, sizeof *rows);
    return s->ops->rows(s, rows, e);
}

enum ic_code ic_source_more_rows(struct ic_source *s, struct ic_rows *rows, struct ic_error *e)
{
    enum ic_code rc = ic_source_rows(s, rows, e);

    for (int p = 0; p < IC_PLANES && rc == IC_OK; p++)
        if (rows->n[p])
            return IC_OK;
    return rc == IC_OK ? ic_fail(e, IC_E_CORRUPT, "the image ends before its last row") : rc;
}

void ic_source_close(struct ic_source *s)
{
    if (s)
        s->ops->close(s);
}

void ic_grey_pixels(uint8_t *px, size_t n, int channels)
{
    memset(px, 128, n * (size_t)channels);
    for (size_t i = 0; channels % 2 == 0 && i < n; i++)
        px[(i + 1) * (size_t)channels - 1] = 255;
}

enum ic_code ic_source_next(struct ic_source *s, bool *more, struct ic_error *e)
{
    *more = false;
    return s->ops->next ? s->ops->next(s, more, e) : IC_OK;
}

enum ic_code ic_sink_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e)
{
    return s->ops->write(s, rows, e);
}

enum ic_code ic_sink_finish(struct ic_sink *s, struct ic_error *e)
{
    return s->ops->finish(s, e);
}

void ic_sink_free(struct ic_sink *s)
{
    if (s)
        s->ops->free(s);
}

/* Asked of the libraries at run time, since a package update replaces them below a running binary's successor; hence
 * once, and not a constant. */
static char versions[256];

void ic_versions_init(void)
{
    size_t n = (size_t)snprintf(versions, sizeof versions, "pixpool/" IC_VERSION);
    for (size_t i = 0; i < CODECS; i++) {
        char one[64];
        codecs[i]->version(one, sizeof one);
        n += (size_t)snprintf(versions + n, sizeof versions - n, " %s", one);
    }
    char fonts[80];
    ic_fonts_version(fonts, sizeof fonts);
    snprintf(versions + n, sizeof versions - n, " %s", fonts);
}

const char *ic_versions(void)
{
    return versions;
}
