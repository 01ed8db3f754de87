/* Engines: what one thread or process keeps between its runs. */
#include "engine.h"

#include "cpu.h"

#include <stdlib.h>

void ic_init(void)
{
    ic_kernels_choose();
    ic_versions_init();
}

struct ic_engine *ic_engine_create(const struct ic_limits *limits)
{
    struct ic_engine *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->limits = *limits;
    g->mem.limit = limits->max_memory;
    g->weights.mem = &g->mem;
    g->marks.mem.limit = IC_MARK_CACHE;
    g->icc.mem = &g->mem;
    return g;
}

void ic_engine_free(struct ic_engine *g)
{
    if (!g)
        return;
    ic_weights_trim(&g->weights, 0);
    ic_mark_cache_clear(&g->marks);
    ic_fonts_free(g->fonts);
    ic_icc_cache_free(&g->icc);
    ic_free(&g->mem, g->cmyk);
    free(g);
}
