/* Frames and turns; output.c collects rows here where they can't go straight to the sink.
 *
 * Rows are turned as they arrive, from a strip into their final place, so there is one frame and never a second,
 * unturned one. */
#include "image.h"

#include "cpu.h"

#include <string.h>

enum ic_code ic_image_add(struct ic_image *img, uint32_t width, uint32_t height, uint8_t fill, struct ic_error *e)
{
    size_t stride = ic_stride(width), size;
    uint8_t *p = ic_mul(stride, height, &size) ? ic_alloc(img->mem, size) : NULL;

    if (!p)
        return ic_fail(e, IC_E_MEMORY, "no memory for a plane of %ux%u", width, height);
    memset(p, fill, size);
    img->plane[img->n].width = width;
    img->plane[img->n].height = height;
    img->plane[img->n].stride = stride;
    img->plane[img->n].p = p;
    img->n++;
    return IC_OK;
}

void ic_image_free(struct ic_image *img)
{
    for (int i = 0; i < img->n; i++)
        ic_free(img->mem, img->plane[i].p);
    *img = (struct ic_image){ 0 };
}

static void image_put_row(uint8_t *dst, const uint8_t *src, uint32_t n, bool mirror)
{
    if (!mirror) {
        memcpy(dst, src, n);
        return;
    }
    for (uint32_t x = 0; x < n; x++)
        dst[n - 1 - x] = src[x];
}

#define STRIP 16

/* A strip of rows becomes a strip of columns; each destination row is touched once a strip, in one run of bytes. */
static void image_put_columns(uint8_t *dst, ptrdiff_t stride, const uint8_t *const src[STRIP], uint32_t width,
                              uint32_t n)
{
    if (n == STRIP) {
        ic_kernels()->transpose16(dst, stride, src, width);
        return;
    }
    for (uint32_t x = 0; x < width; x++, dst += stride)
        for (uint32_t r = 0; r < n; r++)
            dst[r] = src[r][x];
}

static void image_put_transposed(uint8_t *to, size_t stride, const struct ic_spot *s, const struct ic_rows *rows,
                                 uint32_t y)
{
    bool up = s->turn & IC_TURN_FLIP, left = s->turn & IC_TURN_FLOP;
    uint8_t *first = up ? to + stride * (s->width - 1) : to;
    ptrdiff_t step = up ? -(ptrdiff_t)stride : (ptrdiff_t)stride;

    for (uint32_t done = 0, n; done < rows->n[0]; done += n) {
        const uint8_t *src[STRIP];

        n = rows->n[0] - done < STRIP ? rows->n[0] - done : STRIP;
        for (uint32_t r = 0; r < n; r++)
            src[left ? n - 1 - r : r] = rows->p[0] + rows->stride[0] * (done + r);
        image_put_columns(first + (left ? s->height - y - done - n : y + done), step, src, s->width, n);
    }
}

void ic_image_put(struct ic_image *img, int plane, const struct ic_spot *spot, const struct ic_rows *rows, uint32_t y)
{
    size_t stride = img->plane[plane].stride;
    uint8_t *to = img->plane[plane].p + stride * spot->y + spot->x;
    struct ic_rows one = { .p = { rows->p[plane] }, .stride = { rows->stride[plane] }, .n = { rows->n[plane] } };

    if (spot->turn & IC_TURN_TRANSPOSE) {
        image_put_transposed(to, stride, spot, &one, y);
        return;
    }
    for (uint32_t r = 0; r < one.n[0]; r++) {
        uint32_t row = spot->turn & IC_TURN_FLIP ? spot->height - 1 - y - r : y + r;

        image_put_row(to + stride * row, one.p[0] + one.stride[0] * r, spot->width, spot->turn & IC_TURN_FLOP);
    }
}

unsigned ic_turn_then(unsigned a, unsigned b)
{
    unsigned mirrors = a & (IC_TURN_FLOP | IC_TURN_FLIP);

    /* A transpose that follows a mirror is the other mirror after the transpose. */
    if (b & IC_TURN_TRANSPOSE)
        mirrors = (mirrors & IC_TURN_FLOP ? IC_TURN_FLIP : 0u) | (mirrors & IC_TURN_FLIP ? IC_TURN_FLOP : 0u);
    return (a & IC_TURN_TRANSPOSE) ^ mirrors ^ b;
}

unsigned ic_turn_of_exif(int orientation)
{
    static const uint8_t turns[] = { [1] = 0,
                                     [2] = IC_TURN_FLOP,
                                     [3] = IC_TURN_FLOP | IC_TURN_FLIP,
                                     [4] = IC_TURN_FLIP,
                                     [5] = IC_TURN_TRANSPOSE,
                                     [6] = IC_TURN_TRANSPOSE | IC_TURN_FLOP,
                                     [7] = IC_TURN_TRANSPOSE | IC_TURN_FLOP | IC_TURN_FLIP,
                                     [8] = IC_TURN_TRANSPOSE | IC_TURN_FLIP };

    return orientation >= 1 && orientation <= 8 ? turns[orientation] : 0;
}

unsigned ic_turn_of_rotation(int degrees)
{
    return ic_turn_of_exif(degrees == 90 ? 6 : degrees == 180 ? 3 : degrees == 270 ? 8 : 1);
}
