/* Between plan.c (geometry), plan_mark.c (watermarks) and plan_cost.c (what it takes); nobody else includes it. */
#ifndef IMGCORE_PLAN_H
#define IMGCORE_PLAN_H

#include "imgcore.h"

/* Fills memory and cost_ms of a plan that is otherwise complete. Pure. */
void ic_plan_cost(struct ic_plan *p);

/* plan_mark.c */
void ic_mark_init(struct ic_mark *m); /* every option of a mark at its default; there is none yet */
/* Takes the marks over from r, or IC_E_PARAM where a value is out of range. Pure. */
enum ic_code ic_plan_marks(const struct ic_recipe *r, struct ic_plan *p, struct ic_error *e);
/* Whether a frame is needed for their sake: grey, which becomes coloured, has one row for three channels until then. */
bool ic_plan_marks_framed(const struct ic_plan *p);
uint64_t ic_plan_marks_memory(const struct ic_plan *p); /* bytes, about */

#endif
