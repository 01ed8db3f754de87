/* The header probe: what it tells of good files, where it asks for more, what it says of bad ones, and that nothing
 * hostile makes it disagree with the codecs or read where it must not. */
#include "../../imgcore/exif.h"
#include "images.h"

#define MB ((size_t)1 << 20)

static struct ic_info probe_ok(struct ic_bytes in)
{
    struct ic_info info;
    struct ic_error e = { 0 };
    ck_assert_msg(ic_probe(in, &info, &e) == IC_OK, "%s", e.text);
    return info;
}

static void check_fails(struct ic_bytes in, enum ic_code code, const char *text)
{
    struct ic_info info, before;
    struct ic_error e = { 0 };
    memset(&info, 0x5a, sizeof info);
    before = info;
    ck_assert_int_eq(ic_probe(in, &info, &e), code);
    ck_assert_int_eq(e.code, code);
    ck_assert_msg(strstr(e.text, text) != NULL, "\"%s\" lacks \"%s\"", e.text, text);
    ck_assert_mem_eq(&info, &before, sizeof info);
}

/* A prefix is never a wrong image: it asks for more, until the whole header is there. */
static void check_prefixes(struct blob b, size_t header)
{
    struct ic_info whole = probe_ok(blob_bytes(b)), part;
    ck_assert_uint_lt(header, b.n);
    for (size_t n = 0; n < header; n++) {
        uint8_t *exact = malloc(n + !n); /* so that a sanitizer sees a read beyond */
        memcpy(exact, b.p, n);
        check_fails((struct ic_bytes){ exact, n }, IC_E_MORE, "goes on");
        free(exact);
    }
    ck_assert_int_eq(ic_probe((struct ic_bytes){ b.p, header }, &part, NULL), IC_OK);
    ck_assert_mem_eq(&whole, &part, sizeof whole);
}

static size_t find_bytes(struct blob b, const char *what, size_t n)
{
    for (size_t i = 0; i + n <= b.n; i++)
        if (memcmp(b.p + i, what, n) == 0)
            return i;
    ck_abort_msg("not found");
    return 0;
}

static struct blob blob_insert(struct blob b, size_t at, const void *p, size_t n)
{
    struct blob out = { 0 };
    blob_add(&out, b.p, at);
    blob_add(&out, p, n);
    blob_add(&out, b.p + at, b.n - at);
    free(b.p);
    return out;
}

/* A TIFF block of two entries, the second of which is the orientation. */
static struct blob make_exif(bool big_endian, int type, int orientation)
{
    static const char be[] = "MM\0*\0\0\0\x08\0\2\1\x0f\0\2\0\0\0\4ABC\0\1\x12\0\0\0\0\0\1\0\0\0\0\0\0\0\0";
    static const char le[] = "II*\0\x08\0\0\0\2\0\x0f\1\2\0\4\0\0\0ABC\0\x12\1\0\0\1\0\0\0\0\0\0\0\0\0\0\0";
    struct blob b = { 0 };
    blob_add(&b, big_endian ? be : le, 38);
    b.p[24 + (big_endian ? 1 : 0)] = (uint8_t)type;
    int width = type == 4 || type == 9 ? 4 : type == 3 || type == 8 ? 2 : 1;
    b.p[30 + (big_endian ? width - 1 : 0)] = (uint8_t)orientation;
    return b;
}

START_TEST(exif_orientation)
{
    static const int types[] = { 1, 3, 4, 6, 8, 9 }; /* cameras have used all kinds of whole numbers */

    for (int big = 0; big < 2; big++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
            for (int o = 0; o <= 9; o++) {
                struct blob b = make_exif(big, types[t], o);
                ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), o >= 1 && o <= 8 ? (unsigned)o : 1);
                for (size_t n = 0; n < b.n; n++) { /* cut short: never wrong, never beyond */
                    uint8_t *exact = malloc(n + !n);
                    memcpy(exact, b.p, n);
                    unsigned got = ic_exif_orientation((struct ic_bytes){ exact, n });
                    ck_assert(got == 1 || (n >= 34 && got == (unsigned)o));
                    free(exact);
                }
                free(b.p);
            }
}
END_TEST

