/* XMP by searching for words, not by parsing XML. Called by run_meta.c.
 *
 * Programs write the few properties that are asked for here in one of two ways, name="value" and <name>value</name>,
 * under prefixes that nobody changes. What is written otherwise is copied as it is. */
#include "xmp.h"

#include "meta.h"

#include <stdio.h>
#include <string.h>

#define THUMBNAILS "Thumbnails>"

static const uint8_t *find(const uint8_t *from, const uint8_t *end, const char *word)
{
    return memmem(from, (size_t)(end - from), word, strlen(word));
}

/* Reading. */

static const struct {
    const char *entity;
    char c;
} entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };

/* The character at p, and how many bytes it is written in. */
static char character(const uint8_t *p, const uint8_t *end, size_t *n)
{
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        size_t length = strlen(entities[i].entity);
        if ((size_t)(end - p) >= length && memcmp(p, entities[i].entity, length) == 0) {
            *n = length;
            return entities[i].c;
        }
    }
    *n = 1;
    return (char)*p;
}

/* <dc:rights><rdf:Alt><rdf:li xml:lang="x-default">text</rdf:li> */
size_t ic_xmp_text(struct ic_bytes xmp, const char *property, char *out, size_t room)
{
    const uint8_t *end, *p;
    size_t n = 0;

    if (!xmp.n)
        return 0;
    end = xmp.p + xmp.n;
    p = find(xmp.p, end, property);
    p = p ? find(p, end, "<rdf:li") : NULL;
    p = p ? memchr(p, '>', (size_t)(end - p)) : NULL;
    for (size_t step; p && ++p < end && *p != '<' && n < room; p += step - 1)
        out[n++] = character(p, end, &step);
    return n;
}

/* Writing. */

struct rewrite {
    const uint8_t *p, *end; /* still to be copied */
    uint8_t *to;
    size_t n;
};

static void copy_to(struct rewrite *r, const uint8_t *until)
{
    size_t n = (size_t)(until - r->p);

    if (r->n + n > IC_BLOCK_MAX)
        n = IC_BLOCK_MAX - r->n;
    memcpy(r->to + r->n, r->p, n);
    r->n += n;
    r->p = until;
}

/* At p behind a property's name: its number, as attribute or element; NULL where it is neither. */
static const uint8_t *number_at(const uint8_t *p, const uint8_t *end)
{
    if (end - p >= 2 && p[0] == '=' && (p[1] == '"' || p[1] == '\''))
        return p + 2;
    return end - p >= 1 && p[0] == '>' ? p + 1 : NULL;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Puts value for the digits at p. */
static void replace_number(struct rewrite *r, const uint8_t *p, uint32_t value)
{
    char digits[12];
    int n = snprintf(digits, sizeof digits, "%u", value);

    if (p == r->end || !is_digit(*p))
        return;
    copy_to(r, p);
    while (r->p < r->end && is_digit(*r->p))
        r->p++;
    if (r->n + (size_t)n > IC_BLOCK_MAX)
        return;
    memcpy(r->to + r->n, digits, (size_t)n);
    r->n += (size_t)n;
}

/* Goes from an opening <x:Thumbnails> to behind the closing one, or to the end. */
static void skip_thumbnails(struct rewrite *r, const uint8_t *word)
{
    const uint8_t *open = memrchr(r->p, '<', (size_t)(word - r->p));
    const uint8_t *close = find(word + strlen(THUMBNAILS), r->end, THUMBNAILS);

    if (!open || open[1] == '/')
        return;
    copy_to(r, open);
    r->p = close ? close + strlen(THUMBNAILS) : r->end;
}

/* Copies up to the next word that matters and deals with it; false: there is none. */
static bool rewrite_next(struct rewrite *r, const struct ic_xmp_facts *f)
{
    const struct {
        const char *word;
        uint32_t value;
    } words[] = { { "tiff:Orientation", f->orientation }, { "tiff:ImageWidth", f->width },
                  { "tiff:ImageLength", f->height },      { "exif:PixelXDimension", f->width },
                  { "exif:PixelYDimension", f->height },  { THUMBNAILS, 0 } };
    const uint8_t *first = NULL, *behind;
    size_t which = 0;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const uint8_t *at = find(r->p, first ? first : r->end, words[i].word);
        first = at ? at : first;
        which = at ? i : which;
    }
    if (!first)
        return false;
    behind = first + strlen(words[which].word);
    const uint8_t *number = number_at(behind, r->end);
    if (!words[which].value)
        skip_thumbnails(r, first);
    else if (number)
        replace_number(r, number, words[which].value);
    if (r->p < behind)
        copy_to(r, behind);
    return true;
}

enum ic_code ic_xmp_keep(struct ic_mem *mem, struct ic_bytes xmp, const struct ic_xmp_facts *f, uint8_t **out,
                         size_t *n, struct ic_error *e)
{
    struct rewrite r = { .p = xmp.p };

    *n = 0;
    if (!xmp.n || xmp.n > IC_BLOCK_MAX)
        return IC_OK;
    r.end = xmp.p + xmp.n;
    if (!(r.to = ic_alloc(mem, IC_BLOCK_MAX)))
        return ic_fail(e, IC_E_MEMORY, "no memory for XMP");
    while (rewrite_next(&r, f))
        ;
    copy_to(&r, r.end);
    *out = r.to;
    *n = r.n;
    return IC_OK;
}
