/* Writing JPEG: planes and RGB there and back, edges, steps, limits, and what is left unfinished. */
#include "jpegs.h"

static struct ic_sink_opt sink_opt(struct ic_mem *mem, int chroma)
{
    return (struct ic_sink_opt){ .quality = 100, .effort = 4, .chroma = chroma, .mem = mem };
}

static void check_round_trip(enum ic_layout layout, const struct ic_sink_opt *o, uint32_t w, uint32_t h, uint32_t step)
{
    struct ic_error e = { 0 };
    struct ic_buffer out = { .mem = o->mem, .max = 8 * MB };
    enum ic_code rc = encode_ramp(IC_FORMAT_JPEG, layout, w, h, o, step, &out, &e);
    ck_assert_msg(rc == IC_OK, "%ux%u by %u: %s", w, h, step, e.text);
    struct pulled p = pull((struct ic_bytes){ out.p, out.n }, 8);
    ck_assert_msg(p.code == IC_OK, "%s", p.error.text);
    ck_assert_uint_eq(p.shape.plane[0].width, w);
    ck_assert_uint_eq(p.shape.plane[0].height, h);
    if (layout != IC_RGB) {
        struct ic_planes sent;
        ic_codec_jpeg.sink_shape(layout, w, h, o, &sent);
        ck_assert_int_eq(p.shape.layout, sent.layout);
        for (int i = 0; i < sent.n; i++) {
            ck_assert_uint_eq(p.shape.plane[i].width, sent.plane[i].width);
            ck_assert_uint_eq(p.shape.plane[i].height, sent.plane[i].height);
            ck_assert_double_eq(p.shape.plane[i].span_w, sent.plane[i].span_w);
            ck_assert_double_eq(p.shape.plane[i].span_h, sent.plane[i].span_h);
            ck_assert_double_lt(ramp_error(&p, i, 0, i, 0), 4);
        }
    }
    pulled_free(&p);
    ic_buffer_free(&out);
    ck_assert_uint_eq(o->mem->used, 0);
}

START_TEST(planes_survive_a_round_trip)
{
    static const int chromas[] = { IC_CHROMA_420, IC_CHROMA_422, IC_CHROMA_444 };
    static const uint32_t steps[] = { 1, 7, 16, 1000 };
    struct ic_mem mem = { .limit = 64 * MB };
    for (int k = 0; k < SIZES; k++)
        for (int c = 0; c < 3; c++)
            for (int t = 0; t < 4; t++) {
                struct ic_sink_opt o = sink_opt(&mem, chromas[c]);
                o.progressive = t == 1;
                o.effort = t == 2 ? 9 : 4;
                check_round_trip(IC_YCBCR, &o, (uint32_t)sizes[k].w, (uint32_t)sizes[k].h, steps[t]);
                check_round_trip(IC_GREY, &o, (uint32_t)sizes[k].w, (uint32_t)sizes[k].h, steps[t]);
                check_round_trip(IC_RGB, &o, (uint32_t)sizes[k].w, (uint32_t)sizes[k].h, steps[t]);
            }
}
END_TEST

/* What is beyond the edge of an odd size must not ring into it: a flat image stays flat at the lowest quality. */
START_TEST(edges_are_extended)
{
    static const int chromas[] = { IC_CHROMA_420, IC_CHROMA_422, IC_CHROMA_444 };
    static uint8_t px[19 * 13];
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = sink_opt(&mem, chromas[_i]);
    struct ic_buffer out = { .mem = &mem, .max = MB };
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    memset(px, 200, sizeof px);
    o.quality = 5;
    ic_codec_jpeg.sink_shape(IC_YCBCR, 19, 13, &o, &shape);
    ck_assert_int_eq(ic_codec_jpeg.create(&shape, &o, &out, &s, NULL), IC_OK);
    struct ic_rows r = { .p = { px, px, px }, .stride = { 19, 19, 19 } };
    for (int i = 0; i < 3; i++)
        r.n[i] = shape.plane[i].height;
    ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_OK);
    ck_assert_int_eq(ic_sink_finish(s, NULL), IC_OK);
    ic_sink_free(s);
    struct pulled p = pull((struct ic_bytes){ out.p, out.n }, 8);
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < (size_t)p.shape.plane[i].width * p.shape.plane[i].height; k++)
            ck_assert_uint_eq(p.p[i][k], p.p[i][0]);
    pulled_free(&p);
    ic_buffer_free(&out);
}
END_TEST

START_TEST(rgb_keeps_its_colours)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = sink_opt(&mem, IC_CHROMA_444);
    struct ic_buffer out = { .mem = &mem, .max = MB };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_JPEG, IC_RGB, 100, 80, &o, 16, &out, NULL), IC_OK);
    struct pulled p = pull((struct ic_bytes){ out.p, out.n }, 8);
    for (size_t k = 0; k < 100 * 80; k++) {
        double u = ((double)(k % 100) + 0.5) / 100, v = ((double)(k / 100) + 0.5) / 80;
        double luma = 0.299 * ramp_at(0, u, v) + 0.587 * ramp_at(1, u, v) + 0.114 * ramp_at(2, u, v);
        ck_assert_double_le(fabs(p.p[0][k] - luma), 3.0);
    }
    pulled_free(&p);
    ic_buffer_free(&out);
}
END_TEST

