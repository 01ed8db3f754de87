/* Filters, windows and fixed-point weights; the scaler asks, the engine keeps the cache.
 *
 * All geometry is real-valued, from spans and never from rounded plane sizes: that is worth 14 dB where DCT scaling
 * leaves half a sample. Weights come out the same on every machine: plain double arithmetic (built without fused
 * multiply-add) and an own sine, because libm's differs with the CPU. */
#include "weights.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define ONE (1 << IC_WEIGHT_BITS)

/* Filters. */

/* sin(pi x) for 0 <= x <= 3 by its Taylor series around the nearest integer; error below 1e-11, weights need 1e-5. */
static inline double weights_sinpi(double x)
{
    int n = (int)(x + 0.5);
    double t = (x - n) * 3.14159265358979323846, u = t * t;
    double s = -1.0 / 1307674368000.0;

    s = s * u + 1.0 / 6227020800.0;
    s = s * u - 1.0 / 39916800.0;
    s = s * u + 1.0 / 362880.0;
    s = s * u - 1.0 / 5040.0;
    s = s * u + 1.0 / 120.0;
    s = s * u - 1.0 / 6.0;
    s = s * u + 1.0;
    return (1 - 2 * (n & 1)) * t * s;
}

/* sinc(x) sinc(x / a) from one sine: that of x follows from that of x / a, as sin 2u = 2 sin u cos u and
 * sin 3u = 3 sin u - 4 sin^3 u. */
static double filter_lanczos3(double x)
{
    double s, px = 3.14159265358979323846 * x;

    if (x < 1e-8)
        return 1.0;
    s = weights_sinpi(x / 3.0);
    return 3.0 * s * (3.0 * s - 4.0 * s * s * s) / (px * px);
}

static double filter_lanczos2(double x)
{
    double px = 3.14159265358979323846 * x;

    if (x < 1e-8)
        return 1.0;
    return 2.0 * weights_sinpi(x) * weights_sinpi(x / 2.0) / (px * px);
}

/* Mitchell and Netravali, "Reconstruction Filters in Computer Graphics", 1988, B = C = 1/3. */
static double filter_mitchell(double x)
{
    if (x < 1.0)
        return ((7.0 * x - 12.0) * x * x + 16.0 / 3.0) / 6.0;
    return (((-7.0 / 3.0 * x + 12.0) * x - 20.0) * x + 32.0 / 3.0) / 6.0;
}

/* Keys, "Cubic Convolution Interpolation", 1981, a = -0.5. */
static double filter_catrom(double x)
{
    if (x < 1.0)
        return (1.5 * x - 2.5) * x * x + 1.0;
    return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
}

static double filter_bilinear(double x)
{
    return 1.0 - x;
}

static double filter_box(double x)
{
    (void)x;
    return 1.0;
}

/* By enum ic_kernel; fn takes 0 <= x < support. Nearest is no filter: see weights_nearest(). */
static const struct {
    double (*fn)(double x);
    double support;
} filters[] = {
    [IC_KERNEL_LANCZOS3] = { filter_lanczos3, 3.0 },
    [IC_KERNEL_LANCZOS2] = { filter_lanczos2, 2.0 },
    [IC_KERNEL_MITCHELL] = { filter_mitchell, 2.0 },
    [IC_KERNEL_CATROM] = { filter_catrom, 2.0 },
    [IC_KERNEL_BILINEAR] = { filter_bilinear, 1.0 },
    [IC_KERNEL_BOX] = { filter_box, 0.5 },
    [IC_KERNEL_NEAREST] = { NULL, 0.0 },
};

/* Windows. */

static int64_t weights_clip(double x, int64_t lo, int64_t hi)
{
    return x < (double)lo ? lo : x > (double)hi ? hi : (int64_t)x;
}

/* The one sample under the centre. */
static void weights_nearest(const struct ic_axis *a, double centre, struct ic_window *win)
{
    win->lo = weights_clip(floor(centre), 0, (int64_t)a->src_n - 1);
    win->hi = win->lo + 1;
    win->w[0] = 1.0;
}

