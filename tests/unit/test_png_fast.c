/* The PNG codec of our own, judged by libpng. Reading: every filter, odd sizes, cut and damaged files. Writing: every
 * layout and effort, photographs and drawings; the same bytes whatever the kernels. */
#include "images.h"

#include <libdeflate.h>

static const int colours[] = { PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                               PNG_COLOR_TYPE_RGB_ALPHA };
static const int filters[] = { PNG_FILTER_NONE, PNG_FILTER_SUB,   PNG_FILTER_UP,
                               PNG_FILTER_AVG,  PNG_FILTER_PAETH, PNG_ALL_FILTERS };
#define FILTERS ((int)(sizeof filters / sizeof *filters))

/* Noise over a slope, so that filters choose differently and sums wrap. */
static void fill_row(uint8_t *row, size_t n, int y, uint32_t *seed)
{
    for (size_t i = 0; i < n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        row[i] = (uint8_t)(i * 3 + (size_t)y * 7 + (*seed >> 24) % (y % 3 ? 40 : 256));
    }
}

/* IDAT chunks of idat bytes. */
static struct blob write_png(int channels, int filter, int w, int h, size_t idat)
{
    struct blob out = { 0 };
    uint32_t seed = (uint32_t)(w * 31 + h);
    size_t n = (size_t)w * (size_t)channels;
    uint8_t *row = malloc(n);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, png_to_blob, png_no_flush);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, 8, colours[channels - 1], PNG_INTERLACE_NONE, 0, 0);
    png_set_compression_buffer_size(png, idat);
    png_write_info(png, info);
    png_set_filter(png, 0, filter);
    for (int y = 0; y < h; y++) {
        fill_row(row, n, y, &seed);
        png_write_row(png, row);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    return out;
}

/* libpng's pixels; NULL where it refuses the file. */
static uint8_t *judge(struct blob b, int channels)
{
    static const png_uint_32 formats[] = { PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
    png_image im = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_memory(&im, b.p, b.n))
        return NULL;
    im.format = formats[channels - 1];
    uint8_t *px = malloc(PNG_IMAGE_SIZE(im));
    if (png_image_finish_read(&im, NULL, px, 0, NULL))
        return px;
    free(px);
    return NULL;
}

static void check_pixels(const struct pulled *p, const uint8_t *want)
{
    size_t row = (size_t)p->shape.plane[0].width * (size_t)p->shape.plane[0].channels;
    for (size_t i = 0; i < row * p->shape.plane[0].height; i++)
        if (p->p[0][i] != want[i])
            ck_abort_msg("row %zu, byte %zu is %d, should be %d", i / row, i % row, p->p[0][i], want[i]);
}

