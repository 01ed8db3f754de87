/* Memory with a budget: every allocation whose size an input decides goes through here.
 *
 * Blocks are 64-byte aligned and carry their size, so that the budget is exact. Not thread-safe: one per engine. */
#ifndef IMGCORE_MEM_H
#define IMGCORE_MEM_H

#include "imgcore.h"

struct ic_mem {
    size_t limit, used, peak; /* bytes */
};

/* n bytes, uninitialised, 64-byte aligned and padded to 64 bytes; NULL beyond the budget or where malloc fails.
 * n = 0 gives a valid block. */
void *ic_alloc(struct ic_mem *m, size_t n);
void *ic_calloc(struct ic_mem *m, size_t n);
/* As realloc: the bytes that both hold are kept, and p where it fails. */
void *ic_realloc(struct ic_mem *m, void *p, size_t n);
void ic_free(struct ic_mem *m, void *p); /* accepts NULL */

/* a * b, false on overflow. The only way sizes that come from an input are multiplied. */
bool ic_mul(size_t a, size_t b, size_t *out);
/* Bytes of a row of n bytes, padded so that rows stay 64-byte aligned; kernels may read and write the padding. */
size_t ic_stride(size_t n);

/* Bytes that grow up to max, for encoders to write into. Zeroed: empty. */
struct ic_buffer {
    struct ic_mem *mem; /* borrowed */
    uint8_t *p;         /* owned */
    size_t n, cap, max;
};

enum ic_code ic_buffer_append(struct ic_buffer *b, const void *p, size_t n, struct ic_error *e); /* _RESULT, _MEMORY */
/* Room for at least n bytes at b->p + b->n, without changing b->n. */
enum ic_code ic_buffer_reserve(struct ic_buffer *b, size_t n, struct ic_error *e);
void ic_buffer_free(struct ic_buffer *b);

#endif
