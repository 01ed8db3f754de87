/* Reading JPEG: planes, spans and shapes of everything that occurs, and what broken files do. */
#include "jpegs.h"

static const int small_scales[] = { 4, 2, 1 };

/* sampling factors of three components */
static const struct {
    int h[3], v[3];
} samplings[] = {
    { { 1, 1, 1 }, { 1, 1, 1 } }, { { 2, 1, 1 }, { 2, 1, 1 } }, { { 2, 1, 1 }, { 1, 1, 1 } },
    { { 1, 1, 1 }, { 2, 1, 1 } }, { { 4, 1, 1 }, { 1, 1, 1 } }, { { 4, 2, 1 }, { 1, 1, 1 } },
    { { 2, 2, 1 }, { 2, 1, 2 } }, { { 1, 2, 1 }, { 1, 2, 1 } }, { { 3, 1, 1 }, { 1, 1, 1 } },
};

#define SAMPLINGS ((int)(sizeof samplings / sizeof *samplings))

static struct jpeg_spec spec(int w, int h, int components, J_COLOR_SPACE stored)
{
    return (struct jpeg_spec){ .width = w, .height = h, .components = components, .stored = stored };
}

static struct jpeg_spec spec_420(int w, int h)
{
    struct jpeg_spec s = spec(w, h, 3, JCS_YCbCr);
    s.h[0] = s.v[0] = 2;
    return s;
}

static struct pulled pull_spec(const struct jpeg_spec *s, int scale)
{
    struct blob b = make_jpeg(s);
    struct pulled p = pull(blob_bytes(b), scale);
    ck_assert_msg(p.code == IC_OK, "%dx%d: %s", s->width, s->height, p.error.text);
    ck_assert(!p.truncated);
    free(b.p);
    return p;
}

static void check_span(const struct pulled *p, int i, double w, double h)
{
    ck_assert_double_eq_tol(p->shape.plane[i].span_w, w, 1e-9);
    ck_assert_double_eq_tol(p->shape.plane[i].span_h, h, 1e-9);
    ck_assert_uint_eq(p->shape.plane[i].width, (unsigned)ceil(w));
    ck_assert_uint_eq(p->shape.plane[i].height, (unsigned)ceil(h));
}

START_TEST(every_sampling_at_full_size)
{
    for (int k = 0; k < SIZES; k++) {
        struct jpeg_spec s = spec(sizes[k].w, sizes[k].h, 3, JCS_YCbCr);
        int hmax = 1, vmax = 1;
        for (int i = 0; i < 3; i++) {
            s.h[i] = samplings[_i].h[i];
            s.v[i] = samplings[_i].v[i];
            hmax = s.h[i] > hmax ? s.h[i] : hmax;
            vmax = s.v[i] > vmax ? s.v[i] : vmax;
        }
        struct pulled p = pull_spec(&s, 8);
        ck_assert_int_eq(p.shape.layout, IC_YCBCR);
        ck_assert_int_eq(p.shape.n, 3);
        for (int i = 0; i < 3; i++)
            check_span(&p, i, (double)s.width * s.h[i] / hmax, (double)s.height * s.v[i] / vmax);
        /* Small images are all edge, where subsampling repeats pixels. */
        for (int i = 0; i < 3 && s.width >= 200; i++)
            ck_assert_double_lt(ramp_error(&p, i, 0, i, 1), 4);
        pulled_free(&p);
    }
}
END_TEST

/* At 4, 2 and 1 eighths the ramp must lie where the spans say: half a sample off would be 2 to 12 levels. */
START_TEST(spans_at_every_scale)
{
    struct jpeg_spec s = spec(203, 133, 3, JCS_YCbCr);
    for (int i = 0; i < 3; i++) {
        s.h[i] = samplings[_i].h[i];
        s.v[i] = samplings[_i].v[i];
    }
    static const int scales[] = { 8, 4, 2, 1 };
    for (int k = 0; k < 4; k++) {
        struct pulled p = pull_spec(&s, scales[k]);
        for (int i = 0; i < 3; i++)
            ck_assert_double_lt(ramp_error(&p, i, 0, i, 1), 3.5);
        pulled_free(&p);
    }
}
END_TEST

