/* A WebP's chunks of metadata: ICCP before the image, EXIF and XMP behind it. */
#include "meta.h"
#include "probe.h"

#include <string.h>

static bool is(const uint8_t *type, const char *name)
{
    return memcmp(type, name, 4) == 0;
}

static void on_chunk(struct ic_meta *m, const uint8_t *type, struct ic_bytes b)
{
    if (is(type, "ICCP") && !m->profile.n && !m->profile_broken) {
        m->profile_broken = b.n == 0 || b.n > IC_PROFILE_MAX;
        m->profile = m->profile_broken ? (struct ic_bytes){ 0 } : b;
    } else if (is(type, "EXIF") && !m->exif.n) {
        m->exif = b;
    } else if (is(type, "XMP ") && !m->xmp.n) {
        m->xmp = b;
    }
}

/* Chunks beyond the size that RIFF tells are none; what is cut short is not taken. */
enum ic_code ic_meta_webp(struct ic_meta *m, struct ic_bytes in, struct ic_error *e)
{
    size_t riff = in.n < 12 ? 0 : (size_t)probe_le32(in.p + 4) + 8, end = in.n < riff ? in.n : riff;

    (void)e;
    for (size_t at = 12; at < end && end - at >= 8;) {
        size_t n = probe_le32(in.p + at + 4), left = end - at - 8;

        if (n > left)
            break;
        on_chunk(m, in.p + at, (struct ic_bytes){ in.p + at + 8, n });
        at += 8 + (n + (n & 1) < left ? n + (n & 1) : left);
    }
    return IC_OK;
}
