/* Texts of strangers, on their way into JSON. Called by exif_shot.c and icc_name.c. */
#include "label.h"

#include <string.h>

void ic_label_begin(struct ic_label *l, char *out, size_t size)
{
    memset(out, 0, size);
    *l = (struct ic_label){ .out = out, .size = size };
}

static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

void ic_label_put(struct ic_label *l, uint32_t c)
{
    char bytes[4];

    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        c = ' ';
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    size_t n = encode(c, bytes);
    if (c == ' ' && l->n == 0)
        return;
    l->full = l->full || n >= l->size - l->n;
    if (l->full)
        return;
    memcpy(l->out + l->n, bytes, n);
    l->n += n;
}

void ic_label_end(struct ic_label *l)
{
    while (l->n && l->out[l->n - 1] == ' ')
        l->out[--l->n] = '\0';
}

/* Bytes of the character at p, which has n before it ends; 0: it is not UTF-8 in its shortest form. */
static size_t decode(const uint8_t *p, size_t n, uint32_t *c)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;

    if (length == 0 || length > n)
        return 0;
    *c = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (p[i] & 0x3f);
    }
    return *c >= least[length] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? length : 0;
}

static bool is_utf8(struct ic_bytes text)
{
    uint32_t c;

    for (size_t at = 0, n; at < text.n; at += n)
        if (!(n = decode(text.p + at, text.n - at, &c)))
            return false;
    return true;
}

void ic_label(struct ic_bytes text, char *out, size_t size)
{
    struct ic_label l;
    const uint8_t *nul = text.n ? memchr(text.p, 0, text.n) : NULL;
    uint32_t c;

    ic_label_begin(&l, out, size);
    if (nul)
        text.n = (size_t)(nul - text.p);
    bool utf8 = is_utf8(text);
    for (size_t at = 0; at < text.n && !l.full;) {
        c = text.p[at];
        at += utf8 ? decode(text.p + at, text.n - at, &c) : 1;
        ic_label_put(&l, c);
    }
    ic_label_end(&l);
}
