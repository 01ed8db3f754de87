/* What an image is: its header, what it carries beside its pixels, and what a small decode shows: colours,
 * placeholders. A worker's other kind of job.
 *
 * The pixels come through ic_run like any result's, so that shrinking, orientation and colour need no second way; their
 * format is IC_FORMAT_PIXELS. */
#include "exif.h"
#include "icc.h"
#include "meta.h"
#include "output.h"
#include "placeholder.h"

#include <string.h>

#define ROUNDS 8 /* of the palette's refinement */

struct facts {
    struct ic_engine *g;
    struct ic_facts *out;
    struct ic_error *e;
    enum ic_code rc;
};

/* Swatches are what is seen: of the palette's colours those that are more opaque than not, by their share of these. */
static void facts_swatches(struct ic_facts *f, const struct ic_palette *p)
{
    uint64_t visible = 0;

    f->swatches = 0;
    for (int i = 0; i < p->n && f->swatches < IC_SWATCHES; i++) {
        int at = f->swatches;

        if (p->colour[i].a < 128 || !p->share[i])
            continue;
        for (; at > 0 && f->swatch[at - 1].share < p->share[i]; at--)
            f->swatch[at] = f->swatch[at - 1];
        f->swatch[at] = (struct ic_swatch){ p->colour[i], p->share[i] };
        f->swatch[at].colour.a = 255;
        f->swatches++;
        visible += p->share[i];
    }
    for (int i = 0; i < f->swatches; i++)
        f->swatch[i].share = (uint32_t)(f->swatch[i].share * UINT64_C(1000000) / visible);
}

static enum ic_code facts_look(struct facts *f, struct ic_pixels src)
{
    struct ic_palette p;
    enum ic_code rc = ic_quant_palette(src, IC_SWATCHES, ROUNDS, &f->g->mem, &p, f->e);

    if (rc == IC_OK)
        rc = ic_blurhash(src, &f->g->mem, f->out->blurhash, f->e);
    if (rc == IC_OK)
        rc = ic_thumbhash(src, &f->g->mem, f->out->thumbhash, &f->out->thumbhash_n, f->e);
    if (rc == IC_OK)
        facts_swatches(f->out, &p);
    return rc;
}

static bool facts_take(void *ctx, int index, const struct ic_result *r, const struct ic_error *e)
{
    struct facts *f = ctx;
    double start = ic_now_ms();

    (void)index;
    if (!r) {
        f->rc = ic_fail(f->e, e->code, "%s", e->text);
        return true;
    }
    f->out->width = r->source_width;
    f->out->height = r->source_height;
    f->out->truncated = r->warnings & IC_WARN_TRUNCATED;
    f->rc = facts_look(f, (struct ic_pixels){ r->data.p, (size_t)r->width * 4, r->width, r->height });
    f->out->decode_ms = r->decode_ms;
    f->out->look_ms = r->transform_ms + ic_now_ms() - start;
    return true;
}

static enum ic_code facts_read(struct facts *f, struct ic_bytes in)
{
    struct ic_meta m;
    enum ic_code rc = ic_probe(in, &f->out->info, f->e);

    if (rc != IC_OK)
        return rc;
    rc = ic_meta_read(&m, &f->g->mem, f->out->info.format, in, f->e);
    if (rc == IC_OK && !m.profile_ours)
        ic_icc_name(m.profile, f->out->profile, sizeof f->out->profile);
    if (rc == IC_OK)
        ic_exif_shot(m.exif, &f->out->shot);
    ic_meta_free(&m);
    return rc;
}

enum ic_code ic_inspect(struct ic_engine *g, struct ic_bytes in, struct ic_facts *out, struct ic_error *e)
{
    struct ic_facts facts;
    struct facts f = { .g = g, .out = &facts, .e = e };
    struct ic_recipe r;
    uint32_t side = g->limits.max_side_out;
    enum ic_code rc;

    memset(&facts, 0, sizeof facts); /* padding too: it goes to another process */
    ic_recipe_init(&r);
    side = side < IC_THUMBHASH_SIDE ? side : IC_THUMBHASH_SIDE;
    r.width = r.height = (struct ic_len){ side, IC_UNIT_PX };
    r.format = IC_FORMAT_PIXELS;
    rc = ic_run(g, in, &r, 1, facts_take, &f, e);
    if (rc == IC_OK)
        rc = f.rc;
    if (rc == IC_OK)
        rc = facts_read(&f, in);
    if (rc == IC_OK)
        *out = facts;
    return rc;
}
