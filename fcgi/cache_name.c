/* Under which name below cache_dir a web server may find the result of a URL by itself (cache_layout = path).
 *
 * It is the URL's path behind /img/ as a web server sees it, decoded once: w=300/a.jpg. A URL with plain options in its
 * query has the name of its path form. Two URLs that mean different images must never come to one name, nor may one of
 * those that a web server resolves in another way: whatever is not plain has no name, and is kept by its tag alone. */
#include <string.h>
#include <strings.h>

#include "cache.h"
#include "name.h"
#include "query.h"
#include "uri.h"

#define PART 255 /* bytes of a component, as on most file systems */

/* A comma or an equals sign that was encoded belongs to a value; once decoded it would look like more options. */
static bool ambiguous(const char *segment, size_t n)
{
    for (size_t i = 0; i + 2 < n; i++)
        if (!strncasecmp(segment + i, "%2c", 3) || !strncasecmp(segment + i, "%3d", 3))
            return true;
    return false;
}

/* Whether each option of a list is one of ours: those that ignore_options lets pass would make a name of each click. A
 * piece without an equals sign goes on with the value in front of it. */
static bool all_known(const char *list, size_t n)
{
    for (size_t i = 0, piece; i < n; i += piece + 1) {
        const char *comma = memchr(list + i, ',', n - i);
        piece = comma ? (size_t)(comma - list) - i : n - i;
        if (memchr(list + i, '=', piece) && !query_is_options(list + i, piece))
            return false;
    }
    return query_is_options(list, n);
}

/* "w=300&rect=1,2,3,4" as a segment of the path form. false: it is not as plain as that. */
static bool from_query(const char *query, char *out, size_t size)
{
    size_t n = strlen(query);
    if (n >= size)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t k = strspn(query + i, NAME_CHARACTERS);
        if (k == 0 || query[i + k] != '=')
            return false;
        i += k + 1;
        i += strspn(query + i, NAME_CHARACTERS ".,");
        if (query[i] && (query[i] != '&' || !query[i + 1]))
            return false;
    }
    for (size_t i = 0; i <= n; i++)
        out[i] = query[i] == '&' ? ',' : query[i];
    return all_known(out, n);
}

/* Components that hold something, do not begin with a dot and are not too long, of characters that can be seen. */
static bool sound(const char *name)
{
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0 || n > PART || *p == '.')
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f || p[i] == '\\')
                return false;
        p += n;
        if (!*p)
            return true;
    }
}

bool cache_name(const char *path, const char *query, char out[CACHE_NAME])
{
    const char *slash = strchr(path, '/'), *why;
    size_t n = slash ? (size_t)(slash - path) : 0;
    bool form = slash && query_is_options(path, n);
    out[0] = '\0';
    if (form && (*query || !all_known(path, n) || ambiguous(path, n) ||
                 !uri_decode_value(path, n, false, out, CACHE_NAME, &why)))
        return false;
    if (!form && *query && !from_query(query, out, CACHE_NAME))
        return false;
    size_t at = strlen(out);
    if (at + 2 >= CACHE_NAME)
        return false;
    if (at > 0)
        out[at++] = '/';
    if (!uri_decode_path(form ? slash + 1 : path, out + at, CACHE_NAME - at, &why))
        return false;
    /* A folder that is called as options are, because they were encoded or are none of ours: another URL has that name.
     */
    if (at == 0 && memchr(out, '=', strcspn(out, "/")))
        return false;
    return sound(out);
}

enum ic_format cache_name_format(const char *name)
{
    static const struct {
        const char *extension;
        enum ic_format format;
    } known[] = {
        { ".jpg", IC_FORMAT_JPEG }, { ".jpeg", IC_FORMAT_JPEG }, { ".png", IC_FORMAT_PNG }, { ".webp", IC_FORMAT_WEBP }
    };
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash + 1 : name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot, known[i].extension))
            return known[i].format;
    return IC_FORMAT_ORIGIN;
}
