/* The header probe on PNG: what it tells, its chunks in front of the image, what it says of damage. */
#include "probing.h"

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

int main(void)
{
    Suite *s = suite_create("probe_png");
    TCase *t = tcase_create("probe");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, png_headers);
    tcase_add_test(t, png_ancillary_chunks);
    tcase_add_loop_test(t, png_damage, 0, IHDR_DAMAGE);
    tcase_add_test(t, png_more_damage);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