/* The checksum of the chunk at `at`, after it was changed. */
static void png_sign(struct blob b, size_t at)
{
    size_t n = (size_t)b.p[at] << 24 | (size_t)b.p[at + 1] << 16 | (size_t)b.p[at + 2] << 8 | b.p[at + 3];
    uint32_t crc = libdeflate_crc32(0, b.p + at + 4, n + 4);
    for (int i = 0; i < 4; i++)
        b.p[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

START_TEST(every_filter_as_libpng)
{
    static const int sizes[][2] = { { 1, 1 }, { 2, 9 }, { 5, 7 }, { 16, 3 }, { 67, 31 }, { 1001, 130 }, { 22000, 3 } };
    for (int channels = 1; channels <= 4; channels++)
        for (int k = 0; k < 7; k++) {
            struct blob b = write_png(channels, filters[_i], sizes[k][0], sizes[k][1], k % 2 ? 8192 : 61);
            uint8_t *want = judge(b, channels);
            ck_assert_ptr_nonnull(want);
            struct pulled p = pull(blob_bytes(b), 8);
            ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
            ck_assert_int_eq(p.shape.plane[0].channels, channels);
            ck_assert(!p.truncated);
            check_pixels(&p, want);
            pulled_free(&p);
            free(want);
            free(b.p);
        }
}
END_TEST

/* Rows that equal those of the whole image; after them, all must be opaque grey. */
static uint32_t good_rows(const struct pulled *p, const uint8_t *want)
{
    size_t channels = (size_t)p->shape.plane[0].channels, row = p->shape.plane[0].width * channels;
    uint32_t good = 0;
    while (good < p->shape.plane[0].height && memcmp(p->p[0] + good * row, want + good * row, row) == 0)
        good++;
    for (size_t i = good * row; i < row * p->shape.plane[0].height; i++)
        if (p->p[0][i] != (channels % 2 == 0 && i % channels == channels - 1 ? 255 : 128))
            ck_abort_msg("byte %zu of a row that is missing is %d", i, p->p[0][i]);
    return good;
}

START_TEST(cut_anywhere_the_rows_before_are_there)
{
    struct blob b = write_png(3, PNG_ALL_FILTERS, 20, 40, 300);
    size_t idat = png_find(b, "IDAT"), end = png_find(b, "IEND");
    uint8_t *want = judge(b, 3);
    uint32_t last = 0;
    for (size_t n = idat + 12; n < end; n++) {
        uint8_t *exact = memcpy(malloc(n), b.p, n);
        struct pulled p = pull((struct ic_bytes){ exact, n }, 8);
        if (p.code != IC_OK) {
            ck_assert_int_eq(p.code, IC_E_CORRUPT);
            ck_assert_uint_eq(last, 0);
        } else {
            uint32_t good = good_rows(&p, want);
            ck_assert(p.truncated);
            ck_assert_uint_ge(good, last);
            last = good;
        }
        pulled_free(&p);
        free(exact);
    }
    ck_assert_uint_eq(last, 40);
    struct pulled p = pull((struct ic_bytes){ b.p, end }, 8); /* IEND itself is not missed */
    ck_assert(p.code == IC_OK && !p.truncated);
    pulled_free(&p);
    free(want);
    free(b.p);
}
END_TEST

START_TEST(damage_that_the_checksum_shows)
{
    struct blob b = write_png(4, PNG_ALL_FILTERS, 30, 40, 500);
    for (size_t at = png_find(b, "IDAT") + 8, end = png_find(b, "IEND"); at < end; at++) {
        b.p[at] ^= 0x10;
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_msg(p.code == IC_E_CORRUPT || p.truncated, "byte %zu", at); /* a length may point beyond the end */
        pulled_free(&p);
        b.p[at] ^= 0x10;
    }
    free(b.p);
}
END_TEST

/* With the checksum made right again: what libpng takes we take, to the same pixels. Of the rest, ISA-L lets pass
 * prefix codes with gaps as long as no symbol falls into one. */
START_TEST(damage_that_it_does_not_show)
{
    struct blob b = write_png(3, PNG_ALL_FILTERS, 30, 40, 1 << 16);
    size_t idat = png_find(b, "IDAT"), end = png_find(b, "IEND");
    int taken = 0, refused = 0;
    for (size_t at = idat + 8; at < end - 4; at++) {
        uint8_t was = b.p[at];
        b.p[at] ^= (uint8_t)(1 << at % 8);
        png_sign(b, idat);
        uint8_t *want = judge(b, 3);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_msg(p.code == (want || p.code == IC_OK ? IC_OK : IC_E_CORRUPT), "%zu: %s", at - idat, p.error.text);
        if (want)
            check_pixels(&p, want);
        taken += want != NULL;
        refused += p.code == IC_E_CORRUPT;
        pulled_free(&p);
        free(want);
        b.p[at] = was;
    }
    ck_assert_int_gt(taken, 10);
    ck_assert_int_gt(refused, 100);
    free(b.p);
}
END_TEST

/* Between two IDAT chunks an empty one is nothing, and any other is the end of the image data. */
START_TEST(chunks_between_image_data)
{
    struct blob b = write_png(1, PNG_FILTER_UP, 100, 100, 600);
    size_t idat = png_find(b, "IDAT"), second = idat + 12 + ((size_t)b.p[idat + 2] << 8 | b.p[idat + 3]);
    for (int k = 0; k < 2; k++) {
        struct blob with = { 0 };
        blob_add(&with, b.p, second);
        blob_add(&with, (const uint8_t *)(k ? "\0\0\0\0tEXtcrc-" : "\0\0\0\0IDATcrc-"), 12);
        png_sign(with, second);
        blob_add(&with, b.p + second, b.n - second);
        uint8_t *want = judge(with, 1);
        struct pulled p = pull(blob_bytes(with), 8);
        ck_assert_int_eq(p.code, k ? IC_E_CORRUPT : IC_OK);
        ck_assert_int_eq(want == NULL, k);
        if (want)
            check_pixels(&p, want);
        pulled_free(&p);
        free(want);
        free(with.p);
    }
    free(b.p);
}
END_TEST

START_TEST(memory_does_not_grow_with_height)
{
    size_t peak[2];
    for (int k = 0; k < 2; k++) {
        struct blob b = write_png(4, PNG_FILTER_PAETH, 300, k ? 4000 : 400, 8192);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_int_eq(p.code, IC_OK);
        peak[k] = p.mem.peak;
        pulled_free(&p);
        free(b.p);
    }
    ck_assert_uint_eq(peak[0], peak[1]);
    ck_assert_uint_lt(peak[0], 300 * 16 + (320 << 10));
}
END_TEST

START_TEST(no_memory_is_said)
{
    struct blob b = write_png(3, PNG_FILTER_NONE, 300, 40, 8192);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    static const size_t limits[] = { 100, 3000, 100000, 150000 };
    for (int i = 0; i < 4; i++) {
        struct pulled p = pull_as(blob_bytes(b), &info, 8, limits[i]);
        ck_assert_msg(p.code == IC_E_MEMORY, "%zu: %s", limits[i], p.error.text);
    }
    free(b.p);
}
END_TEST

/* writing */

/* Noise on a slope, or bars with a few dots: what the encoder takes for drawn. */
static void fill_image(uint8_t *px, size_t row, uint32_t h, int channels, bool drawn)
{
    uint32_t seed = (uint32_t)row + h;
    for (uint32_t y = 0; y < h; y++)
        if (drawn)
            for (size_t i = 0; i < row; i++)
                px[y * row + i] = (uint8_t)(i / (size_t)(16 * channels) * 50 + ((i * y) % 97 == 5));
        else
            fill_row(px + y * row, row, (int)y, &seed);
}

static enum ic_code encode_image(const uint8_t *px, int channels, uint32_t w, uint32_t h, int effort,
                                 struct ic_buffer *out)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_GREYA, IC_RGB, IC_RGBA };
    struct ic_sink_opt o = { .effort = effort, .mem = out->mem };
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    enum ic_code rc = IC_OK;
    size_t row = w * (size_t)channels;
    ic_codec_png.sink_shape(layouts[channels - 1], w, h, &o, &shape);
    ck_assert_int_eq(ic_codec_png.create(&shape, &o, out, &s, NULL), IC_OK);
    for (uint32_t y = 0, n; y < h && rc == IC_OK; y += n) {
        n = h - y < 5 ? h - y : 5;
        uint8_t *rows = memcpy(malloc(n * row), px + y * row, n * row); /* gone after the write */
        rc = ic_sink_write(s, &(struct ic_rows){ .p = { rows }, .stride = { row }, .n = { n } }, NULL);
        free(rows);
    }
    if (rc == IC_OK)
        rc = ic_sink_finish(s, NULL);
    ic_sink_free(s);
    return rc;
}

