/* The resampler: a ring of source rows, vertical pass first, bytes in between.
 *
 *     source rows --(crop, premultiply)--> ring --v--> one row --split--> one row a channel --h--> out
 *
 * Vertical first keeps all work in full-width rows that lie in L2 and leaves the irregular horizontal pass the fewest
 * rows. Bytes in between instead of 16 bits cost less than the codec's own rounding and halve what is moved.
 * Neighbouring output rows use mostly the same source rows and are made together, which is half as fast again. */
#include "scale.h"

#include "cpu.h"

#include <string.h>

static uint8_t *scale_row(struct ic_scale *s)
{
    return ic_calloc(s->mem, s->row_bytes); /* zeroed: kernels read the padding */
}

/* Makes room for cap rows and puts those in use, [from, s->pushed), where the new modulus wants them. */
static enum ic_code scale_grow(struct ic_scale *s, uint32_t from, uint32_t cap)
{
    uint8_t **ring = ic_calloc(s->mem, cap * sizeof(*ring));
    uint32_t spare = 0;

    if (!ring)
        return IC_E_MEMORY;
    for (uint32_t y = from; y < s->pushed && s->cap; y++) {
        ring[y % cap] = s->ring[y % s->cap];
        s->ring[y % s->cap] = NULL;
    }
    for (uint32_t i = 0; i < cap; i++) {
        while (spare < s->cap && !s->ring[spare])
            spare++;
        if (!ring[i] && spare < s->cap)
            ring[i] = s->ring[spare++];
    }
    ic_free(s->mem, s->ring);
    s->ring = ring;
    s->cap = cap;
    for (uint32_t i = 0; i < cap; i++)
        if (!ring[i] && !(ring[i] = scale_row(s)))
            return IC_E_MEMORY;
    return IC_OK;
}

/* How many source rows output rows i and i + 1 use together; 0 where too few serve both for making them together. */
static uint32_t scale_pair(const struct ic_weights *v, uint32_t i)
{
    uint32_t step, end;

    if (i + 1 >= v->taps.n)
        return 0;
    step = (uint32_t)(v->taps.first[i + 1] - v->taps.first[i]);
    end = step + v->len[i + 1];
    if (v->len[i] == 1 || v->len[i + 1] == 1 || 3 * step > v->len[i])
        return 0;
    return end > v->len[i] ? end : v->len[i];
}

/* The most source rows that are used at once. */
static uint32_t scale_reach(const struct ic_weights *v)
{
    uint32_t most = v->max_len;

    for (uint32_t i = 0; i < v->taps.n; i++) {
        uint32_t both = scale_pair(v, i);

        most = both > most ? both : most;
    }
    return most;
}

enum ic_code ic_scale_init(struct ic_scale *s, struct ic_mem *mem, const struct ic_weights *h,
                           const struct ic_weights *v, int channels)
{
    size_t cols = h->hi - h->lo;
    uint32_t reach = scale_reach(v);
    bool made = true;

    *s = (struct ic_scale){ .k = ic_kernels(), .h = h, .v = v, .mem = mem, .channels = channels };
    /* Each channel's row may be read one window beyond its end. */
    s->row_bytes = ic_stride(cols * (size_t)channels + h->taps.stride + 64);
    s->window = ic_alloc(mem, (reach + 1) * sizeof(*s->window));
    for (int i = 0; i < 2; i++) {
        s->vrow[i] = scale_row(s);
        s->pair[i] = ic_alloc(mem, (reach + 1) * sizeof(*s->pair[i]));
        made = made && s->vrow[i] && s->pair[i];
    }
    for (int c = 0; c < channels && channels > 1; c++)
        if (!(s->split[c] = scale_row(s)))
            return IC_E_MEMORY;
    return made && s->window ? scale_grow(s, 0, reach) : IC_E_MEMORY;
}

void ic_scale_free(struct ic_scale *s)
{
    for (uint32_t i = 0; s->ring && i < s->cap; i++)
        ic_free(s->mem, s->ring[i]);
    if (s->mem) {
        ic_free(s->mem, s->ring);
        ic_free(s->mem, s->window);
        for (int i = 0; i < 2; i++) {
            ic_free(s->mem, s->vrow[i]);
            ic_free(s->mem, s->pair[i]);
        }
        for (int c = 0; c < IC_PLANES; c++)
            ic_free(s->mem, s->split[c]);
    }
    *s = (struct ic_scale){ 0 };
}

