/* Budgeted memory. Owns the counting of an engine's bytes; called by everything whose size an input decides.
 *
 * Each block carries its size in a 64-byte header in front of it, which keeps alignment and makes the count exact
 * without asking the allocator. Blocks come from malloc, whose thresholds the worker sets so that pages stay warm: a
 * page fault costs more than most kernels. */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 64

bool ic_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

size_t ic_stride(size_t n)
{
    return n > SIZE_MAX - (ALIGN - 1) ? SIZE_MAX : (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Header and padding included, so that many small blocks are counted as what they cost. */
static bool block_size(size_t n, size_t *size)
{
    if (n > SIZE_MAX / 2)
        return false;
    *size = ic_stride(n) + ALIGN;
    return true;
}

void *ic_alloc(struct ic_mem *m, size_t n)
{
    size_t size;
    if (!block_size(n, &size) || size > m->limit - m->used)
        return NULL;
    uint8_t *p = aligned_alloc(ALIGN, size);
    if (!p)
        return NULL;
    memcpy(p, &size, sizeof size);
    m->used += size;
    if (m->used > m->peak)
        m->peak = m->used;
    return p + ALIGN;
}

void *ic_calloc(struct ic_mem *m, size_t n)
{
    void *p = ic_alloc(m, n);
    if (p)
        memset(p, 0, ic_stride(n));
    return p;
}

void ic_free(struct ic_mem *m, void *p)
{
    if (!p)
        return;
    uint8_t *block = (uint8_t *)p - ALIGN;
    size_t size;
    memcpy(&size, block, sizeof size);
    m->used -= size;
    free(block);
}

void *ic_realloc(struct ic_mem *m, void *p, size_t n)
{
    void *to = ic_alloc(m, n);
    size_t size;
    if (!p || !to)
        return to;
    memcpy(&size, (uint8_t *)p - ALIGN, sizeof size);
    memcpy(to, p, size - ALIGN < n ? size - ALIGN : n);
    ic_free(m, p);
    return to;
}

/* Twice what it was, so that appending n bytes costs O(n), or what is needed at once; never beyond max. */
static size_t grown(const struct ic_buffer *b, size_t need)
{
    size_t cap = b->cap > b->max / 2 ? b->max : b->cap * 2;
    cap = cap > 32768 ? cap : 32768;
    cap = cap > need ? cap : need;
    return cap < b->max ? cap : b->max;
}

enum ic_code ic_buffer_reserve(struct ic_buffer *b, size_t n, struct ic_error *e)
{
    if (n <= b->cap - b->n)
        return IC_OK;
    if (n > b->max - b->n)
        return ic_fail(e, IC_E_RESULT, "the result is larger than %zu bytes", b->max);
    size_t cap = grown(b, b->n + n);
    uint8_t *p = ic_alloc(b->mem, cap);
    if (!p)
        return ic_fail(e, IC_E_MEMORY, "no memory for a result of %zu bytes", cap);
    if (b->n)
        memcpy(p, b->p, b->n);
    ic_free(b->mem, b->p);
    b->p = p;
    b->cap = cap;
    return IC_OK;
}

enum ic_code ic_buffer_append(struct ic_buffer *b, const void *p, size_t n, struct ic_error *e)
{
    enum ic_code rc = ic_buffer_reserve(b, n, e);
    if (rc == IC_OK && n) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    }
    return rc;
}

void ic_buffer_free(struct ic_buffer *b)
{
    if (b->mem)
        ic_free(b->mem, b->p);
    *b = (struct ic_buffer){ 0 };
}
