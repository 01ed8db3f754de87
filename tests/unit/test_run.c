/* Whole runs: encoded bytes in, encoded bytes out, checked against pixels worked out by definition. Sources are made,
 * and PNG results read, by the libraries and not by our codecs. */
#include "../../imgcore/cpu.h"
#include "../../imgcore/engine.h"
#include "images.h"

#include <webp/decode.h>

static const struct ic_limits limits = { .max_pixels_in = 100000000,
                                         .max_side_in = 30000,
                                         .max_side_out = 16384,
                                         .max_memory = (size_t)256 << 20,
                                         .max_result = (size_t)16 << 20 };

static struct ic_engine *engine;

static void setup(void)
{
    ic_init();
    engine = ic_engine_create(&limits);
    ck_assert_ptr_nonnull(engine);
}

static void teardown(void)
{
    ic_weights_trim(&engine->weights, 0);
    ck_assert_uint_eq(engine->mem.used, 0);
    ic_engine_free(engine);
}

/* Pixels, packed. */

struct pixels {
    int w, h, n;
    uint8_t *p; /* owned (malloc) */
};

static struct pixels pixels_make(int w, int h, int n)
{
    struct pixels p = { w, h, n, calloc((size_t)(w * h * n), 1) };
    ck_assert_ptr_nonnull(p.p);
    return p;
}

static uint8_t *at(const struct pixels *p, int x, int y)
{
    return p->p + (y * p->w + x) * p->n;
}

/* Every pixel differs from every other, and channels from each other. */
static struct pixels marked(int w, int h, int n)
{
    struct pixels p = pixels_make(w, h, n);
    for (int i = 0; i < w * h * n; i++)
        p.p[i] = (uint8_t)(i * 7 + i / 30);
    return p;
}