START_TEST(hostile_exif_is_ignored)
{
    struct blob b = make_exif(true, 3, 6);
    b.p[4] = b.p[5] = b.p[6] = b.p[7] = 0xff; /* first directory far away */
    ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), 1);
    free(b.p);
    b = make_exif(true, 3, 6);
    b.p[8] = b.p[9] = 0xff; /* many more entries than there are bytes */
    ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), 6);
    b.p[20 + 3] = 0; /* and no orientation among them */
    ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), 1);
    free(b.p);
    b = make_exif(true, 7, 6); /* of a type that holds no number */
    ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), 1);
    b.p[0] = 'X';
    ck_assert_uint_eq(ic_exif_orientation(blob_bytes(b)), 1);
    free(b.p);
}
END_TEST

/* JPEG */

static struct blob jpeg_420(void)
{
    struct jpeg_spec s = { .width = 321, .height = 123, .components = 3, .stored = JCS_YCbCr, .h = { 2 }, .v = { 2 } };
    return make_jpeg(&s);
}

START_TEST(jpeg_headers)
{
    struct blob b = jpeg_420();
    struct ic_info i = probe_ok(blob_bytes(b));
    ck_assert_int_eq(i.format, IC_FORMAT_JPEG);
    ck_assert_uint_eq(i.width, 321);
    ck_assert_uint_eq(i.height, 123);
    ck_assert_uint_eq(i.components, 3);
    ck_assert_uint_eq(i.depth, 8);
    ck_assert_uint_eq(i.frames, 1);
    ck_assert_uint_eq(i.orientation, 1);
    ck_assert(!i.alpha && !i.cmyk && !i.progressive && !i.lossless && !i.palette);
    ck_assert(i.hsamp[0] == 2 && i.vsamp[0] == 2 && i.hsamp[1] == 1 && i.vsamp[2] == 1);
    check_prefixes(b, find_bytes(b, "\xff\xc0", 2) + 19);
    free(b.p);
    struct jpeg_spec s = { .width = 5, .height = 9, .components = 4, .stored = JCS_CMYK, .progressive = true };
    b = make_jpeg(&s);
    i = probe_ok(blob_bytes(b));
    ck_assert(i.cmyk && i.progressive && !i.alpha);
    ck_assert_uint_eq(i.components, 4);
    check_prefixes(b, find_bytes(b, "\xff\xc2", 2) + 22);
    free(b.p);
}
END_TEST

START_TEST(jpeg_orientation)
{
    for (int o = 1; o <= 8; o++) {
        struct blob b = jpeg_420(), exif = make_exif(o & 1, 3, o), app1 = { 0 };
        blob_add(&app1,
                 "\xff\xe1\0\x2e"
                 "Exif\0\0",
                 10);
        blob_add(&app1, exif.p, exif.n);
        b = blob_insert(b, 2, app1.p, app1.n);
        ck_assert_uint_eq(probe_ok(blob_bytes(b)).orientation, (unsigned)o);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_int_eq(p.code, IC_OK);
        ck_assert_uint_eq(p.shape.plane[0].width, 321); /* as stored */
        pulled_free(&p);
        free(b.p);
        free(exif.p);
        free(app1.p);
    }
}
END_TEST

/* As libjpeg does: fill bytes, garbage and restart markers between segments are stepped over. */
START_TEST(jpeg_garbage_between_segments)
{
    struct blob b = jpeg_420();
    b = blob_insert(b, 2, "\xff\xff\xff", 3);
    b = blob_insert(b, find_bytes(b, "\xff\xdb", 2), "gar\xff\0bage\xff\xd3", 11);
    ck_assert_uint_eq(probe_ok(blob_bytes(b)).width, 321);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.code, IC_OK);
    pulled_free(&p);
    free(b.p);
}
END_TEST

