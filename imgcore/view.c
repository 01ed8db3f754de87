/* Alpha round an operation that mixes neighbours: what can't be seen must not colour what can. */
#include "view.h"

#include "cpu.h"

void ic_view_premultiply(const struct ic_view *v)
{
    const struct ic_view_plane *alpha = &v->plane[v->n - 1];

    for (int i = 0; i < v->n - 1; i++)
        for (uint32_t y = 0; y < v->height; y++) {
            uint8_t *p = v->plane[i].p + v->plane[i].stride * y;
            const uint8_t *a = alpha->p + alpha->stride * y;

            for (uint32_t x = 0; x < v->width; x++)
                p[x] = (uint8_t)((p[x] * a[x] + 127) / 255);
        }
}

void ic_view_unpremultiply(const struct ic_view *v)
{
    const struct ic_view_plane *alpha = &v->plane[v->n - 1];

    for (int i = 0; i < v->n - 1; i++)
        for (uint32_t y = 0; y < v->height; y++)
            ic_kernels()->unpremultiply(v->plane[i].p + v->plane[i].stride * y, alpha->p + alpha->stride * y, v->width);
}