/* A sample that the image fills in part counts so much less: halved and decoded at 1/8, the rest of it is a copy. */
static double weights_cover(const struct ic_axis *a, int64_t k)
{
    double filled = a->span - (double)k;

    return a->span <= 0.0 || filled >= 1.0 ? 1.0 : filled <= 0.0 ? 0.0 : filled;
}

/* Samples whose centre is nearer than the support; the support grows with the shrink. */
static void weights_filtered(const struct ic_axis *a, double centre, double shrink, struct ic_window *win)
{
    double reach = filters[a->kernel].support * shrink;
    double sum = 0.0;

    win->lo = weights_clip(ceil(centre - reach - 0.5), 0, a->src_n);
    win->hi = weights_clip(floor(centre + reach - 0.5) + 1.0, 0, a->src_n);
    for (int64_t k = win->lo; k < win->hi; k++) {
        double x = fabs((double)k + 0.5 - centre) / shrink;
        double w = x < filters[a->kernel].support ? filters[a->kernel].fn(x) : 0.0;

        if (k + 1 == a->src_n)
            w *= weights_cover(a, k);
        win->w[k - win->lo] = w;
        sum += w;
    }
    if (sum < 1e-3) { /* a box between two centres */
        weights_nearest(a, centre, win);
        return;
    }
    for (int64_t k = win->lo; k < win->hi; k++)
        win->w[k - win->lo] /= sum;
}

/* Rounds the running sum, not each weight: the error of one goes into the next and the total is exact. */
static void weights_round(int16_t *out, const struct ic_window *win)
{
    double sum = 0.0;
    int32_t given = 0;
    int64_t n = win->hi - win->lo;

    for (int64_t k = 0; k < n; k++) {
        int32_t upto;

        sum += win->w[k];
        upto = k + 1 == n ? ONE : (int32_t)floor(sum * ONE + 0.5);
        out[k] = (int16_t)(upto - given);
        given = upto;
    }
}

/* 1:1 and on the grid: every filter's answer must be the sample itself, also that of those that blur (Mitchell). */
static bool weights_aligned(const struct ic_axis *a)
{
    double step = (a->x1 - a->x0) / a->dst_n;

    return fabs(step - 1.0) * a->dst_n < 1e-6 && fabs(a->x0 - floor(a->x0 + 0.5)) < 1e-6;
}

static double weights_shrink(const struct ic_axis *a)
{
    double step = (a->x1 - a->x0) / a->dst_n;

    return step > 1.0 ? step : 1.0;
}

static bool weights_copies(const struct ic_axis *a)
{
    return a->kernel == IC_KERNEL_NEAREST || weights_aligned(a);
}

uint32_t ic_window_most(const struct ic_axis *a)
{
    double n = ceil(2.0 * filters[a->kernel].support * weights_shrink(a)) + 1.0;

    if (weights_copies(a) || n < 1.0)
        n = 1.0;
    return n > a->src_n ? a->src_n : (uint32_t)n;
}

static void weights_window(const struct ic_axis *a, double centre, double shrink, bool copies, struct ic_window *win)
{
    /* What is left of a window beyond the edge means nothing. */
    if (copies || centre < 0.0 || centre > a->src_n)
        weights_nearest(a, centre, win);
    else
        weights_filtered(a, centre, shrink, win);
}

void ic_window_of(const struct ic_axis *a, uint32_t i, struct ic_window *out)
{
    double centre = a->x0 + ((double)i + 0.5) * ((a->x1 - a->x0) / a->dst_n);

    weights_window(a, centre, weights_shrink(a), weights_copies(a), out);
}

/* One axis. */

/* Windows as they are computed, each in room for the longest; the final table is only as wide as it must be. */
struct draft {
    const struct ic_axis *axis;
    uint32_t max_taps;
    double *scratch;      /* owned, as are the others; of one window */
    int16_t *w;           /* max_taps an output */
    uint32_t *first;      /* by output: the first source sample that counts, */
    uint32_t *skip, *len; /* how many of the window's weights are before it, and how many count */
};

