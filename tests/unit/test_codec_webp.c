/* The WebP codec: lossy, lossless, alpha, animations, damage; and what it writes. */
#include "images.h"

#define MB ((size_t)1 << 20)

static const int sizes[][2] = { { 1, 1 }, { 17, 3 }, { 33, 47 }, { 300, 200 } };

static double chroma_at(const struct pulled *p, int i, int x, int y)
{
    const struct ic_plane *q = &p->shape.plane[i];
    double u = fmin(fmax((x + 0.5) / 2 - 0.5, 0), q->width - 1.0),
           v = fmin(fmax((y + 0.5) / 2 - 0.5, 0), q->height - 1.0);
    uint32_t x0 = (uint32_t)u, y0 = (uint32_t)v, x1 = x0 + 1 < q->width ? x0 + 1 : x0,
             y1 = y0 + 1 < q->height ? y0 + 1 : y0;
    const uint8_t *a = p->p[i] + y0 * q->width, *b = p->p[i] + y1 * q->width;
    double top = a[x0] + (u - x0) * (a[x1] - a[x0]), bottom = b[x0] + (u - x0) * (b[x1] - b[x0]);
    return top + (v - y0) * (bottom - top) - 128;
}

static uint8_t to_byte(double v)
{
    return (uint8_t)lround(fmin(fmax(v, 0), 255));
}

/* Y, U and V of a lossy file as RGB (BT.601, limited range, chroma centred); anything else stays as it is. */
static struct pulled as_rgb(struct pulled p)
{
    struct pulled out = p;
    const struct ic_plane *q = &p.shape.plane[0];
    if (p.code != IC_OK || p.shape.layout != IC_YCBCR)
        return p;
    ck_assert(p.shape.limited && p.shape.n == 3 && q->channels == 1);
    out.shape = (struct ic_planes){ .layout = IC_RGB, .n = 1, .plane = { *q } };
    out.shape.plane[0].channels = 3;
    out.p[0] = malloc((size_t)q->width * q->height * 3);
    out.p[1] = out.p[2] = NULL;
    for (int k = 0; k < (int)(q->width * q->height); k++) {
        int x = k % (int)q->width, y = k / (int)q->width;
        double luma = (p.p[0][k] - 16) * 255.0 / 219, u = chroma_at(&p, 1, x, y), v = chroma_at(&p, 2, x, y);
        out.p[0][3 * k] = to_byte(luma + 1.596 * v);
        out.p[0][3 * k + 1] = to_byte(luma - 0.391 * u - 0.813 * v);
        out.p[0][3 * k + 2] = to_byte(luma + 2.017 * u);
    }
    pulled_free(&p);
    return out;
}

START_TEST(every_kind_is_read)
{
    bool alpha = _i & 1, lossless = _i & 2;
    for (int k = 0; k < 4; k++) {
        struct blob b = make_webp(sizes[k][0], sizes[k][1], alpha, lossless);
        struct pulled p = pull(blob_bytes(b), 8);
        ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
        ck_assert_int_eq(p.shape.layout, alpha ? IC_RGBA : lossless ? IC_RGB : IC_YCBCR);
        p = as_rgb(p);
        ck_assert_int_eq(p.shape.plane[0].channels, alpha ? 4 : 3);
        ck_assert_uint_eq(p.shape.plane[0].width, (unsigned)sizes[k][0]);
        ck_assert_uint_eq(p.shape.plane[0].height, (unsigned)sizes[k][1]);
        ck_assert(!p.truncated);
        /* Lossy halves chroma, which a few pixels with the whole ramp in them cannot bear. */
        for (int c = 0; c < p.shape.plane[0].channels && (lossless || k == 3); c++)
            ck_assert_double_le(ramp_error(&p, 0, c, c, 0), lossless || c == 3 ? 0.5 : 8);
        pulled_free(&p);
        free(b.p);
    }
}
END_TEST