static void scale_take(struct ic_scale *s, uint8_t *dst, const uint8_t *row)
{
    size_t cols = s->h->hi - s->h->lo;

    row += (size_t)s->h->lo * (size_t)s->channels;
    if (s->premultiply && s->channels == 4)
        s->k->premultiply_rgba(dst, row, cols);
    else if (s->premultiply && s->channels == 2)
        s->k->premultiply_greya(dst, row, cols);
    else
        memcpy(dst, row, cols * (size_t)s->channels);
}

/* First source row the next output row uses. */
static uint32_t scale_oldest(const struct ic_scale *s)
{
    return s->v->lo + (uint32_t)s->v->taps.first[s->made];
}

enum ic_code ic_scale_push(struct ic_scale *s, const uint8_t *row, struct ic_error *e)
{
    uint32_t y = s->pushed, oldest;

    if (s->made == s->v->taps.n || y < (oldest = scale_oldest(s))) {
        s->pushed++;
        return IC_OK;
    }
    if (y - oldest >= s->cap && scale_grow(s, oldest, s->cap + 8) != IC_OK)
        return ic_fail(e, IC_E_MEMORY, "no memory for %u source rows", s->cap + 8);
    scale_take(s, s->ring[y % s->cap], row);
    s->pushed++;
    return IC_OK;
}

static void scale_horizontal(const struct ic_scale *s, uint8_t *out, const uint8_t *row)
{
    if (s->h->copy)
        memcpy(out, row, s->h->taps.n);
    else
        s->k->hscale_u8(out, row, &s->h->taps);
}

static void scale_split(const struct ic_scale *s, uint8_t *const *dst, const uint8_t *row)
{
    size_t cols = s->h->hi - s->h->lo;

    if (s->channels == 2)
        s->k->deinterleave2(dst, row, cols);
    else if (s->channels == 3)
        s->k->deinterleave3(dst, row, cols);
    else
        s->k->deinterleave4(dst, row, cols);
}

/* Row i's weights over taps rows that begin at the oldest. */
static void scale_spread(const struct ic_scale *s, int16_t *w, uint32_t i, uint32_t taps)
{
    uint32_t skip = (uint32_t)(s->v->taps.first[i] - s->v->taps.first[s->made]);

    memset(w, 0, taps * sizeof(*w));
    memcpy(w + skip, s->v->taps.w + (size_t)i * s->v->taps.stride, s->v->len[i] * sizeof(*w));
}

static const uint8_t *scale_vertical(struct ic_scale *s)
{
    uint32_t oldest = scale_oldest(s), both = scale_pair(s->v, s->made), n = both ? both : s->v->len[s->made];
    size_t bytes = (size_t)(s->h->hi - s->h->lo) * (size_t)s->channels;

    if (n == 1)
        return s->ring[oldest % s->cap];
    for (uint32_t t = 0; t < n; t++)
        s->window[t] = s->ring[(oldest + t) % s->cap];
    if (!both) {
        s->k->vscale_u8(s->vrow[0], s->window, s->v->taps.w + (size_t)s->made * s->v->taps.stride, n, bytes);
        return s->vrow[0];
    }
    s->window[n] = s->window[0]; /* an even number of them; this one weighs nothing */
    n += n % 2;
    scale_spread(s, s->pair[0], s->made, n);
    scale_spread(s, s->pair[1], s->made + 1, n);
    s->k->vscale2_u8(s->vrow, s->window, (const int16_t *const[]){ s->pair[0], s->pair[1] }, n, bytes);
    s->held = true;
    return s->vrow[0];
}

static bool scale_ready(const struct ic_scale *s)
{
    uint32_t both;

    if (s->made == s->v->taps.n)
        return false;
    both = scale_pair(s->v, s->made);
    return s->pushed >= scale_oldest(s) + (both ? both : s->v->len[s->made]);
}

/* The next output row at the source's width. */
static const uint8_t *scale_next(struct ic_scale *s)
{
    const uint8_t *row = s->vrow[1];

    if (s->held)
        s->held = false;
    else
        row = scale_vertical(s);
    s->made++;
    return row;
}

bool ic_scale_pull(struct ic_scale *s, uint8_t *const *out)
{
    const uint8_t *row;

    if (!s->held && !scale_ready(s))
        return false;
    row = scale_next(s);
    if (s->channels == 1) {
        scale_horizontal(s, out[0], row);
        return true;
    }
    if (s->h->copy) {
        scale_split(s, out, row);
        return true;
    }
    scale_split(s, s->split, row);
    for (int c = 0; c < s->channels; c++)
        scale_horizontal(s, out[c], s->split[c]);
    return true;
}
