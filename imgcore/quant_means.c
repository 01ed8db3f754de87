/* Refinement (Lloyd's iteration, "k-means"), and the search for the nearest point that it and the mapping spend their
 * time in.
 *
 * The search walks outwards from the key's place in a sorted list, the key being the sum of the three colour
 * coordinates: it stops where the keys alone are too far apart, since (d0 + d1 + d2)^2 <= 3 (d0^2 + d1^2 + d2^2). A
 * tree would look at fewer points, one at a time. */
#include "quant_private.h"

#include <string.h>

static int key_of(const int16_t f[QUANT_DIMS])
{
    return f[0] + f[1] + f[2];
}

void quant_set_make(struct quant_set *s, const struct quant_point *p, int n)
{
    s->n = 0;
    for (int i = 0; i < n; i++) {
        int key = key_of(p[i].f), at = s->n++;

        for (; at > 0 && s->key[at - 1] > key; at--) { /* stable */
            s->key[at] = s->key[at - 1];
            s->name[at] = s->name[at - 1];
        }
        s->key[at] = key;
        s->name[at] = (uint8_t)i;
    }
    for (int i = 0; i < n; i++)
        memcpy(s->f[i], p[s->name[i]].f, sizeof s->f[i]);
}

/* The first place whose key is not below. */
static int place_of(const struct quant_set *s, int key)
{
    int lo = 0, hi = s->n;

    while (lo < hi) {
        int mid = (lo + hi) / 2;

        if (s->key[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct search {
    const struct quant_set *s;
    const int16_t *f;
    int key, best;
    uint32_t d;
};

static inline bool search_over(const struct search *q, int i)
{
    int64_t d = q->s->key[i] - q->key;

    return d * d > 3 * (int64_t)q->d;
}

static inline void search_look(struct search *q, int i)
{
    uint32_t d = quant_distance(q->s->f[i], q->f);

    if (d < q->d || (d == q->d && i < q->best)) {
        q->d = d;
        q->best = i;
    }
}

int quant_nearest(const struct quant_set *s, const int16_t f[QUANT_DIMS], int guess)
{
    struct search q = { s, f, key_of(f), guess, quant_distance(s->f[guess], f) };
    int up = place_of(s, q.key), down = up - 1;

    for (; up < s->n && !search_over(&q, up); up++) {
        search_look(&q, up);
        if (down >= 0 && !search_over(&q, down))
            search_look(&q, down--);
    }
    for (; down >= 0 && !search_over(&q, down); down--)
        search_look(&q, down);
    return q.best;
}

struct cluster {
    uint64_t w, opaque, clear;
    int64_t s[QUANT_DIMS];
};

static void assign(const struct quant_histogram *h, const struct quant_set *set, struct cluster *c)
{
    int near = 0;

    memset(c, 0, (size_t)set->n * sizeof *c);
    for (uint32_t i = 0; i < h->n; i++) {
        const struct quant_entry *q = &h->entry[i];
        struct cluster *to;

        near = quant_nearest(set, q->at.f, near);
        to = &c[set->name[near]];
        to->w += q->weight;
        to->opaque += q->at.f[3] == 255 ? q->weight : 0;
        to->clear += q->at.f[3] == 0 ? q->weight : 0;
        for (int k = 0; k < QUANT_DIMS; k++)
            to->s[k] += (int64_t)q->at.f[k] * q->weight;
    }
}

/* Whether the point moved. One that nothing is near stays. */
static bool move(struct quant_point *p, const struct cluster *c)
{
    struct quant_point from = *p;

    for (int k = 0; k < QUANT_DIMS && c->w; k++) {
        int64_t half = (int64_t)(c->w / 2);

        p->f[k] = (int16_t)((c->s[k] >= 0 ? c->s[k] + half : c->s[k] - half) / (int64_t)c->w);
    }
    return memcmp(&from, p, sizeof from) != 0;
}

/* What is opaque, or wholly transparent, in the main shall be so: a mean that is nearly so would let a page's
 * background through everywhere, or leave a haze. */
static void settle(struct quant_point *p, const struct cluster *c)
{
    struct ic_colour colour = quant_colour_of(*p);

    colour.a = 255;
    if (2 * c->clear >= c->w && c->clear)
        *p = (struct quant_point){ { 0 } };
    else if (2 * c->opaque >= c->w && p->f[3] != 255)
        *p = quant_point_of(colour);
}

void quant_means(const struct quant_histogram *h, struct quant_point *p, int n, int rounds, uint64_t *weight)
{
    struct cluster c[IC_COLOURS];
    struct quant_set set;
    bool moved = true;

    for (int round = 0; round <= rounds && moved; round++) {
        quant_set_make(&set, p, n);
        assign(h, &set, c);
        moved = false;
        for (int i = 0; i < n && round < rounds; i++)
            moved = move(&p[i], &c[i]) || moved;
    }
    for (int i = 0; i < n; i++) {
        settle(&p[i], &c[i]);
        weight[i] = c[i].w;
    }
}
