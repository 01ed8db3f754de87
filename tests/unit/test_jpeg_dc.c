/* JPEG by its DC coefficients alone, against libjpeg at an eighth: what it makes of a block there is the DC coefficient
 * as well, so that planes are equal to the bit. Only chroma of 4:2:0 libjpeg gives as 2x2, of which it is the mean. */
#include "images.h"

#include "../../imgcore/codec_jpeg.h"

static const struct {
    int w, h;
} sizes[] = { { 1, 1 }, { 17, 3 }, { 8, 8 }, { 33, 47 }, { 403, 301 }, { 3, 260 } };

static const struct {
    int h[3], v[3];
} samplings[] = { { { 1, 1, 1 }, { 1, 1, 1 } }, { { 2, 1, 1 }, { 2, 1, 1 } }, { { 2, 1, 1 }, { 1, 1, 1 } },
                  { { 1, 1, 1 }, { 2, 1, 1 } }, { { 4, 1, 1 }, { 1, 1, 1 } }, { { 2, 2, 1 }, { 2, 1, 2 } } };

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

/* NULL where it is left to libjpeg; the memory is what is measured. */
static struct ic_source *open_dc(struct ic_bytes in, struct ic_info *info, struct ic_mem *mem)
{
    struct ic_source_opt o = { .expect = info, .scale = 1, .rough = true, .mem = mem };

    ck_assert_int_eq(ic_probe(in, info, NULL), IC_OK);
    return jpeg_dc_open(in, &o);
}

/* Whether it is left to libjpeg. Nothing may be kept then. */
static bool declined(struct ic_bytes in)
{
    struct ic_mem mem = { .limit = (size_t)1 << 28 };
    struct ic_info info;
    struct ic_source *s = open_dc(in, &info, &mem);
    bool none = !s;

    ic_source_close(s);
    ck_assert_uint_eq(mem.used, 0);
    return none;
}

/* A row of halves of libjpeg's samples each way; where one of these may have been clipped nothing is known. */
static void check_means(const uint8_t *row, uint32_t y, const struct ic_plane *shape, const uint8_t *want)
{
    for (uint32_t x = 0; 2 * x + 1 < shape->width && 2 * y + 1 < shape->height; x++) {
        const uint8_t *p = want + (size_t)shape->width * 2 * y + 2 * x, *q = p + shape->width;
        int v[4] = { p[0], p[1], q[0], q[1] }, sum = 0;
        bool clipped = false;

        for (int i = 0; i < 4; i++) {
            sum += v[i];
            clipped = clipped || v[i] == 0 || v[i] == 255;
        }
        ck_assert_msg(clipped || abs(4 * row[x] - sum) <= 6, "%u, %u: %d beside %.2f", x, y, row[x], sum / 4.0);
    }
}

/* Rows as they come, each plane beside libjpeg's. */
static void check_planes(struct ic_source *s, const struct pulled *want)
{
    uint32_t y[3] = { 0 };
    struct ic_rows rows = { 0 };

    for (;;) {
        rows = (struct ic_rows){ 0 };
        ck_assert_int_eq(ic_source_rows(s, &rows, NULL), IC_OK);
        if (!(rows.n[0] | rows.n[1] | rows.n[2]))
            break;
        for (int i = 0; i < s->shape.n; i++)
            for (uint32_t r = 0; r < rows.n[i]; r++, y[i]++) {
                const struct ic_plane *p = &s->shape.plane[i], *q = &want->shape.plane[i];

                if (q->span_w < 1.5 * p->span_w)
                    ck_assert_mem_eq(rows.p[i] + r * rows.stride[i], want->p[i] + (size_t)y[i] * p->width, p->width);
                else
                    check_means(rows.p[i] + r * rows.stride[i], y[i], q, want->p[i]);
            }
    }
    for (int i = 0; i < s->shape.n; i++)
        ck_assert_uint_eq(y[i], s->shape.plane[i].height);
}

static void check_spec(const struct jpeg_spec *spec)
{
    struct ic_mem mem = { .limit = (size_t)1 << 28 };
    struct blob b = make_jpeg(spec);
    struct pulled want = pull(blob_bytes(b), 1);
    struct ic_info info;
    struct ic_source *s = open_dc(blob_bytes(b), &info, &mem);

    ck_assert_msg(s, "%dx%d was left to libjpeg", spec->width, spec->height);
    ck_assert_int_eq(s->shape.n, want.shape.n);
    ck_assert_int_eq(s->shape.layout, want.shape.layout);
    ck_assert_uint_eq(s->shape.plane[0].width, want.shape.plane[0].width);
    ck_assert_double_eq_tol(s->shape.plane[0].span_w, want.shape.plane[0].span_w, 1e-9);
    ck_assert_double_eq_tol(s->shape.plane[0].span_h, want.shape.plane[0].span_h, 1e-9);
    check_planes(s, &want);
    ic_source_close(s);
    ck_assert_uint_eq(mem.used, 0);
    pulled_free(&want);
    free(b.p);
}

