/* The seam between pixels and formats: rows of planes, pulled from a source and pushed to a sink.
 *
 *     source  --rows-->  scale, turn, place, convert  --rows-->  sink
 *
 * A source yields its own planes: JPEG its components as the file subsamples them (and as DCT scaling leaves them),
 * PNG one packed plane, WebP its Y, U and V, or one packed plane where it is lossless or has alpha. Nothing is
 * upsampled or converted before it is resampled. A new format is one file plus one line in codecs[] (codec.c). */
#ifndef IMGCORE_CODEC_H
#define IMGCORE_CODEC_H

#include "imgcore.h"
#include "mem.h"

#define IC_PLANES 4

enum ic_layout {
    IC_GREY,  /* 1 channel  */
    IC_GREYA, /* 2 channels, not premultiplied */
    IC_RGB,   /* 3 channels */
    IC_RGBA,  /* 4 channels, not premultiplied */
    IC_YCBCR, /* 3 planes, full range BT.601 (JFIF); chroma sited at the centre of the samples it covers */
    IC_CMYK,  /* 4 channels, 0 = full ink (as Adobe stores it) */
    IC_YCCK   /* 4 planes: YCbCr as above, which gives RGB-like CMY with 0 = full ink, and K as in CMYK */
};

/* One plane: `channels` interleaved bytes a sample. Layouts of several channels come either as one packed plane or
 * as one plane per channel (YCbCr and YCCK: always the latter). */
struct ic_plane {
    uint32_t width, height; /* samples */
    int channels;
    double span_w, span_h; /* the whole image measured in this plane's samples: a 2725-pixel image at 4/8 spans
                              1362.5 samples of a plane 1363 wide. All geometry uses these, never width/height */
};

struct ic_planes {
    enum ic_layout layout;
    bool limited; /* IC_YCBCR only: BT.601's 16 .. 235 and 16 .. 240 (WebP) instead of the full range */
    int n;
    struct ic_plane plane[IC_PLANES];
};

/* Some rows of each plane; planes advance at their own pace (4:2:0 yields 16 and 8 and 8). */
struct ic_rows {
    const uint8_t *p[IC_PLANES]; /* first row */
    size_t stride[IC_PLANES];    /* bytes */
    uint32_t n[IC_PLANES];       /* rows; all 0: the end */
};

/* sources */

struct ic_source_opt {
    const struct ic_info *expect; /* what ic_probe said: the codec's own header must agree on size, components and
                                     depth, before anything is allocated, else IC_E_CORRUPT */
    int scale;                    /* eighths: 8 4 2 1; codecs that can't shrink ignore it and say so in the spans */
    bool rough;                   /* a picture that is only looked at, not shown, will do */
    bool frames;                  /* all frames of an animation, one after another, instead of the first */
    bool deep;                    /* PNG of 16 bits: rows of samples as they are stored, the upper byte first */
    struct ic_mem *mem;           /* borrowed while the source lives */
};

struct ic_source;

struct ic_source_ops {
    enum ic_code (*rows)(struct ic_source *s, struct ic_rows *rows, struct ic_error *e);
    void (*close)(struct ic_source *s);
    /* On to the next frame, whose rows come then. NULL: there is one frame only. */
    enum ic_code (*next)(struct ic_source *s, bool *more, struct ic_error *e);
};

struct ic_animation {
    uint32_t background;  /* B G R A from the lowest byte up */
    uint32_t loops;       /* 0: for ever */
    uint32_t duration_ms; /* of the frame whose rows come now */
};

/* Embedded as the first member of a codec's own struct. */
struct ic_source {
    const struct ic_source_ops *ops;
    struct ic_planes shape;
    bool truncated; /* the data ended early; the rest of the rows is filler */
    struct ic_animation animation;
};

/* The next rows, valid until the next call. Rows may be as few or many as the codec likes, all n = 0 at the end. */
enum ic_code ic_source_rows(struct ic_source *s, struct ic_rows *rows, struct ic_error *e);
/* The same where some must be left: IC_E_CORRUPT otherwise. */
enum ic_code ic_source_more_rows(struct ic_source *s, struct ic_rows *rows, struct ic_error *e);
void ic_source_close(struct ic_source *s); /* accepts NULL */
/* *more: false where there is no further frame. */
enum ic_code ic_source_next(struct ic_source *s, bool *more, struct ic_error *e);

/* What stands for pixels that a truncated file lacks, as in a JPEG: opaque grey. Packed, 1 to 4 channels. */
void ic_grey_pixels(uint8_t *px, size_t n, int channels);

/* sinks */

/* Blocks to write beside the pixels, without their containers' prefixes; n is 0 where there is none. What a format has
 * no place for, or is too large for it, is left out. */
struct ic_attached {
    struct ic_bytes profile, exif, xmp, iptc; /* borrowed while the sink lives */
};

struct ic_sink_opt {
    int quality; /* 1 .. 100 */
    int effort;  /* 0 .. 9 */
    int chroma;  /* IC_CHROMA_420 422 444 */
    bool progressive, lossless;
    bool deep; /* PNG: rows are of 16-bit samples, the upper byte first, and so is the file; without a palette */
    struct ic_attached attached;
    int palette;        /* colours of a PNG's palette, 2 .. 256; 0: none */
    bool dither;        /* with it */
    struct ic_mem *mem; /* borrowed while the sink lives */
};

struct ic_sink;

struct ic_sink_ops {
    enum ic_code (*write)(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e);
    enum ic_code (*finish)(struct ic_sink *s, struct ic_error *e);
    void (*free)(struct ic_sink *s);
};

struct ic_sink {
    const struct ic_sink_ops *ops;
    struct ic_planes shape;
    struct ic_buffer *out; /* borrowed; grows as the encoder writes */
};

/* Rows in order, any number at a time per plane; a plane must not run ahead of another by more than one strip
 * (16 luma rows). */
enum ic_code ic_sink_write(struct ic_sink *s, const struct ic_rows *rows, struct ic_error *e);
enum ic_code ic_sink_finish(struct ic_sink *s, struct ic_error *e); /* after the last row */
void ic_sink_free(struct ic_sink *s);                               /* accepts NULL, and unfinished sinks */

/* codecs */

struct ic_codec {
    const char *name; /* "jpeg": used in URLs, logs, metrics */
    const char *mime; /* "image/jpeg" */
    enum ic_format format;
    int default_quality; /* 0: has none */
    bool alpha;          /* can store it */
    bool shrinks;        /* decodes at 4/8, 2/8, 1/8 for less work */
    /* The planes a sink takes for a width x height image of this layout: the same layout where the encoder takes it,
     * with chroma planes at the subsampled size (rounded up, spans exact) and in the range it stores; otherwise the
     * nearest it takes (JPEG: RGBA -> RGB; PNG, lossless WebP: YCBCR -> RGB packed). */
    void (*sink_shape)(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                       struct ic_planes *out);
    enum ic_code (*open)(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out, struct ic_error *e);
    enum ic_code (*create)(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                           struct ic_sink **sink, struct ic_error *e);
    void (*version)(char *out, size_t n); /* the library's name and version, for ETags */
};

extern const struct ic_codec ic_codec_jpeg, ic_codec_png, ic_codec_webp, ic_codec_pixels;

const struct ic_codec *ic_codec_of(enum ic_format f); /* NULL for IC_FORMAT_ORIGIN */

void ic_versions_init(void); /* what ic_versions tells; from ic_init */

#endif
