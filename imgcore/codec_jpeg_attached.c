/* The application segments of a JPEG that is written: EXIF first, as its specification wants it, XMP, IPTC in
 * Photoshop's clothes, the profile in as many segments as it takes. */
#include "codec_jpeg.h"

#include <string.h>

#define SEGMENT_MOST 65533u /* bytes of a segment behind its length */

/* A segment of a prefix and a block, padded to `even` bytes; nothing where the block is empty or too large. */
static void write_segment(j_compress_ptr c, int marker, struct ic_bytes prefix, struct ic_bytes b, size_t even)
{
    size_t pad = b.n % even;

    if (!b.n || prefix.n + b.n + pad > SEGMENT_MOST)
        return;
    jpeg_write_m_header(c, marker, (unsigned)(prefix.n + b.n + pad));
    for (size_t i = 0; i < prefix.n; i++)
        jpeg_write_m_byte(c, prefix.p[i]);
    for (size_t i = 0; i < b.n; i++)
        jpeg_write_m_byte(c, b.p[i]);
    for (size_t i = 0; i < pad; i++)
        jpeg_write_m_byte(c, 0);
}

static struct ic_bytes text(const char *p, size_t n)
{
    return (struct ic_bytes){ (const uint8_t *)p, n };
}

/* One resource, 0x0404, without a name. */
static void write_iptc(j_compress_ptr c, struct ic_bytes b)
{
    char prefix[] = "Photoshop 3.0\0"
                    "8BIM\4\4\0\0\0\0\0\0";

    for (int i = 0; i < 4; i++)
        prefix[sizeof prefix - 5 + (size_t)i] = (char)(b.n >> (24 - 8 * i));
    write_segment(c, JPEG_APP0 + 13, text(prefix, sizeof prefix - 1), b, 2);
}

void jpeg_write_attached(struct jpeg_compress_struct *c, const struct ic_attached *a)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";

    write_segment(c, JPEG_APP0 + 1, text(exif, sizeof exif), a->exif, 1);
    write_segment(c, JPEG_APP0 + 1, text(xmp, sizeof xmp), a->xmp, 1);
    if (a->iptc.n)
        write_iptc(c, a->iptc);
    if (a->profile.n)
        jpeg_write_icc_profile(c, a->profile.p, (unsigned)a->profile.n);
}
