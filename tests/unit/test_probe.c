/* The header probe: what it tells of WebP, how it names strangers, and that nothing hostile makes it disagree with the
 * codecs or read where it must not. JPEG and PNG have files of their own. */
#include "probing.h"

#define MB ((size_t)1 << 20)

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
    tcase_add_loop_test(t, webp_headers, 0, 4);
    tcase_add_test(t, webp_animations);
    tcase_add_test(t, webp_orientation_comes_last);
    tcase_add_loop_test(t, webp_damage_is_told, 0, WEBP_DAMAGE);
    tcase_add_test(t, webp_more_damage);
    tcase_add_loop_test(t, strangers_are_named, 0, STRANGERS);
    tcase_add_test(t, mutants);
    tcase_add_test(t, codecs_are_found);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