/* The first frame at its place; round it the canvas is transparent. */
static void check_animation(const struct anim_spec *s)
{
    struct blob b = make_webp_anim(s);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
    ck_assert_int_eq(p.shape.layout, IC_RGBA);
    ck_assert_uint_eq(p.shape.plane[0].width, (unsigned)s->canvas_w);
    ck_assert_uint_eq(p.shape.plane[0].height, (unsigned)s->canvas_h);
    for (int y = 0; y < s->canvas_h; y++)
        for (int x = 0; x < s->canvas_w; x++) {
            const uint8_t *px = p.p[0] + (y * s->canvas_w + x) * 4;
            bool inside = x >= s->x && x < s->x + s->w && y >= s->y && y < s->y + s->h;
            double want = ramp_at(0, (x - s->x + 0.5) / s->w, (y - s->y + 0.5) / s->h);
            double alpha = s->alpha ? ramp_at(3, (x - s->x + 0.5) / s->w, (y - s->y + 0.5) / s->h) : 255;
            ck_assert_double_le(fabs(px[3] - (inside ? alpha : 0)), 0.5);
            ck_assert_double_le(fabs(px[0] - (inside ? want : 0)), s->lossless || !inside ? 0.5 : 8);
        }
    pulled_free(&p);
    free(b.p);
}

START_TEST(animations_give_their_first_frame)
{
    struct anim_spec s = { 300, 200, 20, 10, 240, 180, 3, _i & 1, _i & 2 };
    check_animation(&s);
    struct anim_spec corner = { 300, 200, 60, 20, 240, 180, 1, _i & 1, _i & 2 };
    check_animation(&corner);
}
END_TEST

START_TEST(whole_opaque_first_frame_has_no_alpha)
{
    struct anim_spec s = { 64, 48, 0, 0, 64, 48, 2, false, false };
    struct blob b = make_webp_anim(&s);
    struct pulled p = pull(blob_bytes(b), 8);
    ck_assert_int_eq(p.code, IC_OK);
    ck_assert_int_eq(p.shape.layout, IC_YCBCR);
    pulled_free(&p);
    free(b.p);
}
END_TEST

static void check_truncated(struct blob b, size_t cut)
{
    struct pulled whole = pull(blob_bytes(b), 8), half = pull((struct ic_bytes){ b.p, cut }, 8);
    ck_assert_msg(half.code == IC_OK, "%s", half.error.text);
    ck_assert(half.truncated && !whole.truncated);
    const struct ic_plane *q = &whole.shape.plane[0];
    size_t row = (size_t)q->width * (size_t)q->channels;
    ck_assert_mem_eq(half.p[0], whole.p[0], 8 * row);
    for (int i = 0; i < half.shape.n; i++) { /* opaque grey */
        q = &whole.shape.plane[i];
        row = (size_t)q->width * (size_t)q->channels;
        for (size_t k = (q->height - 1) * row; k < q->height * row; k++)
            ck_assert_uint_eq(half.p[i][k], half.shape.layout == IC_YCBCR    ? i ? 128 : 126
                                            : k % 4 == 3 && q->channels == 4 ? 255
                                                                             : 128);
    }
    pulled_free(&whole);
    pulled_free(&half);
}

START_TEST(truncated_files_give_their_rows)
{
    bool alpha = _i & 1, lossless = _i & 2;
    struct blob b = make_webp(300, 400, alpha, lossless);
    check_truncated(b, b.n * 2 / 3);
    size_t still = b.n;
    free(b.p);
    struct anim_spec s = { 300, 400, 0, 0, 300, 400, 2, alpha, lossless };
    b = make_webp_anim(&s);
    check_truncated(b, 56 + still * 2 / 3); /* 56 bytes more stand before the image */
    free(b.p);
}
END_TEST

/* Wherever the end is cut off: either a first row comes out right, or the file is corrupt. */
START_TEST(nothing_to_show_is_corrupt)
{
    struct blob b = make_webp(300, 400, _i & 1, _i & 2);
    struct pulled whole = pull(blob_bytes(b), 8);
    int shown = 0, refused = 0;
    for (size_t n = b.n < 2000 ? b.n / 4 : 150; n < b.n - 1; n += b.n / 50 + 1) {
        struct ic_info info;
        if (ic_probe((struct ic_bytes){ b.p, n }, &info, NULL) == IC_E_MORE) { /* alpha comes before the frame header */
            refused++;
            continue;
        }
        struct pulled p = pull((struct ic_bytes){ b.p, n }, 8);
        ck_assert(p.code == IC_E_CORRUPT || (p.code == IC_OK && p.truncated));
        if (p.code == IC_OK)
            ck_assert_mem_eq(p.p[0], whole.p[0], (size_t)p.shape.plane[0].width * (size_t)p.shape.plane[0].channels);
        shown += p.code == IC_OK;
        refused += p.code != IC_OK;
        pulled_free(&p);
    }
    ck_assert(shown > 0 && refused > 0);
    pulled_free(&whole);
    free(b.p);
}
END_TEST