/* One byte of the frame header changed: offset from its marker, value, what is said. */
static const struct {
    size_t at;
    uint8_t value;
    enum ic_code code;
    const char *text;
} frame_damage[] = {
    { 1, 0xc3, IC_E_FORMAT, "lossless JPEG is not supported; baseline" },
    { 1, 0xc5, IC_E_FORMAT, "hierarchical JPEG is not" },
    { 1, 0xcb, IC_E_FORMAT, "lossless arithmetic-coded JPEG" },
    { 1, 0xcf, IC_E_FORMAT, "hierarchical" },
    { 1, 0xd8, IC_E_CORRUPT, "marker 0xd8" },
    { 1, 0xd9, IC_E_CORRUPT, "marker 0xd9" },
    { 1, 0xda, IC_E_CORRUPT, "marker 0xda" },
    { 1, 0xf2, IC_E_CORRUPT, "marker 0xf2" },
    { 1, 0x33, IC_E_CORRUPT, "marker 0x33" },
    { 3, 18, IC_E_CORRUPT, "frame header of 16 bytes" },
    { 3, 7, IC_E_CORRUPT, "frame header of 5 bytes" },
    { 3, 1, IC_E_CORRUPT, "segment of 1 bytes" },
    { 4, 12, IC_E_CORRUPT, "12 bits" },
    { 4, 7, IC_E_CORRUPT, "7 bits" },
    { 9, 4, IC_E_CORRUPT, "frame header" },
    { 11, 0x20, IC_E_CORRUPT, "sampling factors 2x0" },
    { 11, 0x51, IC_E_CORRUPT, "sampling factors 5x1" },
    { 7, 0xff, IC_E_LIMIT, "65500 a side" },
};

#define FRAME_DAMAGE ((int)(sizeof frame_damage / sizeof *frame_damage))

START_TEST(jpeg_damage)
{
    struct blob b = jpeg_420();
    size_t sof = find_bytes(b, "\xff\xc0", 2);
    b.p[sof + 8] = 0xee; /* low byte of the width, so that 0xffee is beyond libjpeg's limit */
    b.p[sof + frame_damage[_i].at] = frame_damage[_i].value;
    check_fails(blob_bytes(b), frame_damage[_i].code, frame_damage[_i].text);
    free(b.p);
}
END_TEST

START_TEST(jpeg_more_damage)
{
    struct blob b = jpeg_420();
    size_t sof = find_bytes(b, "\xff\xc0", 2);
    b.p[sof + 5] = b.p[sof + 6] = 0;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "0 pixels");
    b.p[sof + 6] = 9;
    b.p[sof + 7] = b.p[sof + 8] = 0;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "0 pixels");
    b.p[sof + 8] = 9;
    b.p[sof + 1] = 0xc1;
    b.p[sof + 4] = 12;
    check_fails(blob_bytes(b), IC_E_FORMAT, "12-bit JPEG is not supported");
    b.p[sof + 4] = 8;
    b.p[sof + 3] = 14; /* two components */
    b.p[sof + 9] = 2;
    check_fails(blob_bytes(b), IC_E_FORMAT, "2 components");
    free(b.p);
}
END_TEST

/* PNG */