static struct jpeg_spec spec_of(int size, int sampling)
{
    struct jpeg_spec s = { .width = sizes[size].w, .height = sizes[size].h, .components = 3, .stored = JCS_YCbCr };

    for (int i = 0; i < 3; i++) {
        s.h[i] = samplings[sampling].h[i];
        s.v[i] = samplings[sampling].v[i];
    }
    s.grain = 90;
    return s;
}

/* With restarts, and a scan for each component, which has no blocks beyond its own then; rough and smooth. */
START_TEST(planes_are_libjpegs)
{
    for (int size = 0; size < COUNT(sizes); size++)
        for (int quality = 30; quality <= 100; quality += 35) {
            struct jpeg_spec s = spec_of(size, _i);

            s.quality = quality;
            check_spec(&s);
            s.restart = 3;
            check_spec(&s);
            s.separate = true;
            check_spec(&s);
            s.grain = 0;
            check_spec(&s);
        }
}
END_TEST

START_TEST(grey_is_libjpegs)
{
    for (int size = 0; size < COUNT(sizes); size++) {
        struct jpeg_spec s = {
            .width = sizes[size].w, .height = sizes[size].h, .components = 1, .stored = JCS_GRAYSCALE, .grain = 120
        };
        check_spec(&s);
    }
}
END_TEST

/* The first DC scan lacks the lowest bit, as libjpeg's does where it stops there, too. */
START_TEST(progressive_is_near)
{
    struct jpeg_spec s = spec_of(4, _i);
    struct ic_mem mem = { .limit = (size_t)1 << 28 };
    struct ic_info info;
    struct ic_rows rows;
    uint32_t y = 0;

    s.progressive = true;
    struct blob b = make_jpeg(&s);
    struct pulled want = pull(blob_bytes(b), 1);
    struct ic_source *got = open_dc(blob_bytes(b), &info, &mem);
    ck_assert(got);
    for (; ic_source_rows(got, (rows = (struct ic_rows){ 0 }, &rows), NULL) == IC_OK && rows.n[0]; y += rows.n[0])
        for (uint32_t i = 0; i < rows.n[0] * want.shape.plane[0].width; i++) {
            uint32_t r = i / want.shape.plane[0].width, x = i % want.shape.plane[0].width;

            ck_assert_int_le(
                abs(rows.p[0][r * rows.stride[0] + x] - want.p[0][(y + r) * want.shape.plane[0].width + x]), 1);
        }
    ck_assert_uint_eq(y, want.shape.plane[0].height);
    ic_source_close(got);
    pulled_free(&want);
    free(b.p);
}
END_TEST

START_TEST(other_kinds_are_left_to_libjpeg)
{
    struct jpeg_spec kinds[] = { spec_of(4, 1), spec_of(4, 1), spec_of(4, 1), spec_of(4, 1) };

    kinds[0].arithmetic = true;
    kinds[1].stored = JCS_RGB;
    kinds[2].stored = JCS_YCCK;
    kinds[2].components = 4;
    kinds[3].stored = JCS_CMYK;
    kinds[3].components = 4;
    for (int i = 0; i < COUNT(kinds); i++) {
        struct blob b = make_jpeg(&kinds[i]);
        ck_assert_msg(declined(blob_bytes(b)), "kind %d", i);
        free(b.p);
    }
}
END_TEST

/* Cut short anywhere before its last block, libjpeg is to say what is there and what is not. */
START_TEST(cut_files_are_left_to_libjpeg)
{
    struct jpeg_spec s = spec_of(4, 1);

    s.progressive = _i;
    struct blob b = make_jpeg(&s);
    ck_assert(!declined(blob_bytes(b)));
    for (size_t n = 700; n < b.n - 4; n += 61)
        ck_assert_msg(declined((struct ic_bytes){ b.p, n }), "%zu of %zu bytes", n, b.n);
    free(b.p);
}
END_TEST

static size_t find_marker(struct blob b, uint8_t marker)
{
    size_t i = 0;

    while (i + 1 < b.n && !(b.p[i] == 0xff && b.p[i + 1] == marker))
        i++;
    ck_assert_uint_lt(i + 1, b.n);
    return i;
}