static size_t weights_group(size_t n, size_t group)
{
    return (n + group - 1) / group * group;
}

static bool draft_alloc(struct draft *d, struct ic_mem *m, size_t n)
{
    size_t bytes;

    if (!ic_mul(n, d->max_taps * sizeof(*d->w), &bytes))
        return false;
    d->scratch = ic_alloc(m, d->max_taps * sizeof(*d->scratch));
    d->w = ic_alloc(m, bytes);
    d->first = ic_alloc(m, n * sizeof(*d->first));
    d->skip = ic_alloc(m, n * sizeof(*d->skip));
    d->len = ic_alloc(m, n * sizeof(*d->len));
    return d->scratch && d->w && d->first && d->skip && d->len;
}

static void draft_free(struct draft *d, struct ic_mem *m)
{
    ic_free(m, d->scratch);
    ic_free(m, d->w);
    ic_free(m, d->first);
    ic_free(m, d->skip);
    ic_free(m, d->len);
}

/* Leaves out the zeros that rounding put at a window's ends: a filter's tails are worth one tap in eight. */
static void draft_bare(struct draft *d, uint32_t i, const struct ic_window *win)
{
    const int16_t *w = d->w + (size_t)i * d->max_taps;
    uint32_t from = 0, to = (uint32_t)(win->hi - win->lo);

    while (w[to - 1] == 0)
        to--;
    while (w[from] == 0)
        from++;
    d->first[i] = (uint32_t)win->lo + from;
    d->skip[i] = from;
    d->len[i] = to - from;
}

static void draft_compute(struct draft *d)
{
    const struct ic_axis *a = d->axis;
    double step = (a->x1 - a->x0) / a->dst_n, shrink = weights_shrink(a);
    bool copies = weights_copies(a);

    for (uint32_t i = 0; i < a->dst_n; i++) {
        struct ic_window win = { 0, 0, d->scratch };

        weights_window(a, a->x0 + ((double)i + 0.5) * step, shrink, copies, &win);
        weights_round(d->w + (size_t)i * d->max_taps, &win);
        draft_bare(d, i, &win);
    }
}

/* A window must not begin before an earlier one does, since the ring drops rows in order: whole windows never do, bare
 * ones may, and take back some of their zeros. */
static void draft_order(struct draft *d)
{
    for (uint32_t i = d->axis->dst_n - 1; i-- > 0;) {
        uint32_t back = d->first[i] > d->first[i + 1] ? d->first[i] - d->first[i + 1] : 0;

        assert(back <= d->skip[i]);
        d->first[i] -= back;
        d->skip[i] -= back;
        d->len[i] += back;
    }
}

/* How far the last of `group` outputs begins behind the first, at most. */
static uint32_t draft_reach(const struct draft *d, uint32_t group)
{
    uint32_t reach = 0, n = d->axis->dst_n;

    for (uint32_t i = 0; i < n; i += group) {
        uint32_t last = n - i < group ? n - 1 : i + group - 1, r = d->first[last] - d->first[i];

        reach = r > reach ? r : reach;
    }
    return reach;
}

static bool weights_turned(const struct ic_weights *w)
{
    return w->taps.reach8 <= IC_TAPS_REACH8;
}

/* One block: the struct, then the weights, then those turned, if any, then first, then len. */
static size_t weights_bytes(const struct ic_weights *w)
{
    size_t n = weights_group(w->axis.dst_n, IC_TAPS_GROUP);
    size_t taps = w->taps.stride + (weights_turned(w) ? 2 * w->taps.pairs : 0);

    return ic_stride(sizeof(*w)) + n * (taps * sizeof(int16_t) + sizeof(int32_t) + sizeof(uint32_t));
}