START_TEST(png_headers)
{
    struct png_spec s = { .width = 321, .height = 123, .colour = PNG_COLOR_TYPE_PALETTE, .depth = 4, .trns = true };
    s.interlaced = true;
    struct blob b = make_png(&s);
    struct ic_info i = probe_ok(blob_bytes(b));
    ck_assert_int_eq(i.format, IC_FORMAT_PNG);
    ck_assert_uint_eq(i.width, 321);
    ck_assert_uint_eq(i.height, 123);
    ck_assert_uint_eq(i.depth, 4);
    ck_assert_uint_eq(i.components, 4);
    ck_assert(i.alpha && i.palette && i.progressive && i.lossless && !i.cmyk);
    check_prefixes(b, find_bytes(b, "IDAT", 4) + 4);
    free(b.p);
    s = (struct png_spec){ .width = 1, .height = 1, .colour = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = 16 };
    b = make_png(&s);
    i = probe_ok(blob_bytes(b));
    ck_assert_uint_eq(i.components, 2);
    ck_assert_uint_eq(i.depth, 16);
    ck_assert(i.alpha && !i.palette && !i.progressive);
    free(b.p);
}
END_TEST

static struct blob png_with(const char *type, const void *p, size_t n)
{
    struct png_spec s = { .width = 32, .height = 20, .colour = PNG_COLOR_TYPE_RGB, .depth = 8 };
    struct blob chunk = { 0 }, b = make_png(&s);
    uint8_t length[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
    blob_add(&chunk, length, 4);
    blob_add(&chunk, type, 4);
    blob_add(&chunk, p, n);
    blob_add(&chunk, "\0\0\0\0", 4); /* checksums of ancillary chunks are not looked at here */
    b = blob_insert(b, 33, chunk.p, chunk.n);
    free(chunk.p);
    return b;
}

START_TEST(png_ancillary_chunks)
{
    struct blob exif = make_exif(true, 3, 8), b = png_with("eXIf", exif.p, exif.n);
    ck_assert_uint_eq(probe_ok(blob_bytes(b)).orientation, 8);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.code, IC_OK);
    pulled_free(&p);
    free(b.p);
    free(exif.p);
    b = png_with("acTL", "\0\0\0\7\0\0\0\0", 8);
    ck_assert_uint_eq(probe_ok(blob_bytes(b)).frames, 7);
    free(b.p);
    b = png_with("CgBI", "\0\0\0\0", 4);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "CgBI before the image data"); /* critical, and not first */
    free(b.p);
}
END_TEST

static void fix_ihdr(struct blob b)
{
    uint32_t crc = 0xffffffff;
    for (int i = 12; i < 29; i++) {
        crc ^= b.p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    for (int i = 0; i < 4; i++)
        b.p[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
}

static const struct {
    size_t at;
    uint8_t value;
    const char *text;
} ihdr_damage[] = {
    { 24, 3, "colour type 2 with 3 bits" },
    { 24, 4, "colour type 2 with 4 bits" },
    { 25, 1, "colour type 1 with 8 bits" },
    { 25, 7, "colour type 7" },
    { 26, 1, "compression, filter or interlace" },
    { 27, 1, "compression, filter or interlace" },
    { 28, 2, "compression, filter or interlace" },
    { 16, 0x80, "2147483680x20 pixels" },
    { 19, 0, "0 pixels" },
    { 23, 0, "0 pixels" },
    { 11, 12, "begin with IHDR" },
    { 15, 'X', "begin with IHDR" },
    { 25, 3, "palette is missing" },
};

#define IHDR_DAMAGE ((int)(sizeof ihdr_damage / sizeof *ihdr_damage))

START_TEST(png_damage)
{
    struct png_spec s = { .width = 32, .height = 20, .colour = PNG_COLOR_TYPE_RGB, .depth = 8 };
    struct blob b = make_png(&s);
    b.p[ihdr_damage[_i].at] = ihdr_damage[_i].value;
    if (ihdr_damage[_i].at >= 16)
        check_fails(blob_bytes(b), IC_E_CORRUPT, "checksum");
    fix_ihdr(b);
    check_fails(blob_bytes(b), IC_E_CORRUPT, ihdr_damage[_i].text);
    free(b.p);
}
END_TEST

START_TEST(png_more_damage)
{
    struct png_spec s = { .width = 32, .height = 20, .colour = PNG_COLOR_TYPE_PALETTE, .depth = 8 };
    struct blob b = make_png(&s);
    size_t plte = find_bytes(b, "PLTE", 4);
    uint8_t length = b.p[plte - 1];
    b.p[plte - 1] = (uint8_t)(length - 1);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "palette of");
    b.p[plte - 1] = length;
    b.p[plte] = 0x80;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "no chunk at offset 33");
    b.p[plte] = 'P';
    b.p[plte - 4] = 0x80;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "no chunk at offset 33");
    free(b.p);
    b = png_with("IEND", "", 0);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "IEND before");
    memcpy(b.p + 12, "CgBI", 4);
    check_fails(blob_bytes(b), IC_E_FORMAT, "CgBI variant is not supported");
    free(b.p);
}
END_TEST

