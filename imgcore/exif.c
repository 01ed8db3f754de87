/* EXIF, read: the orientation for geometry, texts for who owns a picture. Called by the header probes of all formats
 * and by run_meta.c. What is written is made in exif_build.c; what is told of
 * a picture, in exif_shot.c.
 *
 * Only the first directory is read: these live nowhere else. */
#include "exif.h"
#include "tiff.h"

#define TAG_ORIENTATION 0x0112

static bool find_tag(const struct tiff *t, uint16_t tag, struct tiff_entry *out)
{
    return tiff_find(t, tiff_get32(t, 4), tag, out);
}

uint8_t ic_exif_orientation(struct ic_bytes exif)
{
    struct tiff_entry found;
    struct tiff t;

    if (!tiff_open(&t, exif) || !find_tag(&t, TAG_ORIENTATION, &found))
        return 1;
    uint32_t value = tiff_value(&t, &found);
    return value >= 1 && value <= 8 ? (uint8_t)value : 1;
}

struct ic_bytes ic_exif_text(struct ic_bytes exif, uint16_t tag)
{
    struct tiff_entry found;
    struct tiff t;

    if (!tiff_open(&t, exif) || !find_tag(&t, tag, &found) || found.type != TIFF_ASCII)
        return (struct ic_bytes){ 0 };
    struct ic_bytes text = { t.b.p + found.at, found.n };
    while (text.n && (text.p[text.n - 1] == '\0' || text.p[text.n - 1] == ' '))
        text.n--;
    return text;
}
