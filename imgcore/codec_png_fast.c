/* PNG, reading what most files are: 8-bit grey, grey+alpha, RGB or RGBA, not interlaced, without transparent colours.
 * codec_png.c asks here first, and libpng takes what this refuses.
 *
 *     IDAT chunks --checksum, 16 KB at a time--> inflate (ISA-L) --> filtered strip --kernels--> rows
 *
 * ISA-L rather than libdeflate: it inflates as rows are pulled, from the chunks where they lie into a strip, so memory
 * does not grow with the image; and in a quarter less time. What is damaged or cut short fails or yields as with
 * libpng: a wrong checksum of a chunk is an error, one of the whole stream is not, and the rows before a cut are kept.
 */
#include "codec_png.h"
#include "cpu.h"
#include "probe.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <string.h>

#define PIECE     16384u /* compressed bytes given at a time: still in the first cache after the checksum */
#define STRIP     65536u /* filtered bytes of a strip, or one row */
#define MOST_ROWS 64u
#define PAD       64u /* before the first row; also the zeros to its left */

struct fast_source {
    struct ic_source base;
    struct ic_mem *mem;         /* borrowed */
    const struct ic_kernels *k; /* borrowed */
    struct ic_bytes in;
    size_t at;     /* of the next byte to be given */
    uint32_t left; /* bytes of the current IDAT from there */
    uint32_t crc;  /* of the current IDAT so far */
    bool in_idat;
    bool ended;          /* the file ends before the image does */
    uint8_t wrapper[2];  /* the stream's first bytes */
    uint8_t have;        /* of them */
    uint32_t row;        /* yielded */
    uint32_t strip_rows; /* of a full strip */
    size_t bpp, row_bytes, stride;
    struct inflate_state *z; /* owned, as are: */
    uint8_t *filtered;       /* strip_rows of 1 + row_bytes */
    uint8_t *block;          /* rows, with PAD before each */
    uint8_t *rows;           /* in block: row 0 is the last one of the strip before */
};

/* Opening. */

/* Sets in->at to the first IDAT; false where the file has what is libpng's to deal with. The probe has been through the
 * same chunks. */
static bool fast_skip_header(struct fast_source *s)
{
    while (s->in.n - s->at >= 12) {
        const uint8_t *type = s->in.p + s->at + 4;
        uint32_t n = probe_be32(s->in.p + s->at);

        if (memcmp(type, "IDAT", 4) == 0)
            return true;
        if (memcmp(type, "PLTE", 4) == 0 || memcmp(type, "tRNS", 4) == 0 || n > s->in.n - s->at - 12)
            return false;
        s->at += 12 + (size_t)n;
    }
    return false;
}

/* What the file says of itself must be what was expected. */
static bool fast_header_agrees(struct ic_bytes in, const struct ic_info *x)
{
    static const uint8_t colour_types[] = { 0, 0, 4, 2, 6 };
    const uint8_t *ihdr = in.p + 16;

    return in.n >= 33 && probe_be32(ihdr) == x->width && probe_be32(ihdr + 4) == x->height && ihdr[8] == 8 &&
           x->depth == 8 && x->components >= 1 && x->components <= 4 && ihdr[9] == colour_types[x->components] &&
           ihdr[12] == 0 && !x->progressive && !x->palette;
}

static void fast_set_shape(struct fast_source *s, const struct ic_info *x)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_GREYA, IC_RGB, IC_RGBA };

    s->base.shape = (struct ic_planes){ .layout = layouts[x->components - 1], .n = 1 };
    s->base.shape.plane[0] = (struct ic_plane){
        .width = x->width, .height = x->height, .channels = x->components, .span_w = x->width, .span_h = x->height
    };
}

static enum ic_code fast_alloc(struct fast_source *s, struct ic_error *e)
{
    const struct ic_plane *p = &s->base.shape.plane[0];
    size_t filtered, rows;

    s->bpp = (size_t)p->channels;
    if (!ic_mul(p->width, s->bpp, &s->row_bytes) || s->row_bytes > UINT32_MAX / 2)
        return ic_fail(e, IC_E_LIMIT, "PNG: rows too wide");
    s->stride = ic_stride(s->row_bytes) + PAD;
    s->strip_rows = (uint32_t)(STRIP / (s->row_bytes + 1));
    s->strip_rows = s->strip_rows < 1 ? 1 : s->strip_rows > MOST_ROWS ? MOST_ROWS : s->strip_rows;
    if (!ic_mul(s->strip_rows, s->row_bytes + 1, &filtered) || !ic_mul(s->strip_rows + 1, s->stride, &rows))
        return ic_fail(e, IC_E_LIMIT, "PNG: rows too wide");
    s->z = ic_alloc(s->mem, sizeof(*s->z));
    s->filtered = ic_alloc(s->mem, filtered);
    s->block = ic_calloc(s->mem, rows + PAD);
    if (!s->z || !s->filtered || !s->block)
        return ic_fail(e, IC_E_MEMORY, "no memory for rows of a PNG");
    s->rows = s->block + PAD;
    isal_inflate_init(s->z);
    return IC_OK;
}

