/* From the layout a source yields to the one a sink takes: rows, one plane a channel, after resampling. */
#ifndef IMGCORE_COLOUR_H
#define IMGCORE_COLOUR_H

#include "codec.h"
#include "cpu.h"
#include "icc.h"

int ic_layout_channels(enum ic_layout l);
bool ic_layout_alpha(enum ic_layout l);

/* What happens to each row; set by ic_colour_init(). */
struct ic_colour_path {
    const struct ic_kernels *k; /* borrowed */
    const struct ic_icc *icc;   /* to sRGB; borrowed; NULL: none. Set after ic_colour_init() */
    enum ic_layout from, to;
    bool over;     /* compose onto bg; else transparency stays, or is dropped where `to` has none */
    bool spread;   /* grey with alpha onto a background with a hue: two more rows are made behind alpha */
    bool straight; /* alpha comes as stored, not premultiplied; may be set where `over` is not */
    struct ic_colour bg;
    uint8_t channels;      /* of `to` */
    int8_t map[IC_PLANES]; /* channel of `from` that a channel of `to` is taken from; -1: opaque alpha */
};

/* from  with alpha: premultiplied, as the scaler yields it, unless c->straight is set afterwards
 * to    the same, or GREY, GREYA, RGB or RGBA; a colour source never becomes grey
 * bg    what alpha is composed onto; ignored where its own alpha is 0
 *
 * False: no such path. */
bool ic_colour_init(struct ic_colour_path *c, enum ic_layout from, enum ic_layout to, struct ic_colour bg);

/* Converts n pixels in place: p holds a row for each channel of `from`, and two more where c->spread is set. Afterwards
 * channel i of `to` is p[c->map[i]]: grey serves as R, G and B. */
void ic_colour_row(const struct ic_colour_path *c, uint8_t *const *p, size_t n);

/* Composes n pixels of GREYA or RGBA, not premultiplied, onto bg in place: a row a channel. */
void ic_colour_compose(enum ic_layout layout, struct ic_colour bg, uint8_t *const *p, size_t n);

/* n samples of a plane of YCbCr in place, from the full range to BT.601's limited one or back: plane 0 is Y. Rounded to
 * nearest and clamped. */
void ic_colour_range(uint8_t *p, size_t n, int plane, bool to_limited);

/* bg's value in channel i of a layout of 1 to 4 channels: what an empty canvas is filled with. */
uint8_t ic_colour_channel(enum ic_layout l, int i, struct ic_colour bg);

#endif