/* WebP */

START_TEST(webp_headers)
{
    bool alpha = _i & 1, lossless = _i & 2;
    struct blob b = make_webp(321, 123, alpha, lossless);
    struct ic_info i = probe_ok(blob_bytes(b));
    ck_assert_int_eq(i.format, IC_FORMAT_WEBP);
    ck_assert_uint_eq(i.width, 321);
    ck_assert_uint_eq(i.height, 123);
    ck_assert_uint_eq(i.components, alpha ? 4 : 3);
    ck_assert_uint_eq(i.depth, 8);
    ck_assert_int_eq(i.alpha, alpha);
    ck_assert_int_eq(i.lossless, lossless);
    ck_assert(!i.progressive && !i.palette && i.frames == 1);
    check_prefixes(b, lossless ? 25 : find_bytes(b, "VP8 ", 4) + 18);
    free(b.p);
}
END_TEST

START_TEST(webp_animations)
{
    struct anim_spec s = { 300, 200, 20, 10, 240, 180, 5, false, false };
    struct blob b = make_webp_anim(&s);
    struct ic_info i = probe_ok(blob_bytes(b));
    ck_assert_uint_eq(i.frames, 5);
    ck_assert_uint_eq(i.width, 300);
    ck_assert_uint_eq(i.height, 200);
    ck_assert(i.alpha && !i.lossless);
    ck_assert_uint_eq(probe_ok((struct ic_bytes){ b.p, b.n / 2 }).frames, 3);
    for (size_t n = 12; n < 78; n++)
        check_fails((struct ic_bytes){ b.p, n }, IC_E_MORE, "goes on");
    free(b.p);
    s.frames = 0;
    b = make_webp_anim(&s);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "without frames");
    free(b.p);
    s = (struct anim_spec){ 300, 200, 62, 0, 240, 180, 1, false, true };
    b = make_webp_anim(&s);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "240x180 at 62,0 on a canvas of 300x200");
    free(b.p);
    s.x = 0;
    b = make_webp_anim(&s);
    b.p[58]--; /* the width that the frame declares, not that of its bitstream */
    check_fails(blob_bytes(b), IC_E_CORRUPT, "240x180 at 0,0");
    free(b.p);
}
END_TEST

START_TEST(webp_orientation_comes_last)
{
    struct blob body = { 0 }, still = make_webp(30, 20, false, false), exif = make_exif(false, 3, 5);
    struct ic_bytes image = webp_image(still);
    add_vp8x(&body, 0x08, 30, 20);
    blob_add(&body, image.p, image.n);
    add_chunk(&body, "EXIF", exif.p, exif.n);
    struct blob b = riff(body);
    ck_assert_uint_eq(probe_ok(blob_bytes(b)).orientation, 5);
    ck_assert_uint_eq(probe_ok((struct ic_bytes){ b.p, b.n - 60 }).orientation, 1);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.code, IC_OK);
    pulled_free(&p);
    free(b.p);
    free(exif.p);
    free(still.p);
}
END_TEST