static void fast_close(struct ic_source *base)
{
    struct fast_source *s = (struct fast_source *)base;
    struct ic_mem *mem = s->mem;

    ic_free(mem, s->z);
    ic_free(mem, s->filtered);
    ic_free(mem, s->block);
    ic_free(mem, s);
}

/* Compressed bytes. */

static enum ic_code fast_damaged(struct ic_error *e, const char *what)
{
    return ic_fail(e, IC_E_CORRUPT, "PNG: %s", what);
}

/* After a chunk's data: its checksum. */
static enum ic_code fast_end_chunk(struct fast_source *s, struct ic_error *e)
{
    s->in_idat = false;
    if (s->in.n - s->at < 4) {
        s->ended = true;
        return IC_OK;
    }
    s->at += 4;
    return probe_be32(s->in.p + s->at - 4) == s->crc ? IC_OK : fast_damaged(e, "wrong checksum of IDAT");
}

static enum ic_code fast_begin_chunk(struct fast_source *s, struct ic_error *e)
{
    if (s->in.n - s->at < 8) {
        s->ended = true;
        return IC_OK;
    }
    if (memcmp(s->in.p + s->at + 4, "IDAT", 4) != 0)
        return fast_damaged(e, "not enough image data");
    s->left = probe_be32(s->in.p + s->at);
    if (s->left > INT32_MAX)
        return fast_damaged(e, "a chunk that is too long");
    s->crc = crc32_gzip_refl(0, s->in.p + s->at + 4, 4);
    s->at += 8;
    s->in_idat = true;
    return IC_OK;
}

/* The next bytes of the stream, counted into the chunk's checksum; none of them: s->ended, or an error. */
static enum ic_code fast_piece(struct fast_source *s, struct ic_bytes *piece, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    while (rc == IC_OK && !s->ended && (!s->in_idat || s->left == 0))
        rc = s->in_idat ? fast_end_chunk(s, e) : fast_begin_chunk(s, e);
    size_t n = s->left < PIECE ? s->left : PIECE, rest = s->in.n - s->at;
    if (rc != IC_OK || s->ended)
        return rc;
    n = n < rest ? n : rest;
    s->ended = n == 0;
    *piece = (struct ic_bytes){ s->in.p + s->at, n };
    s->crc = crc32_gzip_refl(s->crc, piece->p, n);
    s->at += n;
    s->left -= (uint32_t)n;
    return IC_OK;
}

/* zlib's wrapper (RFC 1950), without a dictionary. ISA-L could read it, but would add up a checksum that decides
 * nothing here. */
static enum ic_code fast_unwrap(struct fast_source *s, struct ic_bytes *piece, struct ic_error *e)
{
    for (; s->have < 2 && piece->n; piece->p++, piece->n--)
        s->wrapper[s->have++] = *piece->p;
    if (s->have < 2)
        return IC_OK;
    uint8_t method = s->wrapper[0], flags = s->wrapper[1];
    bool ok = (method & 15) == 8 && method >> 4 <= 7 && (method << 8 | flags) % 31 == 0 && !(flags & 32);
    return ok ? IC_OK : fast_damaged(e, "no zlib stream");
}

static enum ic_code fast_feed(struct fast_source *s, struct ic_error *e)
{
    struct ic_bytes piece = { 0 };
    enum ic_code rc = fast_piece(s, &piece, e);

    if (rc == IC_OK && s->have < 2)
        rc = fast_unwrap(s, &piece, e);
    s->z->next_in = (uint8_t *)piece.p; /* only read */
    s->z->avail_in = (uint32_t)piece.n;
    return rc;
}

/* Inflates n bytes, or as many as the file has: *got. */
static enum ic_code fast_inflate(struct fast_source *s, size_t n, size_t *got, struct ic_error *e)
{
    struct inflate_state *z = s->z;
    enum ic_code rc = IC_OK;

    z->next_out = s->filtered;
    z->avail_out = (uint32_t)n;
    while (z->avail_out && rc == IC_OK) {
        if (isal_inflate(z) < 0)
            return fast_damaged(e, "damaged image data");
        if (!z->avail_out || s->ended)
            break;
        if (z->block_state == ISAL_BLOCK_FINISH)
            return fast_damaged(e, "not enough image data");
        if (!z->avail_in)
            rc = fast_feed(s, e);
    }
    *got = n - z->avail_out;
    return rc;
}

