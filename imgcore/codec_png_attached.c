/* The chunks a PNG has for profile and metadata: iCCP, eXIf, and iTXt for XMP. There is none for IPTC. */
#include "codec_png.h"

#include <libdeflate.h>
#include <string.h>

#define LEVEL 6 /* a profile is small */

/* Name, NUL, method 0, zlib. */
static const char iccp_head[] = "icc\0";

static enum ic_code compress_profile(struct ic_bytes profile, uint8_t *to, size_t room, size_t *n, struct ic_error *e)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);

    if (!c)
        return ic_fail(e, IC_E_MEMORY, "no memory for a profile of %zu bytes", profile.n);
    *n = libdeflate_zlib_compress(c, profile.p, profile.n, to, room);
    libdeflate_free_compressor(c);
    return IC_OK;
}

static enum ic_code put_profile(struct ic_buffer *b, struct ic_bytes profile, struct ic_mem *mem, struct ic_error *e)
{
    size_t room = libdeflate_zlib_compress_bound(NULL, profile.n), n = 0;
    uint8_t *chunk = ic_alloc(mem, sizeof iccp_head + room);

    if (!chunk)
        return ic_fail(e, IC_E_MEMORY, "no memory for a profile of %zu bytes", profile.n);
    memcpy(chunk, iccp_head, sizeof iccp_head);
    enum ic_code rc = compress_profile(profile, chunk + sizeof iccp_head, room, &n, e);
    if (rc == IC_OK && n)
        rc = png_put_chunk(b, "iCCP", chunk, sizeof iccp_head + n, e);
    ic_free(mem, chunk);
    return rc;
}

/* Uncompressed, without a language and a translated keyword. */
static enum ic_code put_xmp(struct ic_buffer *b, struct ic_bytes xmp, struct ic_mem *mem, struct ic_error *e)
{
    static const char head[] = "XML:com.adobe.xmp\0\0\0\0";
    uint8_t *chunk = ic_alloc(mem, sizeof head + xmp.n);

    if (!chunk)
        return ic_fail(e, IC_E_MEMORY, "no memory for XMP of %zu bytes", xmp.n);
    memcpy(chunk, head, sizeof head);
    memcpy(chunk + sizeof head, xmp.p, xmp.n);
    enum ic_code rc = png_put_chunk(b, "iTXt", chunk, sizeof head + xmp.n, e);
    ic_free(mem, chunk);
    return rc;
}

enum ic_code png_put_attached(struct ic_buffer *b, const struct ic_attached *a, struct ic_mem *mem, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    if (a->profile.n)
        rc = put_profile(b, a->profile, mem, e);
    if (rc == IC_OK && a->exif.n)
        rc = png_put_chunk(b, "eXIf", a->exif.p, a->exif.n, e);
    if (rc == IC_OK && a->xmp.n)
        rc = put_xmp(b, a->xmp, mem, e);
    return rc;
}