START_TEST(chroma_comes_at_luma_size_at_4_8)
{
    struct jpeg_spec s = spec_420(2725, 31);
    struct pulled p = pull_spec(&s, 4);
    for (int i = 0; i < 3; i++)
        check_span(&p, i, 1362.5, 15.5);
    pulled_free(&p);
    p = pull_spec(&s, 1);
    check_span(&p, 0, 2725 / 8.0, 31 / 8.0);
    check_span(&p, 1, 2725 / 8.0, 31 / 8.0);
    pulled_free(&p);
}
END_TEST

START_TEST(progressive_is_like_sequential)
{
    struct jpeg_spec s = spec_420(203, 133);
    struct pulled a = pull_spec(&s, 8);
    s.progressive = true;
    struct pulled b = pull_spec(&s, 8);
    for (int i = 0; i < 3; i++)
        ck_assert_mem_eq(a.p[i], b.p[i], (size_t)a.shape.plane[i].width * a.shape.plane[i].height);
    pulled_free(&a);
    pulled_free(&b);
}
END_TEST

static void check_same(const struct pulled *a, const struct pulled *b)
{
    for (int i = 0; i < a->shape.n; i++)
        ck_assert_mem_eq(a->p[i], b->p[i], (size_t)a->shape.plane[i].width * a->shape.plane[i].height);
}

/* The same coefficients, however they are coded: so the same samples, at every scale. */
START_TEST(arithmetic_is_like_huffman)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        struct jpeg_spec s = spec_420(203, 133);
        s.progressive = progressive;
        struct pulled a = pull_spec(&s, 8 >> _i);
        s.arithmetic = true;
        struct pulled b = pull_spec(&s, 8 >> _i);
        check_same(&a, &b);
        pulled_free(&a);
        pulled_free(&b);
    }
}
END_TEST

static double plane_psnr(const struct pulled *a, const struct pulled *b, int i)
{
    size_t n = (size_t)a->shape.plane[i].width * a->shape.plane[i].height;
    double sum = 1e-9;
    for (size_t k = 0; k < n; k++)
        sum += (a->p[i][k] - b->p[i][k]) * (a->p[i][k] - b->p[i][k]);
    return 10 * log10(255.0 * 255.0 * (double)n / sum);
}

/* The scans that a small picture does not wait for are worth little of it. Noise is the worst case. */
START_TEST(progressive_is_near_enough_when_small)
{
    struct jpeg_spec s = spec_420(403, 301);
    s.grain = 60;
    s.quality = 85;
    struct pulled all = pull_spec(&s, small_scales[_i]);
    s.progressive = true;
    struct pulled some = pull_spec(&s, small_scales[_i]);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_gt(plane_psnr(&some, &all, i), 34);
        ck_assert_uint_eq(some.shape.plane[i].width, all.shape.plane[i].width);
        ck_assert_uint_eq(some.shape.plane[i].height, all.shape.plane[i].height);
    }
    pulled_free(&all);
    pulled_free(&some);
}
END_TEST

static size_t last_scan(struct blob b)
{
    size_t i = b.n - 2;
    while (i > 0 && !(b.p[i] == 0xff && b.p[i + 1] == 0xda))
        i--;
    return i;
}

static size_t second_tables(struct blob b)
{
    size_t i = 0, scan = 0;
    for (; i + 1 < b.n && !(scan && b.p[i] == 0xff && b.p[i + 1] == 0xc4); i++)
        if (b.p[i] == 0xff && b.p[i + 1] == 0xda)
            scan = i;
    return i;
}

