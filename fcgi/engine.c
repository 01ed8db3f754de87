/* Engines with what the configuration lends them: limits, and the profile of CMYK images that have none. Called by
 * workers, by the pool (workers = 0), by the command line, and before serving, to see whether it will work. */
#include "engine.h"

#include <stdio.h>

static bool lend_cmyk(struct ic_engine *g, const struct config *c, char *why, size_t n)
{
    struct ic_error e = { 0 };

    if (ic_engine_cmyk(g, (struct ic_bytes){ c->cmyk.bytes, c->cmyk.n }, &e) == IC_OK)
        return true;
    snprintf(why, n, "cmyk_profile %s: %s", c->cmyk_profile, e.text);
    return false;
}

struct ic_engine *engine_create(const struct config *c, char *why, size_t n)
{
    struct ic_limits limits = config_limits(c);
    struct ic_engine *g = ic_engine_create(&limits);

    if (!g)
        snprintf(why, n, "no memory for an engine");
    if (!g || !c->cmyk.bytes || lend_cmyk(g, c, why, n))
        return g;
    ic_engine_free(g);
    return NULL;
}
