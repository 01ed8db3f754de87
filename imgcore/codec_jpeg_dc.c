/* JPEG at an eighth, from its DC coefficients alone: an eighth of each plane, which is what little pictures that are
 * only looked at need. codec_jpeg.c asks here first where a rough picture will do.
 *
 * libjpeg decodes every AC coefficient for it, too, and all of a progressive file's frame is in memory. Here AC
 * coefficients are passed by (jpeg_huffman.c), and a progressive file is read as far as its first DC scans. Whatever is
 * not plain and sound is left to libjpeg: other processes, CMYK, RGB, files that end early, any error. */
#include "codec_jpeg.h"

#include "jpeg_huffman.h"
#include "probe.h"

#include <string.h>

/* Files have 4, or some for each scan. Each costs some microseconds, however few bytes it has. */
#define MAX_TABLES 64

enum { SOF0 = 0xc0, SOF1, SOF2, DHT = 0xc4, RST0 = 0xd0, EOI = 0xd9, SOS, DQT, DRI = 0xdd, APP0 = 0xe0, APP14 = 0xee };

struct dc_component {
    uint8_t id, h, v, quant;
    uint32_t blocks_w, blocks_h; /* of the component alone */
    uint32_t stride;             /* blocks of a row, those that only fill up MCUs too */
    uint8_t *p;                  /* owned: a sample a block */
    bool seen;
    /* of the scan that is read */
    struct jpeg_huffman *dc, *ac;
    int predicted;
};

struct dc_scan {
    struct dc_component *of[3]; /* n, borrowed */
    int n;
    struct jpeg_bits bits;
};

struct dc_source {
    struct ic_source base;
    struct ic_mem *mem;           /* borrowed */
    const struct ic_info *expect; /* borrowed while opening */
    struct ic_bytes in;
    size_t at;
    bool progressive;
    int n, max_h, max_v;
    uint32_t mcus_w, mcus_h, interval; /* MCUs between restarts; 0: none */
    struct dc_component c[3];
    uint16_t quant[4];            /* of DC; 0: not defined */
    struct jpeg_huffman *huffman; /* owned: 4 of DC, 4 of AC */
    int tables;                   /* read so far */
    int shift;                    /* of the scan: bits that later scans would add */
    uint32_t row;                 /* of MCUs, yielded */
};

/* Header. All return false for what is to be left to libjpeg. */

static bool dc_quant(struct dc_source *s, struct ic_bytes b)
{
    while (b.n) {
        bool wide = b.p[0] >> 4;
        size_t n = wide ? 129 : 65;

        if (b.n < n || (b.p[0] & 15) > 3)
            return false;
        s->quant[b.p[0] & 15] = (uint16_t)(wide ? b.p[1] << 8 | b.p[2] : b.p[1]);
        b.p += n;
        b.n -= n;
    }
    return true;
}

static bool dc_huffman(struct dc_source *s, struct ic_bytes b)
{
    while (b.n) {
        size_t n = 0;

        if (++s->tables > MAX_TABLES || b.n < 17 || b.p[0] >> 4 > 1 || (b.p[0] & 15) > 3)
            return false;
        for (int i = 1; i <= 16; i++)
            n += b.p[i];
        if (n > 256 || b.n < 17 + n ||
            !jpeg_huffman_init(&s->huffman[(b.p[0] >> 4) * 4 + (b.p[0] & 15)], b.p + 1, b.p + 17, n))
            return false;
        b.p += 17 + n;
        b.n -= 17 + n;
    }
    return true;
}

static uint32_t dc_ceil(uint64_t a, uint64_t b)
{
    return (uint32_t)((a + b - 1) / b);
}

static bool dc_alloc(struct dc_source *s)
{
    const struct ic_info *x = s->expect;

    s->mcus_w = dc_ceil(x->width, 8u * (unsigned)s->max_h);
    s->mcus_h = dc_ceil(x->height, 8u * (unsigned)s->max_v);
    for (int i = 0; i < s->n; i++) {
        struct dc_component *c = &s->c[i];
        struct ic_plane *p = &s->base.shape.plane[i];
        size_t size;

        c->blocks_w = dc_ceil((uint64_t)x->width * c->h, 8u * (unsigned)s->max_h);
        c->blocks_h = dc_ceil((uint64_t)x->height * c->v, 8u * (unsigned)s->max_v);
        c->stride = (uint32_t)ic_stride((size_t)s->mcus_w * c->h);
        if (!ic_mul(c->stride, (size_t)s->mcus_h * c->v, &size) || !(c->p = ic_alloc(s->mem, size)))
            return false;
        *p = (struct ic_plane){ .width = c->blocks_w, .height = c->blocks_h, .channels = 1 };
        p->span_w = (double)x->width * c->h / (s->max_h * 8);
        p->span_h = (double)x->height * c->v / (s->max_v * 8);
    }
    s->base.shape.n = s->n;
    s->base.shape.layout = s->n == 1 ? IC_GREY : IC_YCBCR;
    return true;
}

