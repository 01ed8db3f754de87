/* Colours in whole runs: alpha onto backgrounds, CMYK, planes beside RGB, and every format to every format. */
#include "runs.h"

/* Canvas and alpha. */

/* Colour c at alpha a on background b. */
static double over(double c, double a, double b)
{
    return (c * a + b * (255 - a)) / 255;
}

static void check_flattened(int n)
{
    struct pixels in = marked(64, 16, n);
    struct ic_recipe r = recipe(0, 0);
    r.bg_given = true;
    r.bg = (struct ic_colour){ 200, 200, 200, 255 };
    struct pixels got = run_png(&in, &r);
    ck_assert_int_eq(got.n, n - 1);
    for (int i = 0; i < 64 * 16; i++)
        for (int c = 0; c < n - 1; c++) {
            double want = over(in.p[i * n + c], in.p[i * n + n - 1], 200);
            ck_assert_double_le(fabs(got.p[i * (n - 1) + c] - want), 1.01);
        }
    /* A background that is itself translucent leaves the result so. */
    r.bg.a = 128;
    replace(&got, run_png(&in, &r));
    ck_assert_int_eq(got.n, n);
    for (int i = 0; i < 64 * 16; i++) {
        const uint8_t *from = in.p + i * n, *to = got.p + i * n;
        double a = from[n - 1], alpha = over(255, a, 128);
        ck_assert_double_le(fabs(to[n - 1] - alpha), 1.01);
        for (int c = 0; c < n - 1; c++) /* premultiplied: the colours' sum, not yet divided by alpha */
            ck_assert_double_le(fabs(to[c] * alpha / 255 - over(from[c], a, 200 * 128 / 255.0)), 2.0);
    }
    free(got.p);
    free(in.p);
}

START_TEST(grey_alpha_is_flattened_onto_bg)
{
    check_flattened(2);
}
END_TEST

START_TEST(colour_alpha_is_flattened_onto_bg)
{
    check_flattened(4);
}
END_TEST

START_TEST(transparent_png_to_jpeg_is_on_white)
{
    struct pixels in = pixels_make(64, 64, 4); /* transparent black; the right half opaque */
    struct ic_recipe r = recipe(32, 32);
    for (int i = 0; i < 64 * 64; i++)
        in.p[4 * i + 3] = i % 64 < 32 ? 0 : 255;
    r.format = IC_FORMAT_JPEG;
    r.quality = 95;
    struct blob png = to_png(&in), jpeg = run_one(png, &r, NULL);
    struct pulled p = pull(blob_bytes(jpeg), 8);
    ck_assert_int_eq(p.shape.layout, IC_YCBCR);
    ck_assert_int_ge(p.p[0][5 * 32 + 5], 253);
    ck_assert_int_le(p.p[0][5 * 32 + 26], 2);
    pulled_free(&p);
    free(jpeg.p);
    free(png.p);
    free(in.p);
}
END_TEST

START_TEST(cmyk_becomes_rgb)
{
    struct jpeg_spec s = { .width = 64, .height = 48, .components = 4, .stored = JCS_CMYK };
    struct blob in = make_jpeg(&s);
    struct ic_recipe r = recipe(0, 0);
    r.format = IC_FORMAT_PNG;
    struct blob out = run_one(in, &r, NULL);
    struct pixels p = from_png(out);
    ck_assert_int_eq(p.n, 3);
    for (int y = 4; y < 44; y++)
        for (int x = 4; x < 60; x++)
            for (int c = 0; c < 3; c++) {
                double u = (x + 0.5) / 64, v = (y + 0.5) / 48;
                ck_assert_double_le(fabs(at(&p, x, y)[c] - ramp_at(c, u, v) * ramp_at(3, u, v) / 255), 3.0);
            }
    free(p.p);
    free(out.p);
    free(in.p);
}
END_TEST

START_TEST(every_format_to_every_format)
{
    struct jpeg_spec progressive = {
        .width = 90, .height = 60, .components = 3, .stored = JCS_YCbCr, .progressive = true
    };
    struct jpeg_spec grey = { .width = 90, .height = 60, .components = 1, .stored = JCS_GRAYSCALE };
    struct png_spec interlaced = { 90, 60, PNG_COLOR_TYPE_GRAY_ALPHA, 8, true, false };
    struct png_spec palette = { 90, 60, PNG_COLOR_TYPE_PALETTE, 4, false, true };
    struct blob in[] = { ramp_jpeg(90, 60, 2, 2),       make_jpeg(&progressive), make_jpeg(&grey),
                         make_png(&interlaced),         make_png(&palette),      make_webp(90, 60, true, false),
                         make_webp(90, 60, false, true) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int format = IC_FORMAT_JPEG; format < IC_FORMATS; format++)
            for (int turn = 0; turn < 2; turn++) {
                struct ic_recipe r = recipe(45, 45);
                struct ic_result res;
                r.format = format;
                r.rotate = turn * 90;
                r.fit = turn ? IC_FIT_PAD : IC_FIT_INSIDE;
                struct blob out = run_one(in[i], &r, &res);
                struct pulled p = pull(blob_bytes(out), 8);
                ck_assert_int_eq(res.format, format);
                ck_assert_uint_eq(p.shape.plane[0].width, 45);
                ck_assert_uint_eq(p.shape.plane[0].height, turn ? 45 : 30);
                pulled_free(&p);
                free(out.p);
            }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
}
END_TEST

