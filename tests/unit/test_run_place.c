/* Where pixels go in whole runs: turns, cuts, crops and pads, exact where they can be. */
#include "runs.h"

static void same(const struct pixels *got, const struct pixels *want)
{
    ck_assert_int_eq(got->w, want->w);
    ck_assert_int_eq(got->h, want->h);
    ck_assert_int_eq(got->n, want->n);
    ck_assert_mem_eq(got->p, want->p, (size_t)(got->w * got->h * got->n));
}

/* EXIF blocks. */

static struct blob insert(struct blob b, size_t where, const void *p, size_t n)
{
    struct blob out = { 0 };
    blob_add(&out, b.p, where);
    blob_add(&out, p, n);
    blob_add(&out, b.p + where, b.n - where);
    free(b.p);
    return out;
}

#define TIFF(o) "MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" o "\0\0\0\0\0\0"

static const char *const tiff[9] = { [1] = TIFF("\x01"), [2] = TIFF("\x02"), [3] = TIFF("\x03"), [4] = TIFF("\x04"),
                                     [5] = TIFF("\x05"), [6] = TIFF("\x06"), [7] = TIFF("\x07"), [8] = TIFF("\x08") };
#define TIFF_SIZE 26

static void add_be32(struct blob *b, uint32_t v)
{
    uint8_t p[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    blob_add(b, p, 4);
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = ~0u;
    for (; n; n--, p++) {
        crc ^= *p;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* Behind IHDR, which is always 25 bytes after the signature. */
static struct blob png_oriented(struct blob png, int orientation)
{
    struct blob chunk = { 0 };
    add_be32(&chunk, TIFF_SIZE);
    blob_add(&chunk, "eXIf", 4);
    blob_add(&chunk, tiff[orientation], TIFF_SIZE);
    add_be32(&chunk, crc32_of(chunk.p + 4, TIFF_SIZE + 4));
    png = insert(png, 33, chunk.p, chunk.n);
    free(chunk.p);
    return png;
}

static struct blob jpeg_oriented(struct blob jpeg, int orientation)
{
    struct blob app1 = { 0 };
    blob_add(&app1,
             "\xff\xe1\0\x22"
             "Exif\0\0",
             10);
    blob_add(&app1, tiff[orientation], TIFF_SIZE);
    jpeg = insert(jpeg, 2, app1.p, app1.n);
    free(app1.p);
    return jpeg;
}

/* Turns and flips. */

static struct pixels turned_by(const struct pixels *in, bool transpose, bool flop, bool flip)
{
    struct pixels out = pixels_make(transpose ? in->h : in->w, transpose ? in->w : in->h, in->n);
    for (int y = 0; y < out.h; y++)
        for (int x = 0; x < out.w; x++) {
            int sx = flop ? out.w - 1 - x : x, sy = flip ? out.h - 1 - y : y;
            memcpy(at(&out, x, y), transpose ? at(in, sy, sx) : at(in, sx, sy), (size_t)in->n);
        }
    return out;
}

START_TEST(every_turn_is_exact)
{
    struct pixels in = marked(21, 35, 3);
    struct blob png = png_oriented(to_png(&in), _i);
    for (int k = 0; k < 16; k++) {
        struct ic_recipe r = recipe(0, 0);
        struct ic_result result;
        r.rotate = k % 4 * 90;
        r.flip = k & 4;
        r.flop = k & 8;
        struct blob out = run_one(png, &r, &result);
        struct pixels got = from_png(out), want = turned_by(&in, exif[_i][0], exif[_i][1], exif[_i][2]);
        ck_assert_uint_eq(result.source_width, (unsigned)want.w);
        for (int turn = 0; turn < k % 4; turn++)
            replace(&want, turned_by(&want, true, true, false));
        replace(&want, turned_by(&want, false, r.flop, r.flip));
        same(&got, &want);
        ck_assert_uint_eq(result.width, (unsigned)want.w);
        ck_assert_uint_eq(result.height, (unsigned)want.h);
        free(out.p);
        free(got.p);
        free(want.p);
    }
    free(png.p);
    free(in.p);
}
END_TEST

START_TEST(nothing_asked_changes_nothing)
{
    static const int sizes[][2] = { { 1, 1 }, { 16, 16 }, { 17, 33 }, { 300, 2 }, { 2, 300 } };
    for (int i = 0; i < 5; i++) {
        struct pixels in = marked(sizes[i][0], sizes[i][1], _i);
        struct ic_recipe r = recipe(0, 0);
        struct pixels got = run_png(&in, &r);
        same(&got, &in);
        free(got.p);
        free(in.p);
    }
}
END_TEST

START_TEST(rect_cuts_exactly)
{
    struct pixels in = marked(50, 40, 3), want = pixels_make(20, 11, 3);
    struct ic_recipe r = recipe(0, 0);
    for (int i = 0; i < 4; i++)
        r.rect[i] = (struct ic_len){ (double[]){ 13, 29, 20, 11 }[i], IC_UNIT_PX };
    for (int y = 0; y < 11; y++)
        memcpy(at(&want, 0, y), at(&in, 13, y + 29), 60);
    struct pixels got = run_png(&in, &r);
    same(&got, &want);
    free(got.p);
    free(want.p);
    free(in.p);
}
END_TEST

/* Canvas and alpha. */

static void put_pixel(uint8_t *p, const char *v, int n)
{
    memcpy(p, v, (size_t)n);
}

/* 20x10 in 30x30; k % 3: how it is placed. */
START_TEST(pad_places_on_background)
{
    static const int gravities[] = { IC_NORTHWEST, IC_CENTER, IC_SOUTHEAST };
    struct pixels in = marked(20, 10, 3), want = pixels_make(30, 30, 3);
    struct ic_recipe r = recipe(30, 30);
    r.fit = IC_FIT_PAD;
    r.gravity = gravities[_i];
    r.bg_given = true;
    r.bg = (struct ic_colour){ 10, 20, 30, 255 };
    for (int i = 0; i < 900; i++)
        put_pixel(want.p + 3 * i, "\x0a\x14\x1e", 3);
    for (int y = 0; y < 10; y++)
        memcpy(at(&want, 5 * _i, 10 * _i + y), at(&in, 0, y), 60);
    struct pixels got = run_png(&in, &r);
    same(&got, &want);
    /* grey on a coloured canvas becomes RGB; on none, it becomes transparent around */
    struct pixels grey = marked(20, 10, 1);
    replace(&got, run_png(&grey, &r));
    ck_assert_int_eq(got.n, 3);
    ck_assert_mem_eq(at(&got, 5 * _i == 10 ? 0 : 29, 10 * _i == 20 ? 0 : 29), "\x0a\x14\x1e", 3);
    ck_assert_int_eq(at(&got, 5 * _i + 3, 10 * _i + 4)[1], *at(&grey, 3, 4));
    r.bg_given = false;
    replace(&got, run_png(&grey, &r));
    ck_assert_int_eq(got.n, 2);
    ck_assert_mem_eq(at(&got, 5 * _i == 10 ? 0 : 29, 10 * _i == 20 ? 0 : 29), "\0\0", 2);
    ck_assert_int_eq(at(&got, 5 * _i + 3, 10 * _i + 4)[1], 255);
    free(grey.p);
    free(got.p);
    free(want.p);
    free(in.p);
}
END_TEST

/* JPEG, plane by plane. */

static const struct {
    int hs, vs, chroma, w, h;
    double width;
    uint32_t edge;
} geometries[] = {
    { 2, 2, IC_CHROMA_420, 177, 131, 45, 3 }, { 2, 2, IC_CHROMA_444, 177, 131, 46, 3 },
    { 2, 1, IC_CHROMA_422, 301, 223, 39, 3 }, { 1, 2, IC_CHROMA_420, 99, 77, 33, 3 },
    { 1, 1, IC_CHROMA_422, 66, 83, 33, 3 },   { 4, 1, IC_CHROMA_420, 333, 201, 33, 3 },
    { 2, 2, IC_CHROMA_420, 177, 131, 0, 3 },  { 2, 2, IC_CHROMA_420, 43, 37, 101, 8 },
};

/* Odd sizes, every subsampling in and out, every orientation: each plane shows the ramp where it belongs. A chroma
 * grid that is anchored at the wrong end is off by three to six levels. */
START_TEST(planes_keep_their_place)
{
    struct blob plain = ramp_jpeg(geometries[_i].w, geometries[_i].h, geometries[_i].hs, geometries[_i].vs);
    for (int o = 1; o <= 8; o++) {
        struct blob in = { 0 };
        struct ic_recipe r = recipe(geometries[_i].width, 0);
        r.quality = 100;
        r.chroma = geometries[_i].chroma;
        r.enlarge = true;
        blob_add(&in, plain.p, plain.n);
        in = jpeg_oriented(in, o);
        struct blob out = run_one(in, &r, NULL);
        struct pulled p = pull(blob_bytes(out), 8);
        for (int i = 0; i < 3; i++)
            check_plane(&p, i, o, geometries[_i].edge);
        pulled_free(&p);
        free(out.p);
        free(in.p);
    }
    free(plain.p);
}
END_TEST

/* Half of a crop's pixel is half of a pixel, also through DCT scaling. */
START_TEST(cover_crops_in_place)
{
    struct blob in = ramp_jpeg(803, 400, 2, 2);
    struct ic_recipe r = recipe(50, 50);
    r.fit = IC_FIT_COVER;
    r.gravity = IC_EAST;
    r.quality = 100;
    struct blob out = run_one(in, &r, NULL);
    struct pulled p = pull(blob_bytes(out), 8);
    for (uint32_t x = 4; x < 46; x++) {
        double want = ramp_at(0, (403 + (x + 0.5) * 8) / 803, 0.5);
        ck_assert_double_le(fabs(p.p[0][25 * 50 + x] - want), 1.2);
    }
    pulled_free(&p);
    free(out.p);
    free(in.p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("run_place");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, every_turn_is_exact, 1, 9);
    tcase_add_loop_test(t, nothing_asked_changes_nothing, 1, 5);
    tcase_add_test(t, rect_cuts_exactly);
    tcase_add_loop_test(t, pad_places_on_background, 0, 3);
    tcase_add_loop_test(t, planes_keep_their_place, 0, (int)(sizeof geometries / sizeof *geometries));
    tcase_add_test(t, cover_crops_in_place);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_image_suite(suite());
}