static bool dc_frame(struct dc_source *s, struct ic_bytes b)
{
    const struct ic_info *x = s->expect;

    if (s->n || b.n < 6 || b.p[0] != 8 || (b.p[5] != 1 && b.p[5] != 3) || b.p[5] != x->components ||
        b.n != 6u + 3u * b.p[5] || (uint32_t)(b.p[3] << 8 | b.p[4]) != x->width ||
        (uint32_t)(b.p[1] << 8 | b.p[2]) != x->height)
        return false;
    s->n = b.p[5];
    for (int i = 0; i < s->n; i++) {
        const uint8_t *p = b.p + 6 + 3 * i;
        struct dc_component *c = &s->c[i];

        *c = (struct dc_component){ .id = p[0], .h = p[1] >> 4, .v = p[1] & 15, .quant = p[2] & 3 };
        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4 || c->h != x->hsamp[i] || c->v != x->vsamp[i])
            return false;
        s->max_h = c->h > s->max_h ? c->h : s->max_h;
        s->max_v = c->v > s->max_v ? c->v : s->max_v;
    }
    return (s->c[0].id != 'R' || s->c[1].id != 'G') && dc_alloc(s);
}

/* Scans. */

/* Factors of 16, 13 and 16 bits: no int, where a file is up to no good. */
static void dc_put(const struct dc_source *s, struct dc_component *c, uint32_t x, uint32_t y)
{
    int64_t v = (((int64_t)c->predicted * (1 << s->shift) * s->quant[c->quant] + 4) >> 3) + 128;

    c->p[(size_t)y * c->stride + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static bool dc_block(const struct dc_source *s, struct jpeg_bits *b, struct dc_component *c, uint32_t x, uint32_t y)
{
    int difference;

    if (!jpeg_huffman_dc(c->dc, b, &difference))
        return false;
    c->predicted += difference;
    if (c->predicted < -32768 || c->predicted > 32767)
        return false;
    dc_put(s, c, x, y);
    return s->progressive || jpeg_huffman_skip_ac(c->ac, b);
}

/* An MCU of all components, or a block of one that has the scan for itself. */
static bool dc_mcu(const struct dc_source *s, struct dc_scan *scan, uint32_t mx, uint32_t my)
{
    if (scan->n == 1)
        return dc_block(s, &scan->bits, scan->of[0], mx, my);
    for (int i = 0; i < scan->n; i++) {
        struct dc_component *c = scan->of[i];

        for (uint32_t v = 0; v < c->v; v++)
            for (uint32_t h = 0; h < c->h; h++)
                if (!dc_block(s, &scan->bits, c, mx * c->h + h, my * c->v + v))
                    return false;
    }
    return true;
}

/* To the restart marker that must be there. */
static bool dc_restart(struct dc_scan *scan, uint32_t count)
{
    struct jpeg_bits *b = &scan->bits;

    if (!jpeg_bits_sound(b) || b->n - b->made_up >= 8 || b->end - b->p < 2 || b->p[0] != 0xff ||
        b->p[1] != RST0 + count % 8)
        return false;
    b->p += 2;
    b->acc = 0;
    b->n = b->made_up = 0;
    for (int i = 0; i < scan->n; i++)
        scan->of[i]->predicted = 0;
    return true;
}

static bool dc_scan_blocks(struct dc_source *s, struct dc_scan *scan)
{
    bool alone = scan->n == 1;
    uint32_t w = alone ? scan->of[0]->blocks_w : s->mcus_w, h = alone ? scan->of[0]->blocks_h : s->mcus_h;
    uint32_t left = s->interval, restarts = 0;

    scan->bits = (struct jpeg_bits){ .p = s->in.p + s->at, .end = s->in.p + s->in.n };
    for (uint32_t y = 0; y < h; y++) {
        for (uint32_t x = 0; x < w; x++, left--) {
            if (s->interval && !left) {
                if (!dc_restart(scan, restarts++))
                    return false;
                left = s->interval;
            }
            if (!dc_mcu(s, scan, x, y))
                return false;
        }
        if (!jpeg_bits_sound(&scan->bits))
            return false;
    }
    /* What is left over must be the padding of the last byte. */
    s->at = (size_t)(scan->bits.p - s->in.p);
    return scan->bits.n - scan->bits.made_up < 8;
}

static struct dc_component *dc_named(struct dc_source *s, uint8_t id)
{
    for (int i = 0; i < s->n; i++)
        if (s->c[i].id == id)
            return &s->c[i];
    return NULL;
}

/* A scan whose header is b; s->at is behind it. Scans that hold no DC, or refine it, are passed by. */
static bool dc_read_scan(struct dc_source *s, struct ic_bytes b)
{
    struct dc_scan scan;
    int n = b.n ? b.p[0] : 0;

    if (!s->n || n < 1 || n > s->n || b.n != 4u + 2u * (unsigned)n)
        return false;
    if (b.p[1 + 2 * n] != 0 || b.p[3 + 2 * n] >> 4)
        return s->progressive;
    s->shift = b.p[3 + 2 * n] & 15;
    for (int i = 0; i < n; i++) {
        struct dc_component *c = scan.of[i] = dc_named(s, b.p[1 + 2 * i]);

        if (!c || c->seen || b.p[2 + 2 * i] >> 4 > 3 || (b.p[2 + 2 * i] & 15) > 3 || !s->quant[c->quant])
            return false;
        c->dc = &s->huffman[b.p[2 + 2 * i] >> 4];
        c->ac = &s->huffman[4 + (b.p[2 + 2 * i] & 15)];
        c->predicted = 0;
        c->seen = true;
        if (!c->dc->defined || (!s->progressive && !c->ac->defined))
            return false;
        if (!s->progressive)
            jpeg_huffman_add_steps(c->ac);
    }
    scan.n = n;
    return s->shift <= 13 && (s->progressive || !s->shift) && dc_scan_blocks(s, &scan);
}

/* Segments. */

static bool dc_complete(const struct dc_source *s)
{
    for (int i = 0; i < s->n; i++)
        if (!s->c[i].seen)
            return false;
    return s->n > 0;
}

/* To the next marker, over entropy-coded data that nobody reads; 0: there is none. */
static int dc_marker(struct dc_source *s)
{
    while (s->in.n - s->at >= 2) {
        const uint8_t *ff = memchr(s->in.p + s->at, 0xff, s->in.n - s->at - 1);

        if (!ff)
            return 0;
        s->at = (size_t)(ff - s->in.p) + 1;
        if (*++ff != 0 && *ff != 0xff && (*ff < RST0 || *ff > RST0 + 7)) {
            s->at++;
            return *ff;
        }
    }
    return 0;
}

static bool dc_segment(struct dc_source *s, int marker, struct ic_bytes b)
{
    switch (marker) {
    case SOF0:
    case SOF1:
    case SOF2:
        s->progressive = marker == SOF2;
        return s->progressive == s->expect->progressive && dc_frame(s, b);
    case DHT:
        return dc_huffman(s, b);
    case DQT:
        return dc_quant(s, b);
    case DRI:
        s->interval = b.n == 2 ? (uint32_t)(b.p[0] << 8 | b.p[1]) : 0;
        return b.n == 2;
    case SOS:
        return dc_read_scan(s, b);
    case APP14: /* Adobe's transform 0 is RGB */
        return b.n < 12 || memcmp(b.p, "Adobe", 5) != 0 || b.p[11] == 1;
    default:
        return marker >= APP0 || marker < SOF0; /* the rest of the frames: other processes */
    }
}

/* Until all components are known, and the file's end is there: one that lacks it may lack scans. */
static bool dc_read(struct dc_source *s)
{
    int marker;

    s->at = 2;
    while (!dc_complete(s)) {
        if (!(marker = dc_marker(s)) || s->in.n - s->at < 2)
            return false;
        size_t n = (size_t)s->in.p[s->at] << 8 | s->in.p[s->at + 1];
        if (n < 2 || n > s->in.n - s->at)
            return false;
        struct ic_bytes b = { s->in.p + s->at + 2, n - 2 };
        s->at += n;
        if (!dc_segment(s, marker, b))
            return false;
    }
    return !s->progressive || jpeg_end_follows(s->in.p + s->at, s->in.p + s->in.n);
}

/* The source. */

static enum ic_code dc_rows(struct ic_source *base, struct ic_rows *rows, struct ic_error *e)
{
    struct dc_source *s = (struct dc_source *)base;

    (void)e;
    if (s->row == s->mcus_h)
        return IC_OK;
    for (int i = 0; i < s->n; i++) {
        const struct dc_component *c = &s->c[i];
        uint32_t y = s->row * c->v, left = c->blocks_h > y ? c->blocks_h - y : 0;

        rows->p[i] = c->p + (size_t)c->stride * y;
        rows->stride[i] = c->stride;
        rows->n[i] = left < c->v ? left : c->v;
    }
    s->row++;
    return IC_OK;
}

static void dc_close(struct ic_source *base)
{
    struct dc_source *s = (struct dc_source *)base;

    for (int i = 0; i < s->n; i++)
        ic_free(s->mem, s->c[i].p);
    ic_free(s->mem, s->huffman);
    ic_free(s->mem, s);
}

static const struct ic_source_ops dc_ops = { .rows = dc_rows, .close = dc_close };

struct ic_source *jpeg_dc_open(struct ic_bytes in, const struct ic_source_opt *o)
{
    struct dc_source *s = ic_calloc(o->mem, sizeof *s);

    if (!s)
        return NULL;
    s->base.ops = &dc_ops;
    s->mem = o->mem;
    s->expect = o->expect;
    s->in = in;
    s->huffman = ic_calloc(o->mem, 8 * sizeof *s->huffman);
    bool ok = s->huffman && dc_read(s);
    ic_free(s->mem, s->huffman);
    s->huffman = NULL;
    s->expect = NULL;
    if (ok)
        return &s->base;
    dc_close(&s->base);
    return NULL;
}
