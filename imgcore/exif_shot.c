/* What EXIF tells of how, when, where and by whom a picture was taken (EXIF 2.32 section 4.6). Called by facts.c.
 *
 * Three directories are read, none of them twice, and nothing is believed that can't be: what is malformed or out of
 * range is as good as absent. */
#include "exif.h"
#include "label.h"
#include "tiff.h"

#include <stdio.h>
#include <string.h>

enum tag {
    TAG_MAKE = 0x010f,
    TAG_MODEL = 0x0110,
    TAG_CAMERA = 0x8769,
    TAG_PLACE = 0x8825,
    TAG_EXPOSURE = 0x829a,
    TAG_F_NUMBER = 0x829d,
    TAG_ISO = 0x8827,
    TAG_TAKEN = 0x9003,
    TAG_TAKEN_OFFSET = 0x9011,
    TAG_FOCAL_LENGTH = 0x920a,
    TAG_LENS = 0xa434,
    TAG_LATITUDE_REF = 1,
    TAG_LATITUDE = 2,
    TAG_LONGITUDE_REF = 3,
    TAG_LONGITUDE = 4
};

/* A directory of a block. */
struct place {
    const struct tiff *t;
    size_t at; /* 0: there is none */
};

static struct place below(struct place first, uint16_t pointer)
{
    struct tiff_entry e;

    return (struct place){ first.t, tiff_find(first.t, first.at, pointer, &e) ? tiff_value(first.t, &e) : 0 };
}

static void text(struct place d, uint16_t tag, char *out, size_t size)
{
    struct tiff_entry e;
    bool found = tiff_find(d.t, d.at, tag, &e) && e.type == TIFF_ASCII;

    ic_label(found ? (struct ic_bytes){ d.t->b.p + e.at, e.n } : (struct ic_bytes){ 0 }, out, size);
}

/* The i-th of a tag's fractions; negative: there is none. */
static double fraction(struct place d, uint16_t tag, uint32_t i)
{
    struct tiff_entry e;

    if (!tiff_find(d.t, d.at, tag, &e) || e.type != TIFF_RATIONAL || i >= e.count)
        return -1;
    uint32_t over = tiff_get32(d.t, e.at + 8 * (size_t)i), under = tiff_get32(d.t, e.at + 8 * (size_t)i + 4);
    return under ? (double)over / under : -1;
}

static double positive(struct place d, uint16_t tag)
{
    double v = fraction(d, tag, 0);

    return v > 0 ? v : 0;
}

static bool looks_like(const char *s, const char *shape)
{
    for (; *shape; s++, shape++)
        if (*shape == '0' ? *s < '0' || *s > '9' : *s != *shape)
            return false;
    return *s == '\0';
}

/* "2024:05:06 07:08:09" as ISO 8601 has it, with the offset from UTC where that is told. */
static void taken(struct place d, char *out, size_t size)
{
    char when[24], offset[8];

    text(d, TAG_TAKEN, when, sizeof when);
    text(d, TAG_TAKEN_OFFSET, offset, sizeof offset);
    if (!looks_like(when, "0000:00:00 00:00:00") || strncmp(when, "0000", 4) == 0)
        return;
    if (!looks_like(offset, "+00:00") && !looks_like(offset, "-00:00"))
        offset[0] = '\0';
    when[4] = when[7] = '-';
    when[10] = 'T';
    snprintf(out, size, "%s%s", when, offset);
}

/* Degrees, minutes, seconds, of which the last two may be missing. */
static bool angle(struct place d, uint16_t tag, uint16_t reference, const char *signs, double most, double *out)
{
    char sign[4];
    double v = fraction(d, tag, 0), minutes = fraction(d, tag, 1), seconds = fraction(d, tag, 2);

    text(d, reference, sign, sizeof sign);
    if (v < 0 || (sign[0] != signs[0] && sign[0] != signs[1]))
        return false;
    v += (minutes > 0 ? minutes / 60 : 0) + (seconds > 0 ? seconds / 3600 : 0);
    *out = sign[0] == signs[1] && v > 0 ? -v : v;
    return v <= most;
}

void ic_exif_shot(struct ic_bytes exif, struct ic_shot *out)
{
    struct tiff t;
    struct tiff_entry e;

    memset(out, 0, sizeof *out);
    if (!tiff_open(&t, exif))
        return;
    struct place first = { &t, tiff_get32(&t, 4) };
    struct place camera = below(first, TAG_CAMERA), place = below(first, TAG_PLACE);
    text(first, TAG_MAKE, out->make, sizeof out->make);
    text(first, TAG_MODEL, out->model, sizeof out->model);
    text(first, IC_EXIF_ARTIST, out->artist, sizeof out->artist);
    text(first, IC_EXIF_COPYRIGHT, out->copyright, sizeof out->copyright);
    text(camera, TAG_LENS, out->lens, sizeof out->lens);
    taken(camera, out->taken, sizeof out->taken);
    out->exposure = positive(camera, TAG_EXPOSURE);
    out->f_number = positive(camera, TAG_F_NUMBER);
    out->focal_length = positive(camera, TAG_FOCAL_LENGTH);
    if (tiff_find(&t, camera.at, TAG_ISO, &e))
        out->iso = tiff_value(&t, &e);
    out->placed = angle(place, TAG_LATITUDE, TAG_LATITUDE_REF, "NS", 90, &out->latitude) &&
                  angle(place, TAG_LONGITUDE, TAG_LONGITUDE_REF, "EW", 180, &out->longitude);
}
