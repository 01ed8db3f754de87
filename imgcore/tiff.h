/* Reading a TIFF block, which is what EXIF is: byte order, directories, entries (TIFF 6.0 section 2).
 *
 * Every read stays inside the block whatever the block says; offsets are followed only where a caller asks, so that
 * a hostile file has nothing to loop on. */
#ifndef IMGCORE_TIFF_H
#define IMGCORE_TIFF_H

#include "imgcore.h"

#define TIFF_ENTRY_SIZE 12u
#define TIFF_BYTE       1
#define TIFF_ASCII      2
#define TIFF_SHORT      3
#define TIFF_LONG       4
#define TIFF_RATIONAL   5
#define TIFF_SBYTE      6
#define TIFF_SSHORT     8
#define TIFF_SLONG      9

struct tiff {
    struct ic_bytes b;
    bool big_endian;
};

struct tiff_entry {
    uint16_t tag, type;
    uint32_t count;
    size_t at; /* of its value, inside the block */
    size_t n;  /* bytes of its value */
};

/* With or without JPEG's "Exif\0\0" before it. */
bool tiff_open(struct tiff *t, struct ic_bytes b);
uint32_t tiff_get32(const struct tiff *t, size_t at);

/* Entries of the directory at `at` that are in view; 0 where there is none. The first is at + 2. */
uint32_t tiff_entries(const struct tiff *t, size_t at);

/* The i-th entry of a directory, i below what tiff_entries said. False: its type is unknown or its value lies outside.
 */
bool tiff_entry(const struct tiff *t, size_t directory, uint32_t i, struct tiff_entry *out);

/* The first entry of a directory with this tag that is in view. */
bool tiff_find(const struct tiff *t, size_t directory, uint16_t tag, struct tiff_entry *out);

/* The first value of a whole number, whatever its type: writers store one as another. Negative ones come out large; 0
 * of any other type. */
uint32_t tiff_value(const struct tiff *t, const struct tiff_entry *e);

#endif
