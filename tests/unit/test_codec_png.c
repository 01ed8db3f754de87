/* The PNG codec: every colour type and depth to 8 bits, interlacing, damage; and what it writes. */
#include "images.h"

#define MB ((size_t)1 << 20)

enum { GREY = PNG_COLOR_TYPE_GRAY, RGB = PNG_COLOR_TYPE_RGB, PALETTE = PNG_COLOR_TYPE_PALETTE };
enum { GREYA = PNG_COLOR_TYPE_GRAY_ALPHA, RGBA = PNG_COLOR_TYPE_RGB_ALPHA };

static const struct {
    int colour, depth;
    bool trns;
    enum ic_layout layout;
} kinds[] = {
    { GREY, 1, false, IC_GREY },   { GREY, 2, false, IC_GREY },    { GREY, 4, false, IC_GREY },
    { GREY, 8, false, IC_GREY },   { GREY, 16, false, IC_GREY },   { GREY, 4, true, IC_GREYA },
    { GREY, 16, true, IC_GREYA },  { RGB, 8, false, IC_RGB },      { RGB, 16, false, IC_RGB },
    { RGB, 8, true, IC_RGBA },     { PALETTE, 1, false, IC_RGB },  { PALETTE, 2, false, IC_RGB },
    { PALETTE, 4, false, IC_RGB }, { PALETTE, 8, false, IC_RGB },  { PALETTE, 4, true, IC_RGBA },
    { GREYA, 8, false, IC_GREYA }, { GREYA, 16, false, IC_GREYA }, { RGBA, 8, false, IC_RGBA },
    { RGBA, 16, false, IC_RGBA },
};

#define KINDS ((int)(sizeof kinds / sizeof *kinds))

static const int sizes[][2] = { { 1, 1 }, { 17, 3 }, { 33, 47 }, { 5, 40 } };

/* The value of sample x, y that png_row stored, below 8 bits and in palettes scaled to 8. */
static int stored(const struct png_spec *s, int x, int y)
{
    int per_byte = 8 / s->depth, shift = 8 - s->depth - x % per_byte * s->depth;
    int byte = (x / per_byte + y) % (s->depth == 8 ? 16 : 256), v = byte >> shift & ((1 << s->depth) - 1);
    return s->colour == PALETTE ? 17 * v : v * 255 / ((1 << s->depth) - 1);
}

static void check_counted(const struct pulled *p, const struct png_spec *s)
{
    int channels = p->shape.plane[0].channels;
    bool alpha = channels == 2 || channels == 4;
    for (int y = 0; y < s->height; y++)
        for (int x = 0; x < s->width; x++) {
            const uint8_t *px = p->p[0] + (y * s->width + x) * channels;
            for (int c = 0; c < channels - alpha; c++)
                ck_assert_int_eq(px[c], stored(s, x, y));
            if (alpha)
                ck_assert_int_eq(px[channels - 1], stored(s, x, y) == 0 ? 0 : 255);
        }
}

static void check_ramp(const struct pulled *p, int colour)
{
    int channels = colour == GREY ? 1 : colour == GREYA ? 2 : colour == RGB ? 3 : 4;
    for (int c = 0; c < channels; c++)
        ck_assert_double_le(ramp_error(p, 0, c, c, 0), 0.5);
    for (int c = channels; c < p->shape.plane[0].channels; c++) /* alpha from tRNS: nothing is black here */
        for (size_t k = 0; k < (size_t)p->shape.plane[0].width * p->shape.plane[0].height; k++)
            ck_assert_int_eq(p->p[0][k * (size_t)p->shape.plane[0].channels + (size_t)c], 255);
}

START_TEST(every_kind_becomes_8_bit)
{
    for (int k = 0; k < 8; k++) {
        struct png_spec s = { .width = sizes[k / 2][0], .height = sizes[k / 2][1], .interlaced = k & 1 };
        s.colour = kinds[_i].colour;
        s.depth = kinds[_i].depth;
        s.trns = kinds[_i].trns;
        struct blob b = make_png(&s);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
        ck_assert_int_eq(p.shape.layout, kinds[_i].layout);
        ck_assert_int_eq(p.shape.n, 1);
        ck_assert_uint_eq(p.shape.plane[0].width, (unsigned)s.width);
        ck_assert_double_eq(p.shape.plane[0].span_h, s.height);
        ck_assert(!p.truncated);
        if (s.depth >= 8 && s.colour != PALETTE)
            check_ramp(&p, s.colour);
        else
            check_counted(&p, &s);
        pulled_free(&p);
        free(b.p);
    }
}
END_TEST

static struct blob noise_png(int w, int h, bool interlaced)
{
    struct png_spec s = { .width = w, .height = h, .colour = RGBA, .depth = 8, .interlaced = interlaced };
    return make_png(&s);
}

