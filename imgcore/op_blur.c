/* Blur of a picture: its planes, one after the other; frame.c calls it. */
#include "op_blur.h"

#include "blur.h"
#include "colour.h"

enum ic_code ic_op_blur(const struct ic_view *v, double sigma, struct ic_mem *mem, struct ic_error *e)
{
    bool alpha = ic_layout_alpha(v->layout);
    enum ic_code rc = IC_OK;

    if (alpha)
        ic_view_premultiply(v);
    for (int i = 0; i < v->n && rc == IC_OK; i++)
        rc = ic_blur_plane(&v->plane[i], sigma / ic_view_factor_x(v, i), sigma / ic_view_factor_y(v, i), mem, e);
    if (alpha)
        ic_view_unpremultiply(v);
    return rc;
}
