/* Both passes in integers, so that results are the same on every machine. Weights have 30 bits, samples 16 and 10 more
 * between the passes, sums 64: against a calculation in doubles the result is off by one of 65535 at most, as far as it
 * is seen: colours divided by little alpha are off by more. */
#include "deep_scale.h"

#include <math.h>
#include <string.h>

#define WEIGHT_BITS 30

/* Axes. */

/* Rounds the running sum, so that the total is exact and flat colour stays what it is. */
static void axis_round(int32_t *to, const struct ic_window *w)
{
    double sum = 0.0;
    int64_t given = 0, n = w->hi - w->lo;

    for (int64_t k = 0; k < n; k++) {
        sum += w->w[k];
        int64_t upto = k + 1 == n ? INT64_C(1) << WEIGHT_BITS : (int64_t)floor(ldexp(sum, WEIGHT_BITS) + 0.5);
        to[k] = (int32_t)(upto - given);
        given = upto;
    }
}

static void axis_fill(struct deep_axis *a, const struct ic_axis *from, double *scratch)
{
    a->lo = UINT32_MAX;
    a->copy = a->most == 1;
    for (uint32_t i = 0; i < a->n; i++) {
        struct ic_window w = { .w = scratch };

        ic_window_of(from, i, &w);
        axis_round(a->w + (size_t)i * a->most, &w);
        a->first[i] = (uint32_t)w.lo;
        a->len[i] = (uint32_t)(w.hi - w.lo);
        a->lo = a->first[i] < a->lo ? a->first[i] : a->lo;
        a->hi = w.hi > a->hi ? (uint32_t)w.hi : a->hi;
        a->copy = a->copy && a->first[i] == a->first[0] + i;
    }
}

/* IC_E_MEMORY; a is for axis_free() in any case. */
static enum ic_code axis_make(struct deep_axis *a, struct ic_mem *mem, const struct ic_axis *from, struct ic_error *e)
{
    uint32_t most = ic_window_most(from);
    double *scratch = ic_alloc(mem, most * sizeof *scratch);
    size_t weights;

    *a = (struct deep_axis){ .n = from->dst_n, .most = most };
    if (ic_mul(a->n, a->most * sizeof *a->w, &weights)) {
        a->w = ic_alloc(mem, weights);
        a->first = ic_alloc(mem, a->n * sizeof *a->first);
        a->len = ic_alloc(mem, a->n * sizeof *a->len);
    }
    bool ok = scratch && a->w && a->first && a->len;
    if (ok)
        axis_fill(a, from, scratch);
    ic_free(mem, scratch);
    return ok ? IC_OK : ic_fail(e, IC_E_MEMORY, "no memory to resample 16-bit samples");
}

static void axis_free(struct deep_axis *a, struct ic_mem *mem)
{
    ic_free(mem, a->w);
    ic_free(mem, a->first);
    ic_free(mem, a->len);
    *a = (struct deep_axis){ 0 };
}

/* Opening. */

enum ic_code deep_scale_open(struct deep_scale *s, struct ic_mem *mem, const struct ic_axis axes[2], int channels,
                             struct ic_error *e)
{
    enum ic_code rc;
    size_t row, size;

    *s = (struct deep_scale){ .mem = mem, .channels = channels };
    if ((rc = axis_make(&s->h, mem, &axes[0], e)) != IC_OK || (rc = axis_make(&s->v, mem, &axes[1], e)) != IC_OK)
        return rc;
    if (ic_mul(s->h.n, (size_t)channels, &row) && ic_mul(row, s->v.most * sizeof *s->ring, &size))
        s->ring = ic_alloc(mem, size);
    if (s->ring && ic_mul(row, sizeof *s->sum, &size))
        s->sum = ic_alloc(mem, size);
    return s->ring && s->sum ? IC_OK : ic_fail(e, IC_E_MEMORY, "no memory to resample 16-bit samples");
}

void deep_scale_close(struct deep_scale *s)
{
    if (!s->mem)
        return;
    axis_free(&s->h, s->mem);
    axis_free(&s->v, s->mem);
    ic_free(s->mem, s->ring);
    ic_free(s->mem, s->sum);
    *s = (struct deep_scale){ 0 };
}

/* Rows. */

static int32_t scale_round(int64_t sum)
{
    return (int32_t)((sum + (INT64_C(1) << (WEIGHT_BITS - 1))) >> WEIGHT_BITS);
}

static void scale_across(const struct deep_scale *s, const int32_t *px, int32_t *out)
{
    const struct deep_axis *a = &s->h;

    for (uint32_t x = 0; x < a->n; x++, out += s->channels) {
        const int32_t *from = px + (size_t)(a->first[x] - a->lo) * (size_t)s->channels;
        const int32_t *w = a->w + (size_t)x * a->most;
        int64_t sum[4] = { 0 };

        for (uint32_t k = 0; k < a->len[x]; k++, from += s->channels)
            for (int c = 0; c < s->channels; c++)
                sum[c] += (int64_t)from[c] * w[k];
        for (int c = 0; c < s->channels; c++)
            out[c] = scale_round(sum[c]);
    }
}

bool deep_scale_wants(const struct deep_scale *s)
{
    return s->pushed >= s->v.lo && s->pushed < s->v.hi;
}

void deep_scale_push(struct deep_scale *s, const int32_t *px)
{
    size_t row = (size_t)s->h.n * (size_t)s->channels;

    if (deep_scale_wants(s))
        scale_across(s, px, s->ring + (s->pushed % s->v.most) * row);
    s->pushed++;
}

bool deep_scale_pull(struct deep_scale *s, int32_t *out)
{
    const struct deep_axis *a = &s->v;
    size_t row = (size_t)s->h.n * (size_t)s->channels;

    if (s->made == a->n || s->pushed < a->first[s->made] + a->len[s->made])
        return false;
    memset(s->sum, 0, row * sizeof *s->sum);
    for (uint32_t k = 0; k < a->len[s->made]; k++) {
        const int32_t *from = s->ring + (a->first[s->made] + k) % a->most * row;
        int64_t w = a->w[(size_t)s->made * a->most + k];

        for (size_t i = 0; i < row; i++)
            s->sum[i] += from[i] * w;
    }
    for (size_t i = 0; i < row; i++)
        out[i] = scale_round(s->sum[i]);
    s->made++;
    return true;
}