/* Lossy WebP, in planes of limited range. */

static struct pixels from_webp(struct blob b)
{
    struct pixels p = { .n = 3 };
    uint8_t *px = WebPDecodeRGB(b.p, b.n, &p.w, &p.h);
    ck_assert_ptr_nonnull(px);
    p.p = memcpy(malloc((size_t)(p.w * p.h * 3)), px, (size_t)(p.w * p.h * 3));
    WebPFree(px);
    return p;
}

/* Pixels of a result in any format, by way of the libraries; of a JPEG by way of ours to PNG. */
static struct pixels from_any(struct blob b, int format)
{
    struct ic_recipe r = recipe(0, 0);
    r.format = IC_FORMAT_PNG;
    struct blob png = format == IC_FORMAT_JPEG ? run_one(b, &r, NULL) : b;
    struct pixels p = format == IC_FORMAT_WEBP ? from_webp(b) : from_png(png);
    if (format == IC_FORMAT_JPEG)
        free(png.p);
    return p;
}

/* Away from the edges, where chroma is filtered otherwise: within `mean` levels on average, and `most` anywhere. */
static void alike(const struct pixels *got, const struct pixels *want, double mean, int most)
{
    double sum[3] = { 0 };
    int n = 0;
    ck_assert_int_eq(got->w, want->w);
    ck_assert_int_eq(got->h, want->h);
    for (int y = 4; y < got->h - 4; y++)
        for (int x = 4; x < got->w - 4; x++, n++)
            for (int c = 0; c < 3; c++) {
                int d = at(got, x, y)[c] - at(want, x, y)[c];
                if (abs(d) > most)
                    ck_abort_msg("%d,%d channel %d: %d, should be %d", x, y, c, at(got, x, y)[c], at(want, x, y)[c]);
                sum[c] += d;
            }
    for (int c = 0; c < 3; c++)
        ck_assert_double_le(fabs(sum[c] / n), mean);
}

/* From WebP's planes, and from JPEG's to WebP, the colours are those that the way through RGB gives, also where sizes
 * are odd and the result is turned. What libwebp's quantiser does to a smooth slope is more than what the planes do. */
START_TEST(colours_of_planes_are_those_of_rgb)
{
    static const int most[] = { [IC_FORMAT_JPEG] = 5, [IC_FORMAT_PNG] = 4, [IC_FORMAT_WEBP] = 9 };
    for (int k = 0; k < 8; k++) {
        bool webp = k & 1, turned = k & 2;
        int w = k & 4 ? 301 : 300, h = k & 4 ? 203 : 200;
        struct blob in = webp ? make_webp(w, h, false, false) : ramp_jpeg(w, h, 2, 2);
        struct pixels want = from_any(in, webp ? IC_FORMAT_WEBP : IC_FORMAT_JPEG);
        struct ic_recipe r = recipe(0, 0);
        r.format = _i;
        r.quality = 100;
        r.rotate = turned ? 180 : 0;
        struct blob out = run_one(in, &r, NULL);
        struct pixels got = from_any(out, _i);
        for (int i = 0; turned && i < w * h / 2; i++) /* back */
            for (int c = 0; c < 3; c++) {
                uint8_t *a = got.p + 3 * i + c, *b = got.p + 3 * (w * h - 1 - i) + c, v = *a;
                *a = *b;
                *b = v;
            }
        alike(&got, &want, _i == IC_FORMAT_WEBP ? 1.25 : 0.5, most[_i]);
        free(out.p);
        free(in.p);
        free(got.p);
        free(want.p);
    }
}
END_TEST

START_TEST(the_reference_kernels_give_the_same_bytes)
{
    struct blob in = ramp_jpeg(301, 199, 2, 2);
    struct ic_recipe r = recipe(77, 0);
    r.format = _i;
    struct blob fast = run_one(in, &r, NULL);
    setenv("PIXPOOL_ISA", "c", 1);
    ic_init();
    struct blob slow = run_one(in, &r, NULL);
    ck_assert_uint_eq(fast.n, slow.n);
    ck_assert_mem_eq(fast.p, slow.p, fast.n);
    free(fast.p);
    free(slow.p);
    free(in.p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("run_colour");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, grey_alpha_is_flattened_onto_bg);
    tcase_add_test(t, colour_alpha_is_flattened_onto_bg);
    tcase_add_test(t, transparent_png_to_jpeg_is_on_white);
    tcase_add_test(t, cmyk_becomes_rgb);
    tcase_add_test(t, every_format_to_every_format);
    tcase_add_loop_test(t, colours_of_planes_are_those_of_rgb, IC_FORMAT_JPEG, IC_FORMATS);
    tcase_add_loop_test(t, the_reference_kernels_give_the_same_bytes, IC_FORMAT_JPEG, IC_FORMATS);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_image_suite(suite());
}
