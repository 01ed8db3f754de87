/* The bar is drawn over itself on standard output; what failed stays above it. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"

#define DRAW_MS 100
#define WIDTH   30

void progress_begin(struct progress *p, size_t total, bool quiet_lines)
{
    *p = (struct progress){ .total = total, .start_ms = clock_ms() };
    p->bar = isatty(STDOUT_FILENO) && !quiet_lines;
}

static void wipe(const struct progress *p)
{
    if (p->bar)
        fputs("\r\033[K", stdout);
}

void progress_file(struct progress *p, const char *path, const char *why, bool skipped)
{
    p->failed += why != NULL;
    p->skipped += skipped;
    p->done += !why && !skipped;
    if (why) {
        wipe(p);
        printf("failed %s: %s\n", path, why);
        progress_draw(p, true);
    } else if (!p->bar && !skipped) {
        printf("done %s\n", path);
    }
    if (!p->bar)
        fflush(stdout);
}

/* "1:05", "2:03:04". */
static const char *span(int64_t s, char *out, size_t n)
{
    if (s >= 3600)
        snprintf(out, n, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(out, n, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return out;
}

void progress_draw(struct progress *p, bool now)
{
    int64_t at = clock_ms();
    if (!p->bar || (!now && at - p->drawn_ms < DRAW_MS))
        return;
    p->drawn_ms = at;
    char bar[WIDTH + 1], eta[32];
    size_t ended = p->done + p->failed + p->skipped, worked = p->done + p->failed;
    size_t full = p->total > 0 ? WIDTH * ended / p->total : WIDTH;
    double rate = at > p->start_ms ? 1000.0 * (double)worked / (double)(at - p->start_ms) : 0;
    memset(bar, '.', WIDTH);
    memset(bar, '#', full);
    bar[WIDTH] = '\0';
    span(rate > 0 ? (int64_t)((double)(p->total - ended) / rate + 0.5) : 0, eta, sizeof eta);
    printf("\r\033[K[%s] %zu/%zu  %.1f/s  %s left", bar, ended, p->total, rate, rate > 0 ? eta : "?");
    if (p->failed)
        printf("  %zu failed", p->failed);
    fflush(stdout);
}

void progress_end(struct progress *p, bool interrupted)
{
    double s = (double)(clock_ms() - p->start_ms) / 1000;
    progress_draw(p, true);
    if (p->bar)
        putchar('\n');
    printf("%s%zu done, %zu up to date, %zu failed, of %zu, in %.1f s\n", interrupted ? "interrupted: " : "", p->done,
           p->skipped, p->failed, p->total, s);
    fflush(stdout);
}
