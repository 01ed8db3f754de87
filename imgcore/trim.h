/* Finding a uniform border: a sink that looks at rows instead of encoding them. */
#ifndef IMGCORE_TRIM_H
#define IMGCORE_TRIM_H

#include "codec.h"

/* Takes packed rows of any kind. Its sinks are of struct ic_trim, to be asked when the last row was written. */
extern const struct ic_codec ic_codec_trim;

struct ic_trim {
    struct ic_sink base;
    struct ic_mem *mem; /* borrowed */
    int threshold;      /* as the three below set by the caller before the first row; largest difference of a channel
                           that is still border */
    bool right;         /* the corner is the first row's last pixel instead of its first, */
    bool known;         /* or it is given: RGBA, premultiplied */
    uint8_t corner[4];
    uint32_t y;              /* rows seen */
    uint32_t x0, y0, x1, y1; /* what differs from the corner; x1 = 0 where nothing does */
};

#endif
