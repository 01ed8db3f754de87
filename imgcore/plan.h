/* Between plan.c (geometry) and plan_cost.c (what it takes); nobody else includes it. */
#ifndef IMGCORE_PLAN_H
#define IMGCORE_PLAN_H

#include "imgcore.h"

/* Fills memory and cost_ms of a plan that is otherwise complete. Pure. */
void ic_plan_cost(struct ic_plan *p);

#endif
