/* Headers that carry media types and parameters, read for api_img (Accept), api_process (Content-Type) and multipart
 * (Content-Disposition).
 *
 * One reader of ";name=value" lists serves all three; searching for substrings would take image/webp;q=0, and a
 * boundary inside of a quoted file name, for what they are not. */
#include "negotiate.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t"

/* Characters of a token, RFC 9110 section 5.6.2. */
static size_t token(const char *p)
{
    return strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~");
}

/* One ;name=value at *p. */
struct parameter {
    const char *name, *value; /* value: as written, with its quotes */
    size_t name_n, value_n;
};

/* Length of the quoted string at p, with both quotes; 0: it does not end. */
static size_t quoted(const char *p)
{
    for (size_t n = 1; p[n]; n++) {
        if (p[n] == '"')
            return n + 1;
        if (p[n] == '\\' && (p[n + 1] == '"' || p[n + 1] == '\\'))
            n++;
    }
    return 0;
}

/* 1: one was read, 0: the list is over (a comma or the end), -1: malformed. *p moves behind what was read. */
static int next_parameter(const char **p, struct parameter *out)
{
    const char *s = *p + strspn(*p, SPACE);
    if (*s == '\0' || *s == ',') {
        *p = s;
        return 0;
    }
    if (*s != ';')
        return -1;
    s += 1 + strspn(s + 1, SPACE ";");
    if (*s == '\0' || *s == ',') {
        *p = s;
        return 0;
    }
    out->name = s;
    out->name_n = token(s);
    s += out->name_n;
    if (out->name_n == 0 || *s != '=')
        return -1;
    out->value = ++s;
    out->value_n = *s == '"' ? quoted(s) : token(s);
    if (out->value_n == 0)
        return -1;
    *p = s + out->value_n;
    return 1;
}

static bool parameter_is(const struct parameter *a, const char *name)
{
    return a->name_n == strlen(name) && !strncasecmp(a->name, name, a->name_n);
}

/* Copies a value without quotes and escapes. false: no room. */
static bool unquote(const struct parameter *a, char *out, size_t n)
{
    bool quotes = a->value[0] == '"';
    size_t o = 0, end = a->value_n - quotes;
    for (size_t i = quotes; i < end; i++) {
        if (quotes && a->value[i] == '\\' && i + 1 < end && (a->value[i + 1] == '"' || a->value[i + 1] == '\\'))
            i++;
        if (o + 1 >= n)
            return false;
        out[o++] = a->value[i];
    }
    out[o] = '\0';
    return true;
}

int negotiate_parameter(const char *header, const char *name, char *out, size_t n)
{
    const char *p = header + strcspn(header, ";");
    struct parameter a;
    int got, found = 0;
    while ((got = next_parameter(&p, &a)) > 0) {
        if (!parameter_is(&a, name))
            continue;
        if (found || !unquote(&a, out, n))
            return -1;
        found = 1;
    }
    return got < 0 || *p ? -1 : found;
}

void negotiate_type(const char *content_type, char *out, size_t n)
{
    const char *p = content_type + strspn(content_type, SPACE);
    size_t type = token(p);
    size_t all = p[type] == '/' && token(p + type + 1) ? type + 1 + token(p + type + 1) : 0;
    const char *end = p + all + strspn(p + all, SPACE);
    if (n > 0)
        out[0] = '\0';
    if (type == 0 || all == 0 || all >= n || (*end && *end != ';'))
        return;
    for (size_t i = 0; i < all; i++)
        out[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + ('a' - 'A') : p[i]);
    out[all] = '\0';
}

/* Behind the next comma that is not quoted, or at the end. */
static const char *skip_element(const char *p)
{
    while (*p && *p != ',') {
        size_t n = *p == '"' ? quoted(p) : 1;
        if (n == 0)
            return p + strlen(p);
        p += n;
    }
    return *p ? p + 1 : p;
}

/* A weight: 0 to 1 with up to three decimals; only whether it is above 0 is asked. */
static bool weight_positive(const struct parameter *a)
{
    return (a->value[0] == '0' || a->value[0] == '1') && strcspn(a->value, "123456789") < a->value_n;
}

bool negotiate_accepts(const char *accept, const char *mime)
{
    size_t n = strlen(mime);
    for (const char *p = accept; *p; p = skip_element(p)) {
        struct parameter a;
        p += strspn(p, SPACE);
        if (strncasecmp(p, mime, n) || !strchr(";, \t", p[n]))
            continue;
        bool wanted = true;
        const char *list = p + n;
        int got;
        while ((got = next_parameter(&list, &a)) > 0)
            if (parameter_is(&a, "q"))
                wanted = weight_positive(&a);
        if (got == 0)
            return wanted;
    }
    return false;
}

enum ic_format negotiate_format(const char *accept, bool alpha)
{
    if (negotiate_accepts(accept, ic_format_mime(IC_FORMAT_WEBP)))
        return IC_FORMAT_WEBP;
    return alpha ? IC_FORMAT_PNG : IC_FORMAT_JPEG;
}