START_TEST(headers_must_agree)
{
    struct blob b = make_webp(30, 20, false, false);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    info.width++;
    struct pulled p = pull_as(blob_bytes(b), &info, 8, MB);
    ck_assert_int_eq(p.code, IC_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(p.error.text, "disagree"));
    free(b.p);
}
END_TEST

/* The probe refuses them; the codec does, too, if it is told to expect the canvas. */
START_TEST(canvas_and_frame_must_agree)
{
    struct blob body = { 0 }, still = make_webp(30, 20, false, false);
    struct ic_bytes image = webp_image(still);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(still), &info, NULL), IC_OK);
    add_vp8x(&body, 0, 40, 20);
    blob_add(&body, image.p, image.n);
    struct blob b = riff(body);
    ck_assert_int_eq(ic_probe(blob_bytes(b), &(struct ic_info){ 0 }, NULL), IC_E_CORRUPT);
    info.width = 40;
    ck_assert_int_eq(pull_as(blob_bytes(b), &info, 8, MB).code, IC_E_CORRUPT);
    free(b.p);
    struct anim_spec s = { 40, 30, 20, 10, 24, 20, 1, false, false };
    b = make_webp_anim(&s);
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_E_CORRUPT);
    info.height = 30;
    ck_assert_int_eq(pull_as(blob_bytes(b), &info, 8, MB).code, IC_E_CORRUPT);
    free(b.p);
    free(still.p);
}
END_TEST

START_TEST(memory_is_limited)
{
    struct blob b = make_webp(300, 200, false, false);
    struct ic_info info;
    ck_assert_int_eq(ic_probe(blob_bytes(b), &info, NULL), IC_OK);
    ck_assert_int_eq(pull_as(blob_bytes(b), &info, 8, 10).code, IC_E_MEMORY);
    ck_assert_int_eq(pull_as(blob_bytes(b), &info, 8, 100000).code, IC_E_MEMORY);
    free(b.p);
}
END_TEST

/* writing */

START_TEST(rows_survive_a_round_trip)
{
    struct ic_mem mem = { .limit = 64 * MB };
    enum ic_layout layout = _i & 1 ? IC_RGBA : IC_RGB;
    for (int effort = 0; effort <= 9; effort++)
        for (int k = 0; k < 4; k++) {
            struct ic_sink_opt o = { .quality = 100, .effort = effort, .lossless = _i & 2, .mem = &mem };
            struct ic_buffer out = { .mem = &mem, .max = MB };
            struct ic_error e = { 0 };
            uint32_t w = (uint32_t)sizes[k][0], h = (uint32_t)sizes[k][1];
            enum ic_code rc = encode_ramp(IC_FORMAT_WEBP, layout, w, h, &o, 7, &out, &e);
            ck_assert_msg(rc == IC_OK, "%s", e.text);
            struct ic_info info;
            ck_assert_int_eq(ic_probe((struct ic_bytes){ out.p, out.n }, &info, NULL), IC_OK);
            ck_assert_int_eq(info.lossless, o.lossless);
            ck_assert_int_eq(info.alpha, layout == IC_RGBA);
            struct pulled p = as_rgb(pull((struct ic_bytes){ out.p, out.n }, 8));
            for (int c = 0; c < p.shape.plane[0].channels && (o.lossless || k == 3); c++)
                ck_assert_double_le(ramp_error(&p, 0, c, c, 0), o.lossless || c == 3 ? 0.5 : 8);
            pulled_free(&p);
            ic_buffer_free(&out);
            ck_assert_uint_eq(mem.used, 0);
        }
}
END_TEST

/* Planes in, planes out: what is written as Y, U and V is read as them. */
START_TEST(planes_survive_a_round_trip)
{
    struct ic_mem mem = { .limit = 64 * MB };
    for (uint32_t step = 2; step <= 16; step += 14)
        for (int k = 0; k < 4; k++) {
            struct ic_sink_opt o = { .quality = 100, .effort = 4, .mem = &mem };
            struct ic_buffer out = { .mem = &mem, .max = MB };
            struct ic_error e = { 0 };
            uint32_t w = (uint32_t)sizes[k][0], h = (uint32_t)sizes[k][1];
            enum ic_code rc = encode_ramp(IC_FORMAT_WEBP, IC_YCBCR, w, h, &o, step, &out, &e);
            ck_assert_msg(rc == IC_OK, "%s", e.text);
            struct pulled p = pull((struct ic_bytes){ out.p, out.n }, 8);
            ck_assert_int_eq(p.shape.layout, IC_YCBCR);
            for (int i = 0; i < 3; i++) {
                ck_assert_uint_eq(p.shape.plane[i].width, i ? (w + 1) / 2 : w);
                ck_assert_double_eq(p.shape.plane[i].span_h, i ? h / 2.0 : h);
                if (k == 3)
                    ck_assert_double_le(ramp_error(&p, i, 0, i, 0), 4);
            }
            pulled_free(&p);
            ic_buffer_free(&out);
            ck_assert_uint_eq(mem.used, 0);
        }
}
END_TEST

