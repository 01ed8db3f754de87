/* Compressed metadata of PNGs, by ISA-L as the pixels are: it stops when the room is full, whatever follows. */
#include "inflate.h"
#include "meta.h"
#include "probe.h"

#include <isa-l/igzip_lib.h>
#include <string.h>

#define PROFILE_HEAD 128u /* an ICC profile's header; its size comes first */

static struct inflate_state *inflate_open(struct ic_mem *mem, struct ic_bytes z, struct ic_error *e)
{
    struct inflate_state *s = ic_alloc(mem, sizeof *s);

    if (!s) {
        ic_fail(e, IC_E_MEMORY, "no memory for metadata of a PNG");
        return NULL;
    }
    isal_inflate_init(s);
    s->crc_flag = ISAL_ZLIB;
    s->next_in = (uint8_t *)(uintptr_t)z.p; /* only read */
    s->avail_in = (uint32_t)z.n;            /* a chunk has 31 bits */
    return s;
}

/* As many of n bytes as there are. */
static size_t inflate_some(struct inflate_state *s, uint8_t *to, size_t n)
{
    s->next_out = to;
    s->avail_out = (uint32_t)n;
    return isal_inflate(s) < 0 ? 0 : n - s->avail_out;
}

enum ic_code ic_inflate(struct ic_mem *mem, struct ic_bytes z, size_t most, uint8_t **out, size_t *n,
                        struct ic_error *e)
{
    struct inflate_state *s = inflate_open(mem, z, e);
    uint8_t *to = s ? ic_alloc(mem, most) : NULL;
    size_t got = to ? inflate_some(s, to, most) : 0;
    bool whole = to && s->block_state == ISAL_BLOCK_FINISH;

    *n = whole ? got : 0;
    ic_free(mem, s);
    if (!to)
        return ic_fail(e, IC_E_MEMORY, "no memory for metadata of a PNG");
    if (*n)
        *out = to;
    else
        ic_free(mem, to);
    return IC_OK;
}

/* The rest of a profile whose head is known. NULL with IC_OK: it is broken. */
static enum ic_code inflate_rest(struct inflate_state *s, const uint8_t *head, struct ic_mem *mem, uint8_t **out,
                                 size_t *n, struct ic_error *e)
{
    size_t size = probe_be32(head), rest = size - PROFILE_HEAD;
    uint8_t *to;

    if (size < PROFILE_HEAD || size > IC_PROFILE_MAX)
        return IC_OK;
    if (!(to = ic_alloc(mem, size)))
        return ic_fail(e, IC_E_MEMORY, "no memory for a profile of %zu bytes", size);
    memcpy(to, head, PROFILE_HEAD);
    if (inflate_some(s, to + PROFILE_HEAD, rest) != rest) {
        ic_free(mem, to);
        return IC_OK;
    }
    *out = to;
    *n = size;
    return IC_OK;
}

enum ic_code ic_inflate_profile(struct ic_mem *mem, struct ic_bytes z, uint8_t **out, size_t *n, struct ic_error *e)
{
    uint8_t head[PROFILE_HEAD];
    struct inflate_state *s = inflate_open(mem, z, e);
    enum ic_code rc = IC_OK;

    *n = 0;
    if (!s)
        return IC_E_MEMORY;
    if (inflate_some(s, head, sizeof head) == sizeof head)
        rc = inflate_rest(s, head, mem, out, n, e);
    ic_free(mem, s);
    return rc;
}
