/* ZIP files as streams: entries that are stored, of sizes and checksums known beforehand, so that readers which can't
 * go back need not. APPNOTE.TXT 6.3.10 of PKWARE is the source of every number. */
#ifndef ZIP_H
#define ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes n bytes. false: there is no reader any more. */
typedef bool zip_write(void *ctx, const void *p, size_t n);

struct zip {
    zip_write *write;
    void *ctx;
    uint64_t at;      /* bytes written */
    uint64_t entries; /* so far */
    uint16_t date, time;
    uint8_t *directory; /* owned: the central directory as it grows */
    size_t directory_n, directory_size;
};

/* Entries get the time of now. */
void zip_begin(struct zip *z, zip_write *write, void *ctx);
/* The header of an entry, after which exactly n bytes of data follow through zip_data. name is UTF-8 without a leading
 * slash; crc is the CRC-32 of the data. false: write failed, or out of memory. */
bool zip_entry(struct zip *z, const char *name, uint64_t n, uint32_t crc);
bool zip_data(struct zip *z, const void *p, size_t n);
/* The central directory. */
bool zip_end(struct zip *z);
void zip_free(struct zip *z); /* accepts a zeroed one */

#endif