START_TEST(truncated_files_give_their_rows)
{
    struct blob b = noise_png(300, 200, false);
    struct pulled whole = pull(blob_bytes(b), 8), half = pull((struct ic_bytes){ b.p, b.n / 2 }, 8);
    ck_assert_int_eq(half.code, IC_OK);
    ck_assert(half.truncated && !whole.truncated);
    size_t row = 300 * 4, good = 0;
    while (good < 200 && memcmp(half.p[0] + good * row, whole.p[0] + good * row, row) == 0)
        good++;
    ck_assert_uint_gt(good, 20);
    ck_assert_uint_lt(good, 190);
    for (size_t k = (good + 1) * row; k < 200 * row; k++)
        ck_assert_uint_eq(half.p[0][k], k % 4 == 3 ? 255 : 128); /* opaque grey */
    pulled_free(&whole);
    pulled_free(&half);
    free(b.p);
}
END_TEST

/* Early passes cover the whole picture, so even the last row of half a file is there, if coarsely. */
START_TEST(truncated_interlaced_files_are_coarse)
{
    struct blob b = noise_png(300, 200, true);
    struct pulled half = pull((struct ic_bytes){ b.p, b.n / 2 }, 8);
    ck_assert_int_eq(half.code, IC_OK);
    ck_assert(half.truncated);
    ck_assert_double_lt(ramp_error(&half, 0, 0, 0, 0), 12);
    ck_assert_double_lt(ramp_error(&half, 0, 1, 1, 0), 12);
    pulled_free(&half);
    free(b.p);
}
END_TEST

START_TEST(nothing_to_show_is_corrupt)
{
    struct blob b = noise_png(300, 200, false);
    size_t idat = png_find(b, "IDAT");
    struct pulled p = pull((struct ic_bytes){ b.p, idat + 12 }, 8);
    ck_assert_int_eq(p.code, IC_E_CORRUPT);
    pulled_free(&p);
    b.p[idat + 8 + 2] ^= 0xff; /* a deflate block of an impossible kind */
    p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.code, IC_E_CORRUPT);
    pulled_free(&p);
    free(b.p);
}
END_TEST

START_TEST(headers_must_agree)
{
    struct blob b = noise_png(30, 20, false);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    for (int what = 0; what < 6; what++) {
        struct ic_info x = info;
        x.width += what == 0;
        x.height -= what == 1;
        x.components = what == 2 ? 3 : x.components;
        x.depth = what == 3 ? 16 : x.depth;
        x.progressive = what == 4;
        x.palette = what == 5;
        struct pulled p = pull_as(blob_bytes(b), &x, 8, MB);
        ck_assert_int_eq(p.code, IC_E_CORRUPT);
    }
    free(b.p);
}
END_TEST

START_TEST(memory_is_limited)
{
    struct blob b = noise_png(1000, 1000, true);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    static const size_t limits[] = { 100, 3000, 20000, 60000, 3 * MB };
    for (int i = 0; i < 5; i++) {
        struct pulled p = pull_as(blob_bytes(b), &info, 8, limits[i]);
        ck_assert_msg(p.code == IC_E_MEMORY, "%zu: %s", limits[i], p.error.text);
    }
    free(b.p);
}
END_TEST

/* A transparent colour or palette whose checksum is wrong is ignored by libpng, and must be by the probe. */
START_TEST(damaged_transparency_is_ignored_by_both)
{
    static const int colours[] = { GREY, RGB, PALETTE };
    for (int i = 0; i < 3; i++) {
        struct png_spec s = { .width = 20, .height = 10, .colour = colours[i], .depth = 8, .trns = true };
        struct blob b = make_png(&s);
        b.p[png_find(b, "tRNS") + 8] ^= 1;
        struct ic_info info;
        ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
        ck_assert(!info.alpha);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
        ck_assert_int_eq(p.shape.layout, colours[i] == GREY ? IC_GREY : IC_RGB);
        pulled_free(&p);
        free(b.p);
    }
}
END_TEST

/* writing */

START_TEST(rows_survive_a_round_trip)
{
    static const enum ic_layout layouts[] = { IC_GREY, IC_GREYA, IC_RGB, IC_RGBA };
    struct ic_mem mem = { .limit = 64 * MB };
    for (int effort = 0; effort <= 9; effort++)
        for (int k = 0; k < 4; k++) {
            struct ic_sink_opt o = { .effort = effort, .mem = &mem };
            struct ic_buffer out = { .mem = &mem, .max = MB };
            struct ic_error e = { 0 };
            uint32_t w = (uint32_t)sizes[k][0], h = (uint32_t)sizes[k][1];
            enum ic_code rc = encode_ramp(IC_FORMAT_PNG, layouts[_i], w, h, &o, 7, &out, &e);
            ck_assert_msg(rc == IC_OK, "%s", e.text);
            struct pulled p = pull((struct ic_bytes){ out.p, out.n }, 8);
            ck_assert_int_eq(p.code, IC_OK);
            ck_assert_int_eq(p.shape.layout, layouts[_i]);
            for (int c = 0; c < p.shape.plane[0].channels; c++)
                ck_assert_double_le(ramp_error(&p, 0, c, c, 0), 0.5);
            pulled_free(&p);
            ic_buffer_free(&out);
            ck_assert_uint_eq(mem.used, 0);
        }
}
END_TEST

