/* The parser of multipart/form-data, called by api_process on a body that was fully read.
 *
 * Strict where laxness would let two parsers see different parts: lines end in CRLF, a line that begins with the
 * delimiter is one or the body is refused, names occur once, transfer encodings are refused (RFC 7578 section 4.7
 * deprecates them). multipart_reader.c reads bodies that are larger than memory by the same rules. */
#include "multipart.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "negotiate.h"
#include "uri.h"

static int fault(struct multipart *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fault(struct multipart *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->error, sizeof m->error, fmt, ap);
    va_end(ap);
    m->done = true;
    return -1;
}

static bool boundary_valid(const char *b)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'()+_,-./:=? ";
    size_t n = strlen(b);
    return n > 0 && n <= MULTIPART_BOUNDARY && b[n - 1] != ' ' && strspn(b, allowed) == n;
}

/* Behind the line end that follows a delimiter, perhaps after padding; NULL: something else follows. */
static const uint8_t *line_end(const uint8_t *p, const uint8_t *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

/* p stands behind a delimiter: at the next part, or the end of all. */
static bool after_delimiter(struct multipart *m, const uint8_t *p)
{
    if (m->end - p >= 2 && p[0] == '-' && p[1] == '-') {
        m->done = true;
        p += 2;
        while (p < m->end && (*p == ' ' || *p == '\t'))
            p++;
        if (p == m->end || line_end(p, m->end))
            return true;
    } else if ((m->p = line_end(p, m->end))) {
        return true;
    }
    fault(m, "a line begins with the boundary and goes on");
    return false;
}

bool multipart_boundary(struct multipart *m, const char *content_type)
{
    char boundary[MULTIPART_BOUNDARY + 1];
    memset(m, 0, sizeof *m);
    if (negotiate_parameter(content_type, "boundary", boundary, sizeof boundary) != 1 || !boundary_valid(boundary)) {
        fault(m, "Content-Type has no valid boundary");
        return false;
    }
    m->delimiter_n = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
    return true;
}

bool multipart_begin(struct multipart *m, struct ic_bytes body, const char *content_type)
{
    if (!multipart_boundary(m, content_type))
        return false;
    m->p = body.p;
    m->end = body.p + body.n;
    size_t first = m->delimiter_n - 2;
    if (body.n >= first && !memcmp(body.p, m->delimiter + 2, first))
        return after_delimiter(m, body.p + first);
    const uint8_t *p = memmem(body.p, body.n, m->delimiter, m->delimiter_n); /* behind a preamble */
    if (p)
        return after_delimiter(m, p + m->delimiter_n);
    fault(m, "the boundary of Content-Type does not occur in the body");
    return false;
}

/* filename*=UTF-8''name: RFC 8187. RFC 7578 forbids it in forms, clients send it all the same. false: malformed. */
static bool extended_filename(const char *value, struct multipart_part *part)
{
    const char *why;
    size_t charset = strcspn(value, "'");
    if (charset != 5 || strncasecmp(value, "utf-8", 5))
        return false;
    const char *language_end = strchr(value + charset + 1, '\'');
    return language_end && uri_decode_value(language_end + 1, strlen(language_end + 1), false, part->filename,
                                            sizeof part->filename, &why);
}

static int read_disposition(struct multipart *m, const char *value, struct multipart_part *part)
{
    char extended[3 * sizeof part->filename];
    size_t n = strcspn(value, "; \t");
    if (n != 9 || strncasecmp(value, "form-data", 9))
        return fault(m, "the Content-Disposition of a part is not form-data");
    if (part->name[0])
        return fault(m, "a part has two Content-Disposition lines");
    if (negotiate_parameter(value, "name", part->name, sizeof part->name) != 1 || !part->name[0])
        return fault(m, "a part has no name, or one longer than %zu bytes", sizeof part->name - 1);
    int plain = negotiate_parameter(value, "filename", part->filename, sizeof part->filename);
    int star = negotiate_parameter(value, "filename*", extended, sizeof extended);
    part->has_filename = plain > 0 || star > 0;
    if (plain < 0 || star < 0 || (star > 0 && !extended_filename(extended, part)))
        return fault(m, "the file name of a part is malformed, or longer than %zu bytes", sizeof part->filename - 1);
    return 0;
}

static int read_line(struct multipart *m, char *line, struct multipart_part *part)
{
    char *colon = strchr(line, ':');
    if (!colon || colon == line || strcspn(line, " \t") < (size_t)(colon - line))
        return fault(m, "a header line of a part is malformed");
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    if (!strcasecmp(line, "Content-Disposition"))
        return read_disposition(m, value, part);
    if (!strcasecmp(line, "Content-Type"))
        negotiate_type(value, part->type, sizeof part->type);
    if (!strcasecmp(line, "Content-Transfer-Encoding") && strcasecmp(value, "binary") && strcasecmp(value, "8bit") &&
        strcasecmp(value, "7bit"))
        return fault(m, "a part has a Content-Transfer-Encoding; send the bytes as they are");
    return 0;
}

int multipart_headers(struct multipart *m, struct multipart_part *part)
{
    char line[1024];
    const uint8_t *start = m->p;
    for (;;) {
        const uint8_t *end = memmem(m->p, (size_t)(m->end - m->p), "\r\n", 2);
        size_t n = end ? (size_t)(end - m->p) : 0;
        if (!end || end - start > MULTIPART_HEADERS || n >= sizeof line)
            return fault(m, "the header lines of a part do not end, or are too long");
        if (memchr(m->p, '\0', n) || memchr(m->p, '\n', n) || memchr(m->p, '\r', n))
            return fault(m, "a header line of a part is malformed");
        memcpy(line, m->p, n);
        line[n] = '\0';
        m->p = end + 2;
        if (n == 0)
            return part->name[0] ? 0 : fault(m, "a part has no Content-Disposition");
        if (read_line(m, line, part) < 0)
            return -1;
    }
}

int multipart_next(struct multipart *m, struct multipart_part *part)
{
    if (m->error[0])
        return -1;
    if (m->done)
        return 0;
    memset(part, 0, sizeof *part);
    if (++m->parts > MULTIPART_PARTS)
        return fault(m, "more than %d parts", MULTIPART_PARTS);
    if (multipart_headers(m, part) < 0)
        return -1;
    /* The line end before a delimiter belongs to it: an empty part shares it with its headers. */
    const uint8_t *from = m->p - 2;
    const uint8_t *at = memmem(from, (size_t)(m->end - from), m->delimiter, m->delimiter_n);
    if (!at)
        return fault(m, "the body ends within a part: the closing boundary is missing");
    part->data = (struct ic_bytes){ m->p, at > m->p ? (size_t)(at - m->p) : 0 };
    return after_delimiter(m, at + m->delimiter_n) ? 1 : -1;
}
