/* FastCGI records: the scanner in front of libfcgi, and the writer behind it.
 *
 * The dispatcher scans what lies in a socket, so that only whole request headers reach an accept thread; request.c
 * frames its answers here, because libfcgi's stream copies every byte through 8 KB. The scanner keeps no state between
 * calls: headers come in one piece nearly always, and walking lengths again costs less than remembering where it
 * stopped. */
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct header {
    uint8_t version, type;
    uint16_t id;
    size_t content, total; /* total: with header and padding */
};

static struct header header_read(const uint8_t *p)
{
    struct header h = { .version = p[0], .type = p[1], .id = (uint16_t)(p[2] << 8 | p[3]) };
    h.content = (size_t)(p[4] << 8 | p[5]);
    h.total = RECORD_HEADER + h.content + p[6];
    return h;
}

static void header_write(uint8_t *p, enum record_type type, uint16_t id, size_t content, size_t padding)
{
    p[0] = 1;
    p[1] = (uint8_t)type;
    p[2] = (uint8_t)(id >> 8);
    p[3] = (uint8_t)id;
    p[4] = (uint8_t)(content >> 8);
    p[5] = (uint8_t)content;
    p[6] = (uint8_t)padding;
    p[7] = 0;
}

/* Name-value pairs. */

static size_t length_read(const uint8_t *p)
{
    if (!(p[0] & 0x80))
        return p[0];
    return (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* The two lengths in front of a pair, section 3.4. Returns the bytes they take, 0: more than n. */
static size_t lengths_read(const uint8_t *p, size_t n, size_t *name, size_t *value)
{
    size_t a = n > 0 && p[0] & 0x80 ? 4 : 1;
    if (n <= a)
        return 0;
    size_t b = p[a] & 0x80 ? 4 : 1;
    if (n < a + b)
        return 0;
    *name = length_read(p);
    *value = length_read(p + a);
    return a + b;
}

/* Pairs run across record boundaries, lengths included. */
struct pairs {
    uint8_t lengths[8];
    size_t have; /* bytes of lengths */
    size_t skip; /* bytes of name and value still to come */
};

static void pairs_feed(struct pairs *s, const uint8_t *p, size_t n)
{
    size_t name, value;
    for (size_t i = 0; i < n;) {
        if (s->skip > 0) {
            size_t step = s->skip < n - i ? s->skip : n - i;
            s->skip -= step;
            i += step;
            continue;
        }
        s->lengths[s->have++] = p[i++];
        if (lengths_read(s->lengths, s->have, &name, &value) == 0)
            continue;
        s->have = 0;
        s->skip = name + value;
    }
}

/* Scanning. */

static enum record_verdict scan_management(const struct header *h, size_t n, struct record_head *out)
{
    if (h->total > RECORD_SCAN_MAX)
        return RECORD_BAD;
    if (n < h->total)
        return RECORD_MORE;
    out->length = h->total;
    return RECORD_MANAGEMENT;
}

/* Reads PARAMS from p[at] on, up to the empty one. */
static enum record_verdict scan_params(const uint8_t *p, size_t n, size_t at, struct record_head *out)
{
    struct pairs pairs = { 0 };
    while (n - at >= RECORD_HEADER) {
        struct header h = header_read(p + at);
        if (h.version != 1 || h.type != RECORD_PARAMS || h.id != out->id || at + h.total > RECORD_SCAN_MAX)
            return RECORD_BAD;
        size_t here = n - at - RECORD_HEADER;
        pairs_feed(&pairs, p + at + RECORD_HEADER, here < h.content ? here : h.content);
        /* Lengths that claim too much show at the end of the stream. The padding of the empty record is refused because
         * libfcgi does not skip it. */
        if (h.content == 0 && (pairs.have > 0 || pairs.skip > 0 || h.total > RECORD_HEADER))
            return RECORD_BAD;
        if (n - at < h.total)
            return RECORD_MORE;
        at += h.total;
        if (h.content == 0) {
            out->length = at;
            return RECORD_REQUEST;
        }
    }
    return RECORD_MORE;
}

enum record_verdict record_scan(const uint8_t *p, size_t n, struct record_head *out)
{
    if (n < RECORD_HEADER)
        return n > 0 && p[0] != 1 ? RECORD_BAD : RECORD_MORE;
    struct header h = header_read(p);
    if (h.version != 1)
        return RECORD_BAD;
    struct record_head head = { .id = h.id };
    enum record_verdict v;
    if (h.id == 0 && h.type != RECORD_BEGIN) {
        v = scan_management(&h, n, &head);
    } else {
        /* libfcgi skips no padding here either. */
        if (h.type != RECORD_BEGIN || h.id == 0 || h.total != RECORD_HEADER + 8 || h.content != 8)
            return RECORD_BAD;
        if (n < h.total)
            return RECORD_MORE;
        head.role = (uint16_t)(p[8] << 8 | p[9]);
        head.keep = p[10] & 1;
        v = scan_params(p, n, h.total, &head);
    }
    if (v == RECORD_REQUEST || v == RECORD_MANAGEMENT)
        *out = head;
    return v;
}

/* Answers to management records. */

static size_t put_value(uint8_t *out, const char *name, unsigned value)
{
    char text[12];
    size_t name_n = strlen(name);
    size_t value_n = (size_t)snprintf(text, sizeof text, "%u", value);
    out[0] = (uint8_t)name_n;
    out[1] = (uint8_t)value_n;
    memcpy(out + 2, name, name_n);
    memcpy(out + 2 + name_n, text, value_n);
    return 2 + name_n + value_n;
}

static bool names(const uint8_t *p, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(p, name, n) == 0;
}

/* Each variable is answered once, however often it is asked for, so that out cannot run over. */
static size_t put_values(const uint8_t *p, size_t n, unsigned limit, uint8_t *out)
{
    const struct {
        const char *name;
        unsigned value;
    } known[] = { { "FCGI_MAX_CONNS", limit }, { "FCGI_MAX_REQS", limit }, { "FCGI_MPXS_CONNS", 0 } };
    bool asked[3] = { false };
    size_t name, value, step, put = 0;
    for (size_t at = 0; (step = lengths_read(p + at, n - at, &name, &value)) > 0; at += step + name + value) {
        if (name > n - at - step || value > n - at - step - name)
            break;
        for (int i = 0; i < 3; i++)
            asked[i] |= names(p + at + step, name, known[i].name);
    }
    for (int i = 0; i < 3; i++) {
        if (asked[i])
            put += put_value(out + put, known[i].name, known[i].value);
    }
    return put;
}

size_t record_answer(const uint8_t *p, size_t n, unsigned limit, uint8_t out[RECORD_ANSWER])
{
    struct header h = header_read(p);
    memset(out, 0, RECORD_ANSWER);
    if (h.type != RECORD_GET_VALUES) {
        header_write(out, RECORD_UNKNOWN_TYPE, 0, 8, 0);
        out[RECORD_HEADER] = h.type;
        return RECORD_HEADER + 8;
    }
    size_t content = h.content < n - RECORD_HEADER ? h.content : n - RECORD_HEADER;
    size_t put = put_values(p + RECORD_HEADER, content, limit, out + RECORD_HEADER);
    size_t padding = (8 - put % 8) % 8;
    header_write(out, RECORD_GET_VALUES_RESULT, 0, put, padding);
    return RECORD_HEADER + put + padding;
}

void record_end(uint8_t out[16], uint16_t id, enum record_end status)
{
    memset(out, 0, 16);
    header_write(out, RECORD_END, id, 8, 0);
    out[RECORD_HEADER + 4] = (uint8_t)status;
}

size_t record_farewell(uint8_t out[RECORD_HEADER], uint16_t id)
{
    header_write(out, RECORD_STDERR, id, 0, 0);
    return RECORD_HEADER;
}

/* Writing. */

static const uint8_t zeros[8];

void record_reply_init(struct record_reply *r, uint16_t id, struct iovec head, struct iovec body)
{
    *r = (struct record_reply){ .id = id, .part = { head.iov_base, body.iov_base } };
    r->left[0] = head.iov_len;
    r->left[1] = body.iov_len;
}

/* Moves up to n bytes of one part into iov. */
static size_t take(struct record_reply *r, int part, size_t n, struct iovec *iov)
{
    size_t k = r->left[part] < n ? r->left[part] : n;
    *iov = (struct iovec){ (void *)r->part[part], k };
    if (k > 0)
        r->part[part] += k;
    r->left[part] -= k;
    return k;
}

/* One STDOUT record over what is left of head and body. */
static int frame(struct record_reply *r, uint8_t *header, struct iovec *iov)
{
    int n = 1;
    size_t content = 0;
    for (int part = 0; part < 2; part++) {
        size_t k = take(r, part, RECORD_CHUNK - content, &iov[n]);
        n += k > 0;
        content += k;
    }
    size_t padding = (8 - content % 8) % 8;
    header_write(header, RECORD_STDOUT, r->id, content, padding);
    iov[0] = (struct iovec){ header, RECORD_HEADER };
    if (padding > 0)
        iov[n++] = (struct iovec){ (void *)zeros, padding };
    return n;
}

int record_reply_next(struct record_reply *r, struct iovec iov[RECORD_IOV])
{
    int n = 0;
    if (r->ended)
        return 0;
    for (int i = 0; i < RECORD_BATCH && r->left[0] + r->left[1] > 0; i++)
        n += frame(r, r->headers[i], iov + n);
    if (r->left[0] + r->left[1] == 0 && !r->open) {
        header_write(r->end, RECORD_STDOUT, r->id, 0, 0);
        record_end(r->end + RECORD_HEADER, r->id, RECORD_COMPLETE);
        size_t end = RECORD_HEADER + 16;
        if (r->farewell)
            end += record_farewell(r->end + end, r->id);
        iov[n++] = (struct iovec){ r->end, end };
        r->ended = true;
    }
    return n;
}

static bool record_out(int fd, struct msghdr *m, int flags)
{
    while (m->msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, m, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        size_t k = (size_t)sent;
        while (m->msg_iovlen > 0 && k >= m->msg_iov->iov_len) {
            k -= m->msg_iov->iov_len;
            m->msg_iov++;
            m->msg_iovlen--;
        }
        if (m->msg_iovlen > 0) {
            m->msg_iov->iov_base = (uint8_t *)m->msg_iov->iov_base + k;
            m->msg_iov->iov_len -= k;
        }
    }
    return true;
}

bool record_send(int fd, struct iovec *iov, int n)
{
    struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
    return record_out(fd, &m, 0);
}

bool record_push(int fd, struct msghdr *m)
{
    return record_out(fd, m, MSG_DONTWAIT);
}