static const struct {
    bool lossless;
    size_t at;
    uint8_t value;
    const char *text;
} webp_damage[] = {
    { false, 12, 'X', "does not begin with an image" },
    { false, 20, 0xff, "bad frame header" }, /* not a key frame */
    { false, 23, 0x9e, "bad frame header" },
    { false, 22, 0xff, "first partition" },
    { false, 16, 9, "chunk of 9 bytes" },
    { true, 20, 0x2e, "bad lossless header" },
    { true, 24, 0xff, "bad lossless header" }, /* version */
};

#define WEBP_DAMAGE ((int)(sizeof webp_damage / sizeof *webp_damage))

START_TEST(webp_damage_is_told)
{
    struct blob b = make_webp(32, 20, false, webp_damage[_i].lossless);
    b.p[webp_damage[_i].at] = webp_damage[_i].value;
    if (webp_damage[_i].at == 16)
        b.p[17] = 0;
    check_fails(blob_bytes(b), IC_E_CORRUPT, webp_damage[_i].text);
    free(b.p);
}
END_TEST

START_TEST(webp_more_damage)
{
    struct blob b = make_webp(32, 20, false, false);
    b.p[26] = b.p[27] = 0;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "0 pixels");
    b.p[4] = 3;
    b.p[5] = 0;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "container of 11 bytes");
    free(b.p);
    struct blob body = { 0 };
    add_vp8x(&body, 0, 1 << 24, 1 << 24);
    b = riff(body);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "a canvas of 16777216x16777216");
    b.p[16] = 9;
    check_fails(blob_bytes(b), IC_E_CORRUPT, "VP8X of 9 bytes");
    free(b.p);
    body = (struct blob){ 0 };
    add_vp8x(&body, 0, 10, 10);
    b = riff(body);
    check_fails(blob_bytes(b), IC_E_CORRUPT, "there is no image");
    free(b.p);
}
END_TEST

/* what is not supported */

#define IN(s)                                                                                                          \
    {                                                                                                                  \
        (const uint8_t *)(s), sizeof(s) - 1                                                                            \
    }

static const struct {
    struct ic_bytes in;
    const char *text;
} strangers[] = {
    { IN("GIF89a\1\0\1\0"), "GIF is not supported; only JPEG, PNG and WebP are" },
    { IN("GIF87a"), "GIF is" },
    { IN("II*\0\x08\0\0\0"), "TIFF is" },
    { IN("MM\0*\0\0\0\x08"), "TIFF is" },
    { IN("MM\0+\0\0\0\x08"), "TIFF is" },
    { IN("\0\0\0\x1c"
         "ftypavif\0\0"),
      "AVIF is" },
    { IN("\0\0\0\x1c"
         "ftypheic\0\0"),
      "HEIC is" },
    { IN("\0\0\0\x1c"
         "ftypmif1\0\0"),
      "HEIF is" },
    { IN("\0\0\0\x1c"
         "ftypisom\0\0"),
      "MP4 video is" },
    { IN("\0\0\0\14JXL \r\n\x87\n"), "JPEG XL is" },
    { IN("\xff\x0a\xfa"), "JPEG XL is" },
    { IN("\0\0\0\14jP  \r\n\x87\n"), "JPEG 2000 is" },
    { IN("\0\0\1\0\1\0"), "ICO is" },
    { IN("8BPS\0\1"), "Photoshop is" },
    { IN("%PDF-1.7\n"), "PDF is" },
    { IN("qoif\0\0"), "QOI is" },
    { IN("\x1a\x45\xdf\xa3"), "WebM video is" },
    { IN("RIFF\0\0\0\0WAVEfmt "), "RIFF (not WebP) is" },
    { IN("PK\3\4"), "ZIP is" },
    { IN("\x1f\x8b\x08"), "gzip is" },
    { IN("BM\x36\0\0\0"), "BMP is" },
    { IN("P6\n1 1\n255\n\0\0\0"), "PNM is" },
    { IN("<?xml version=\"1.0\"?>\n<SVG xmlns=\"\">"), "SVG is" },
    { IN("<!DOCTYPE html><title>404</title>"), "HTML is" },
    { IN("\xef\xbb\xbfjust some t\xc3\xa9xt"), "text is" },
    { IN("\1\2\3\4\5\6\7"), "no image of a known format; only JPEG, PNG and WebP are supported" },
    { IN("\0"), "no image" },
};

