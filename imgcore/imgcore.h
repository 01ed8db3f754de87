/* imgcore: one encoded image in, one or several encoded images out.
 *
 * The only header the rest of pixpool includes from here. imgcore opens no file and no socket, starts no thread,
 * logs nothing and never exits; all state lives in an engine, of which each thread or process has its own.
 *
 *     ic_probe    header bytes            -> ic_info    library-free, safe in the gateway
 *     ic_plan     recipe + info + limits  -> ic_plan    pure: sizes, crop, shrink-on-load, memory, cost
 *     ic_run      bytes + recipes         -> results    decodes once, feeds every recipe
 *     ic_inspect  bytes                   -> ic_facts   colours and hashes, from a small decode
 */
#ifndef IMGCORE_H
#define IMGCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IC_VERSION "0.1.0"

/* failing */

enum ic_code {
    IC_OK = 0,
    IC_E_PARAM,   /* the recipe asks for something impossible */
    IC_E_FORMAT,  /* not an image of a format that is supported */
    IC_E_CORRUPT, /* the format is supported, the data is broken */
    IC_E_MORE,    /* ic_probe only: the header goes on beyond the bytes given */
    IC_E_LIMIT,   /* over a limit on pixels, sides, frames */
    IC_E_MEMORY,  /* the engine's memory budget is used up */
    IC_E_RESULT,  /* the encoded result is larger than allowed */
    /* Never returned by imgcore; here so that one table maps every failure of a job to its HTTP status. */
    IC_E_BUSY,     /* no room in the queue, or no worker before the deadline */
    IC_E_DEADLINE, /* the deadline passed while working */
    IC_E_WORKER,   /* the worker died on this image */
    IC_E_GONE,     /* the client left */
    IC_CODES
};

struct ic_error {
    enum ic_code code;
    char text[200]; /* one clear sentence without a full stop */
};

