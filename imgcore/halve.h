/* Planes at a half, a quarter and an eighth of their size, for outputs that want no more. */
#ifndef IMGCORE_HALVE_H
#define IMGCORE_HALVE_H

#include "codec.h"
#include "cpu.h"

#define IC_HALVINGS 3

/* One plane at one level. */
struct halve_plane {
    uint32_t width, height; /* of the plane it is made from */
    uint32_t seen;          /* rows of that */
    uint8_t *rows, *odd;    /* owned: rows made of the last strip, an upper row that waits for its lower one */
    uint32_t cap;
    size_t stride;
};

struct ic_halver {
    const struct ic_kernels *k;
    struct ic_mem *mem; /* borrowed */
    int n;              /* planes */
    int deepest[IC_PLANES];
    struct halve_plane plane[IC_HALVINGS][IC_PLANES]; /* [0]: halves */
    struct ic_rows rows[IC_HALVINGS + 1];             /* [0]: the source's */
};

/* What p becomes by one halving. One channel. */
struct ic_plane ic_halved(const struct ic_plane *p);

/* levels: by plane of the source, how often it is to be halved at most. h needs ic_halver_free() after, also where this
 * fails (IC_E_MEMORY). */
enum ic_code ic_halver_init(struct ic_halver *h, struct ic_mem *mem, const struct ic_planes *source, const int *levels);

/* Takes the source's next rows, which must live as long as what ic_halver_rows() gives of them. */
enum ic_code ic_halver_push(struct ic_halver *h, const struct ic_rows *rows, struct ic_error *e);

/* The rows last pushed, each plane halved as often as levels says; perhaps none. Valid until the next push. */
struct ic_rows ic_halver_rows(const struct ic_halver *h, const int *levels);

void ic_halver_free(struct ic_halver *h); /* accepts a zeroed or half-made one */

#endif
