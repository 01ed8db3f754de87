/* What the header probes of the formats share with each other, and with codecs where these need the same walk. */
#ifndef IMGCORE_PROBE_H
#define IMGCORE_PROBE_H

#include "imgcore.h"

/* Each is called once its magic was seen whole; out comes zeroed, with orientation 1, frames 1 and all sampling
 * factors 1, and is filled on success only. */
enum ic_code probe_jpeg(struct ic_bytes in, struct ic_info *out, struct ic_error *e);
enum ic_code probe_png(struct ic_bytes in, struct ic_info *out, struct ic_error *e);
enum ic_code probe_webp(struct ic_bytes in, struct ic_info *out, struct ic_error *e);

/* Finds the next marker from *at on, over garbage as libjpeg does; *at is then behind it. False: none is in view. */
bool probe_jpeg_marker(struct ic_bytes in, size_t *at, uint8_t *marker);

/* The first frame of an animated WebP. */
struct probe_frame {
    struct ic_bytes bits;         /* ALPH, VP8 or VP8L chunks, as far as they are in view; borrowed from in */
    bool cut;                     /* they go on beyond it */
    uint32_t x, y, width, height; /* on the canvas */
    uint32_t duration_ms;
    bool dispose;   /* its place becomes transparent before the next one is drawn */
    bool overwrite; /* it replaces what is there, also where it is transparent */
};

/* IC_E_MORE: it is not in view yet. in must have a WebP's magic. The place is as declared, and not checked. */
enum ic_code probe_webp_first_frame(struct ic_bytes in, struct probe_frame *out, struct ic_error *e);
/* The frame at or behind *at (0: the first), and *at behind it. IC_E_FORMAT: there is no further one; IC_E_MORE: the
 * file is cut before it. */
enum ic_code probe_webp_frame(struct ic_bytes in, size_t *at, struct probe_frame *out, struct ic_error *e);
/* What ANIM says; 0 and 0 where there is none. background: as it is stored, B G R A from the lowest byte up. */
void probe_webp_animation(struct ic_bytes in, uint32_t *background, uint32_t *loops);

#define PROBE_SUPPORTED "only JPEG, PNG and WebP are"

static inline uint32_t probe_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t probe_be32(const uint8_t *p)
{
    return probe_be16(p) << 16 | probe_be16(p + 2);
}

static inline uint32_t probe_le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t probe_le24(const uint8_t *p)
{
    return (uint32_t)p[2] << 16 | probe_le16(p);
}

static inline uint32_t probe_le32(const uint8_t *p)
{
    return probe_le16(p + 2) << 16 | probe_le16(p);
}

static inline enum ic_code probe_more(struct ic_error *e)
{
    return ic_fail(e, IC_E_MORE, "the header goes on beyond the bytes given");
}

#endif
