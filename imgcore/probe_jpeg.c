/* JPEG's header: markers up to the first frame header (ITU-T T.81 annex B).
 *
 * Walks markers as libjpeg does, garbage between segments included, so that both find the same frame header. */
#include "exif.h"
#include "probe.h"

#include <string.h>

#define MAX_SIDE 65500 /* libjpeg's JPEG_MAX_DIMENSION */

enum marker {
    M_SOF0 = 0xc0,
    M_SOF1 = 0xc1,
    M_SOF2 = 0xc2,
    M_SOF9 = 0xc9, /* as 1 and 2, coded arithmetically */
    M_SOF10 = 0xca,
    M_DHT = 0xc4,
    M_DAC = 0xcc,
    M_SOF15 = 0xcf,
    M_RST0 = 0xd0,
    M_RST7 = 0xd7,
    M_SOI = 0xd8,
    M_EOI = 0xd9,
    M_SOS = 0xda,
    M_DRI = 0xdd,
    M_APP0 = 0xe0,
    M_APP1 = 0xe1,
    M_APP15 = 0xef,
    M_COM = 0xfe,
    M_TEM = 0x01
};

bool probe_jpeg_marker(struct ic_bytes in, size_t *at, uint8_t *marker)
{
    size_t i = *at;
    do {
        const uint8_t *ff = i < in.n ? memchr(in.p + i, 0xff, in.n - i) : NULL;
        if (!ff)
            return false;
        i = (size_t)(ff - in.p);
        while (i < in.n && in.p[i] == 0xff)
            i++;
        if (i == in.n)
            return false;
        *marker = in.p[i++];
    } while (*marker == 0);
    *at = i;
    return true;
}

static bool is_sof(uint8_t m)
{
    return m >= M_SOF0 && m <= M_SOF15 && m != M_DHT && m != M_DAC;
}

static bool is_standalone(uint8_t m)
{
    return m == M_TEM || (m >= M_RST0 && m <= M_RST7);
}

/* SOI and EOI have no business here, SOS comes too early, the rest is reserved: libjpeg refuses them all. */
static bool is_segment(uint8_t m)
{
    return m == M_DHT || m == M_DAC || (m > M_SOS && m <= M_DRI) || (m >= M_APP0 && m <= M_APP15) || m == M_COM ||
           is_sof(m);
}

static const char *unsupported_coding(uint8_t sof)
{
    switch (sof) {
    case M_SOF0:
    case M_SOF1:
    case M_SOF2:
    case M_SOF9:
    case M_SOF10:
        return NULL;
    case 0xc3:
        return "lossless";
    case 0xcb:
        return "lossless arithmetic-coded";
    default:
        return "hierarchical";
    }
}

static enum ic_code fill_components(const uint8_t *p, struct ic_info *out, struct ic_error *e)
{
    for (int i = 0; i < out->components; i++) {
        uint8_t h = p[3 * i + 1] >> 4, v = p[3 * i + 1] & 15;
        if (h < 1 || h > 4 || v < 1 || v > 4)
            return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: sampling factors %ux%u", h, v);
        out->hsamp[i] = h;
        out->vsamp[i] = v;
    }
    return IC_OK;
}

static enum ic_code check_sizes(const struct ic_info *i, struct ic_error *e)
{
    if (i->width == 0 || i->height == 0)
        return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: a side of 0 pixels");
    if (i->width > MAX_SIDE || i->height > MAX_SIDE)
        return ic_fail(e, IC_E_LIMIT, "%ux%u pixels, a JPEG may have %d a side", i->width, i->height, MAX_SIDE);
    return IC_OK;
}

/* p: the frame header after its length field, n bytes. */
static enum ic_code frame_header(uint8_t sof, const uint8_t *p, size_t n, struct ic_info *out, struct ic_error *e)
{
    const char *coding = unsupported_coding(sof);
    if (coding)
        return ic_fail(e, IC_E_FORMAT, "%s JPEG is not supported; baseline and progressive are", coding);
    if (n < 6 || n != 6 + 3 * (size_t)p[5])
        return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: frame header of %zu bytes", n);
    if (p[0] == 12 && sof != M_SOF0)
        return ic_fail(e, IC_E_FORMAT, "12-bit JPEG is not supported; 8-bit is");
    if (p[0] != 8)
        return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: %u bits a sample", p[0]);
    if (p[5] != 1 && p[5] != 3 && p[5] != 4)
        return ic_fail(e, IC_E_FORMAT, "JPEG of %u components is not supported; 1, 3 and 4 are", p[5]);
    out->format = IC_FORMAT_JPEG;
    out->depth = p[0];
    out->height = probe_be16(p + 1);
    out->width = probe_be16(p + 3);
    out->components = p[5];
    out->cmyk = p[5] == 4;
    out->progressive = sof == M_SOF2 || sof == M_SOF10;
    out->arithmetic = sof == M_SOF9 || sof == M_SOF10;
    enum ic_code rc = check_sizes(out, e);
    return rc != IC_OK ? rc : fill_components(p + 6, out, e);
}

static void look_for_exif(const uint8_t *p, size_t n, struct ic_info *out)
{
    if (out->orientation == 1 && n > 6 && memcmp(p, "Exif\0\0", 6) == 0)
        out->orientation = ic_exif_orientation((struct ic_bytes){ p, n });
}

enum ic_code probe_jpeg(struct ic_bytes in, struct ic_info *out, struct ic_error *e)
{
    size_t at = 2;
    uint8_t marker;
    while (probe_jpeg_marker(in, &at, &marker)) {
        if (is_standalone(marker))
            continue;
        if (!is_segment(marker))
            return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: marker 0x%02x before the frame header", marker);
        if (in.n - at < 2)
            break;
        size_t length = probe_be16(in.p + at);
        if (length < 2)
            return ic_fail(e, IC_E_CORRUPT, "corrupt JPEG: segment of %zu bytes", length);
        if (in.n - at < length)
            break;
        const uint8_t *p = in.p + at + 2;
        if (is_sof(marker))
            return frame_header(marker, p, length - 2, out, e);
        if (marker == M_APP1)
            look_for_exif(p, length - 2, out);
        at += length;
    }
    return probe_more(e);
}
