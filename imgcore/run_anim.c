/* Animations as results. For max_bytes the frames are decoded again for each attempt: kept, they would take as much
 * memory as there are of them, and an attempt's time is its encoder's anyway. */
#include "run_anim.h"

static enum ic_code anim_begin(struct run_anim *a, const struct ic_plan *p, const struct ic_animation *frame,
                               struct ic_mem *mem, struct ic_error *e)
{
    if (!a->squeeze.max_bytes)
        a->squeeze = (struct ic_squeeze){
            .format = p->format,
            .opt = { .quality = p->quality, .effort = p->effort, .lossless = p->lossless, .mem = mem },
            .max_bytes = p->max_bytes ? p->max_bytes : SIZE_MAX,
        };
    return ic_anim_create(p->width, p->height, frame, &a->squeeze.opt, &a->writer, e);
}

enum ic_code run_anim_add(struct run_anim *a, const struct ic_plan *p, const struct ic_animation *frame,
                          const struct ic_buffer *pixels, struct ic_error *e)
{
    enum ic_code rc = a->writer ? IC_OK : anim_begin(a, p, frame, pixels->mem, e);

    return rc == IC_OK ? ic_anim_add(a->writer, pixels->p, frame->duration_ms, e) : rc;
}

enum ic_code run_anim_end(struct run_anim *a, const struct ic_plan *p, const struct ic_attached *attached,
                          struct ic_buffer *out, struct ic_error *e)
{
    enum ic_code rc;

    if (!a->writer)
        return ic_fail(e, IC_E_CORRUPT, "the image ends before page %u", p->page);
    rc = ic_anim_finish(a->writer, attached, p->alpha, out, e);
    if (rc != IC_OK && !(rc == IC_E_RESULT && p->max_bytes))
        return rc;
    if (rc != IC_OK)
        ic_buffer_free(out);
    ic_anim_free(a->writer);
    a->writer = NULL;
    ic_squeeze_judge(&a->squeeze, out); /* takes it over */
    a->again = ic_squeeze_next(&a->squeeze);
    if (a->again)
        return IC_OK;
    if (a->squeeze.best.n)
        rc = IC_OK;
    *out = ic_squeeze_take(&a->squeeze);
    return rc;
}

void run_anim_free(struct run_anim *a)
{
    ic_anim_free(a->writer);
    ic_squeeze_free(&a->squeeze);
    *a = (struct run_anim){ 0 };
}
