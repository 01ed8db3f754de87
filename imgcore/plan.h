/* Between plan.c (the door, encoder, limits), plan_fit.c (rect, fit), plan_canvas.c (turn, place), plan_mark.c
 * (watermarks) and plan_cost.c (what it takes); nobody else includes it. All of it is pure. */
#ifndef IMGCORE_PLAN_H
#define IMGCORE_PLAN_H

#include "imgcore.h"

struct ic_analysis;

/* A recipe's fit for one area of the source, all as the viewer sees it. */
struct plan_fit {
    uint32_t source_w, source_h;        /* the whole source, oriented */
    struct ic_box crop;                 /* source pixels */
    uint32_t w, h;                      /* of the resampled crop */
    uint32_t canvas_w, canvas_h;        /* of the result before rotate and flip */
    uint32_t x, y;                      /* of the resampled crop in the canvas */
    const struct ic_analysis *analysis; /* NULL: nothing is known of the pixels */
    bool boxed;                         /* both sides are given, and so the result's size may be without the source's */
};

/* Half up, at least 1, also of what is no number. */
uint32_t ic_plan_round(double v);

/* The area that rect cuts out of a w x h source. IC_E_PARAM: nothing is left of it. */
enum ic_code ic_plan_rect(const struct ic_recipe *r, uint32_t w, uint32_t h, struct ic_box *out, struct ic_error *e);

/* f->crop is the area to fit, of f->source_w x source_h; the rest is filled in. */
void ic_plan_fit(struct plan_fit *f, const struct ic_recipe *r);

/* The largest that f may become once the border is known, no more than max_side; where enlarging sets no bound, as if
 * there were no border. */
void ic_plan_bound(struct plan_fit *f, const struct ic_recipe *r, uint32_t max_side);

/* A box as the viewer sees it in stored pixels, and back; of a plan with source and orient. */
struct ic_box ic_plan_stored(const struct ic_plan *p, struct ic_box shown);
struct ic_box ic_plan_shown(const struct ic_plan *p, struct ic_box stored);

/* Fills crop, scaled size, turn, size and place; p->source is set. */
void ic_plan_map(struct ic_plan *p, const struct plan_fit *f, const struct ic_recipe *r);

/* As ic_plan, with what was found out of the pixels; a is NULL or what ic_plan's `analyse` asked for. */
enum ic_code ic_plan_refine(const struct ic_recipe *r, const struct ic_info *info, const struct ic_limits *limits,
                            const struct ic_analysis *a, struct ic_plan *out, struct ic_error *e);

/* Fills memory and cost_ms of a plan that is otherwise complete. */
void ic_plan_cost(struct ic_plan *p);

/* plan_mark.c */
void ic_mark_init(struct ic_mark *m); /* every option of a mark at its default; there is none yet */
/* Takes the marks over from r, or IC_E_PARAM where a value is out of range. Pure. */
enum ic_code ic_plan_marks(const struct ic_recipe *r, struct ic_plan *p, struct ic_error *e);
/* Whether a frame is needed for their sake: grey, which becomes coloured, has one row for three channels until then. */
bool ic_plan_marks_framed(const struct ic_plan *p);
uint64_t ic_plan_marks_memory(const struct ic_plan *p); /* bytes, about */

#endif