/* Without its last scan the picture is the same, unless it is a large one. A missing end is still told. */
START_TEST(progressive_stops_early_when_small)
{
    struct jpeg_spec s = spec_420(403, 301);
    s.grain = 60;
    s.progressive = true;
    struct blob b = make_jpeg(&s), less = { 0 };
    size_t cut = last_scan(b);
    blob_add(&less, b.p, cut);
    blob_add(&less, b.p + b.n - 2, 2);
    struct pulled whole = pull(blob_bytes(b), small_scales[_i]), got = pull(blob_bytes(less), small_scales[_i]);
    ck_assert(!whole.truncated && !got.truncated);
    check_same(&whole, &got);
    pulled_free(&got);
    for (size_t gone = 1; gone < b.n - cut; gone += 97) {
        got = pull((struct ic_bytes){ b.p, b.n - gone }, small_scales[_i]);
        ck_assert(got.truncated);
        check_same(&whole, &got);
        pulled_free(&got);
    }
    pulled_free(&whole);
    whole = pull(blob_bytes(b), 8);
    got = pull(blob_bytes(less), 8);
    ck_assert_double_lt(plane_psnr(&whole, &got, 0), 60);
    pulled_free(&whole);
    pulled_free(&got);
    free(b.p);
    free(less.p);
}
END_TEST

/* The end follows the scan that suffices at once. */
START_TEST(a_first_scan_alone_is_whole_at_1_8)
{
    struct jpeg_spec s = spec(403, 301, 3, JCS_YCbCr);
    s.grain = 60;
    s.progressive = true;
    struct blob b = make_jpeg(&s), one = { 0 };
    blob_add(&one, b.p, second_tables(b));
    blob_add(&one, "\xff\xd9", 2);
    struct pulled whole = pull(blob_bytes(b), 1), got = pull(blob_bytes(one), 4);
    ck_assert(!got.truncated);
    pulled_free(&got);
    got = pull(blob_bytes(one), 1);
    ck_assert(!got.truncated);
    check_same(&whole, &got);
    pulled_free(&got);
    got = pull((struct ic_bytes){ one.p, one.n - 2 }, 1);
    ck_assert(got.truncated);
    pulled_free(&got);
    pulled_free(&whole);
    free(b.p);
    free(one.p);
}
END_TEST

START_TEST(grey_and_rgb)
{
    struct jpeg_spec s = spec(201, 99, 1, JCS_GRAYSCALE);
    struct pulled p = pull_spec(&s, 8);
    ck_assert_int_eq(p.shape.layout, IC_GREY);
    ck_assert_int_eq(p.shape.n, 1);
    ck_assert_double_lt(ramp_error(&p, 0, 0, 0, 0), 2);
    pulled_free(&p);
    s.h[0] = s.v[0] = 2; /* means nothing in a single component, but changes libjpeg's row groups */
    p = pull_spec(&s, 4);
    check_span(&p, 0, 100.5, 49.5);
    pulled_free(&p);
    s = spec(201, 99, 3, JCS_RGB);
    p = pull_spec(&s, 8);
    ck_assert_int_eq(p.shape.layout, IC_RGB);
    ck_assert_int_eq(p.shape.n, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_double_lt(ramp_error(&p, i, 0, i, 0), 2);
    pulled_free(&p);
}
END_TEST

/* Stored with Adobe's marker ink comes inverted already; without it is turned over. */
START_TEST(cmyk_is_normalised)
{
    struct jpeg_spec s = spec(120, 90, 4, JCS_CMYK);
    struct pulled adobe = pull_spec(&s, 8);
    s.no_adobe = true;
    struct pulled plain = pull_spec(&s, 8);
    ck_assert_int_eq(adobe.shape.layout, IC_CMYK);
    ck_assert_int_eq(adobe.shape.n, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert_double_lt(ramp_error(&adobe, i, 0, i, 0), 2);
        for (size_t k = 0; k < 120 * 90; k++)
            ck_assert_uint_eq(adobe.p[i][k], 255 - plain.p[i][k]);
    }
    pulled_free(&adobe);
    pulled_free(&plain);
}
END_TEST

static double clamp(double v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* libjpeg itself as the judge: its CMYK is what Adobe stored; ours, through YCbCr -> RGB, must say the same. */
START_TEST(ycck_is_rgb_like)
{
    struct jpeg_spec s = spec(64, 64, 4, JCS_YCCK);
    struct blob b = make_jpeg(&s);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.shape.layout, IC_YCCK);
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr err;
    d.err = jpeg_std_error(&err);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, b.p, b.n);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_CMYK;
    jpeg_start_decompress(&d);
    for (size_t y = 0; y < 64; y++) {
        uint8_t row[64 * 4], *to = row;
        jpeg_read_scanlines(&d, &to, 1);
        for (size_t x = 0; x < 64; x++) {
            double Y = p.p[0][y * 64 + x], cb = p.p[1][y * 64 + x] - 128.0, cr = p.p[2][y * 64 + x] - 128.0;
            ck_assert_double_le(fabs(clamp(Y + 1.402 * cr) - row[4 * x]), 2.0);
            ck_assert_double_le(fabs(clamp(Y - 0.344136 * cb - 0.714136 * cr) - row[4 * x + 1]), 2.0);
            ck_assert_double_le(fabs(clamp(Y + 1.772 * cb) - row[4 * x + 2]), 2.0);
            ck_assert_uint_eq(p.p[3][y * 64 + x], row[4 * x + 3]);
        }
    }
    jpeg_destroy_decompress(&d);
    pulled_free(&p);
    free(b.p);
}
END_TEST