START_TEST(libpng_reads_what_is_written)
{
    static const uint32_t sizes[][2] = { { 1, 1 }, { 3, 2 }, { 7, 40 }, { 33, 5 }, { 301, 77 } };
    struct ic_mem mem = { .limit = 1 << 26 };
    for (int effort = 0; effort <= 9; effort++)
        for (int k = 0; k < 10; k++) {
            int channels = _i + 1;
            uint32_t w = sizes[k / 2][0], h = sizes[k / 2][1];
            size_t n = (size_t)w * h * (size_t)channels;
            uint8_t *px = malloc(n);
            struct ic_buffer out = { .mem = &mem, .max = 1 << 24 };
            fill_image(px, w * (size_t)channels, h, channels, k % 2);
            ck_assert_int_eq(encode_image(px, channels, w, h, effort, &out), IC_OK);
            uint8_t *got = judge((struct blob){ out.p, out.n }, channels);
            ck_assert_ptr_nonnull(got);
            ck_assert_mem_eq(got, px, n);
            free(got);
            free(px);
            ic_buffer_free(&out);
            ck_assert_uint_eq(mem.used, 0);
        }
}
END_TEST

START_TEST(kernels_do_not_change_the_bytes)
{
    struct ic_mem mem = { .limit = 1 << 26 };
    uint8_t *px = malloc(500 * 300 * 3);
    for (int drawn = 0; drawn < 2; drawn++) {
        struct ic_buffer out[2] = { { .mem = &mem, .max = 1 << 24 }, { .mem = &mem, .max = 1 << 24 } };
        fill_image(px, 1500, 300, 3, drawn);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(setenv("PIXPOOL_ISA", i ? "best" : "c", 1), 0);
            ic_init();
            ck_assert_int_eq(encode_image(px, 3, 500, 300, 4, &out[i]), IC_OK);
        }
        ck_assert_uint_eq(out[0].n, out[1].n);
        ck_assert_mem_eq(out[0].p, out[1].p, out[0].n);
        ic_buffer_free(&out[0]);
        ic_buffer_free(&out[1]);
    }
    free(px);
}
END_TEST

