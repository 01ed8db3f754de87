/* The header probe on JPEG and EXIF: what it tells, what it steps over, what it says of damage. */
#include "probing.h"

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
    ck_assert(!i.alpha && !i.cmyk && !i.progressive && !i.arithmetic && !i.lossless && !i.palette);
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

START_TEST(jpeg_coding)
{
    struct jpeg_spec s = { .width = 5, .height = 9, .components = 1, .stored = JCS_GRAYSCALE };
    s.progressive = _i & 1;
    s.arithmetic = _i & 2;
    struct blob b = make_jpeg(&s);
    struct ic_info i = probe_ok(blob_bytes(b));
    ck_assert_int_eq(i.progressive, s.progressive);
    ck_assert_int_eq(i.arithmetic, s.arithmetic);
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

int main(void)
{
    Suite *s = suite_create("probe_jpeg");
    TCase *t = tcase_create("probe");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, exif_orientation);
    tcase_add_test(t, hostile_exif_is_ignored);
    tcase_add_test(t, jpeg_headers);
    tcase_add_loop_test(t, jpeg_coding, 0, 4);
    tcase_add_test(t, jpeg_orientation);
    tcase_add_test(t, jpeg_garbage_between_segments);
    tcase_add_loop_test(t, jpeg_damage, 0, FRAME_DAMAGE);
    tcase_add_test(t, jpeg_more_damage);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