static void check_truncated(const struct jpeg_spec *s)
{
    struct blob b = make_jpeg(s);
    struct pulled whole = pull(blob_bytes(b), 8);
    struct pulled half = pull((struct ic_bytes){ b.p, b.n / 2 + 200 }, 8);
    ck_assert_int_eq(half.code, IC_OK);
    ck_assert(half.truncated);
    ck_assert(!whole.truncated);
    if (!s->progressive) /* the first rows are good */
        ck_assert_mem_eq(half.p[0], whole.p[0], whole.shape.plane[0].width * 32);
    pulled_free(&whole);
    pulled_free(&half);
    struct pulled no_eoi = pull((struct ic_bytes){ b.p, b.n - 2 }, 8);
    ck_assert_int_eq(no_eoi.code, IC_OK);
    ck_assert(s->progressive || s->arithmetic || !no_eoi.truncated);
    pulled_free(&no_eoi);
    free(b.p);
}

START_TEST(truncated_files_give_what_they_have)
{
    struct jpeg_spec s = spec_420(200, 400);
    s.arithmetic = _i;
    check_truncated(&s);
    s.restart = 4;
    check_truncated(&s);
    s.progressive = true;
    check_truncated(&s);
}
END_TEST

/* An end that comes too early is one, too: as where a proxy cut a file and mended it. */
START_TEST(an_early_end_is_told)
{
    struct jpeg_spec s = spec_420(200, 400);
    struct blob b = make_jpeg(&s), less = { 0 };

    blob_add(&less, b.p, b.n / 2 + 200);
    blob_add(&less, "\xff\xd9", 2);
    struct pulled got = pull(blob_bytes(less), 8);
    ck_assert(got.code == IC_OK && got.truncated);
    pulled_free(&got);
    free(b.p);
    free(less.p);
}
END_TEST

static size_t find_marker(struct blob b, uint8_t marker)
{
    for (size_t i = 0; i + 1 < b.n; i++)
        if (b.p[i] == 0xff && b.p[i + 1] == marker)
            return i;
    ck_abort_msg("no such marker");
    return 0;
}

