/* Fuzzes the header probe, which reads what anybody sends, in the gateway.
 *
 * clang -fsanitize=fuzzer,address,undefined with imgcore's probe*.c, exif.c, tiff.c and error.c; no library is needed.
 * What the probe says must be in range, and must not change when the same bytes are seen from another place or a
 * shorter head had asked for more. */
#include <stdlib.h>
#include <string.h>

#include "../../imgcore/imgcore.h"

static void require(int ok)
{
    if (!ok)
        abort();
}

static void check_info(const struct ic_info *i)
{
    require(i->format > IC_FORMAT_ORIGIN && i->format < IC_FORMATS);
    require(i->width >= 1 && i->width <= INT32_MAX && i->height >= 1 && i->height <= INT32_MAX);
    require(i->frames >= 1 && i->components >= 1 && i->components <= 4);
    require(i->orientation >= 1 && i->orientation <= 8);
    for (int k = 0; k < 4; k++)
        require(i->hsamp[k] >= 1 && i->hsamp[k] <= 4 && i->vsamp[k] >= 1 && i->vsamp[k] <= 4);
}

/* A sound header stays sound when only its first half is given: it may ask for more, but not call it broken. */
static void check_head(const uint8_t *data, size_t size)
{
    struct ic_info info;
    size_t n = size / 2;
    uint8_t *head = malloc(n + 1);
    require(head != NULL);
    memcpy(head, data, n);
    enum ic_code rc = ic_probe((struct ic_bytes){ head, n }, &info, NULL);
    require(rc == IC_OK || rc == IC_E_MORE);
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ic_info info;
    struct ic_error e = { IC_OK, "" };
    enum ic_code rc = ic_probe((struct ic_bytes){ data, size }, &info, &e);
    if (rc != IC_OK) {
        require(rc == e.code && e.text[0] != 0);
        return 0;
    }
    check_info(&info);
    check_head(data, size);
    return 0;
}
