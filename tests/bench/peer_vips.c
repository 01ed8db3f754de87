/* libvips as a peer: one order a line on stdin, "REPEAT SRC N {W H COVER FORMAT Q EFFORT TO}...", separated by tabs;
 * one JSON answer a line on stdout. Single thread, operation cache off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <vips/vips.h>

struct output {
    int w, h, cover, quality, effort;
    char format[8], to[1024];
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int encode(VipsImage *im, const struct output *o, void **buf, size_t *n)
{
    if (strcmp(o->format, "png") == 0)
        return vips_pngsave_buffer(im, buf, n, "strip", TRUE, NULL);
    if (strcmp(o->format, "webp") == 0)
        return vips_webpsave_buffer(im, buf, n, "Q", o->quality, "effort", o->effort, "strip", TRUE, NULL);
    return vips_jpegsave_buffer(im, buf, n, "Q", o->quality, "strip", TRUE, NULL);
}

static size_t one(void *src, size_t size, const struct output *o, int keep)
{
    VipsImage *im = NULL;
    void *buf = NULL;
    size_t n = 0;
    int height = o->h ? o->h : VIPS_MAX_COORD;
    VipsInteresting crop = o->cover ? VIPS_INTERESTING_CENTRE : VIPS_INTERESTING_NONE;
    VipsSize rule = o->cover ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
    if (vips_thumbnail_buffer(src, size, &im, o->w, "height", height, "crop", crop, "size", rule, NULL) ||
        encode(im, o, &buf, &n))
        vips_error_exit("libvips");
    g_object_unref(im);
    if (keep) {
        FILE *f = fopen(o->to, "wb");
        if (!f || fwrite(buf, 1, n, f) != n || fclose(f) != 0)
            vips_error_exit("cannot write %s", o->to);
    }
    g_free(buf);
    return n;
}

static int parse(char *line, int *repeat, char **src, struct output out[32])
{
    *repeat = atoi(strtok(line, "\t"));
    *src = strtok(NULL, "\t");
    int n = atoi(strtok(NULL, "\t"));
    for (int i = 0; i < n; i++) {
        struct output *o = &out[i];
        o->w = atoi(strtok(NULL, "\t"));
        o->h = atoi(strtok(NULL, "\t"));
        o->cover = atoi(strtok(NULL, "\t"));
        snprintf(o->format, sizeof o->format, "%s", strtok(NULL, "\t"));
        o->quality = atoi(strtok(NULL, "\t"));
        o->effort = atoi(strtok(NULL, "\t"));
        snprintf(o->to, sizeof o->to, "%s", strtok(NULL, "\t\n"));
    }
    return n;
}

static void run(char *line)
{
    static struct output out[32];
    int repeat;
    char *src;
    gchar *data;
    gsize size;
    size_t bytes[32];
    int n = parse(line, &repeat, &src, out);
    if (!g_file_get_contents(src, &data, &size, NULL))
        vips_error_exit("cannot read %s", src);
    printf("{\"cpu_ms\":[");
    for (int r = 0; r < repeat; r++) {
        double t = cpu_ms();
        for (int i = 0; i < n; i++)
            bytes[i] = one(data, size, &out[i], r == repeat - 1 && strcmp(out[i].to, "-") != 0);
        printf("%s%.3f", r ? "," : "", cpu_ms() - t);
    }
    printf("],\"bytes\":[");
    for (int i = 0; i < n; i++)
        printf("%s%zu", i ? "," : "", bytes[i]);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("],\"rss_kb\":%ld}\n", u.ru_maxrss);
    fflush(stdout);
    g_free(data);
}

int main(int argc, char **argv)
{
    (void)argc;
    static char line[65536];
    if (VIPS_INIT(argv[0]))
        vips_error_exit(NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    while (fgets(line, sizeof line, stdin))
        run(line);
    vips_shutdown();
    return 0;
}
