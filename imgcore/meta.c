/* What files carry beside pixels, by format; run.c asks before it decodes.
 *
 * Containers are walked here, not by the codecs' libraries: these would copy everything they meet, and their parsers of
 * chunks that decide nothing about pixels are best left out of reach. */
#include "meta.h"

enum ic_code ic_meta_read(struct ic_meta *m, struct ic_mem *mem, enum ic_format format, struct ic_bytes in,
                          struct ic_error *e)
{
    *m = (struct ic_meta){ .mem = mem };
    switch (format) {
    case IC_FORMAT_JPEG:
        return ic_meta_jpeg(m, in, e);
    case IC_FORMAT_PNG:
        return ic_meta_png(m, in, e);
    case IC_FORMAT_WEBP:
        return ic_meta_webp(m, in, e);
    default:
        return IC_OK;
    }
}

void ic_meta_free(struct ic_meta *m)
{
    for (size_t i = 0; i < sizeof m->made / sizeof *m->made; i++)
        if (m->mem)
            ic_free(m->mem, m->made[i]);
    *m = (struct ic_meta){ 0 };
}