#define STRANGERS ((int)(sizeof strangers / sizeof *strangers))

START_TEST(strangers_are_named)
{
    check_fails(strangers[_i].in, IC_E_FORMAT, strangers[_i].text);
    ck_assert_ptr_null(ic_codec_sniff(strangers[_i].in));
}
END_TEST

/* damage at random, with a fixed seed */

static uint32_t rng = 12345;

static uint32_t next_random(uint32_t below)
{
    rng = rng * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)rng * below >> 32);
}

static int make_corpus(struct blob *out)
{
    struct jpeg_spec j = { .width = 40, .height = 30, .components = 3, .stored = JCS_YCbCr, .h = { 2 }, .v = { 2 } };
    struct png_spec p = { .width = 40, .height = 30, .colour = PNG_COLOR_TYPE_PALETTE, .depth = 4, .trns = true };
    struct anim_spec a = { 40, 30, 2, 4, 20, 16, 3, true, true };
    int n = 0;
    out[n++] = make_jpeg(&j);
    j.progressive = true;
    out[n++] = make_jpeg(&j);
    out[n++] = make_png(&p);
    p = (struct png_spec){ .width = 40, .height = 30, .colour = PNG_COLOR_TYPE_RGB, .depth = 16, .interlaced = true };
    out[n++] = make_png(&p);
    out[n++] = make_webp(40, 30, true, false);
    out[n++] = make_webp(40, 30, true, true);
    out[n++] = make_webp_anim(&a);
    return n;
}

/* Some bytes changed, most of them in the header, and perhaps the end cut off; exactly as long as it is, so that
 * sanitizers and valgrind see any read beyond. */
static struct blob mutant(struct blob from)
{
    struct blob b = { 0 };
    blob_add(&b, from.p, next_random(4) ? from.n : 1 + next_random((uint32_t)from.n));
    for (uint32_t i = next_random(6); i > 0; i--) {
        uint32_t range = next_random(4) && b.n > 100 ? 100 : (uint32_t)b.n;
        b.p[next_random(range)] = next_random(3) ? (uint8_t)next_random(256) : next_random(2) ? 0 : 0xff;
    }
    return b;
}

static void check_info(const struct ic_info *i)
{
    ck_assert(i->format > IC_FORMAT_ORIGIN && i->format < IC_FORMATS);
    ck_assert(i->width >= 1 && i->width <= INT32_MAX && i->height >= 1 && i->height <= INT32_MAX);
    ck_assert(i->frames >= 1 && i->components >= 1 && i->components <= 4);
    ck_assert(i->orientation >= 1 && i->orientation <= 8);
    for (int k = 0; k < 4; k++)
        ck_assert(i->hsamp[k] >= 1 && i->hsamp[k] <= 4 && i->vsamp[k] >= 1 && i->vsamp[k] <= 4);
}

/* Whatever the probe lets through, the codec decodes in the shape that was promised, or refuses cleanly. */
static void check_mutant(struct ic_bytes in)
{
    struct ic_info i;
    struct ic_error e = { 0 };
    enum ic_code rc = ic_probe(in, &i, &e);
    if (rc != IC_OK) {
        ck_assert(rc == e.code && (rc == IC_E_FORMAT || rc == IC_E_CORRUPT || rc == IC_E_MORE || rc == IC_E_LIMIT));
        return;
    }
    check_info(&i);
    if ((uint64_t)i.width * i.height > 100000)
        return;
    struct pulled p = pull_as(in, &i, 8, 8 * MB);
    if (p.code == IC_OK) {
        uint32_t channels = p.shape.n == 1 ? (uint32_t)p.shape.plane[0].channels : (uint32_t)p.shape.n;
        ck_assert_uint_eq(channels, i.components);
    } else {
        ck_assert_msg(p.code == IC_E_CORRUPT || p.code == IC_E_MEMORY, "%d: %s", p.code, p.error.text);
    }
    pulled_free(&p);
}

