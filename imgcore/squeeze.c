/* The search behind max_bytes; pure but for the one buffer it keeps.
 *
 * JPEG and lossy WebP lower their quality: the first guess follows from how much too large the result is, the rest is
 * bisection. PNG has no quality, it gets a palette of ever fewer colours. Lossless WebP is only tried harder. */
#include "squeeze.h"

#include <math.h>

void ic_squeeze_judge(struct ic_squeeze *s, struct ic_buffer *now)
{
    bool fits = now->n && now->n <= s->max_bytes, had = ic_squeeze_fits(s);
    bool better = fits ? !had || now->n > s->best.n : now->n && !had && (!s->best.n || now->n < s->best.n);

    s->encodes++;
    if (fits)
        s->low = s->opt.quality;
    else
        s->high = s->opt.quality;
    if (better) {
        ic_squeeze_free(s);
        s->best = *now;
        *now = (struct ic_buffer){ 0 };
    } else {
        ic_buffer_free(now);
    }
}

bool ic_squeeze_fits(const struct ic_squeeze *s)
{
    return s->best.n && s->best.n <= s->max_bytes;
}

/* At low quality bytes grow about as the quality's power 3/4; the last of all tries is the least there is. */
static bool squeeze_quality(struct ic_squeeze *s)
{
    int q = (s->low + s->high) / 2;

    if (s->high - s->low <= 1)
        return false;
    if (s->encodes == 1 && s->best.n)
        q = (int)(s->high * pow((double)s->max_bytes / (double)s->best.n, 1.2));
    if (!s->low && s->encodes == IC_SQUEEZE_ENCODES - 1)
        q = 1;
    s->opt.quality = q <= s->low ? s->low + 1 : q >= s->high ? s->high - 1 : q;
    return true;
}

static bool squeeze_fewer_colours(struct ic_squeeze *s)
{
    int n = s->opt.palette ? s->opt.palette / 4 : 256;

    if (ic_squeeze_fits(s) || s->opt.palette == 2)
        return false;
    s->opt.palette = n < 2 ? 2 : n;
    return true;
}

static bool squeeze_more_effort(struct ic_squeeze *s)
{
    if (ic_squeeze_fits(s) || s->opt.effort == 9)
        return false;
    s->opt.effort = 9;
    return true;
}

bool ic_squeeze_next(struct ic_squeeze *s)
{
    if (s->encodes >= IC_SQUEEZE_ENCODES || (s->encodes == 1 && ic_squeeze_fits(s)))
        return false;
    if (s->format == IC_FORMAT_PNG)
        return squeeze_fewer_colours(s);
    return s->opt.lossless ? squeeze_more_effort(s) : squeeze_quality(s);
}

struct ic_buffer ic_squeeze_take(struct ic_squeeze *s)
{
    struct ic_buffer best = s->best;

    s->best = (struct ic_buffer){ 0 };
    return best;
}

void ic_squeeze_free(struct ic_squeeze *s)
{
    if (s->best.mem)
        ic_buffer_free(&s->best);
    s->best = (struct ic_buffer){ 0 };
}
