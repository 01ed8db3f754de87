/* What a run takes from its source's file beside the pixels. Only run.c and decode.c include it. */
#ifndef IMGCORE_RUN_META_H
#define IMGCORE_RUN_META_H

#include "meta.h"
#include "output.h"

struct run_meta {
    struct ic_meta meta;
    const struct ic_icc *icc; /* the source's colours to sRGB; NULL: they are */
    unsigned warnings;        /* bits of enum ic_warning */
};

/* Reads what the file has, and finds the conversion of its colours. m is for run_meta_close() in any case. */
enum ic_code run_meta_open(struct run_meta *m, struct ic_engine *g, enum ic_format format, struct ic_bytes in,
                           enum ic_layout layout, struct ic_error *e);
/* What decides about one output's colours: conversion and profile. */
struct ic_origin run_meta_colours(const struct run_meta *m, const struct ic_plan *p);
/* What one output gets of it all. o borrows from m, and is for run_meta_drop() in any case. IC_E_MEMORY. */
enum ic_code run_meta_origin(const struct run_meta *m, const struct ic_plan *p, struct ic_origin *o,
                             struct ic_error *e);
void run_meta_drop(const struct run_meta *m, struct ic_origin *o); /* accepts a zeroed one */
void run_meta_close(struct run_meta *m);                           /* accepts a zeroed one */

#endif
