/* The header probe: which format, and what size. Runs in the gateway on bytes nobody has checked, and again in workers.
 *
 * No codec library is asked, so that a flaw in one of them stays inside the sandbox. What the probe says is compared
 * with the codec's own header later; where the two could disagree, the probe refuses what the library refuses. */
#include "probe.h"

#include <string.h>
#include <strings.h>

struct magic {
    size_t at;
    const char *bytes;
    size_t n;
    const char *name;
};

#define MAGIC(at, bytes, name)                                                                                         \
    {                                                                                                                  \
        at, bytes, sizeof(bytes) - 1, name                                                                             \
    }

/* Not supported, but worth a name. The first match counts: longer and surer patterns stand before shorter ones. */
static const struct magic others[] = {
    MAGIC(0, "GIF87a", "GIF"),
    MAGIC(0, "GIF89a", "GIF"),
    MAGIC(0, "II*\0", "TIFF"),
    MAGIC(0, "MM\0*", "TIFF"),
    MAGIC(0, "II+\0", "TIFF"),
    MAGIC(0, "MM\0+", "TIFF"),
    MAGIC(4, "ftypavif", "AVIF"),
    MAGIC(4, "ftypavis", "AVIF"),
    MAGIC(4, "ftypheic", "HEIC"),
    MAGIC(4, "ftypheix", "HEIC"),
    MAGIC(4, "ftyphev", "HEIC"),
    MAGIC(4, "ftypmif1", "HEIF"),
    MAGIC(4, "ftypmsf1", "HEIF"),
    MAGIC(4, "ftypcrx ", "Canon CR3"),
    MAGIC(4, "ftyp", "MP4 video"),
    MAGIC(0, "\0\0\0\14JXL ", "JPEG XL"),
    MAGIC(0, "\xff\x0a", "JPEG XL"),
    MAGIC(0, "\0\0\0\14jP  ", "JPEG 2000"),
    MAGIC(0, "\xff\x4f\xff\x51", "JPEG 2000"),
    MAGIC(0, "\0\0\1\0", "ICO"),
    MAGIC(0, "8BPS", "Photoshop"),
    MAGIC(0, "%PDF", "PDF"),
    MAGIC(0, "%!PS", "PostScript"),
    MAGIC(0, "qoif", "QOI"),
    MAGIC(0, "\x76\x2f\x31\x01", "OpenEXR"),
    MAGIC(0, "#?RADIANCE", "Radiance HDR"),
    MAGIC(0, "\x1a\x45\xdf\xa3", "Matroska or WebM video"),
    MAGIC(0, "RIFF", "RIFF (not WebP)"),
    MAGIC(0, "PK\3\4", "ZIP"),
    MAGIC(0, "\x1f\x8b", "gzip"),
    MAGIC(0, "BM", "BMP"),
};

static bool has_magic(struct ic_bytes in, const struct magic *m)
{
    return in.n >= m->at + m->n && memcmp(in.p + m->at, m->bytes, m->n) == 0;
}

/* Printable ASCII, or UTF-8 above it, all the way. */
static bool is_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 && !strchr("\t\n\r\f", p[i]))
            return false;
        if (p[i] == 0 || p[i] == 0x7f)
            return false;
    }
    return n > 0;
}

static bool contains_word(const uint8_t *p, size_t n, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp((const char *)p + i, word, len) == 0)
            return true;
    return false;
}

static const char *text_name(struct ic_bytes in)
{
    size_t n = in.n < 1024 ? in.n : 1024;
    if (n >= 2 && in.p[0] == 'P' && in.p[1] >= '1' && in.p[1] <= '7')
        return "PNM";
    if (!is_text(in.p, n))
        return NULL;
    if (contains_word(in.p, n, "<svg"))
        return "SVG";
    if (contains_word(in.p, n, "<html") || contains_word(in.p, n, "<!doctype html"))
        return "HTML";
    return "text";
}

static enum ic_code fail_format(struct ic_bytes in, struct ic_error *e)
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others && !name; i++)
        if (has_magic(in, &others[i]))
            name = others[i].name;
    if (!name)
        name = text_name(in);
    if (!name)
        return ic_fail(e, IC_E_FORMAT, "this is no image of a known format; " PROBE_SUPPORTED " supported");
    return ic_fail(e, IC_E_FORMAT, "%s is not supported; " PROBE_SUPPORTED, name);
}

/* The magic of a supported format; '?' stands for any byte. */
static const struct {
    const char *bytes;
    size_t n;
    enum ic_code (*probe)(struct ic_bytes in, struct ic_info *out, struct ic_error *e);
} supported[] = {
    { "\xff\xd8\xff", 3, probe_jpeg },
    { "\x89PNG\r\n\x1a\n", 8, probe_png },
    { "RIFF????WEBP", 12, probe_webp },
};

static bool matches(const uint8_t *p, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != '?' && p[i] != (uint8_t)bytes[i])
            return false;
    return true;
}

enum ic_code ic_probe(struct ic_bytes head, struct ic_info *out, struct ic_error *e)
{
    struct ic_info info = { .frames = 1, .orientation = 1, .hsamp = { 1, 1, 1, 1 }, .vsamp = { 1, 1, 1, 1 } };
    bool prefix = false;
    for (size_t i = 0; i < sizeof supported / sizeof *supported; i++) {
        size_t n = supported[i].n < head.n ? supported[i].n : head.n;
        if (!matches(head.p, supported[i].bytes, n))
            continue;
        prefix = true;
        if (n < supported[i].n)
            continue;
        enum ic_code rc = supported[i].probe(head, &info, e);
        if (rc == IC_OK)
            *out = info;
        return rc;
    }
    return prefix ? probe_more(e) : fail_format(head, e);
}
