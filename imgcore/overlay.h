/* What lies over one result: watermarks, then text. */
#ifndef IMGCORE_OVERLAY_H
#define IMGCORE_OVERLAY_H

#include "mark.h"
#include "view.h"

struct ic_overlay {
    int n;
    struct ic_mark_place place[IC_MARKS + 1]; /* in the order in which they are laid */
};

/* Whether the plan has anything to lay over. */
bool ic_overlay_wanted(const struct ic_plan *plan);

/* Makes ready whatever the plan wants on a result of this shape. o needs ic_overlay_close() also where this fails. */
enum ic_code ic_overlay_open(struct ic_overlay *o, struct ic_engine *g, const struct ic_plan *plan,
                             const struct ic_planes *shape, struct ic_error *e);

/* Lays it over v: all columns of the result, and the rows from y0 on, as ic_op_mark() takes them. Once for each row. */
void ic_overlay_blend(const struct ic_overlay *o, const struct ic_view *v, uint32_t y0);

void ic_overlay_close(struct ic_overlay *o); /* accepts a zeroed or half-made one */

#endif
