/* The rules of multipart.c over a window: a part's header lines must fit into it, its data need not.
 *
 * The window begins with a line end that nobody sent, so that the first delimiter, which may stand at the very
 * beginning of the body, looks like every other. */
#include "multipart_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 65536

static int fault(struct multipart_reader *r, const char *text)
{
    snprintf(r->m.error, sizeof r->m.error, "%s", text);
    r->m.done = true;
    return -1;
}

bool multipart_reader_begin(struct multipart_reader *r, const char *content_type,
                            size_t (*read)(void *ctx, uint8_t *to, size_t n), void *ctx)
{
    *r = (struct multipart_reader){ .read = read, .ctx = ctx };
    if (!multipart_boundary(&r->m, content_type))
        return false;
    r->buf = malloc(WINDOW);
    if (!r->buf)
        return fault(r, "out of memory") == 0;
    memcpy(r->buf, "\r\n", 2);
    r->have = 2;
    r->in_part = true; /* the preamble, which is skipped like one */
    return true;
}

void multipart_reader_free(struct multipart_reader *r)
{
    free(r->buf);
    r->buf = NULL;
}

/* More bytes behind those that are not consumed. false: the body ended, or the window is full. */
static bool refill(struct multipart_reader *r)
{
    if (r->at > 0)
        memmove(r->buf, r->buf + r->at, r->have - r->at);
    r->have -= r->at;
    r->at = 0;
    size_t got = r->have < WINDOW ? r->read(r->ctx, r->buf + r->have, WINDOW - r->have) : 0;
    r->have += got;
    return got > 0;
}

/* Data that surely stands before the delimiter, from r->at on; -1: none is known yet, *end: its delimiter is there. */
static ssize_t known(struct multipart_reader *r, bool *end)
{
    size_t n = r->have - r->at, lead = r->fresh ? 2 : 0;
    const uint8_t *p = memmem(r->buf + r->at, n, r->m.delimiter, r->m.delimiter_n);
    *end = p != NULL;
    if (!p && n < r->m.delimiter_n + lead)
        return -1;
    size_t before = p ? (size_t)(p - r->buf) - r->at : n - (r->m.delimiter_n - 1);
    if (before == 0)
        return 0;
    r->at += lead;
    r->fresh = false;
    return (ssize_t)(before - lead);
}

/* How much can be read at once, 0: the delimiter stands here. */
static ssize_t available(struct multipart_reader *r)
{
    for (;;) {
        bool end;
        ssize_t n = known(r, &end);
        if (n > 0 || (n == 0 && end))
            return n;
        if (!refill(r))
            return fault(r, "the body ends within a part: the closing boundary is missing");
    }
}

ssize_t multipart_reader_data(struct multipart_reader *r, uint8_t *to, size_t n)
{
    if (r->m.error[0])
        return -1;
    if (!r->in_part)
        return 0;
    ssize_t all = available(r);
    if (all < 0)
        return -1;
    if (all == 0) {
        r->at += r->m.delimiter_n;
        r->in_part = false;
        return 0;
    }
    size_t k = (size_t)all < n ? (size_t)all : n;
    memcpy(to, r->buf + r->at, k);
    r->at += k;
    return (ssize_t)k;
}

/* Makes n bytes lie in the window. false: the body has fewer. */
static bool want(struct multipart_reader *r, size_t n)
{
    while (r->have - r->at < n)
        if (!refill(r))
            return false;
    return true;
}

/* Behind a delimiter: to the header lines of the next part (1), or the end of all (0). */
static int after_delimiter(struct multipart_reader *r)
{
    bool last = want(r, 2) && !memcmp(r->buf + r->at, "--", 2);
    r->at += last ? 2 : 0;
    while (want(r, 1) && (r->buf[r->at] == ' ' || r->buf[r->at] == '\t'))
        r->at++;
    bool line = want(r, 2) && !memcmp(r->buf + r->at, "\r\n", 2);
    if (!line && !(last && !want(r, 1)))
        return fault(r, "a line begins with the boundary and goes on");
    r->at += line ? 2 : 0;
    r->m.done = last;
    return !last;
}

/* Until all header lines lie in the window, or too much does; what is wrong with them is for multipart.c to say. */
static int headers(struct multipart_reader *r, struct multipart_part *part)
{
    while (r->have - r->at <= MULTIPART_HEADERS && !memmem(r->buf + r->at, r->have - r->at, "\r\n\r\n", 4))
        if (!refill(r))
            break;
    r->m.p = r->buf + r->at;
    r->m.end = r->buf + r->have;
    if (multipart_headers(&r->m, part) < 0)
        return -1;
    r->at = (size_t)(r->m.p - r->buf) - 2;
    r->fresh = r->in_part = true;
    return 1;
}

int multipart_reader_next(struct multipart_reader *r, struct multipart_part *part)
{
    uint8_t skipped[4096];
    ssize_t n = 0;
    if (r->m.error[0])
        return -1;
    if (r->m.done)
        return 0;
    while (r->in_part && (n = multipart_reader_data(r, skipped, sizeof skipped)) > 0)
        continue;
    if (n < 0)
        return -1;
    int more = after_delimiter(r);
    if (more <= 0)
        return more;
    memset(part, 0, sizeof *part);
    return headers(r, part);
}
