/* A result that can't stream row by row: collected whole, operated on, then handed on in strips.
 *
 *     rows --turn, place--> image --operations in order--> strips for the sink
 *
 * What needs it: a turn, a rotation, a canvas (fit=pad, pad, border), round corners, and every operation that looks
 * beyond one pixel; struct ic_plan's `framed` says so beforehand. An operation is a function on a struct ic_view; the
 * picture is a part of the canvas, so filters never see the canvas, and what comes after them sees all of it. */
#ifndef IMGCORE_FRAME_H
#define IMGCORE_FRAME_H

#include "colour.h"
#include "image.h"
#include "tone.h"
#include "view.h"

struct ic_frame {
    const struct ic_plan *plan; /* borrowed */
    enum ic_layout layout;      /* of the image; with alpha where the sink has none, if `compose` is set */
    bool limited, compose;      /* compose: alpha goes onto bg after the filters, not before */
    const struct ic_tone *tone; /* borrowed, may be NULL; only planes still need it, other rows come toned */
    struct ic_image image;
    struct ic_image upright; /* the picture before its rotation, where the plan has an angle */
};

/* Makes the image, filled with the canvas: one plane a channel of `layout`, of the size the sink's shape gives. plan
 * is borrowed until ic_frame_close(), which f needs also where this fails. IC_E_MEMORY. */
enum ic_code ic_frame_open(struct ic_frame *f, struct ic_mem *mem, const struct ic_plan *plan,
                           const struct ic_planes *shape, enum ic_layout layout, struct ic_error *e);

/* Rows [y, y + rows->n) of one channel of the resampled, unturned picture, width x height samples. */
void ic_frame_put(struct ic_frame *f, int channel, uint32_t width, uint32_t height, const struct ic_rows *rows,
                  uint32_t y);

/* After the last row: every operation that the plan has for the frame. */
enum ic_code ic_frame_finish(struct ic_frame *f, struct ic_error *e);

/* Rows of each channel for strip k, `rows` pixels high, of the finished image. */
struct ic_rows ic_frame_rows(const struct ic_frame *f, uint32_t k, uint32_t rows);

/* All of the image, canvas included. */
struct ic_view ic_frame_whole(const struct ic_frame *f);

void ic_frame_close(struct ic_frame *f); /* accepts a zeroed or half-made one */

#endif
