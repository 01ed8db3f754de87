/* EXIF's orientation, for geometry. Called by the header probes of all formats.
 *
 * Only the first directory is read: orientation lives nowhere else. */
#include "exif.h"
#include "tiff.h"

#define TAG_ORIENTATION 0x0112

uint8_t ic_exif_orientation(struct ic_bytes exif)
{
    struct tiff t;
    if (!tiff_open(&t, exif))
        return 1;
    size_t at = tiff_get32(&t, 4);
    uint32_t n = tiff_entries(&t, at);
    for (uint32_t i = 0; i < n; i++) {
        struct tiff_entry e;
        if (!tiff_entry(&t, at, i, &e) || e.tag != TAG_ORIENTATION)
            continue;
        uint32_t value = tiff_value(&t, &e);
        return value >= 1 && value <= 8 ? (uint8_t)value : 1;
    }
    return 1;
}
