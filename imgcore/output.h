/* One result while it is made: from the rows a source yields to encoded bytes. */
#ifndef IMGCORE_OUTPUT_H
#define IMGCORE_OUTPUT_H

#include "colour.h"
#include "engine.h"
#include "frame.h"
#include "halve.h"
#include "overlay.h"
#include "scale.h"
#include "tone.h"

/* Rows of one channel, resampled, waiting until every channel has its share. */
struct output_strip {
    uint8_t *p; /* owned */
    size_t stride;
    uint32_t width, height; /* of the whole resampled channel, before the turn */
    uint32_t rows;          /* of a full strip */
    uint32_t y, n;          /* rows before this strip, rows in it */
};

struct ic_output {
    struct ic_mem *mem; /* borrowed, as are plan and codec */
    const struct ic_plan *plan;
    const struct ic_codec *codec;
    struct ic_planes source, shape; /* what comes, what the sink takes */
    const struct ic_icc *icc;       /* borrowed; NULL: colours stay as they are */
    int level[IC_PLANES];           /* how often each plane is halved before it comes; source is after that */
    enum ic_layout layout;          /* of finished rows: the sink's, or with alpha that the frame composes onto bg */
    struct ic_colour_path colour;
    struct ic_tone *tone;                 /* owned; NULL: none */
    uint8_t *spread;                      /* owned; a strip of R, G and B where a tone makes them of grey */
    struct ic_scale scale[IC_PLANES];     /* by plane of the source */
    struct output_strip strip[IC_PLANES]; /* by channel of the source */
    uint8_t *opaque, *packed;             /* owned; a row of 255, a strip of packed rows */
    struct ic_frame frame;                /* where the plan is framed */
    struct ic_overlay overlay;
    struct ic_linear *linear; /* owned; a resampler before this output, NULL: its own */
    struct ic_sink *sink;
    struct ic_buffer bytes; /* the encoded result */
    bool complete;          /* bytes holds all of it */
    bool exceeded;          /* and is larger than the plan's max_bytes */
    double encode_ms;
};

/* What a result takes from its source beside the rows. Borrowed until ic_output_close(). */
struct ic_origin {
    const struct ic_icc *icc;    /* the source's colours to sRGB; NULL: they are */
    struct ic_attached attached; /* profile: the source's, for plans that keep it */
    uint8_t *made[3];            /* owned by whoever filled this: blocks of attached that were built */
};

/* Makes everything ready for rows of `source`, the shape the open source really has. plan is borrowed until
 * ic_output_close(), which o needs also where this fails. */
enum ic_code ic_output_open(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                            const struct ic_planes *source, const struct ic_origin *origin, struct ic_error *e);

/* The same for an encoder that is not the plan's. */
enum ic_code ic_output_open_to(struct ic_output *o, struct ic_engine *g, const struct ic_plan *plan,
                               const struct ic_codec *codec, const struct ic_planes *source,
                               const struct ic_origin *origin, struct ic_error *e);

/* Takes the source's next rows, halved as o->level says; sets o->complete once the last needed one was among them. */
enum ic_code ic_output_rows(struct ic_output *o, const struct ic_rows *rows, struct ic_error *e);

/* The same behind o->linear. */
enum ic_code ic_output_feed(struct ic_output *o, const struct ic_rows *rows, struct ic_error *e);

void ic_output_close(struct ic_output *o); /* accepts a zeroed or half-made one */

/* The layout of packed results; grey: so is the picture, if nothing that a plan adds to it has a hue. */
enum ic_layout ic_output_packed(const struct ic_plan *p, bool grey);

/* How one plane of the source becomes the sink's, on each axis; o has plan, source and shape. From output_axis.c. */
struct ic_axis ic_output_axis_x(const struct ic_output *o, int plane);
struct ic_axis ic_output_axis_y(const struct ic_output *o, int plane);

/* From output_tone.c, for plans with a tone: the layout it takes; its tables, once the strips are there; a strip. */
enum ic_layout ic_output_tone_takes(const struct ic_output *o);
enum ic_code ic_output_tone_open(struct ic_output *o);
struct ic_rows ic_output_tone(struct ic_output *o, const struct ic_rows *rows);

/* Monotonic milliseconds. */
double ic_now_ms(void);

#endif