/* Chroma far ahead, then luma: one strip is allowed, the whole image is not. */
START_TEST(planes_must_keep_step)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = sink_opt(&mem, IC_CHROMA_444);
    struct ic_buffer out = { .mem = &mem, .max = MB };
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    static uint8_t px[100 * 100];
    ic_codec_jpeg.sink_shape(IC_YCBCR, 100, 100, &o, &shape);
    ck_assert_int_eq(ic_codec_jpeg.create(&shape, &o, &out, &s, NULL), IC_OK);
    struct ic_rows r = { .p = { px, px, px }, .stride = { 100, 100, 100 }, .n = { 16, 0, 0 } };
    ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_OK);
    r.n[0] = 0;
    r.n[1] = r.n[2] = 16;
    ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_OK);
    r.n[1] = 60;
    ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_E_PARAM);
    r.n[0] = 101;
    ck_assert_int_eq(ic_sink_write(s, &r, NULL), IC_E_PARAM);
    ic_sink_free(s);
    ic_buffer_free(&out);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(results_and_requests_are_limited)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = sink_opt(&mem, IC_CHROMA_420);
    struct ic_buffer out = { .mem = &mem, .max = 600 };
    struct ic_error e = { 0 };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_JPEG, IC_YCBCR, 400, 300, &o, 16, &out, &e), IC_E_RESULT);
    ic_buffer_free(&out);
    out = (struct ic_buffer){ .mem = &mem, .max = MB };
    ck_assert_int_eq(encode_ramp(IC_FORMAT_JPEG, IC_GREY, 65501, 1, &o, 16, &out, &e), IC_E_LIMIT);
    o.quality = 0;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_JPEG, IC_GREY, 5, 1, &o, 16, &out, &e), IC_E_PARAM);
    o.quality = 50;
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    ic_codec_jpeg.sink_shape(IC_YCBCR, 40, 40, &o, &shape);
    shape.plane[1].width++;
    ck_assert_int_eq(ic_codec_jpeg.create(&shape, &o, &out, &s, &e), IC_E_PARAM);
    mem.limit = 100;
    ck_assert_int_eq(encode_ramp(IC_FORMAT_JPEG, IC_GREY, 5, 1, &o, 16, &out, &e), IC_E_MEMORY);
    ic_buffer_free(&out);
    ck_assert_uint_eq(mem.used, 0);
}
END_TEST

START_TEST(unfinished_images_are_errors)
{
    struct ic_mem mem = { .limit = 64 * MB };
    struct ic_sink_opt o = sink_opt(&mem, IC_CHROMA_420);
    struct ic_buffer out = { .mem = &mem, .max = MB };
    struct ic_planes shape;
    struct ic_sink *s = NULL;
    ic_codec_jpeg.sink_shape(IC_YCBCR, 40, 40, &o, &shape);
    ck_assert_int_eq(ic_codec_jpeg.create(&shape, &o, &out, &s, NULL), IC_OK);
    ck_assert_int_eq(ic_sink_finish(s, NULL), IC_E_PARAM);
    ic_sink_free(s);
    ic_buffer_free(&out);
}
END_TEST

START_TEST(other_layouts_map_to_what_jpeg_takes)
{
    struct ic_sink_opt o = { .chroma = IC_CHROMA_422 };
    struct ic_planes p;
    ic_codec_jpeg.sink_shape(IC_RGBA, 9, 5, &o, &p);
    ck_assert_int_eq(p.layout, IC_RGB);
    ck_assert_int_eq(p.plane[0].channels, 3);
    ic_codec_jpeg.sink_shape(IC_CMYK, 9, 5, &o, &p);
    ck_assert_int_eq(p.layout, IC_RGB);
    ic_codec_jpeg.sink_shape(IC_GREYA, 9, 5, &o, &p);
    ck_assert_int_eq(p.layout, IC_GREY);
    ic_codec_jpeg.sink_shape(IC_YCBCR, 9, 5, &o, &p);
    ck_assert_uint_eq(p.plane[1].width, 5);
    ck_assert_uint_eq(p.plane[1].height, 5);
    ck_assert_double_eq(p.plane[2].span_w, 4.5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec_jpeg_sink");
    TCase *t = tcase_create("writing");
    tcase_add_test(t, planes_survive_a_round_trip);
    tcase_add_loop_test(t, edges_are_extended, 0, 3);
    tcase_add_test(t, rgb_keeps_its_colours);
    tcase_add_test(t, planes_must_keep_step);
    tcase_add_test(t, results_and_requests_are_limited);
    tcase_add_test(t, unfinished_images_are_errors);
    tcase_add_test(t, other_layouts_map_to_what_jpeg_takes);
    suite_add_tcase(s, t);
    return run_image_suite(s);
}
