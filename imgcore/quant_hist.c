/* The histogram: which colours there are, and how many pixels of each.
 *
 * A hash table of colours at full precision, and with more colours than QUANT_ENTRIES again with a bit less of each
 * channel, and so on; an entry holds the mean of what fell into it, so precision is lost only between near colours. */
#include "quant_private.h"

#include <string.h>

#define SLOTS_MAX (2 * QUANT_ENTRIES)

struct slot {
    uint32_t key, count; /* 0: empty */
    int64_t sum[QUANT_DIMS];
};

struct table {
    struct slot *slot;
    uint32_t mask, used;
    int shift; /* of the hash, to the table's size */
};

/* v / 255, rounded, for v up to 255 * 510. */
static int by_255(int v)
{
    return (2 * v + 255) / 510;
}

struct quant_point quant_point_of(struct ic_colour c)
{
    int a = c.a;

    return (struct quant_point){ { (int16_t)(by_255(2 * c.r * a) - a), (int16_t)(by_255(2 * c.g * a) - a),
                                   (int16_t)(by_255(2 * c.b * a) - a), (int16_t)a } };
}

static uint8_t straight(int f, int a)
{
    int v = a ? ((f + a) * 255 + a) / (2 * a) : 0;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

struct ic_colour quant_colour_of(struct quant_point p)
{
    int a = p.f[3];

    return (struct ic_colour){ straight(p.f[0], a), straight(p.f[1], a), straight(p.f[2], a), (uint8_t)a };
}

/* The slot of a key, or the empty one where it goes. */
static struct slot *find(const struct table *t, uint32_t key)
{
    uint32_t i = key * UINT32_C(2654435761) >> t->shift;

    while (t->slot[i].count && t->slot[i].key != key)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

static void add(struct slot *s, uint32_t key, uint32_t colour, uint32_t run)
{
    struct quant_point p = quant_point_of(quant_unload(colour));

    s->key = key;
    s->count += run;
    for (int k = 0; k < QUANT_DIMS; k++)
        s->sum[k] += (int64_t)p.f[k] * run;
}

/* One row. false: there are too many colours. */
static bool count_row(struct table *t, const uint8_t *p, uint32_t width, uint32_t keep)
{
    for (uint32_t x = 0, run; x < width; x += run) {
        uint32_t colour = quant_load(p + 4 * (size_t)x), key = colour & keep;
        struct slot *s = find(t, key);

        for (run = 1; x + run < width && quant_load(p + 4 * (size_t)(x + run)) == colour;)
            run++;
        t->used += !s->count;
        if (t->used > (t->mask + 1) / 2)
            return false;
        add(s, key, colour, run);
    }
    return true;
}

static bool count(struct table *t, struct ic_pixels src, int bits)
{
    uint32_t keep = (UINT32_C(0xff) << (8 - bits) & 0xff) * UINT32_C(0x01010101);

    memset(t->slot, 0, ((size_t)t->mask + 1) * sizeof *t->slot);
    t->used = 0;
    for (uint32_t y = 0; y < src.height; y++)
        if (!count_row(t, src.p + src.stride * y, src.width, keep))
            return false;
    return true;
}

static int16_t mean(int64_t sum, int64_t n)
{
    return (int16_t)((sum >= 0 ? sum + n / 2 : sum - n / 2) / n);
}

static void collect(struct quant_histogram *h, const struct table *t, uint64_t pixels)
{
    int shift = 0;

    while (pixels >> shift > QUANT_WEIGHT)
        shift++;
    for (uint32_t i = 0; i <= t->mask; i++) {
        const struct slot *s = &t->slot[i];
        struct quant_entry *to = &h->entry[h->n];

        if (!s->count)
            continue;
        to->weight = s->count >> shift ? s->count >> shift : 1;
        to->colour = s->key;
        for (int k = 0; k < QUANT_DIMS; k++)
            to->at.f[k] = mean(s->sum[k], s->count);
        h->n++;
    }
}

enum ic_code quant_histogram_make(struct quant_histogram *h, struct ic_pixels src, struct ic_mem *mem,
                                  struct ic_error *e)
{
    uint64_t pixels = (uint64_t)src.width * src.height;
    struct table t = { .mask = 1024 - 1, .shift = 32 - 10 };
    int bits = 8;

    while (t.mask + 1 < SLOTS_MAX && t.mask < 2 * pixels) {
        t.mask = 2 * t.mask + 1;
        t.shift--;
    }
    *h = (struct quant_histogram){ .mem = mem };
    t.slot = ic_alloc(mem, ((size_t)t.mask + 1) * sizeof *t.slot);
    h->entry = ic_alloc(mem, ((size_t)t.mask + 1) / 2 * sizeof *h->entry);
    if (t.slot && h->entry) {
        while (!count(&t, src, bits))
            bits--; /* ends at 4: there are 2^16 keys then */
        h->exact = bits == 8;
        collect(h, &t, pixels);
    }
    ic_free(mem, t.slot);
    return h->n ? IC_OK : ic_fail(e, IC_E_MEMORY, "no memory for a histogram");
}

void quant_histogram_free(struct quant_histogram *h)
{
    ic_free(h->mem, h->entry);
    *h = (struct quant_histogram){ 0 };
}
