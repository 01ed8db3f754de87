/* Halves rows of planes by averaging 2 x 2 samples, level upon level. run.c owns one per decode; outputs choose.
 *
 * When one decode feeds several outputs it is as large as the largest needs, and the small ones would pull it through
 * windows of dozens of rows each. A shared halving costs little more than reading the plane. Averages of 2 x 2 keep all
 * geometry exact: sample i covers samples 2i and 2i + 1, so spans are simply halved. */
#include "halve.h"

#include <string.h>

struct ic_plane ic_halved(const struct ic_plane *p)
{
    return (struct ic_plane){ .width = p->width / 2 + p->width % 2,
                              .height = p->height / 2 + p->height % 2,
                              .channels = p->channels,
                              .span_w = p->span_w / 2,
                              .span_h = p->span_h / 2 };
}

enum ic_code ic_halver_init(struct ic_halver *h, struct ic_mem *mem, const struct ic_planes *source, const int *levels)
{
    *h = (struct ic_halver){ .k = ic_kernels(), .mem = mem, .n = source->n };
    for (int p = 0; p < source->n; p++) {
        struct ic_plane from = source->plane[p];

        h->deepest[p] = levels[p];
        for (int l = 0; l < levels[p]; l++) {
            struct halve_plane *to = &h->plane[l][p];

            *to = (struct halve_plane){ .width = from.width, .height = from.height };
            to->stride = ic_stride(from.width / 2 + 1);
            if (!(to->odd = ic_alloc(mem, from.width)))
                return IC_E_MEMORY;
            from = ic_halved(&from);
        }
    }
    return IC_OK;
}

void ic_halver_free(struct ic_halver *h)
{
    for (int l = 0; h->mem && l < IC_HALVINGS; l++)
        for (int p = 0; p < IC_PLANES; p++) {
            ic_free(h->mem, h->plane[l][p].rows);
            ic_free(h->mem, h->plane[l][p].odd);
        }
    *h = (struct ic_halver){ 0 };
}

/* Sources yield strips of one size, so this happens once. */
static bool halve_reserve(struct ic_halver *h, struct halve_plane *p, uint32_t rows)
{
    size_t size;

    if (rows <= p->cap)
        return true;
    ic_free(h->mem, p->rows);
    p->cap = 0;
    p->rows = ic_mul(p->stride, rows, &size) ? ic_alloc(h->mem, size) : NULL;
    p->cap = p->rows ? rows : 0;
    return p->rows;
}

/* The last column of an odd width stands for itself alone. */
static void halve_row(const struct ic_halver *h, const struct halve_plane *p, uint8_t *dst, const uint8_t *a,
                      const uint8_t *b)
{
    uint32_t n = p->width / 2;

    h->k->halve_u8(dst, a, b, n);
    if (p->width % 2)
        dst[n] = (uint8_t)((a[2 * n] + b[2 * n] + 1) / 2);
}

static enum ic_code halve_plane(struct ic_halver *h, int level, int plane)
{
    const struct ic_rows *in = &h->rows[level];
    struct ic_rows *out = &h->rows[level + 1];
    struct halve_plane *p = &h->plane[level][plane];
    uint32_t n = in->n[plane], made = 0;

    if (!halve_reserve(h, p, n / 2 + 1))
        return IC_E_MEMORY;
    for (uint32_t y = 0; y < n; y++) {
        const uint8_t *row = in->p[plane] + in->stride[plane] * y;
        bool lower = p->seen++ % 2, last = p->seen == p->height;

        if (lower || last)
            halve_row(h, p, p->rows + p->stride * made++, !lower ? row : y ? row - in->stride[plane] : p->odd, row);
        else if (y == n - 1)
            memcpy(p->odd, row, p->width);
    }
    out->p[plane] = p->rows;
    out->stride[plane] = p->stride;
    out->n[plane] = made;
    return IC_OK;
}

enum ic_code ic_halver_push(struct ic_halver *h, const struct ic_rows *rows, struct ic_error *e)
{
    h->rows[0] = *rows;
    for (int p = 0; p < h->n; p++)
        for (int l = 0; l < h->deepest[p]; l++)
            if (halve_plane(h, l, p) != IC_OK)
                return ic_fail(e, IC_E_MEMORY, "no memory for halved rows");
    return IC_OK;
}

struct ic_rows ic_halver_rows(const struct ic_halver *h, const int *levels)
{
    struct ic_rows out = { 0 };

    for (int p = 0; p < h->n; p++) {
        out.p[p] = h->rows[levels[p]].p[p];
        out.stride[p] = h->rows[levels[p]].stride[p];
        out.n[p] = h->rows[levels[p]].n[p];
    }
    return out;
}