/* Fills e (may be NULL) and returns code, so that a function fails in one line: return ic_fail(e, ...). */
enum ic_code ic_fail(struct ic_error *e, enum ic_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "limit", "corrupt": the stable word for a code in JSON, logs and metrics. */
const char *ic_code_name(enum ic_code code);

/* what came */

struct ic_bytes {
    const uint8_t *p; /* borrowed */
    size_t n;
};

enum ic_format {
    IC_FORMAT_ORIGIN,
    IC_FORMAT_JPEG,
    IC_FORMAT_PNG,
    IC_FORMAT_WEBP,
    IC_FORMATS,
    IC_FORMAT_PIXELS = 64 /* inside imgcore only: packed RGBA and nothing else, for code that looks at pixels */
};

const char *ic_format_name(enum ic_format f); /* "jpeg" */
const char *ic_format_mime(enum ic_format f); /* "image/jpeg" */

/* What a header tells. Sizes are as stored, before orientation. */
struct ic_info {
    enum ic_format format;
    uint32_t width, height;     /* 1 .. 2^31-1 */
    uint32_t frames;            /* 1 unless animated */
    uint8_t components;         /* 1 grey, 2 grey+alpha, 3 colour, 4 colour+alpha or CMYK */
    uint8_t depth;              /* bits a sample: 1 2 4 8 12 16 */
    uint8_t orientation;        /* EXIF 1 .. 8, 1 where absent */
    bool alpha;                 /* an alpha channel, or a transparent palette entry or colour */
    bool palette;               /* PNG */
    bool cmyk;                  /* JPEG with four components */
    bool progressive;           /* progressive JPEG or interlaced PNG: the decoder needs the whole frame */
    bool arithmetic;            /* JPEG, coded so: slow to read */
    bool lossless;              /* PNG, and WebP as VP8L */
    uint8_t hsamp[4], vsamp[4]; /* JPEG sampling factors 1 .. 4 by component, else 1 */
};

/* Reads the header of an image without a codec library.
 *
 * head  the image's first bytes, or all of them; 32 KB suffice for most
 * out   set on success only
 *
 * IC_E_FORMAT (the text names the format where it is a known one), IC_E_CORRUPT, or IC_E_MORE where the header is
 * sound as far as it goes. EXIF orientation is looked for up to the first frame header (JPEG), first IDAT (PNG), or
 * anywhere in head (WebP, whose EXIF chunk comes last). Reentrant; allocates nothing. */
enum ic_code ic_probe(struct ic_bytes head, struct ic_info *out, struct ic_error *e);

/* what is asked */

enum ic_unit { IC_UNIT_NONE, IC_UNIT_PX, IC_UNIT_PERCENT };

struct ic_len {
    double value;
    enum ic_unit unit; /* IC_UNIT_NONE: not given */
};

enum ic_fit { IC_FIT_INSIDE, IC_FIT_COVER, IC_FIT_PAD, IC_FIT_STRETCH, IC_FIT_OUTSIDE };

enum ic_gravity {
    IC_CENTER,
    IC_NORTH,
    IC_NORTHEAST,
    IC_EAST,
    IC_SOUTHEAST,
    IC_SOUTH,
    IC_SOUTHWEST,
    IC_WEST,
    IC_NORTHWEST,
    IC_FOCAL,  /* round the focal point; this and the next two otherwise as IC_CENTER */
    IC_SMART,  /* round what draws the eye */
    IC_ENTROPY /* where most happens */
};

enum ic_chroma { IC_CHROMA_AUTO, IC_CHROMA_420, IC_CHROMA_422, IC_CHROMA_444 };

enum ic_kernel {
    IC_KERNEL_LANCZOS3,
    IC_KERNEL_LANCZOS2,
    IC_KERNEL_MITCHELL,
    IC_KERNEL_CATROM,
    IC_KERNEL_BILINEAR,
    IC_KERNEL_BOX,
    IC_KERNEL_NEAREST
};

/* Colours become sRGB, or stay as they are with the profile that says what they mean. */
enum ic_cs { IC_CS_SRGB, IC_CS_KEEP };

/* Of EXIF, XMP and IPTC: nothing, whose picture it is, or all but thumbnails. */
enum ic_metadata { IC_METADATA_NONE, IC_METADATA_COPYRIGHT, IC_METADATA_KEEP };

struct ic_colour {
    uint8_t r, g, b, a; /* sRGB, not premultiplied */
};

/* What is put round the turned picture, in pixels that dpr multiplies. All zero: nothing. */
struct ic_surround {
    int pad[4]; /* top right bottom left, of bg */
    struct ic_border {
        int width;
        struct ic_colour colour;
    } border;      /* round that, on all sides */
    double radius; /* of the corners of it all; IC_RADIUS_MAX: as round as they can be */
};

#define IC_RADIUS_MAX (-1.0)
#define IC_TRIM_NONE  (-1)

enum ic_filt { IC_FILT_NONE, IC_FILT_GREYSCALE, IC_FILT_SEPIA, IC_FILT_NEGATE, IC_FILT_DUOTONE };

#define IC_SHARP_MILD (-1.0)

/* What is done to the picture once it has its size and its turn, in this order; docs/filters.md has the formulas. */
struct ic_filters {
    double bri, brightness; /* -100 .. 100 percent; 0 .. 10, a factor. Both: multiplied. So the next two */
    double con, contrast;
    double sat, saturation;
    double hue;                   /* -360 .. 360 degrees */
    double gamma;                 /* 0.1 .. 9.99 */
    int filt;                     /* enum ic_filt */
    struct ic_colour start, stop; /* of duotone: what black and white become */
    struct ic_colour tint;
    bool tinted;
    double sharp; /* a sigma of 0.3 .. 10 pixels; IC_SHARP_MILD; 0: none */
    struct ic_usm {
        double amount, radius, threshold; /* 0 .. 500 percent, 0: none; 0.3 .. 250 pixels; 0 .. 255 levels */
    } usm;
    double blur; /* a sigma of 0.3 .. 250 pixels; 0: none */
    int pixel;   /* 2 .. 512: side of the squares in pixels; 0 and 1: none */
};

#define IC_MARKS     3  /* watermarks of one output */
#define IC_MARK_HASH 16 /* bytes that tell a mark's file from all others */
#define IC_MARK_TILE 64 /* beside enum ic_gravity: all over the result */

/* One watermark. Without a box of its own it gets `scale` percent of the result's width and is never higher than it. */
struct ic_mark {
    int input;                   /* 1 .. IC_MARKS: which of those lent to the engine; 0: there is none */
    int pos;                     /* enum ic_gravity up to IC_NORTHWEST, or IC_MARK_TILE */
    double scale;                /* 0.1 .. 1000 */
    struct ic_len width, height; /* the box it is fitted into; px, or percent of the result's */
    double pad;                  /* px to the edges that pos names; between tiles */
    struct ic_len x, y;          /* the same for one axis, instead of pad; may be negative */
    double alpha;                /* 0 .. 100 */
    double rotate;               /* as the recipe's, of the mark alone */
};

#define IC_TEXT 257 /* bytes of a text, its NUL included */

/* A line or several laid over the result, above all marks. */
struct ic_text {
    char text[IC_TEXT]; /* UTF-8, lines separated by \n; "": there is none */
    int font;           /* 0, 1 ..: in the order of ic_engine_add_font() */
    double size;        /* px, 1 .. 1000 */
    struct ic_colour colour;
    int pos;      /* as of marks */
    double pad;   /* as of marks */
    double alpha; /* 0 .. 100 */
};

/* The options of one output: plain data, copied as bytes between processes of the same binary.
 * Fields that hold an enum are ints so that one option table can describe them all. */
struct ic_recipe {
    struct ic_len width, height; /* the box; px or percent of the (cropped, oriented) source */
    struct ic_len rect[4];       /* x y w h in oriented coordinates; all IC_UNIT_NONE: whole image */
    double dpr;                  /* 0.1 .. 8, multiplies width and height given in px */
    int fit;                     /* enum ic_fit */
    int gravity;                 /* enum ic_gravity */
    double focus_x, focus_y;     /* of IC_FOCAL: 0 .. 1 of the oriented source */
    int trim;                    /* 0 .. 255: how much a uniform border may vary; IC_TRIM_NONE: leave it */
    double rotate;               /* -360 .. 360, clockwise, after orientation */
    int format;                  /* enum ic_format; IC_FORMAT_ORIGIN keeps the source's */
    int quality;                 /* 1 .. 100; 0: the format's default */
    int chroma;                  /* enum ic_chroma */
    int effort;                  /* 0 .. 9 */
    int kernel;                  /* enum ic_kernel */
    bool linear;                 /* resample in linear light */
    bool enlarge, autorotate;
    bool flip; /* top to bottom */
    bool flop; /* left to right */
    bool progressive, lossless;
    bool strict;   /* a truncated source is an error */
    int cs;        /* enum ic_cs */
    int metadata;  /* enum ic_metadata */
    int depth;     /* bits a sample of a PNG: 8 or 16 */
    int palette;   /* colours of a PNG's palette, 2 .. 256; 0: none */
    bool dither;   /* with it */
    int max_bytes; /* of the result; 0: any */
    int page;      /* of an animation, this frame alone, from 0; -1: not given */
    bool anim;     /* an animation stays one where the result's format has them */
    bool bg_given;
    struct ic_colour bg;
    struct ic_filters filters;
    struct ic_mark mark[IC_MARKS]; /* laid in this order */
    struct ic_text text;
    struct ic_surround surround;
#ifdef PIXPOOL_TEST_OPS
    int test_op; /* enum ic_test_op: misbehave on purpose; absent from real builds */
#endif
};

#ifdef PIXPOOL_TEST_OPS
enum ic_test_op {
    IC_TEST_NONE,
    IC_TEST_CRASH,
    IC_TEST_HANG,
    IC_TEST_OOM,
    IC_TEST_BUSY, /* 50 ms of the processor, then as if nothing had been */
    IC_TEST_NAP,  /* 50 ms by the clock, the same */
    /* What a sandbox must not let pass. */
    IC_TEST_OPEN,
    IC_TEST_SOCKET,
    IC_TEST_EXEC,
    IC_TEST_PTRACE,
    IC_TEST_FORK,
    IC_TEST_KILL
};
#endif

/* Every option at its documented default. */
void ic_recipe_init(struct ic_recipe *r);

/* what will be done */

struct ic_limits {
    uint64_t max_pixels_in; /* width * height of a source, times the frames that are to be decoded */
    uint32_t max_frames;    /* to be decoded; 0: any */
    uint32_t max_side_in;
    uint32_t max_side_out;
    size_t max_memory; /* bytes one ic_run may hold */
    size_t max_result; /* bytes of one encoded result */
};

/* The eight ways a rectangle maps onto itself. Bit 0: mirror left-right, bit 1: mirror top-bottom, bit 2: transpose
 * (swap x and y) first. EXIF orientation, rotate, flip and flop all compose into one of these. */
enum ic_turn { IC_TURN_FLOP = 1, IC_TURN_FLIP = 2, IC_TURN_TRANSPOSE = 4 };

struct ic_box {
    double x0, y0, x1, y1; /* half-open, in stored source pixels, real-valued */
};

/* What a plan must know of the pixels before it is final. */
enum ic_analyse {
    IC_ANALYSE_TRIM = 1, /* the border: sizes and crop are bounds until then */
    IC_ANALYSE_LOOK = 2  /* what is in the picture: the crop has its size but not its place */
};

/* What one recipe means for one source. Pure data; explain=1 will print it. */
struct ic_plan {
    struct ic_info source;
    unsigned analyse;                    /* bits of enum ic_analyse; ic_run looks and plans again */
    bool sized;                          /* width and height are final, whatever is analysed */
    struct ic_box area;                  /* what rect leaves, as the viewer sees it */
    int trim, gravity;                   /* as in the recipe */
    unsigned orient;                     /* bits of enum ic_turn that undo the orientation */
    struct ic_box crop;                  /* what of the stored source is visible */
    int scale;                           /* shrink-on-load in eighths: 8 4 2 1 (JPEG), else 8 */
    uint32_t scaled_w, scaled_h;         /* after resampling, before turn */
    unsigned turn;                       /* bits of enum ic_turn, applied to the resampled image */
    uint32_t width, height;              /* of the result */
    uint32_t place_x, place_y;           /* where the turned image lies in the result, unless it is rotated: */
    double angle;                        /* degrees clockwise that turn leaves, within -45 .. 45 */
    double centre_x, centre_y;           /* of the rotated image in the result, pixels */
    struct ic_surround surround;         /* dpr applied, radius no more than fits */
    enum ic_format format;               /* never IC_FORMAT_ORIGIN */
    int quality, chroma, effort, kernel; /* chroma never IC_CHROMA_AUTO */
    bool progressive, lossless;
    int palette; /* PNG only, as in the recipe */
    bool dither;
    size_t max_bytes;
    uint32_t page, frames; /* the first frame of an animation that is wanted, and how many: 1 makes a still image */
    bool pad;              /* the result is more than the turned image */
    bool bare;             /* bg shows beside the image */
    bool keep_profile;
    int metadata;        /* enum ic_metadata */
    uint8_t orientation; /* EXIF's, of the result */
    bool flatten;        /* alpha is composed onto bg */
    bool alpha;          /* the result has alpha */
    bool framed;         /* the result is collected whole before it is encoded */
    bool linear;         /* resampled in linear light, from the full decode */
    bool rgb;            /* an operation needs RGB (or grey) instead of YCbCr planes */
    bool deep;           /* 16 bits a sample from the source to the result, on a way of its own (deep.h) */
    bool shallow;        /* that was asked for and could be, but for another option: the result has 8 */
    struct ic_colour bg;
    struct ic_filters filters;
    double dpr;
    struct ic_mark mark[IC_MARKS];
    struct ic_text text;
    uint64_t memory; /* predicted bytes held at most */
    double cost_ms;  /* predicted CPU milliseconds on a typical core */
};

/* Plans one output. Pure and reentrant, microseconds.
 * IC_E_LIMIT, IC_E_MEMORY (from the header, before any work), IC_E_PARAM (rect outside of the image). */
enum ic_code ic_plan(const struct ic_recipe *r, const struct ic_info *info, const struct ic_limits *limits,
                     struct ic_plan *out, struct ic_error *e);

/* Size as a viewer shows it: stored size with EXIF orientation applied. */
void ic_oriented_size(const struct ic_info *info, bool autorotate, uint32_t *w, uint32_t *h);

/* doing it */

struct ic_engine; /* warm memory, cached weights; one per thread */

/* Once per process, before anything else of imgcore but ic_probe and ic_plan: chooses the kernels. PIXPOOL_ISA in the
 * environment (c, avx2) lowers the choice; an unknown or unsupported name is ignored. Not reentrant. */
void ic_init(void);

/* One line per kernel, "vscale_u8 avx2\n", into buf (always terminated). Returns the length needed. */
size_t ic_cpu_report(char *buf, size_t n);

/* pixpool's and the codecs' versions as one short string, after ic_init; part of every ETag. Static storage. */
const char *ic_versions(void);

struct ic_engine *ic_engine_create(const struct ic_limits *limits); /* NULL: out of memory. limits are copied */
/* The profile of CMYK images that have none; copied. IC_E_FORMAT where it is no profile of CMYK. */
enum ic_code ic_engine_cmyk(struct ic_engine *g, struct ic_bytes profile, struct ic_error *e);
void ic_engine_free(struct ic_engine *g);

/* A font for text: OpenType or TrueType with outlines. Characters that a text's own font lacks are taken from the
 * others. bytes stay borrowed while the engine lives. IC_E_FORMAT, IC_E_LIMIT (too many), IC_E_MEMORY. */
enum ic_code ic_engine_add_font(struct ic_engine *g, struct ic_bytes bytes, struct ic_error *e);

struct ic_mark_bytes {
    struct ic_bytes bytes;      /* an encoded image; borrowed until others are lent */
    uint8_t hash[IC_MARK_HASH]; /* of bytes: equal for equal ones alone */
};

/* The watermarks that recipes of the next runs name by their number, from 1; n is 0 .. IC_MARKS. */
void ic_engine_lend_marks(struct ic_engine *g, const struct ic_mark_bytes *marks, int n);
/* What was delivered in spite of something. */
enum ic_warning {
    IC_WARN_TRUNCATED = 1, /* the source ended early; the rows it lacks are grey */
    IC_WARN_PROFILE = 2,   /* its colour profile is broken; colours were taken as sRGB */
    IC_WARN_CMYK = 4,      /* CMYK without a profile: colours are a guess */
    IC_WARN_DEPTH = 8,     /* 16 bits a sample were asked for, but an option allows 8 only */
    IC_WARN_LARGE = 16     /* it is larger than max_bytes, and could not be made smaller */
};

/* "truncated, profile" and so on for a set of bits, into buf (always terminated). Returns buf; NULL where there is
 * nothing to say: IC_WARN_LARGE has no word here, because each caller has a place of its own for it. */
const char *ic_warnings_text(unsigned warnings, char *buf, size_t n);

struct ic_result {
    struct ic_bytes data;                                /* borrowed until the callback returns */
    uint32_t width, height, source_width, source_height; /* source as oriented */
    enum ic_format format, source_format;
    double decode_ms, transform_ms, encode_ms; /* wall time; decode is that of the shared decode */
    unsigned warnings;                         /* bits of enum ic_warning */
};

/* Called once per recipe, in the order in which results are finished. r is NULL and e says why where this output
 * failed. Returning false stops the run. */
typedef bool ic_emit(void *ctx, int index, const struct ic_result *r, const struct ic_error *e);

/* Decodes in once and feeds n recipes.
 *
 * n     1 .. 32
 * emit  called exactly once per recipe unless it stops the run or ic_run fails as a whole
 *
 * Returns IC_OK when every recipe was emitted (some perhaps with errors of their own), otherwise the failure that
 * concerns all of them (source unreadable), with e filled and emit not called for the recipes still open. */
enum ic_code ic_run(struct ic_engine *g, struct ic_bytes in, const struct ic_recipe *recipes, int n, ic_emit *emit,
                    void *ctx, struct ic_error *e);

/* what it is */

#define IC_SWATCHES 6

struct ic_swatch {
    struct ic_colour colour;
    uint32_t share; /* of the visible pixels, in millionths */
};

/* How a picture was taken, as its EXIF tells: "" and 0 are what it does not. Texts are cut to what has room. */
struct ic_shot {
    char make[64], model[64], lens[96], artist[128], copyright[256];
    char taken[32];                          /* ISO 8601: 2024-05-06T07:08:09, +02:00 behind it where that is known */
    double exposure, f_number, focal_length; /* s; -; mm */
    uint32_t iso;
    bool placed; /* the following are told */
    double latitude, longitude;
};

/* What one image is, beyond its header. Plain data, copied as bytes between processes of the same binary. */
struct ic_facts {
    struct ic_info info;
    uint32_t width, height; /* as oriented */
    bool truncated;
    uint8_t swatches;                     /* 0: nothing is visible */
    struct ic_swatch swatch[IC_SWATCHES]; /* the most frequent first: the dominant colour */
    char blurhash[32];                    /* of 4 x 3 components, 3 x 4 for an upright picture; on white */
    uint8_t thumbhash[25];
    uint8_t thumbhash_n;
    char profile[128]; /* the name of its colour profile; "": it has none */
    struct ic_shot shot;
    double decode_ms, look_ms;
};

/* Decodes in at the smallest scale and describes it. out is set on success only. */
enum ic_code ic_inspect(struct ic_engine *g, struct ic_bytes in, struct ic_facts *out, struct ic_error *e);

#endif