static png_uint_32 png_format(int n)
{
    static const png_uint_32 formats[] = { 0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
    return formats[n];
}

static struct blob to_png(const struct pixels *p)
{
    png_image img = { .version = PNG_IMAGE_VERSION,
                      .width = (png_uint_32)p->w,
                      .height = (png_uint_32)p->h,
                      .format = png_format(p->n) };
    png_alloc_size_t size = 0;
    ck_assert(png_image_write_to_memory(&img, NULL, &size, 0, p->p, 0, NULL));
    struct blob b = { malloc(size), size };
    ck_assert(png_image_write_to_memory(&img, b.p, &size, 0, p->p, 0, NULL));
    return b;
}

static struct pixels from_png(struct blob b)
{
    png_image img = { .version = PNG_IMAGE_VERSION };
    ck_assert(png_image_begin_read_from_memory(&img, b.p, b.n));
    int n = (int)PNG_IMAGE_SAMPLE_CHANNELS(img.format);
    img.format = png_format(n);
    struct pixels p = pixels_make((int)img.width, (int)img.height, n);
    ck_assert(png_image_finish_read(&img, NULL, p.p, 0, NULL));
    return p;
}

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

/* Running. */

struct outcome {
    int calls, order[32];
    struct ic_result r[32];
    struct ic_error e[32]; /* code IC_OK where there is a result */
    struct blob data[32];  /* owned (malloc) */
    int stop_after;        /* calls; 0: never */
};

static bool on_result(void *ctx, int index, const struct ic_result *r, const struct ic_error *e)
{
    struct outcome *o = ctx;
    ck_assert_int_lt(o->calls, 32);
    o->order[o->calls++] = index;
    ck_assert_ptr_null(o->data[index].p);
    ck_assert_int_eq(o->e[index].code, IC_OK); /* once per recipe */
    if (r) {
        o->r[index] = *r;
        blob_add(&o->data[index], r->data.p, r->data.n);
    } else {
        o->e[index] = *e;
    }
    return o->calls != o->stop_after;
}

static void outcome_free(struct outcome *o)
{
    for (int i = 0; i < 32; i++)
        free(o->data[i].p);
}

static struct ic_recipe recipe(double w, double h)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.width = (struct ic_len){ w, w > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    r.height = (struct ic_len){ h, h > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    return r;
}

/* One recipe that must succeed; the encoded result is the caller's. */
static struct blob run_one(struct blob in, const struct ic_recipe *r, struct ic_result *result)
{
    struct outcome o = { 0 };
    struct ic_error e = { 0 };
    ck_assert_msg(ic_run(engine, blob_bytes(in), r, 1, on_result, &o, &e) == IC_OK, "%s", e.text);
    ck_assert_int_eq(o.calls, 1);
    ck_assert_msg(o.e[0].code == IC_OK, "%s", o.e[0].text);
    if (result)
        *result = o.r[0];
    return o.data[0];
}

static struct pixels run_png(const struct pixels *in, const struct ic_recipe *r)
{
    struct blob png = to_png(in), out = run_one(png, r, NULL);
    struct pixels p = from_png(out);
    free(png.p);
    free(out.p);
    return p;
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

static void replace(struct pixels *p, struct pixels by)
{
    free(p->p);
    *p = by;
}

/* What a viewer shows of EXIF orientations 1 .. 8: transpose, then flop, then flip. */
static const bool exif[9][3] = { [2] = { 0, 1, 0 }, [3] = { 0, 1, 1 }, [4] = { 0, 0, 1 }, [5] = { 1, 0, 0 },
                                 [6] = { 1, 1, 0 }, [7] = { 1, 1, 1 }, [8] = { 1, 0, 1 } };

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

/* JPEG, plane by plane. */

static struct blob ramp_jpeg(int w, int h, int hs, int vs)
{
    struct jpeg_spec s = { .width = w, .height = h, .components = 3, .stored = JCS_YCbCr };
    s.h[0] = hs;
    s.v[0] = vs;
    return make_jpeg(&s);
}

/* The ramp's channel c where the turned result's u, v (0 .. 1) comes from. */
static double turned_ramp(int c, double u, double v, int orientation)
{
    const bool *t = exif[orientation];
    u = t[1] ? 1 - u : u;
    v = t[2] ? 1 - v : v;
    return t[0] ? ramp_at(c, v, u) : ramp_at(c, u, v);
}

/* How far a plane is from the turned ramp: at worst, where rounding and quantisation add up, and on average, where only
 * a plane out of place shows. Samples near an edge are not those of a ramp: their window is cut off. */
static void check_plane(const struct pulled *p, int i, int orientation, uint32_t edge)
{
    const struct ic_plane *q = &p->shape.plane[i];
    double worst = 0, sum = 0, n = 0;
    for (uint32_t y = edge; y + edge < q->height; y++)
        for (uint32_t x = edge; x + edge < q->width; x++, n++) {
            double want = turned_ramp(i, (x + 0.5) / q->span_w, (y + 0.5) / q->span_h, orientation);
            double error = p->p[i][y * q->width + x] - want;
            worst = fmax(worst, fabs(error));
            sum += error;
        }
    ck_assert_double_gt(n, 0);
    ck_assert_double_le(worst, 2.6);
    ck_assert_double_le(fabs(sum / n), 0.8);
}

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

/* Several at once, and failing. */

START_TEST(renditions_equal_single_runs)
{
    static const double widths[] = { 300, 100, 90, 0, 33 };
    struct ic_recipe r[5];
    struct outcome o = { 0 };
    struct blob in = { 0 };
    struct pixels px = marked(400, 300, 3);
    in = to_png(&px);
    for (int i = 0; i < 5; i++) {
        r[i] = recipe(widths[i], 0);
        r[i].rotate = i == 2 ? 90 : 0;
    }
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 5, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 5);
    for (int i = 0; i < 5; i++) {
        struct blob one = run_one(in, &r[i], NULL);
        ck_assert_uint_eq(one.n, o.data[i].n);
        ck_assert_mem_eq(one.p, o.data[i].p, one.n);
        free(one.p);
    }
    outcome_free(&o);
    free(in.p);
    free(px.p);
}
END_TEST

/* The source is opened as large as the largest needs it. */
START_TEST(small_and_large_share_a_decode)
{
    struct ic_recipe r[2] = { recipe(20, 0), recipe(600, 0) };
    struct outcome o = { 0 };
    struct blob in = ramp_jpeg(640, 480, 2, 2);
    r[0].quality = r[1].quality = 100;
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 2, on_result, &o, NULL), IC_OK);
    for (int i = 0; i < 2; i++) {
        struct pulled p = pull(blob_bytes(o.data[i]), 8);
        ck_assert_uint_eq(p.shape.plane[0].width, i ? 600 : 20);
        check_plane(&p, 0, 1, 3);
        pulled_free(&p);
    }
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(a_bad_recipe_spoils_only_itself)
{
    struct ic_recipe r[3] = { recipe(50, 0), recipe(50, 0), recipe(40, 0) };
    struct outcome o = { 0 };
    struct blob in = ramp_jpeg(200, 100, 2, 2);
    r[1].rect[0] = (struct ic_len){ 500, IC_UNIT_PX };
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 3, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 3);
    ck_assert_int_eq(o.order[0], 1);
    ck_assert_int_eq(o.e[1].code, IC_E_PARAM);
    ck_assert_uint_eq(o.r[0].width, 50);
    ck_assert_uint_eq(o.r[2].width, 40);
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(a_result_too_large_spoils_only_itself)
{
    struct ic_recipe r[2] = { recipe(0, 0), recipe(5, 0) };
    struct outcome o = { 0 };
    struct pixels px = marked(200, 200, 3);
    struct blob in = to_png(&px);
    engine->limits.max_result = 1000;
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 2, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.e[0].code, IC_E_RESULT);
    ck_assert_int_eq(o.e[1].code, IC_OK);
    ck_assert_uint_eq(o.r[1].width, 5);
    outcome_free(&o);
    free(in.p);
    free(px.p);
}
END_TEST

