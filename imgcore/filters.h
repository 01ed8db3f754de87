/* What a set of filters means for a plan: pure answers, before any pixel. */
#ifndef IMGCORE_FILTERS_H
#define IMGCORE_FILTERS_H

#include "imgcore.h"

/* The defaults: nothing is filtered. */
void ic_filters_init(struct ic_filters *f);

/* IC_E_PARAM where a value is out of range: recipes come from other processes. */
enum ic_code ic_filters_check(const struct ic_filters *f, struct ic_error *e);

/* Whether one looks beyond a pixel, and so needs the frame. */
bool ic_filters_framed(const struct ic_filters *f);

/* Milliseconds a megapixel of the result. */
double ic_filters_cost(const struct ic_filters *f);

/* Bytes they need beside the frame, for a picture of w x h. */
uint64_t ic_filters_memory(const struct ic_filters *f, uint32_t w, uint32_t h);

/* Whether alpha goes onto bg after the filters, which never see bg; otherwise as rows are converted. */
bool ic_filters_compose(const struct ic_plan *p);

#endif
