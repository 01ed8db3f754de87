/* Whole runs in tests: pixels and their encoded forms, made and read by the libraries and not by our codecs, and one
 * call that runs a recipe. */
#ifndef TESTS_RUNS_H
#define TESTS_RUNS_H

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

static inline void setup(void)
{
    ic_init();
    engine = ic_engine_create(&limits);
    ck_assert_ptr_nonnull(engine);
}

static inline void teardown(void)
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

static inline struct pixels pixels_make(int w, int h, int n)
{
    struct pixels p = { w, h, n, calloc((size_t)(w * h * n), 1) };
    ck_assert_ptr_nonnull(p.p);
    return p;
}

static inline uint8_t *at(const struct pixels *p, int x, int y)
{
    return p->p + (y * p->w + x) * p->n;
}

/* Every pixel differs from every other, and channels from each other. */
static inline struct pixels marked(int w, int h, int n)
{
    struct pixels p = pixels_make(w, h, n);
    for (int i = 0; i < w * h * n; i++)
        p.p[i] = (uint8_t)(i * 7 + i / 30);
    return p;
}

static inline png_uint_32 png_format(int n)
{
    static const png_uint_32 formats[] = { 0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA };
    return formats[n];
}

static inline struct blob to_png(const struct pixels *p)
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

static inline struct pixels from_png(struct blob b)
{
    png_image img = { .version = PNG_IMAGE_VERSION };
    ck_assert(png_image_begin_read_from_memory(&img, b.p, b.n));
    int n = (int)PNG_IMAGE_SAMPLE_CHANNELS(img.format);
    img.format = png_format(n);
    struct pixels p = pixels_make((int)img.width, (int)img.height, n);
    ck_assert(png_image_finish_read(&img, NULL, p.p, 0, NULL));
    return p;
}

/* Running. */

struct outcome {
    int calls, order[32];
    struct ic_result r[32];
    struct ic_error e[32]; /* code IC_OK where there is a result */
    struct blob data[32];  /* owned (malloc) */
    int stop_after;        /* calls; 0: never */
};

static inline bool on_result(void *ctx, int index, const struct ic_result *r, const struct ic_error *e)
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

static inline struct ic_recipe recipe(double w, double h)
{
    struct ic_recipe r;
    ic_recipe_init(&r);
    r.width = (struct ic_len){ w, w > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    r.height = (struct ic_len){ h, h > 0 ? IC_UNIT_PX : IC_UNIT_NONE };
    return r;
}

/* One recipe that must succeed; the encoded result is the caller's. */
static inline struct blob run_one(struct blob in, const struct ic_recipe *r, struct ic_result *result)
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

static inline struct pixels run_png(const struct pixels *in, const struct ic_recipe *r)
{
    struct blob png = to_png(in), out = run_one(png, r, NULL);
    struct pixels p = from_png(out);
    free(png.p);
    free(out.p);
    return p;
}

/* Turns and flips. */

static inline void replace(struct pixels *p, struct pixels by)
{
    free(p->p);
    *p = by;
}

/* What a viewer shows of EXIF orientations 1 .. 8: transpose, then flop, then flip. */
static const bool exif[9][3] = { [2] = { 0, 1, 0 }, [3] = { 0, 1, 1 }, [4] = { 0, 0, 1 }, [5] = { 1, 0, 0 },
                                 [6] = { 1, 1, 0 }, [7] = { 1, 1, 1 }, [8] = { 1, 0, 1 } };

/* JPEG, plane by plane. */

static inline struct blob ramp_jpeg(int w, int h, int hs, int vs)
{
    struct jpeg_spec s = { .width = w, .height = h, .components = 3, .stored = JCS_YCbCr };
    s.h[0] = hs;
    s.v[0] = vs;
    return make_jpeg(&s);
}

/* The ramp's channel c where the turned result's u, v (0 .. 1) comes from. */
static inline double turned_ramp(int c, double u, double v, int orientation)
{
    const bool *t = exif[orientation];
    u = t[1] ? 1 - u : u;
    v = t[2] ? 1 - v : v;
    return t[0] ? ramp_at(c, v, u) : ramp_at(c, u, v);
}

/* How far a plane is from the turned ramp: at worst, where rounding and quantisation add up, and on average, where only
 * a plane out of place shows. Samples near an edge are not those of a ramp: their window is cut off. */
static inline void check_plane(const struct pulled *p, int i, int orientation, uint32_t edge)
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

#endif
