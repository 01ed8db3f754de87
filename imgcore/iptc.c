/* IPTC datasets: 0x1c, record, number, two bytes of length, value. Called by run_meta.c. Datasets of more than 32767
 * bytes, which have a length of lengths, end the walk: only previews are so large. */
#include "iptc.h"

#include "meta.h"
#include "probe.h"

#include <string.h>

#define HEAD 5u

struct dataset {
    uint8_t record, number;
    struct ic_bytes whole, value;
};

static bool next_dataset(struct ic_bytes *rest, struct dataset *d)
{
    const uint8_t *p = rest->p;

    if (rest->n < HEAD || p[0] != 0x1c)
        return false;
    size_t n = probe_be16(p + 3);
    if (n > 0x7fff || n > rest->n - HEAD)
        return false;
    *d = (struct dataset){ p[1], p[2], { p, HEAD + n }, { p + HEAD, n } };
    *rest = (struct ic_bytes){ p + HEAD + n, rest->n - HEAD - n };
    return true;
}

struct ic_bytes ic_iptc_text(struct ic_bytes iptc, uint8_t number)
{
    struct dataset d;

    while (next_dataset(&iptc, &d))
        if (d.record == 2 && d.number == number)
            return d.value;
    return (struct ic_bytes){ 0 };
}

enum ic_code ic_iptc_keep(struct ic_mem *mem, struct ic_bytes iptc, uint8_t **out, size_t *n, struct ic_error *e)
{
    struct dataset d;

    *n = 0;
    if (iptc.n < HEAD || iptc.n > IC_BLOCK_MAX)
        return IC_OK;
    if (!(*out = ic_alloc(mem, iptc.n)))
        return ic_fail(e, IC_E_MEMORY, "no memory for IPTC");
    while (next_dataset(&iptc, &d)) {
        if (d.record == 2 && d.number >= 200 && d.number <= 202)
            continue;
        memcpy(*out + *n, d.whole.p, d.whole.n);
        *n += d.whole.n;
    }
    return IC_OK;
}