START_TEST(quality_makes_files_larger)
{
    struct ic_mem mem = { .limit = 64 * MB };
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        struct ic_sink_opt o = { .quality = i ? 95 : 10, .effort = 4, .mem = &mem };
        struct ic_buffer out = { .mem = &mem, .max = MB };
        ck_assert_int_eq(encode_ramp(IC_FORMAT_WEBP, IC_RGB, 300, 200, &o, 16, &out, NULL), IC_OK);
        n[i] = out.n;
        ic_buffer_free(&out);
    }
    ck_assert_uint_lt(n[0], n[1]);
}
END_TEST

START_TEST(results_and_requests_are_limited)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = { .quality = 90, .effort = 4, .mem = &mem };
    struct ic_buffer out = { .mem = &mem, .max = 300 };
    struct ic_error e = { 0 };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_WEBP, IC_RGB, 300, 200, &o, 16, &out, &e), IC_E_RESULT);
    ic_buffer_free(&out);
    out = (struct ic_buffer){ .mem = &mem, .max = MB };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_WEBP, IC_RGB, 16384, 1, &o, 16, &out, &e), IC_E_LIMIT);
    o.quality = 101;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_WEBP, IC_RGB, 3, 1, &o, 16, &out, &e), IC_E_PARAM);
    o.quality = 90;
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    ic_codec_webp.sink_shape(IC_RGB, 10, 10, &o, &shape);
    ck_assert_int_eq(ic_codec_webp.create(&shape, &o, &out, &s, &e), IC_OK);
    ck_assert_int_eq(ic_sink_finish(s, &e), IC_E_PARAM);
    ic_sink_free(s);
    shape.layout = IC_GREY;
    ck_assert_int_eq(ic_codec_webp.create(&shape, &o, &out, &s, &e), IC_E_PARAM);
    mem.limit = 100000;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_WEBP, IC_RGB, 300, 200, &o, 16, &out, &e), IC_E_MEMORY);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(other_layouts_map_to_rgb_or_rgba)
{
    static const enum ic_layout from[] = { IC_GREY, IC_GREYA, IC_YCBCR, IC_CMYK },
                                to[] = { IC_RGB, IC_RGBA, IC_YCBCR, IC_RGB };
    struct ic_planes p;
    for (int i = 0; i < 4; i++) {
        ic_codec_webp.sink_shape(from[i], 9, 5, &(struct ic_sink_opt){ 0 }, &p);
        ck_assert_int_eq(p.layout, to[i]);
        ck_assert_int_eq(p.plane[0].channels, to[i] == IC_RGB ? 3 : to[i] == IC_RGBA ? 4 : 1);
        ck_assert_int_eq(p.limited, to[i] == IC_YCBCR);
    }
    ic_codec_webp.sink_shape(IC_YCBCR, 9, 5, &(struct ic_sink_opt){ .lossless = true }, &p);
    ck_assert_int_eq(p.layout, IC_RGB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_webp");
    TCase *t = tcase_create("reading");
    tcase_add_loop_test(t, every_kind_is_read, 0, 4);
    tcase_add_loop_test(t, animations_give_their_first_frame, 0, 4);
    tcase_add_test(t, whole_opaque_first_frame_has_no_alpha);
    tcase_add_loop_test(t, truncated_files_give_their_rows, 0, 4);
    tcase_add_loop_test(t, nothing_to_show_is_corrupt, 0, 4);
    tcase_add_test(t, headers_must_agree);
    tcase_add_test(t, canvas_and_frame_must_agree);
    tcase_add_test(t, memory_is_limited);
    suite_add_tcase(s, t);
    t = tcase_create("writing");
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, rows_survive_a_round_trip, 0, 4);
    tcase_add_test(t, planes_survive_a_round_trip);
    tcase_add_test(t, quality_makes_files_larger);
    tcase_add_test(t, results_and_requests_are_limited);
    tcase_add_test(t, other_layouts_map_to_rgb_or_rgba);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