/* The first table of AC a number of times more. */
static struct blob with_tables(struct blob b, int n)
{
    static const uint8_t table[] = { 0xff, 0xc4, 0, 21, 0x10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    struct blob out = { 0 };

    blob_add(&out, b.p, 2);
    for (int i = 0; i < n; i++)
        blob_add(&out, table, sizeof table);
    blob_add(&out, b.p + 2, b.n - 2);
    return out;
}

/* A file of nothing else would cost far more time than its size tells. */
START_TEST(many_tables_are_left_to_libjpeg)
{
    struct jpeg_spec s = spec_of(2, 0);
    struct blob b = make_jpeg(&s), some = with_tables(b, 60), many = with_tables(b, 61);

    ck_assert(!declined(blob_bytes(some)));
    ck_assert(declined(blob_bytes(many)));
    free(b.p);
    free(some.p);
    free(many.p);
}
END_TEST

/* As large as a header can make them, samples are clipped and do not wrap around: 2^13 by the scan, 2^15 by the table.
 */
START_TEST(large_factors_are_clipped)
{
    struct jpeg_spec s = { .width = 64, .height = 8, .components = 1, .stored = JCS_GRAYSCALE, .progressive = true };
    uint8_t table[133] = { 0xff, 0xdb, 0, 131, 0x10 };
    struct ic_mem mem = { .limit = (size_t)1 << 20 };
    struct blob b = make_jpeg(&s), large = { 0 };
    size_t scan = find_marker(b, 0xda);
    struct ic_info info;
    struct ic_rows rows = { 0 };

    for (int i = 0; i < 64; i++)
        table[5 + 2 * i] = 0x80;
    b.p[scan + 9] = 13;
    blob_add(&large, b.p, scan);
    blob_add(&large, table, sizeof table);
    blob_add(&large, b.p + scan, b.n - scan);
    struct ic_source *got = open_dc(blob_bytes(large), &info, &mem);
    ck_assert(got);
    ck_assert_int_eq(ic_source_rows(got, &rows, NULL), IC_OK);
    ck_assert_uint_eq(rows.p[0][0], 0);
    ck_assert_uint_eq(rows.p[0][7], 255);
    ic_source_close(got);
    free(b.p);
    free(large.p);
}
END_TEST

/* All rows of what was opened, if it was. */
static void read_all(struct ic_source *s)
{
    struct ic_rows rows = { .n = { 1 } };
    volatile unsigned sum = 0;

    while (s && (rows.n[0] | rows.n[1] | rows.n[2])) {
        rows = (struct ic_rows){ 0 };
        ck_assert_int_eq(ic_source_rows(s, &rows, NULL), IC_OK);
        for (int i = 0; i < 3; i++)
            for (uint32_t r = 0; r < rows.n[i]; r++)
                for (uint32_t x = 0; x < s->shape.plane[i].width; x++)
                    sum += rows.p[i][r * rows.stride[i] + x];
    }
}

/* Whatever becomes of broken bytes, it stays inside of them and of its memory, which sanitizers watch. */
START_TEST(broken_files_break_nothing)
{
    struct jpeg_spec s = spec_of(3, _i % COUNT(samplings));
    uint32_t seed = 17;
    int opened = 0;

    s.progressive = _i & 1;
    s.restart = _i & 2;
    s.separate = _i == 4;
    struct blob b = make_jpeg(&s);
    for (int round = 0; round < 400; round++) {
        struct blob broken = { 0 };
        struct ic_mem mem = { .limit = (size_t)1 << 24 };
        struct ic_info info;

        blob_add(&broken, b.p, b.n);
        for (int k = 0; k < 1 + round % 5; k++) {
            seed = seed * 1664525u + 1013904223u;
            broken.p[2 + (seed >> 8) % (b.n - 2)] ^= (uint8_t)(1u << (seed >> 29));
        }
        if (ic_probe(blob_bytes(broken), &info, NULL) == IC_OK && (uint64_t)info.width * info.height < 1u << 20) {
            struct ic_source *got = open_dc(blob_bytes(broken), &info, &mem);

            opened += got != NULL;
            read_all(got);
            ic_source_close(got);
        }
        ck_assert_uint_eq(mem.used, 0);
        free(broken.p);
    }
    ck_assert_int_gt(opened, 0);
    free(b.p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jpeg_dc");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, planes_are_libjpegs, 0, COUNT(samplings));
    tcase_add_test(t, grey_is_libjpegs);
    tcase_add_loop_test(t, progressive_is_near, 0, COUNT(samplings));
    tcase_add_test(t, other_kinds_are_left_to_libjpeg);
    tcase_add_loop_test(t, cut_files_are_left_to_libjpeg, 0, 2);
    tcase_add_test(t, many_tables_are_left_to_libjpeg);
    tcase_add_test(t, large_factors_are_clipped);
    tcase_add_loop_test(t, broken_files_break_nothing, 0, 8);
    suite_add_tcase(suite, t);
    return run_image_suite(suite);
}