START_TEST(effort_makes_files_smaller)
{
    struct ic_mem mem = { .limit = 64 * MB };
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        struct ic_sink_opt o = { .effort = 9 * i, .mem = &mem };
        struct ic_buffer out = { .mem = &mem, .max = MB };
        ck_assert_int_eq(encode_ramp(IC_FORMAT_PNG, IC_RGB, 300, 200, &o, 16, &out, NULL), IC_OK);
        n[i] = out.n;
        ic_buffer_free(&out);
    }
    ck_assert_uint_lt(n[1], n[0]);
    ck_assert_uint_lt(n[0], 300 * 200 * 3 / 10); /* filters that suit a ramp */
}
END_TEST

/* Noise, the same in each row but for one more in every second sample: only a filter that looks up finds that, also
 * across two writes. */
START_TEST(rows_are_filtered_by_the_one_above)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = { .effort = 4, .mem = &mem };
    struct ic_buffer out = { .mem = &mem, .max = MB };
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    uint8_t row[600];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof row; i++)
        row[i] = (uint8_t)(100 + ((seed = seed * 1664525u + 1013904223u) >> 27));
    ic_codec_png.sink_shape(IC_RGB, 200, 100, &o, &shape);
    ck_assert_int_eq(ic_codec_png.create(&shape, &o, &out, &s, NULL), IC_OK);
    for (int y = 0; y < 100; y++) {
        struct ic_rows r = { .p = { row }, .stride = { 600 }, .n = { 1 } };
        ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_OK);
        for (size_t i = 0; i < sizeof row; i++)
            row[i] = (uint8_t)(row[i] + (i & 1));
    }
    ck_assert_int_eq(ic_sink_finish(s, NULL), IC_OK);
    ck_assert_uint_lt(out.n, 3000);
    ic_sink_free(s);
    ic_buffer_free(&out);
}
END_TEST

START_TEST(results_and_requests_are_limited)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = { .effort = 0, .mem = &mem };
    struct ic_buffer out = { .mem = &mem, .max = 1000 };
    struct ic_error e = { 0 };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_PNG, IC_RGB, 300, 200, &o, 16, &out, &e), IC_E_RESULT);
    ic_buffer_free(&out);
    o.effort = 10;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_PNG, IC_RGB, 3, 2, &o, 16, &out, &e), IC_E_PARAM);
    o.effort = 1;
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    ic_codec_png.sink_shape(IC_RGB, 10, 10, &o, &shape);
    out = (struct ic_buffer){ .mem = &mem, .max = MB };
    ck_assert_int_eq(ic_codec_png.create(&shape, &o, &out, &s, &e), IC_OK);
    ck_assert_int_eq(ic_sink_finish(s, &e), IC_E_PARAM);
    ic_sink_free(s);
    shape.plane[0].channels = 4;
    ck_assert_int_eq(ic_codec_png.create(&shape, &o, &out, &s, &e), IC_E_PARAM);
    ic_buffer_free(&out);
    out = (struct ic_buffer){ .mem = &mem, .max = MB };
    mem.limit = 20000;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_PNG, IC_RGB, 300, 200, &o, 16, &out, &e), IC_E_MEMORY);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(other_layouts_map_to_rgb)
{
    static const enum ic_layout layouts[] = { IC_YCBCR, IC_CMYK, IC_YCCK };
    struct ic_planes p;
    for (int i = 0; i < 3; i++) {
        ic_codec_png.sink_shape(layouts[i], 9, 5, &(struct ic_sink_opt){ 0 }, &p);
        ck_assert_int_eq(p.layout, IC_RGB);
        ck_assert_int_eq(p.n, 1);
        ck_assert_int_eq(p.plane[0].channels, 3);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_png");
    TCase *t = tcase_create("reading");
    tcase_add_loop_test(t, every_kind_becomes_8_bit, 0, KINDS);
    tcase_add_test(t, truncated_files_give_their_rows);
    tcase_add_test(t, truncated_interlaced_files_are_coarse);
    tcase_add_test(t, nothing_to_show_is_corrupt);
    tcase_add_test(t, headers_must_agree);
    tcase_add_test(t, memory_is_limited);
    tcase_add_test(t, damaged_transparency_is_ignored_by_both);
    suite_add_tcase(s, t);
    t = tcase_create("writing");
    tcase_add_loop_test(t, rows_survive_a_round_trip, 0, 4);
    tcase_add_test(t, effort_makes_files_smaller);
    tcase_add_test(t, rows_are_filtered_by_the_one_above);
    tcase_add_test(t, results_and_requests_are_limited);
    tcase_add_test(t, other_layouts_map_to_rgb);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