START_TEST(emit_stops_the_run)
{
    struct ic_recipe r[3] = { recipe(50, 0), recipe(50, 0), recipe(40, 0) };
    struct outcome o = { .stop_after = 1 };
    struct blob in = ramp_jpeg(200, 100, 2, 2);
    ck_assert_int_eq(ic_run(engine, blob_bytes(in), r, 3, on_result, &o, NULL), IC_OK);
    ck_assert_int_eq(o.calls, 1);
    outcome_free(&o);
    free(in.p);
}
END_TEST

START_TEST(truncated_is_told_or_refused)
{
    struct pixels px = marked(300, 300, 3);
    struct blob in[] = { ramp_jpeg(400, 400, 1, 1), to_png(&px) };
    for (int i = 0; i < 2; i++) {
        struct ic_recipe r = recipe(100, 0);
        struct outcome o = { 0 };
        struct ic_result res;
        struct blob whole = run_one(in[i], &r, &res), half;
        ck_assert_uint_eq(res.warnings, 0);
        free(whole.p);
        in[i].n /= 2;
        half = run_one(in[i], &r, &res);
        ck_assert_uint_eq(res.warnings, IC_WARN_TRUNCATED);
        free(half.p);
        r.strict = true;
        ck_assert_int_eq(ic_run(engine, blob_bytes(in[i]), &r, 1, on_result, &o, NULL), IC_OK);
        ck_assert_int_eq(o.e[0].code, IC_E_CORRUPT);
        outcome_free(&o);
        free(in[i].p);
    }
    free(px.p);
}
END_TEST

START_TEST(unreadable_fails_as_a_whole)
{
    struct ic_recipe r = recipe(10, 10);
    struct outcome o = { 0 };
    struct ic_error e = { 0 };
    struct blob jpeg = ramp_jpeg(64, 64, 1, 1);
    ck_assert_int_eq(
        ic_run(engine, (struct ic_bytes){ (const uint8_t *)"no image at all, this", 21 }, &r, 1, on_result, &o, &e),
        IC_E_FORMAT);
    jpeg.n = 30;
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 1, on_result, &o, &e), IC_E_CORRUPT);
    ck_assert_int_eq(ic_run(engine, (struct ic_bytes){ jpeg.p, 0 }, &r, 1, on_result, &o, &e) != IC_OK, 1);
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 0, on_result, &o, &e), IC_E_PARAM);
    ck_assert_int_eq(ic_run(engine, blob_bytes(jpeg), &r, 33, on_result, &o, &e), IC_E_PARAM);
    ck_assert_int_eq(o.calls, 0);
    ck_assert_str_ne(e.text, "");
    free(jpeg.p);
}
END_TEST

/* Filters that need memory of their own. */
static void filtered(struct ic_filters *f, int which)
{
    f->blur = which == 1 ? 3 : which == 2 ? 30 : 0;
    f->sharp = which == 2 ? 2 : 0;
    f->usm = which == 3 ? (struct ic_usm){ 100, 1, 0 } : f->usm;
    f->filt = which == 3 ? IC_FILT_SEPIA : which == 4 ? IC_FILT_DUOTONE : 0;
    f->bri = which == 4 ? 10 : 0;
}