START_TEST(headers_must_agree)
{
    struct jpeg_spec s = spec_420(40, 30);
    struct blob b = make_jpeg(&s);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    for (int what = 0; what < 6; what++) {
        struct ic_info x = info;
        x.width += what == 0;
        x.height += what == 1;
        x.components = what == 2 ? 1 : x.components;
        x.depth = what == 3 ? 12 : x.depth;
        x.progressive = what == 4;
        x.hsamp[1] = what == 5 ? 2 : x.hsamp[1];
        struct pulled p = pull_as(blob_bytes(b), &x, 8, MB);
        ck_assert_int_eq(p.code, IC_E_CORRUPT);
        ck_assert_ptr_nonnull(strstr(p.error.text, "disagree"));
    }
    free(b.p);
}
END_TEST

/* A second frame header, larger than the one the probe saw. */
START_TEST(two_frame_headers_are_corrupt)
{
    struct jpeg_spec s = spec_420(40, 30);
    struct blob b = make_jpeg(&s), two = { 0 };
    size_t sof = find_marker(b, 0xc0);
    blob_add(&two, b.p, sof + 19);
    blob_add(&two, b.p + sof, b.n - sof);
    two.p[sof + 19 + 5] = 0x7f; /* height of the second */
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(two), &info, NULL), IC_OK);
    ck_assert_uint_eq(info.height, 30);
    struct pulled p = pull(blob_bytes(two), 8);
    ck_assert_int_eq(p.code, IC_E_CORRUPT);
    free(b.p);
    free(two.p);
}
END_TEST

START_TEST(scans_are_limited)
{
    struct jpeg_spec s = spec(16, 16, 1, JCS_GRAYSCALE);
    s.progressive = true;
    struct blob b = make_jpeg(&s), bomb = { 0 };
    size_t sos = find_marker(b, 0xda);
    size_t end = sos + 10;
    while (!(b.p[end] == 0xff && b.p[end + 1] != 0))
        end++;
    blob_add(&bomb, b.p, sos);
    for (int i = 0; i < 2000; i++)
        blob_add(&bomb, b.p + sos, end - sos);
    blob_add(&bomb, "\xff\xd9", 2);
    for (int scale = 8; scale > 1; scale /= 2)
        ck_assert_int_eq(pull(blob_bytes(bomb), scale).code, IC_E_LIMIT);
    free(b.p);
    free(bomb.p);
}
END_TEST

START_TEST(memory_is_limited)
{
    struct jpeg_spec s = spec_420(1600, 1200);
    s.progressive = true;
    struct blob b = make_jpeg(&s);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    struct pulled p = pull_as(blob_bytes(b), &info, 8, 4 * MB); /* coefficients alone need 5.5 MB */
    ck_assert_int_eq(p.code, IC_E_MEMORY);
    p = pull_as(blob_bytes(b), &info, 8, 100);
    ck_assert_int_eq(p.code, IC_E_MEMORY);
    free(b.p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_jpeg");
    TCase *t = tcase_create("reading");
    tcase_add_loop_test(t, every_sampling_at_full_size, 0, SAMPLINGS);
    tcase_add_loop_test(t, spans_at_every_scale, 0, SAMPLINGS);
    tcase_add_test(t, chroma_comes_at_luma_size_at_4_8);
    tcase_add_test(t, progressive_is_like_sequential);
    tcase_add_loop_test(t, arithmetic_is_like_huffman, 0, 4);
    tcase_add_loop_test(t, progressive_is_near_enough_when_small, 0, 3);
    tcase_add_loop_test(t, progressive_stops_early_when_small, 0, 3);
    tcase_add_test(t, a_first_scan_alone_is_whole_at_1_8);
    tcase_add_test(t, grey_and_rgb);
    tcase_add_test(t, cmyk_is_normalised);
    tcase_add_test(t, ycck_is_rgb_like);
    tcase_add_loop_test(t, truncated_files_give_what_they_have, 0, 2);
    tcase_add_test(t, an_early_end_is_told);
    tcase_add_test(t, headers_must_agree);
    tcase_add_test(t, two_frame_headers_are_corrupt);
    tcase_add_test(t, scans_are_limited);
    tcase_add_test(t, memory_is_limited);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
