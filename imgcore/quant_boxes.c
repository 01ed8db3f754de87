/* Boxes of colours, after X. Wu, "Efficient Statistical Computations for Optimal Color Quantization" (Graphics Gems II,
 * 1991): the box whose best cut takes the most squared error away is cut there, until there are enough.
 *
 * Wu looks moments up in a table of the whole colour space; with four dimensions that is tens of megabytes, so here the
 * sums along an axis are made from the entries of the box that is to be cut. Each entry is summed about twice the
 * logarithm of the number of boxes times. */
#include "quant_private.h"

#define BINS (2 * QUANT_REACH + 1)

struct moments {
    uint64_t w;
    int64_t s[QUANT_DIMS];
};

struct box {
    uint32_t first, n; /* entries */
    struct moments all;
    uint64_t gain; /* of the best cut; 0: there is none */
    int axis, at;  /* entries with a coordinate up to `at` go left */
};

static void moments_add(struct moments *m, const struct quant_entry *q)
{
    m->w += q->weight;
    for (int k = 0; k < QUANT_DIMS; k++)
        m->s[k] += (int64_t)q->at.f[k] * q->weight;
}

/* The squared length of the sum over the weight: the more of it two parts have together, the less error is in them.
 * Below 2^63: weights are 2^21 in all, coordinates below 2^8. */
static uint64_t moments_score(const struct moments *m)
{
    uint64_t v = 0;

    for (int k = 0; k < QUANT_DIMS; k++)
        v += (uint64_t)(m->s[k] * m->s[k]) * (k == QUANT_DIMS - 1 ? 3u : 1u);
    return m->w ? v / m->w : 0;
}

/* The best cut across one axis, taken where it is better than what b has. bin: work memory, BINS of them. */
static void box_try(struct box *b, const struct quant_entry *q, int axis, struct moments *bin)
{
    int lo = QUANT_REACH, hi = -QUANT_REACH;
    uint64_t whole = moments_score(&b->all);
    struct moments left = { 0 };

    for (uint32_t i = 0; i < b->n; i++) {
        lo = q[i].at.f[axis] < lo ? q[i].at.f[axis] : lo;
        hi = q[i].at.f[axis] > hi ? q[i].at.f[axis] : hi;
    }
    for (int at = lo; at <= hi; at++)
        bin[at + QUANT_REACH] = (struct moments){ 0 };
    for (uint32_t i = 0; i < b->n; i++)
        moments_add(&bin[q[i].at.f[axis] + QUANT_REACH], &q[i]);
    for (int at = lo; at < hi; at++) {
        struct moments right = b->all;
        uint64_t score;

        left.w += bin[at + QUANT_REACH].w;
        right.w -= left.w;
        for (int k = 0; k < QUANT_DIMS; k++) {
            left.s[k] += bin[at + QUANT_REACH].s[k];
            right.s[k] -= left.s[k];
        }
        score = moments_score(&left) + moments_score(&right);
        if (score > whole + b->gain) {
            b->gain = score - whole;
            b->axis = axis;
            b->at = at;
        }
    }
}

static void box_make(struct box *b, const struct quant_histogram *h, uint32_t first, uint32_t n, struct moments *bin)
{
    *b = (struct box){ .first = first, .n = n };
    for (uint32_t i = 0; i < n; i++)
        moments_add(&b->all, &h->entry[first + i]);
    for (int axis = 0; axis < QUANT_DIMS && n > 1; axis++)
        box_try(b, h->entry + first, axis, bin);
}

/* Moves the entries that go left to the front. Returns how many. */
static uint32_t box_part(const struct box *b, struct quant_entry *q)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < b->n; i++)
        if (q[i].at.f[b->axis] <= b->at) {
            struct quant_entry swap = q[i];

            q[i] = q[left];
            q[left++] = swap;
        }
    return left;
}

static int box_worst(const struct box *box, int n)
{
    int worst = 0;

    for (int i = 1; i < n; i++)
        if (box[i].gain > box[worst].gain)
            worst = i;
    return worst;
}

static struct quant_point box_mean(const struct box *b)
{
    struct quant_point p;
    int64_t half = (int64_t)(b->all.w / 2);

    for (int k = 0; k < QUANT_DIMS; k++) {
        int64_t s = b->all.s[k];

        p.f[k] = (int16_t)((s >= 0 ? s + half : s - half) / (int64_t)b->all.w);
    }
    return p;
}

int quant_boxes(struct quant_histogram *h, int colours, struct quant_point *out)
{
    struct box box[IC_COLOURS];
    struct moments bin[BINS];
    int n = 1;

    box_make(&box[0], h, 0, h->n, bin);
    while (n < colours) {
        struct box cut = box[box_worst(box, n)];
        uint32_t left;

        if (!cut.gain)
            break;
        left = box_part(&cut, h->entry + cut.first);
        box_make(&box[box_worst(box, n)], h, cut.first, left, bin);
        box_make(&box[n++], h, cut.first + left, cut.n - left, bin);
    }
    for (int i = 0; i < n; i++)
        out[i] = box_mean(&box[i]);
    return n;
}