/* The budget is cut off at every height: each run ends in its result or in IC_E_MEMORY, and leaks nothing (teardown).
 */
static size_t squeeze(struct blob in, const struct ic_recipe *r)
{
    size_t step = 1024, failed = 0;
    bool ok = false;
    for (engine->mem.limit = 0; !ok; engine->mem.limit += step) {
        struct outcome o = { 0 };
        struct ic_error e = { 0 };
        ic_weights_trim(&engine->weights, 0);
        enum ic_code rc = ic_run(engine, blob_bytes(in), r, 1, on_result, &o, &e);
        ok = rc == IC_OK && o.e[0].code == IC_OK;
        if (!ok) {
            ck_assert_int_eq(rc == IC_OK ? o.e[0].code : rc, IC_E_MEMORY);
            failed++;
        }
        outcome_free(&o);
    }
    return failed;
}

START_TEST(budget_holds_at_every_height)
{
    struct blob in[] = { ramp_jpeg(120, 90, 2, 2), make_webp(120, 90, true, false), make_webp(60, 40, false, true) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int format = IC_FORMAT_JPEG; format < IC_FORMATS; format++) {
            struct ic_recipe r = recipe(80, 80);
            r.format = format;
            r.rotate = 90;
            r.fit = i == 1 ? IC_FIT_PAD : IC_FIT_INSIDE;
            filtered(&r.filters, (int)i + 2);
            ck_assert_uint_gt(squeeze(in[i], &r), 20);
        }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
}
END_TEST

/* What a plan predicts is at least what a run holds. */
START_TEST(memory_prediction_suffices)
{
    struct pixels px = marked(700, 500, 4);
    struct blob in[] = { ramp_jpeg(900, 700, 2, 2), make_webp(600, 400, true, false), make_webp(601, 401, false, false),
                         to_png(&px) };
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        for (int k = 0; k < 5 * 12; k++) {
            struct ic_recipe r = recipe(k & 1 ? 200 : 690, 0);
            struct ic_info info;
            struct ic_plan plan;
            r.format = 1 + k % 12 / 4;
            r.rotate = k & 2 ? 90 : 0;
            filtered(&r.filters, k / 12);
            ck_assert_int_eq(ic_probe(blob_bytes(in[i]), &info, NULL), IC_OK);
            ck_assert_int_eq(ic_plan(&r, &info, &limits, &plan, NULL), IC_OK);
            ic_weights_trim(&engine->weights, 0);
            engine->mem.peak = 0;
            struct blob out = run_one(in[i], &r, NULL);
            ck_assert_uint_ge(plan.memory, engine->mem.peak);
            free(out.p);
        }
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        free(in[i].p);
    free(px.p);
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
    Suite *s = suite_create("run");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, every_turn_is_exact, 1, 9);
    tcase_add_loop_test(t, nothing_asked_changes_nothing, 1, 5);
    tcase_add_test(t, rect_cuts_exactly);
    tcase_add_loop_test(t, pad_places_on_background, 0, 3);
    tcase_add_test(t, grey_alpha_is_flattened_onto_bg);
    tcase_add_test(t, colour_alpha_is_flattened_onto_bg);
    tcase_add_test(t, transparent_png_to_jpeg_is_on_white);
    tcase_add_loop_test(t, planes_keep_their_place, 0, (int)(sizeof geometries / sizeof *geometries));
    tcase_add_test(t, cover_crops_in_place);
    tcase_add_test(t, cmyk_becomes_rgb);
    tcase_add_test(t, every_format_to_every_format);
    tcase_add_test(t, renditions_equal_single_runs);
    tcase_add_test(t, small_and_large_share_a_decode);
    tcase_add_test(t, a_bad_recipe_spoils_only_itself);
    tcase_add_test(t, a_result_too_large_spoils_only_itself);
    tcase_add_test(t, emit_stops_the_run);
    tcase_add_test(t, truncated_is_told_or_refused);
    tcase_add_test(t, unreadable_fails_as_a_whole);
    tcase_add_test(t, budget_holds_at_every_height);
    tcase_add_test(t, memory_prediction_suffices);
    tcase_add_loop_test(t, colours_of_planes_are_those_of_rgb, IC_FORMAT_JPEG, IC_FORMATS);
    tcase_add_loop_test(t, the_reference_kernels_give_the_same_bytes, IC_FORMAT_JPEG, IC_FORMATS);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
