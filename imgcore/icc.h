/* From the colour space a profile describes to sRGB, on the rows of a result. */
#ifndef IMGCORE_ICC_H
#define IMGCORE_ICC_H

#include "mem.h"

/* What pixels there are: the profile must be one of such. */
enum ic_icc_pixels { IC_ICC_GREY, IC_ICC_RGB, IC_ICC_CMYK };

struct ic_icc; /* one conversion, owned by the cache */

/* Conversions, the last used first, made once and found again by their profiles' bytes. Zeroed but for mem: empty. */
struct ic_icc_cache {
    struct ic_mem *mem;   /* borrowed; lcms2's memory comes from it, too */
    struct ic_icc *first; /* owned, as are: */
    void *context;        /* lcms2's; made when first needed */
    uint8_t *encode;      /* sRGB's curve */
    bool refused;         /* lcms2 was, by the budget */
};

/* The conversion of pixels to sRGB. It lives until ic_icc_trim().
 *
 * *out  set on success only; NULL: there is nothing to do, for the profile is sRGB as far as 8 bits can tell
 *
 * Perceptual intent. IC_E_FORMAT where the profile is broken or one of other pixels, except that grey pixels may have
 * one of RGB, which then is taken for its greys. IC_E_MEMORY. */
enum ic_code ic_icc_get(struct ic_icc_cache *c, struct ic_bytes profile, enum ic_icc_pixels pixels,
                        const struct ic_icc **out, struct ic_error *e);

/* Whether the profile's header says that it is one of such pixels. */
bool ic_icc_describes(struct ic_bytes profile, enum ic_icc_pixels pixels);

/* Its name as sound UTF-8, "" where it has none; all of out is written. */
void ic_icc_name(struct ic_bytes profile, char *out, size_t size);

/* n pixels in place, a plane a channel: 1 or 3; of CMYK 4, as Adobe stores it (0 is full ink), to RGB in the first 3.
 */
void ic_icc_row(const struct ic_icc *t, uint8_t *const *p, size_t n);

/* The same conversion of 16-bit samples, RGB or grey, by lcms2 alone, made anew. Owned by the caller, who frees it
 * before the cache. IC_E_MEMORY; IC_E_FORMAT where lcms2 refuses. */
struct ic_icc_deep;
enum ic_code ic_icc_deep_make(struct ic_icc_cache *c, const struct ic_icc *t, struct ic_icc_deep **out,
                              struct ic_error *e);
void ic_icc_deep_free(struct ic_icc_deep *t); /* accepts NULL */
/* n pixels in place, `step` samples each, of which the first one or three are colours. */
void ic_icc_deep_row(const struct ic_icc_deep *t, uint16_t *px, size_t n, size_t step);

/* What a conversion was made of. */
struct ic_bytes ic_icc_source(const struct ic_icc *t, enum ic_icc_pixels *pixels);

/* Forgets conversions beyond so many bytes, the longest unused first. */
void ic_icc_trim(struct ic_icc_cache *c, size_t most);
void ic_icc_cache_free(struct ic_icc_cache *c);

/* What PNG's gAMA and cHRM tell; zeros where they do not. */
struct ic_icc_primaries {
    double gamma; /* the file's, 0.45455 for what screens show */
    double xy[8]; /* white, red, green, blue */
};

/* The profile of such pixels, sRGB's curve or primaries standing in for what is not given. A gamma as screens have it
 * means sRGB's curve. *out is for ic_free(); NULL with *n = 0: these are no colours. */
enum ic_code ic_icc_of_primaries(struct ic_mem *mem, const struct ic_icc_primaries *c, bool grey, uint8_t **out,
                                 size_t *n, struct ic_error *e);

#endif
