/* The name a colour profile gives itself, in its tag "desc": text of ICC.2 (textDescriptionType, ICC.1:2001-04 section
 * 6.5.17) or of several languages (multiLocalizedUnicodeType, ICC.1:2010 section 10.13), of which English is taken.
 *
 * Read here and not by lcms2, which would parse a profile's other tags to find a name. */
#include "icc.h"
#include "label.h"
#include "probe.h"

#include <string.h>

#define TAGS_AT 128

/* Bytes at .. at + n of b; empty where they do not lie inside. */
static struct ic_bytes part(struct ic_bytes b, size_t at, size_t n)
{
    return at <= b.n && n <= b.n - at ? (struct ic_bytes){ b.p + at, n } : (struct ic_bytes){ 0 };
}

static struct ic_bytes description(struct ic_bytes profile)
{
    if (profile.n < TAGS_AT + 4)
        return (struct ic_bytes){ 0 };
    size_t rows = (profile.n - TAGS_AT - 4) / 12, n = probe_be32(profile.p + TAGS_AT);

    for (size_t i = 0; i < n && i < rows; i++) {
        const uint8_t *row = profile.p + TAGS_AT + 4 + i * 12;
        if (memcmp(row, "desc", 4) == 0)
            return part(profile, probe_be32(row + 4), probe_be32(row + 8));
    }
    return (struct ic_bytes){ 0 };
}

static void take_utf16(struct ic_bytes text, char *out, size_t size)
{
    struct ic_label l;

    ic_label_begin(&l, out, size);
    for (size_t at = 0; at + 2 <= text.n && !l.full; at += 2) {
        uint32_t c = probe_be16(text.p + at), low = at + 4 <= text.n ? probe_be16(text.p + at + 2) : 0;
        if (c == 0)
            break;
        if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
            at += 2;
        }
        ic_label_put(&l, c);
    }
    ic_label_end(&l);
}

static void take_languages(struct ic_bytes tag, char *out, size_t size)
{
    size_t n = probe_be32(tag.p + 8), rows = (tag.n - 16) / 12, chosen = 0;

    if (n == 0 || rows == 0 || probe_be32(tag.p + 12) != 12)
        return;
    for (size_t i = n < rows ? n : rows; i-- > 0;)
        if (memcmp(tag.p + 16 + i * 12, "en", 2) == 0)
            chosen = i;
    const uint8_t *row = tag.p + 16 + chosen * 12;
    take_utf16(part(tag, probe_be32(row + 8), probe_be32(row + 4)), out, size);
}

void ic_icc_name(struct ic_bytes profile, char *out, size_t size)
{
    struct ic_bytes tag = description(profile);

    memset(out, 0, size);
    if (tag.n < 16)
        return;
    if (memcmp(tag.p, "desc", 4) == 0)
        ic_label(part(tag, 12, probe_be32(tag.p + 8)), out, size);
    else if (memcmp(tag.p, "mluc", 4) == 0)
        take_languages(tag, out, size);
}
