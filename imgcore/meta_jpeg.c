/* A JPEG's application segments: ICC in any number of APP2 (ICC.1:2010 annex B.4), EXIF and XMP in APP1 (XMP part 3,
 * section 1.1.3), IPTC inside Photoshop's resources in APP13. Those before the first scan count. */
#include "meta.h"
#include "probe.h"

#include <string.h>

#define PIECES 255

#define PREFIX(text)                                                                                                   \
    (struct ic_bytes)                                                                                                  \
    {                                                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                                                      \
    }

enum marker { M_TEM = 0x01, M_RST0 = 0xd0, M_SOI = 0xd8, M_SOS = 0xda, M_APP1 = 0xe1, M_APP2 = 0xe2, M_APP13 = 0xed };

struct jpeg_walk {
    struct ic_meta *m;
    struct ic_bytes piece[PIECES + 1]; /* of the profile, by their number from 1 */
    int pieces;                        /* as each of them says; 0: none seen */
    size_t size;                       /* of all pieces */
};

/* What follows the prefix; false where it is another. */
static bool after_prefix(struct ic_bytes b, struct ic_bytes prefix, struct ic_bytes *rest)
{
    if (b.n < prefix.n || memcmp(b.p, prefix.p, prefix.n) != 0)
        return false;
    *rest = (struct ic_bytes){ b.p + prefix.n, b.n - prefix.n };
    return true;
}

/* The resource of IPTC among Photoshop's: each has a signature, a number, a padded name, a size, padded data. */
static struct ic_bytes find_iptc(struct ic_bytes b)
{
    while (b.n >= 12 && memcmp(b.p, "8BIM", 4) == 0) {
        size_t head = 6 + ((size_t)b.p[6] + 2) / 2 * 2 + 4;
        if (head > b.n)
            break;
        size_t n = probe_be32(b.p + head - 4), rest = b.n - head;
        if (n > rest)
            break;
        if (probe_be16(b.p + 4) == 0x0404)
            return (struct ic_bytes){ b.p + head, n };
        size_t padded = n + (n & 1) < rest ? n + (n & 1) : rest;
        b = (struct ic_bytes){ b.p + head + padded, rest - padded };
    }
    return (struct ic_bytes){ 0 };
}

static void take_piece(struct jpeg_walk *w, struct ic_bytes b)
{
    int number = b.n > 2 ? b.p[0] : 0, of = b.n > 2 ? b.p[1] : 0;

    if (number < 1 || number > of || (w->pieces && of != w->pieces) || w->piece[number].n) {
        w->m->profile_broken = true;
        return;
    }
    w->pieces = of;
    w->piece[number] = (struct ic_bytes){ b.p + 2, b.n - 2 };
    w->size += b.n - 2;
}

static void on_segment(struct jpeg_walk *w, uint8_t marker, struct ic_bytes b)
{
    struct ic_bytes rest;

    if (marker == M_APP2 && after_prefix(b, PREFIX("ICC_PROFILE\0"), &rest))
        take_piece(w, rest);
    else if (marker == M_APP1 && !w->m->exif.n && after_prefix(b, PREFIX("Exif\0\0"), &rest))
        w->m->exif = rest;
    else if (marker == M_APP1 && !w->m->xmp.n && after_prefix(b, PREFIX("http://ns.adobe.com/xap/1.0/\0"), &rest))
        w->m->xmp = rest;
    else if (marker == M_APP13 && !w->m->iptc.n && after_prefix(b, PREFIX("Photoshop 3.0\0"), &rest))
        w->m->iptc = find_iptc(rest);
}

static bool all_pieces(const struct jpeg_walk *w)
{
    for (int i = 1; i <= w->pieces; i++)
        if (!w->piece[i].n)
            return false;
    return w->size <= IC_PROFILE_MAX && !w->m->profile_broken;
}

/* One piece stays where it lies; several are put together. */
static enum ic_code join_pieces(struct jpeg_walk *w, struct ic_error *e)
{
    uint8_t *to;

    if (!w->pieces)
        return IC_OK;
    w->m->profile_broken = !all_pieces(w);
    if (w->m->profile_broken || w->pieces == 1) {
        w->m->profile = w->m->profile_broken ? (struct ic_bytes){ 0 } : w->piece[1];
        return IC_OK;
    }
    if (!(to = w->m->made[IC_META_PROFILE] = ic_alloc(w->m->mem, w->size)))
        return ic_fail(e, IC_E_MEMORY, "no memory for a profile of %zu bytes", w->size);
    w->m->profile = (struct ic_bytes){ to, w->size };
    for (int i = 1; i <= w->pieces; i++) {
        memcpy(to, w->piece[i].p, w->piece[i].n);
        to += w->piece[i].n;
    }
    return IC_OK;
}

static bool standalone(uint8_t m)
{
    return m == M_TEM || (m >= M_RST0 && m <= M_SOI);
}

enum ic_code ic_meta_jpeg(struct ic_meta *m, struct ic_bytes in, struct ic_error *e)
{
    struct jpeg_walk w = { .m = m };
    size_t at = 2;
    uint8_t marker;

    while (probe_jpeg_marker(in, &at, &marker) && marker != M_SOS) {
        if (standalone(marker))
            continue;
        size_t length = in.n - at < 2 ? 0 : probe_be16(in.p + at);
        if (length < 2 || in.n - at < length)
            break;
        on_segment(&w, marker, (struct ic_bytes){ in.p + at + 2, length - 2 });
        at += length;
    }
    return join_pieces(&w, e);
}