static void weights_turn(int16_t *turned, const struct ic_taps *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        const int16_t *w = t->w + (size_t)i * t->stride;
        int16_t *to = turned + ((size_t)(i / IC_TAPS_GROUP) * t->pairs * IC_TAPS_GROUP + i % IC_TAPS_GROUP) * 2;

        for (uint32_t k = 0; k < t->pairs; k++, to += 2 * IC_TAPS_GROUP)
            memcpy(to, w + 2 * k, 2 * sizeof(*to));
    }
}

static void weights_pack(struct ic_weights *w, const struct draft *d)
{
    size_t n = weights_group(d->axis->dst_n, IC_TAPS_GROUP), stride = w->taps.stride;
    int16_t *taps = (int16_t *)(void *)((char *)w + ic_stride(sizeof(*w)));
    int16_t *turned = taps + n * stride;
    int32_t *first = (int32_t *)(void *)(turned + (weights_turned(w) ? 2 * n * w->taps.pairs : 0));
    uint32_t *len = (uint32_t *)(void *)(first + n);

    for (uint32_t i = 0; i < d->axis->dst_n; i++) {
        memcpy(taps + i * stride, d->w + (size_t)i * d->max_taps + d->skip[i], d->len[i] * sizeof(*taps));
        first[i] = (int32_t)(d->first[i] - w->lo);
        len[i] = d->len[i];
        w->copy = w->copy && d->first[i] - w->lo == i;
    }
    w->taps.w = taps;
    w->taps.first = first;
    w->len = len;
    if (weights_turned(w)) {
        weights_turn(turned, &w->taps);
        w->taps.turned = turned;
    }
}

static struct ic_weights *weights_of(struct ic_mem *m, const struct draft *d)
{
    struct ic_weights h = { .axis = *d->axis, .lo = d->first[0] }, *w;

    for (uint32_t i = 0; i < d->axis->dst_n; i++) {
        h.max_len = d->len[i] > h.max_len ? d->len[i] : h.max_len;
        h.hi = d->first[i] + d->len[i] > h.hi ? d->first[i] + d->len[i] : h.hi;
    }
    h.taps.n = d->axis->dst_n;
    h.taps.stride = (uint32_t)weights_group(h.max_len, 8);
    h.taps.pairs = (h.max_len + 1) / 2;
    h.taps.reach4 = draft_reach(d, 4);
    h.taps.reach8 = draft_reach(d, 8);
    h.taps.reach16 = draft_reach(d, 16);
    h.copy = h.max_len == 1;
    w = ic_calloc(m, weights_bytes(&h));
    if (w) {
        *w = h;
        weights_pack(w, d);
    }
    return w;
}

static struct ic_weights *weights_make(struct ic_mem *m, const struct ic_axis *a)
{
    struct draft d = { .axis = a, .max_taps = ic_window_most(a) };
    struct ic_weights *w = NULL;

    if (draft_alloc(&d, m, a->dst_n)) {
        draft_compute(&d);
        draft_order(&d);
        w = weights_of(m, &d);
    }
    draft_free(&d, m);
    return w;
}

/* Cache. */

static bool weights_same(const struct ic_axis *a, const struct ic_axis *b)
{
    return a->src_n == b->src_n && a->dst_n == b->dst_n && a->x0 == b->x0 && a->x1 == b->x1 && a->kernel == b->kernel &&
           a->span == b->span;
}

const struct ic_weights *ic_weights_get(struct ic_weights_cache *c, const struct ic_axis *axis)
{
    struct ic_weights **at = &c->head, *w;

    while (*at && !weights_same(&(*at)->axis, axis))
        at = &(*at)->next;
    if (*at) {
        w = *at;
        *at = w->next;
    } else if (!(w = weights_make(c->mem, axis))) {
        return NULL;
    }
    w->next = c->head;
    c->head = w;
    return w;
}

void ic_weights_trim(struct ic_weights_cache *c, size_t keep)
{
    struct ic_weights **at = &c->head;

    for (size_t sum = 0; *at;) {
        struct ic_weights *w = *at;

        sum += weights_bytes(w);
        if (sum <= keep) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        ic_free(c->mem, w);
    }
}