/* Rows. */

static bool fast_unfilter(const struct fast_source *s, uint8_t *dst, const uint8_t *src)
{
    const uint8_t *above = dst - s->stride;
    size_t n = s->row_bytes;

    switch (*src++) {
    case IC_PNG_NONE:
        memcpy(dst, src, n);
        return true;
    case IC_PNG_SUB:
        s->k->png_unsub(dst, src, n, s->bpp);
        return true;
    case IC_PNG_UP:
        s->k->png_unup(dst, src, above, n);
        return true;
    case IC_PNG_AVERAGE:
        s->k->png_unaverage(dst, src, above, n, s->bpp);
        return true;
    case IC_PNG_PAETH:
        s->k->png_unpaeth(dst, src, above, n, s->bpp);
        return true;
    default:
        return false;
    }
}

/* `good` filtered rows to rows 1 and on; false where one names no filter. */
static bool fast_unfilter_rows(const struct fast_source *s, uint32_t good)
{
    size_t line = s->row_bytes + 1;

    for (uint32_t y = 0; y < good; y++) {
        uint8_t *dst = s->rows + (y + 1) * s->stride;
        const uint8_t *src = s->filtered + y * line;

        if (y + 1 < good && src[0] == IC_PNG_PAETH && src[line] == IC_PNG_PAETH) {
            s->k->png_unpaeth2(dst, s->stride, src + 1, dst - s->stride, s->row_bytes, s->bpp);
            y++;
        } else if (!fast_unfilter(s, dst, src)) {
            return false;
        }
    }
    return true;
}

/* What is left of the current chunk after the last row is not inflated, but its checksum counts. */
static enum ic_code fast_finish(struct fast_source *s, struct ic_error *e)
{
    struct ic_bytes piece;
    enum ic_code rc = IC_OK;

    while (s->left && !s->ended && rc == IC_OK)
        rc = fast_piece(s, &piece, e);
    if (rc == IC_OK && s->in_idat && !s->ended)
        rc = fast_end_chunk(s, e);
    return rc;
}

/* want rows after row 0; rows that a truncated file lacks are grey. */
static enum ic_code fast_strip(struct fast_source *s, uint32_t want, struct ic_error *e)
{
    size_t line = s->row_bytes + 1, got = 0;
    enum ic_code rc = s->base.truncated ? IC_OK : fast_inflate(s, want * line, &got, e);
    uint32_t good = (uint32_t)(got / line);

    if (rc != IC_OK)
        return rc;
    if (!fast_unfilter_rows(s, good))
        return fast_damaged(e, "a filter that there is not");
    for (uint32_t y = good; y < want; y++)
        ic_grey_pixels(s->rows + (y + 1) * s->stride, s->base.shape.plane[0].width, (int)s->bpp);
    if (s->row + good == s->base.shape.plane[0].height)
        rc = fast_finish(s, e);
    s->base.truncated = s->base.truncated || s->ended;
    return s->row + good ? rc : fast_damaged(e, "the data ends early");
}

static enum ic_code fast_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct fast_source *s = (struct fast_source *)base;
    uint32_t left = base->shape.plane[0].height - s->row, want = left < s->strip_rows ? left : s->strip_rows;

    if (!want)
        return IC_OK;
    enum ic_code rc = fast_strip(s, want, e);
    if (rc != IC_OK)
        return rc;
    memcpy(s->rows, s->rows + want * s->stride, s->row_bytes);
    s->row += want;
    rows->p[0] = s->rows + s->stride;
    rows->stride[0] = s->stride;
    rows->n[0] = want;
    return IC_OK;
}

static const struct ic_source_ops fast_ops = { .rows = fast_rows, .close = fast_close };

enum ic_code png_fast_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                           struct ic_error *e)
{
    struct fast_source probe = { .in = in, .at = 8 };
    *out = NULL;
    if (!fast_header_agrees(in, o->expect) || !fast_skip_header(&probe))
        return IC_OK;
    struct fast_source *s = ic_alloc(o->mem, sizeof(*s));
    if (!s)
        return ic_fail(e, IC_E_MEMORY, "no memory for a PNG decoder");
    *s = probe;
    s->base.ops = &fast_ops;
    s->mem = o->mem;
    s->k = ic_kernels();
    fast_set_shape(s, o->expect);
    enum ic_code rc = fast_alloc(s, e);
    if (rc == IC_OK)
        *out = &s->base;
    else
        fast_close(&s->base);
    return rc;
}
