/* Percent-decoding of paths and values, called by the option parser and by the handlers that take paths.
 *
 * Decoding happens once and validation follows it, so that %2e%2e is seen as the dot segment it is, while a doubly
 * encoded name is just a name with percent signs. Decoding until nothing changes was rejected: it would let two URLs
 * that a web server in front treats differently name the same file. */
#include "uri.h"

#include <string.h>

static const char why_escape[] = "a percent sign is not followed by two hexadecimal digits";
static const char why_nul[] = "it contains an encoded NUL";
static const char why_long[] = "it is too long";

int uri_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that the escape at in[0] stands for, or -1. in[0] is the percent sign. */
static int unescape(const char *in, size_t n)
{
    if (n < 3)
        return -1;
    int high = uri_hex(in[1]), low = uri_hex(in[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool uri_decode_value(const char *in, size_t n, bool plus, char *out, size_t size, const char **why)
{
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)in[i];
        bool bare = c == '%' && (i + 1 == n || in[i + 1] == ',');
        if (c == '%' && !bare) {
            c = unescape(in + i, n - i);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c <= 0) {
            *why = c < 0 ? why_escape : why_nul;
            return false;
        }
        if (o + 1 >= size) {
            *why = why_long;
            return false;
        }
        out[o++] = (char)c;
    }
    out[o] = '\0';
    return true;
}

/* What is wrong with a decoded segment, or NULL. */
static const char *segment_fault(const char *s, size_t n, bool last)
{
    if (n == 0 && !last)
        return "it contains an empty segment (//)";
    if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
        return "it contains a dot segment";
    return NULL;
}

/* Decodes one character of a path; -1: *why is set. */
static int path_char(const char *in, size_t *i, const char **why)
{
    int c = (unsigned char)in[*i];
    if (c != '%')
        return c;
    c = unescape(in + *i, strlen(in + *i));
    *i += 2;
    if (c > 0 && c != '/')
        return c;
    *why = c < 0 ? why_escape : c == 0 ? why_nul : "an encoded slash (%2F) can't be part of a name";
    return -1;
}

bool uri_decode_path(const char *in, char *out, size_t size, const char **why)
{
    size_t o = 0, segment = 0, n = strnlen(in, 3 * size);
    for (size_t i = 0; i < n; i++) {
        int c = path_char(in, &i, why);
        if (c < 0)
            return false;
        if (o + 1 >= size) {
            *why = why_long;
            return false;
        }
        if (c == '/') {
            if ((*why = segment_fault(out + segment, o - segment, false)))
                return false;
            segment = o + 1;
        }
        out[o++] = (char)c;
    }
    out[o] = '\0';
    return !(*why = segment_fault(out + segment, o - segment, true));
}