/* Lines of text, as it were: cells of one of 40 glyphs, two in five pixels inked. */
static void fill_text(uint8_t *px, int w, int h)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            uint32_t cell = (uint32_t)(x / 8 * 7919 + y / 12 * 104729) * 2654435761u >> 20;
            uint32_t glyph = cell % 40 * 97 + (uint32_t)(y % 12 * 4 + x % 8 / 2), ink = glyph * 2246822519u >> 16;
            memset(px + (y * w + x) * 3, ink % 5 < 2 ? 30 : 250, 3);
        }
}

/* Filters would break up what repeats, and deflate would not find it: with either this is twice as large. */
START_TEST(drawings_stay_small)
{
    struct ic_mem mem = { .limit = 1 << 26 };
    struct ic_buffer out = { .mem = &mem, .max = 1 << 24 };
    uint8_t *px = malloc(800 * 600 * 3);
    fill_text(px, 800, 600);
    ck_assert_int_eq(encode_image(px, 3, 800, 600, 4, &out), IC_OK);
    ck_assert_uint_lt(out.n, 90000);
    ic_buffer_free(&out);
    free(px);
}
END_TEST

START_TEST(a_result_may_be_as_large_as_allowed)
{
    struct ic_mem mem = { .limit = 1 << 26 };
    uint8_t *px = malloc(60 * 50 * 4);
    fill_image(px, 240, 50, 4, false);
    for (int effort = 4; effort < 8; effort += 2) {
        struct ic_buffer out = { .mem = &mem, .max = 1 << 24 };
        ck_assert_int_eq(encode_image(px, 4, 60, 50, effort, &out), IC_OK);
        size_t n = out.n;
        ic_buffer_free(&out);
        for (size_t max = n - 20; max < n; max++) {
            out = (struct ic_buffer){ .mem = &mem, .max = max };
            ck_assert_int_eq(encode_image(px, 4, 60, 50, effort, &out), IC_E_RESULT);
            ic_buffer_free(&out);
        }
        ck_assert_uint_eq(mem.used, 0);
    }
    free(px);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("png_fast");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, every_filter_as_libpng, 0, FILTERS);
    tcase_add_test(t, cut_anywhere_the_rows_before_are_there);
    tcase_add_test(t, damage_that_the_checksum_shows);
    tcase_add_test(t, damage_that_it_does_not_show);
    tcase_add_test(t, chunks_between_image_data);
    tcase_add_test(t, memory_does_not_grow_with_height);
    tcase_add_test(t, no_memory_is_said);
    tcase_add_loop_test(t, libpng_reads_what_is_written, 0, 4);
    tcase_add_test(t, kernels_do_not_change_the_bytes);
    tcase_add_test(t, drawings_stay_small);
    tcase_add_test(t, a_result_may_be_as_large_as_allowed);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
