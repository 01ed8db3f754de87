/* Facts about filters that plan.c, plan_cost.c and the pixel path share; the filters themselves are in op_*.c. */
#include "filters.h"

#define MS_PIXEL 0.7 /* every channel once to sum, once to fill */

enum ic_code ic_filters_check(const struct ic_filters *f, struct ic_error *e)
{
    if (f->pixel < 0 || f->pixel > 512)
        return ic_fail(e, IC_E_PARAM, "pixel is %d, allowed 1 to 512", f->pixel);
    return IC_OK;
}

bool ic_filters_framed(const struct ic_filters *f)
{
    return f->pixel > 1;
}

double ic_filters_cost(const struct ic_filters *f)
{
    return f->pixel > 1 ? MS_PIXEL : 0.0;
}

bool ic_filters_compose(const struct ic_plan *p)
{
    return p->flatten && ic_filters_framed(&p->filters);
}