START_TEST(mutants)
{
    struct blob corpus[8];
    int n = make_corpus(corpus);
    for (int round = 0; round < 6000; round++) {
        struct blob b = mutant(corpus[round % n]);
        check_mutant(blob_bytes(b));
        free(b.p);
    }
    for (int i = 0; i < n; i++)
        free(corpus[i].p);
}
END_TEST

/* the table */

START_TEST(codecs_are_found)
{
    static const char *const names[] = {
        [IC_FORMAT_JPEG] = "jpeg", [IC_FORMAT_PNG] = "png", [IC_FORMAT_WEBP] = "webp"
    };
    struct blob corpus[8];
    int n = make_corpus(corpus);
    for (int i = 0; i < n; i++) {
        enum ic_format f = probe_ok(blob_bytes(corpus[i])).format;
        ck_assert_ptr_eq(ic_codec_sniff(blob_bytes(corpus[i])), ic_codec_of(f));
        for (size_t k = 0; k < 3; k++)
            ck_assert_ptr_null(ic_codec_sniff((struct ic_bytes){ corpus[i].p, k }));
        free(corpus[i].p);
    }
    for (int f = IC_FORMAT_JPEG; f < IC_FORMATS; f++) {
        char mime[32];
        snprintf(mime, sizeof mime, "image/%s", names[f]);
        ck_assert_int_eq((int)ic_codec_of((enum ic_format)f)->format, f);
        ck_assert_str_eq(ic_format_name((enum ic_format)f), names[f]);
        ck_assert_str_eq(ic_format_mime((enum ic_format)f), mime);
    }
    ck_assert_ptr_null(ic_codec_of(IC_FORMAT_ORIGIN));
    ck_assert_ptr_null(ic_codec_of(IC_FORMATS));
    ic_init();
    const char *v = ic_versions();
    ck_assert_ptr_nonnull(strstr(v, "pixpool/" IC_VERSION " jpeg-turbo/"));
    ck_assert_ptr_nonnull(strstr(v, " png/" PNG_LIBPNG_VER_STRING " isal/"));
    ck_assert_ptr_eq(v, ic_versions());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("probe");
    TCase *t = tcase_create("probe");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, exif_orientation);
    tcase_add_test(t, hostile_exif_is_ignored);
    tcase_add_test(t, jpeg_headers);
    tcase_add_test(t, jpeg_orientation);
    tcase_add_test(t, jpeg_garbage_between_segments);
    tcase_add_loop_test(t, jpeg_damage, 0, FRAME_DAMAGE);
    tcase_add_test(t, jpeg_more_damage);
    tcase_add_test(t, png_headers);
    tcase_add_test(t, png_ancillary_chunks);
    tcase_add_loop_test(t, png_damage, 0, IHDR_DAMAGE);
    tcase_add_test(t, png_more_damage);
    tcase_add_loop_test(t, webp_headers, 0, 4);
    tcase_add_test(t, webp_animations);
    tcase_add_test(t, webp_orientation_comes_last);
    tcase_add_loop_test(t, webp_damage_is_told, 0, WEBP_DAMAGE);
    tcase_add_test(t, webp_more_damage);
    tcase_add_loop_test(t, strangers_are_named, 0, STRANGERS);
    tcase_add_test(t, mutants);
    tcase_add_test(t, codecs_are_found);
    suite_add_tcase(s, t);
    return run_suite(s);
}
