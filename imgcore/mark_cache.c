/* Layers kept between runs. Called by mark.c and overlay.c.
 *
 * A service lays few marks over many images, mostly of a few sizes, so that the same layer is made again and again; the
 * least recently used one goes first. Marks are known by a hash of their bytes, which the caller answers for. */
#include "mark.h"

#include <string.h>

static bool mark_same(const struct ic_mark_key *a, const struct ic_mark_key *b)
{
    const struct ic_layer_shape *s = &a->shape, *t = &b->shape;

    return memcmp(a->hash, b->hash, sizeof a->hash) == 0 && a->width == b->width && a->height == b->height &&
           a->rotate == b->rotate && a->alpha == b->alpha && s->layout == t->layout && s->limited == t->limited &&
           s->fx == t->fx && s->fy == t->fy && s->px == t->px && s->py == t->py && s->end_x == t->end_x &&
           s->end_y == t->end_y;
}

static void mark_free(struct ic_mark_entry *entry)
{
    ic_layer_free(entry->layer);
    ic_free(entry->mem, entry);
}

void ic_mark_give(struct ic_mark_entry *entry)
{
    if (entry && --entry->users == 0 && !entry->kept)
        mark_free(entry);
}

struct ic_mark_entry *ic_mark_find(struct ic_mark_cache *c, const struct ic_mark_key *k)
{
    for (struct ic_mark_entry **at = &c->head, *entry; (entry = *at); at = &entry->next) {
        if (!mark_same(&entry->key, k))
            continue;
        *at = entry->next;
        entry->next = c->head;
        c->head = entry;
        entry->users++;
        return entry;
    }
    return NULL;
}

/* Drops the least recently used one that nobody uses. */
static bool mark_drop(struct ic_mark_cache *c)
{
    struct ic_mark_entry **last = NULL, *entry;

    for (struct ic_mark_entry **at = &c->head; *at; at = &(*at)->next)
        if ((*at)->users == 0)
            last = at;
    if (!last)
        return false;
    entry = *last;
    *last = entry->next;
    mark_free(entry);
    return true;
}

struct ic_mark_entry *ic_mark_make_alone(struct ic_mem *mem, const struct ic_mark_key *k, const uint8_t *px)
{
    struct ic_mark_entry *entry = ic_calloc(mem, sizeof(*entry));

    if (!entry)
        return NULL;
    *entry = (struct ic_mark_entry){ .key = *k, .mem = mem, .users = 1 };
    entry->layer = ic_layer_make(mem, px, k->width, k->height, k->alpha, &k->shape);
    if (entry->layer)
        return entry;
    mark_free(entry);
    return NULL;
}

struct ic_mark_entry *ic_mark_make(struct ic_mark_cache *c, struct ic_mem *mem, const struct ic_mark_key *k,
                                   const uint8_t *px)
{
    struct ic_mark_entry *entry = NULL;
    bool fits = (uint64_t)k->width * k->height * 6 < c->mem.limit; /* three planes with alpha: one that does not fit
                                                                      must not empty the cache for nothing */

    if (fits)
        do
            entry = ic_mark_make_alone(&c->mem, k, px);
        while (!entry && mark_drop(c));
    if (!entry)
        return ic_mark_make_alone(mem, k, px);
    entry->kept = true;
    entry->next = c->head;
    c->head = entry;
    return entry;
}

void ic_mark_cache_clear(struct ic_mark_cache *c)
{
    while (mark_drop(c))
        ;
}
