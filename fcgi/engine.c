/* Engines with what the configuration lends them: limits, and the profile of CMYK images that have none. Called by
 * workers, by the pool (workers = 0), by the command line, and before serving, to see whether it will work. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "file.h"

#define PROFILE_MAX (4u << 20)

static bool lend_cmyk(struct ic_engine *g, const char *path, char *why, size_t n)
{
    struct ic_error e = { 0 };
    uint8_t *data;
    size_t size;
    char text[160];

    if (!file_read(path, PROFILE_MAX, &data, &size, text, sizeof text)) {
        snprintf(why, n, "cmyk_profile %s: %s", path, text);
        return false;
    }
    enum ic_code rc = ic_engine_cmyk(g, (struct ic_bytes){ data, size }, &e);
    free(data);
    if (rc != IC_OK)
        snprintf(why, n, "cmyk_profile %s: %s", path, e.text);
    return rc == IC_OK;
}

struct ic_engine *engine_create(const struct config *c, char *why, size_t n)
{
    struct ic_limits limits = config_limits(c);
    struct ic_engine *g = ic_engine_create(&limits);

    if (!g)
        snprintf(why, n, "no memory for an engine");
    if (!g || !*c->cmyk_profile || lend_cmyk(g, c->cmyk_profile, why, n))
        return g;
    ic_engine_free(g);
    return NULL;
}
