/* fit_dialect: the words of fit as another service means them, for sites that move here with their URLs.
 *
 * A service's word says two things, what to do with the box and whether a small source is enlarged; both are taken
 * over, the second only where the request says nothing of its own about enlarging. Words that a service does not have
 * keep pixpool's meaning.
 *
 * imgix: docs.imgix.com, "fit". Cloudflare: developers.cloudflare.com/images, "fit". Glide: glide.thephpleague.com,
 * "Size". */
#include "query_option.h"

#include <string.h>
#include <strings.h>

static const struct meaning {
    enum config_dialect dialect;
    const char *word, *fit;
    bool enlarge;
} meanings[] = {
    { DIALECT_IMGIX, "clip", "inside", true },
    { DIALECT_IMGIX, "max", "inside", false },
    { DIALECT_IMGIX, "crop", "cover", true },
    { DIALECT_IMGIX, "min", "cover", false },
    { DIALECT_IMGIX, "fill", "pad", true },
    { DIALECT_IMGIX, "fillmax", "pad", false },
    { DIALECT_IMGIX, "scale", "stretch", true },
    { DIALECT_CLOUDFLARE, "scale-down", "inside", false },
    { DIALECT_CLOUDFLARE, "contain", "inside", true },
    { DIALECT_CLOUDFLARE, "cover", "cover", true },
    { DIALECT_CLOUDFLARE, "crop", "cover", false },
    { DIALECT_CLOUDFLARE, "pad", "pad", true },
    { DIALECT_CLOUDFLARE, "squeeze", "stretch", true },
    { DIALECT_GLIDE, "contain", "inside", true },
    { DIALECT_GLIDE, "max", "inside", false },
    { DIALECT_GLIDE, "fill", "pad", false },
    { DIALECT_GLIDE, "fill-max", "pad", true },
    { DIALECT_GLIDE, "stretch", "stretch", true },
    { DIALECT_GLIDE, "crop", "cover", true },
};

const char *query_dialect(struct query *q, const struct config *c, const char *word)
{
    for (size_t i = 0; c && i < sizeof meanings / sizeof *meanings; i++) {
        const struct meaning *m = &meanings[i];
        if ((int)m->dialect != c->fit_dialect || strcasecmp(m->word, word))
            continue;
        q->fit_enlarges = m->enlarge ? QUERY_ENLARGES : QUERY_KEEPS;
        return m->fit;
    }
    return word;
}
