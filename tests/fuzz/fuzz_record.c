/* The scanner over any bytes. A verdict has to be final: what is a request after n bytes is the same request however
 * much follows, is MORE before, and nothing that is bad becomes good. */
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth)
        abort();
}

/* Each prefix in memory of its own, so that a byte read too far is seen. */
static enum record_verdict scan_prefix(const uint8_t *data, size_t n, struct record_head *h)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);
    require(exact != NULL);
    memcpy(exact, data, n);
    enum record_verdict v = record_scan(exact, n, h);
    free(exact);
    return v;
}

static void check_whole(const uint8_t *data, size_t size, const struct record_head *h, enum record_verdict v)
{
    struct record_head again;
    uint8_t answer[RECORD_ANSWER];
    require(h->length >= RECORD_HEADER && h->length <= size && h->length <= RECORD_SCAN_MAX);
    require(scan_prefix(data, h->length, &again) == v && again.length == h->length);
    require(scan_prefix(data, h->length - 1, &again) == RECORD_MORE);
    if (v == RECORD_MANAGEMENT) {
        size_t n = record_answer(data, h->length, 4294967295u, answer);
        require(n >= RECORD_HEADER && n <= sizeof answer && n % 8 == 0);
    } else {
        require(h->id != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_head h, shorter;
    enum record_verdict v = scan_prefix(data, size, &h);
    if (v == RECORD_REQUEST || v == RECORD_MANAGEMENT)
        check_whole(data, size, &h, v);
    enum record_verdict half = scan_prefix(data, size / 2, &shorter);
    if (half == RECORD_BAD)
        require(v == RECORD_BAD);
    if (half == RECORD_REQUEST || half == RECORD_MANAGEMENT)
        require(v == half && h.length == shorter.length);
    if (v == RECORD_MORE)
        require(half == RECORD_MORE);
    return 0;
}
