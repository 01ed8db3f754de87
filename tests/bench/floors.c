/* What a JPEG costs before any line of ours: libjpeg's entropy decode, its raw decode at each DCT scale, and its
 * encode of a web-sized picture. The floor under every figure of the bench.
 *
 *     floors FILE.jpg REPEAT  ->  {"entropy": ms, "raw8": ms, "raw4": ms, "raw2": ms, "raw1": ms, "encode800": ms} */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>

struct file {
    unsigned char *p;
    unsigned long n;
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct file slurp(const char *path)
{
    struct file f = { 0 };
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    f.n = (unsigned long)ftell(in);
    rewind(in);
    f.p = malloc(f.n);
    if (!f.p || fread(f.p, 1, f.n, in) != f.n)
        exit(1);
    fclose(in);
    return f;
}

static void entropy(const struct file *f, int scale)
{
    (void)scale;
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr err;
    d.err = jpeg_std_error(&err);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, f->p, f->n);
    jpeg_read_header(&d, TRUE);
    jpeg_read_coefficients(&d);
    jpeg_destroy_decompress(&d);
}

/* Rows of one component that a raw read delivers at a time, at most 4 * 8 rows of the padded width. */
static void raw(const struct file *f, int scale)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr err;
    static JSAMPROW rows[4][32];
    JSAMPARRAY planes[4];
    unsigned char *mem[4];
    d.err = jpeg_std_error(&err);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, f->p, f->n);
    jpeg_read_header(&d, TRUE);
    d.raw_data_out = TRUE;
    d.scale_num = (unsigned)scale;
    d.scale_denom = 8;
    jpeg_start_decompress(&d);
    for (int c = 0; c < d.num_components; c++) {
        size_t width = (size_t)d.comp_info[c].width_in_blocks * 8 + 64;
        mem[c] = malloc(width * 32);
        for (int y = 0; y < 32; y++)
            rows[c][y] = mem[c] + (size_t)y * width;
        planes[c] = rows[c];
    }
    JDIMENSION strip = (JDIMENSION)(d.max_v_samp_factor * d.min_DCT_scaled_size);
    while (d.output_scanline < d.output_height)
        if (jpeg_read_raw_data(&d, planes, strip) == 0)
            break;
    for (int c = 0; c < d.num_components; c++)
        free(mem[c]);
    jpeg_abort_decompress(&d);
    jpeg_destroy_decompress(&d);
}

/* An 800 pixel wide picture of the same content, made by decoding at 2/8, encoded as the bench encodes: q80, 4:2:0. */
static void encode(const struct file *f, unsigned char *pixels, unsigned *w, unsigned *h, int make)
{
    if (make) {
        struct jpeg_decompress_struct d;
        struct jpeg_error_mgr err;
        d.err = jpeg_std_error(&err);
        jpeg_create_decompress(&d);
        jpeg_mem_src(&d, f->p, f->n);
        jpeg_read_header(&d, TRUE);
        d.out_color_space = JCS_YCbCr;
        for (d.scale_num = 8, d.scale_denom = 8; d.image_width * d.scale_num / 8 > 1600 && d.scale_num > 1;)
            d.scale_num /= 2;
        jpeg_start_decompress(&d);
        *w = d.output_width < 800 ? d.output_width : 800;
        *h = d.output_height < 600 ? d.output_height : 600;
        unsigned char *row = malloc((size_t)d.output_width * 3);
        for (unsigned y = 0; y < *h; y++) {
            jpeg_read_scanlines(&d, &row, 1);
            memcpy(pixels + (size_t)y * *w * 3, row, (size_t)*w * 3);
        }
        free(row);
        jpeg_abort_decompress(&d);
        jpeg_destroy_decompress(&d);
        return;
    }
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    unsigned char *out = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &n);
    c.image_width = *w;
    c.image_height = *h;
    c.input_components = 3;
    c.in_color_space = JCS_YCbCr;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 80, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        unsigned char *row = pixels + (size_t)c.next_scanline * *w * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(out);
}

static double best(void (*fn)(const struct file *, int), const struct file *f, int scale, int repeat)
{
    double least = 1e9;
    for (int i = 0; i < repeat; i++) {
        double t = cpu_ms();
        fn(f, scale);
        t = cpu_ms() - t;
        least = t < least ? t : least;
    }
    return least;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: floors FILE.jpg REPEAT\n");
        return 2;
    }
    /* Page faults are not the codec's floor: keep what was freed. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    struct file f = slurp(argv[1]);
    int repeat = atoi(argv[2]);
    printf("{\"entropy\":%.3f", best(entropy, &f, 0, repeat));
    for (int scale = 8; scale >= 1; scale /= 2)
        printf(",\"raw%d\":%.3f", scale, best(raw, &f, scale, repeat));
    unsigned char *pixels = calloc(800 * 600, 3);
    unsigned w, h;
    double least = 1e9;
    encode(&f, pixels, &w, &h, 1);
    for (int i = 0; i < repeat; i++) {
        double t = cpu_ms();
        encode(&f, pixels, &w, &h, 0);
        t = cpu_ms() - t;
        least = t < least ? t : least;
    }
    printf(",\"encode800\":%.3f}\n", least);
    return 0;
}
