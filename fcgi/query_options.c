/* The option table: one row declares an option's names, type, range, default and text, and the parser, the checks, the
 * error texts, /api/options and the command line's help all follow from it.
 *
 * Rows stand in the order in which query_canonical tells them, so that new rows belong where they read best but
 * renaming or moving one changes ETags. */
#include "query_option.h"

#include <stddef.h>
#include <string.h>

#define F(field)        offsetof(struct query, field)
#define R(field)        offsetof(struct query, recipe.field)
#define LENGTH          &query_type_length, .min = 1, .max = 16384
#define OFFSET          &query_type_length, .min = -16384, .max = 16384
#define WORD(words_)    &query_type_word, .words = words_
#define BOOL            &query_type_bool
#define PERCENT(field_) &query_type_number, .offset = R(filters.field_), .min = -100, .max = 100, .def = "0"
#define FACTOR(field_)  &query_type_number, .offset = R(filters.field_), .min = 0, .max = 10, .def = "1"
#define AREA_MAX        65535 /* the widest side a source can have: config.h, max_side_in */

/* clang-format off */
const struct query_word query_fits[] = {
    { "inside", IC_FIT_INSIDE }, { "cover", IC_FIT_COVER }, { "pad", IC_FIT_PAD },
    { "stretch", IC_FIT_STRETCH }, { "outside", IC_FIT_OUTSIDE },
    { "clip", IC_FIT_INSIDE }, { "max", IC_FIT_INSIDE }, { "scale-down", IC_FIT_INSIDE },
    { "crop", IC_FIT_COVER }, { "min", IC_FIT_COVER }, { "contain", IC_FIT_PAD },
    { "fill", IC_FIT_STRETCH }, { "force", IC_FIT_STRETCH }, { "scale", IC_FIT_STRETCH }, { "squeeze", IC_FIT_STRETCH },
    { NULL, 0 }
};

static const struct query_word gravities[] = {
    { "center", IC_CENTER }, { "north", IC_NORTH }, { "northeast", IC_NORTHEAST }, { "east", IC_EAST },
    { "southeast", IC_SOUTHEAST }, { "south", IC_SOUTH }, { "southwest", IC_SOUTHWEST }, { "west", IC_WEST },
    { "northwest", IC_NORTHWEST },
    { "top", IC_NORTH }, { "top-right", IC_NORTHEAST }, { "right", IC_EAST }, { "bottom-right", IC_SOUTHEAST },
    { "bottom", IC_SOUTH }, { "bottom-left", IC_SOUTHWEST }, { "left", IC_WEST }, { "top-left", IC_NORTHWEST },
    { "centre", IC_CENTER }, { "focal", IC_FOCAL },
    { "smart", IC_SMART }, { "entropy", IC_ENTROPY }, { "attention", IC_SMART }, { "focalpoint", IC_FOCAL },
    { "left-top", IC_NORTHWEST }, { "right-top", IC_NORTHEAST }, { "left-bottom", IC_SOUTHWEST },
    { "right-bottom", IC_SOUTHEAST },
    { NULL, 0 }
};

static const struct query_word mark_places[] = {
    { "southeast", IC_SOUTHEAST }, { "south", IC_SOUTH }, { "southwest", IC_SOUTHWEST }, { "east", IC_EAST },
    { "center", IC_CENTER }, { "west", IC_WEST }, { "northeast", IC_NORTHEAST }, { "north", IC_NORTH },
    { "northwest", IC_NORTHWEST }, { "tile", IC_MARK_TILE },
    { "bottom-right", IC_SOUTHEAST }, { "bottom", IC_SOUTH }, { "bottom-left", IC_SOUTHWEST }, { "right", IC_EAST },
    { "centre", IC_CENTER }, { "left", IC_WEST }, { "top-right", IC_NORTHEAST }, { "top", IC_NORTH },
    { "top-left", IC_NORTHWEST },
    { NULL, 0 }
};

/* The options of watermark i; all their names end in n_. */
#define MARK_ROWS(n_, i_) \
    { "mark" n_, "watermark" n_ ",wm" n_, &query_type_text, .offset = F(mark[i_]), \
      .text = "watermark: a name of the configuration, a path below mark_root, upload for the part of the form, or none" }, \
    { "mark-pos" n_, "mark-align" n_ ",markpos" n_, WORD(mark_places), .offset = R(mark[i_].pos), .def = "southeast", \
      .text = "where the watermark lies; tile repeats it all over the result" }, \
    { "mark-scale" n_, "markscale" n_, &query_type_number, .offset = R(mark[i_].scale), .min = 0.1, .max = 1000, \
      .def = "20", .text = "width of the watermark in percent of the result's" }, \
    { "mark-w" n_, "markw" n_, LENGTH, .offset = R(mark[i_].width), \
      .text = "width of the box that the watermark is fitted into, instead of mark-scale; shares are of the result" }, \
    { "mark-h" n_, "markh" n_, LENGTH, .offset = R(mark[i_].height), .text = "height of that box" }, \
    { "mark-pad" n_, "markpad" n_, &query_type_number, .offset = R(mark[i_].pad), .max = 16384, .def = "5", \
      .text = "pixels between the watermark and the edges that it lies at; between tiles" }, \
    { "mark-x" n_, "markx" n_, OFFSET, .offset = R(mark[i_].x), \
      .text = "pixels or a share to the edge at its side, instead of mark-pad; to the right of the centre" }, \
    { "mark-y" n_, "marky" n_, OFFSET, .offset = R(mark[i_].y), \
      .text = "pixels or a share to the edge above or below, instead of mark-pad; down from the centre" }, \
    { "mark-alpha" n_, "markalpha" n_, &query_type_number, .offset = R(mark[i_].alpha), .max = 100, .def = "100", \
      .text = "opacity of the watermark in percent" }, \
    { "mark-rot" n_, "markrot" n_, &query_type_number, .offset = R(mark[i_].rotate), .min = -360, .max = 360, .def = "0", \
      .text = "degrees clockwise by which the watermark alone is turned" }

static const struct query_word formats[] = {
    { "jpeg", IC_FORMAT_JPEG }, { "jpg", IC_FORMAT_JPEG }, { "png", IC_FORMAT_PNG }, { "webp", IC_FORMAT_WEBP },
    { "auto", QUERY_FORMAT_AUTO }, { "origin", IC_FORMAT_ORIGIN },
    { NULL, 0 }
};

static const struct query_word chromas[] = {
    { "auto", IC_CHROMA_AUTO }, { "420", IC_CHROMA_420 }, { "422", IC_CHROMA_422 }, { "444", IC_CHROMA_444 },
    { "4:2:0", IC_CHROMA_420 }, { "4:2:2", IC_CHROMA_422 }, { "4:4:4", IC_CHROMA_444 },
    { NULL, 0 }
};

static const struct query_word depths[] = { { "8", 8 }, { "16", 16 }, { NULL, 0 } };

static const struct query_word kernels[] = {
    { "lanczos3", IC_KERNEL_LANCZOS3 }, { "lanczos2", IC_KERNEL_LANCZOS2 }, { "mitchell", IC_KERNEL_MITCHELL },
    { "catrom", IC_KERNEL_CATROM }, { "bilinear", IC_KERNEL_BILINEAR }, { "box", IC_KERNEL_BOX },
    { "nearest", IC_KERNEL_NEAREST },
    { NULL, 0 }
};

static const struct query_word filts[] = {
    { "none", IC_FILT_NONE }, { "greyscale", IC_FILT_GREYSCALE }, { "sepia", IC_FILT_SEPIA },
    { "negate", IC_FILT_NEGATE }, { "duotone", IC_FILT_DUOTONE },
    { "grayscale", IC_FILT_GREYSCALE }, { "gray", IC_FILT_GREYSCALE }, { "grey", IC_FILT_GREYSCALE },
    { NULL, 0 }
};
static const struct query_word spaces[] = { { "srgb", IC_CS_SRGB }, { "keep", IC_CS_KEEP }, { NULL, 0 } };

/* strip, its alias, is a question: 1 for none, 0 for all. */
static const struct query_word metadatas[] = {
    { "none", IC_METADATA_NONE }, { "copyright", IC_METADATA_COPYRIGHT }, { "keep", IC_METADATA_KEEP },
    { "1", IC_METADATA_NONE }, { "true", IC_METADATA_NONE }, { "0", IC_METADATA_KEEP }, { "false", IC_METADATA_KEEP },
    { NULL, 0 }
};

#ifdef PIXPOOL_TEST_OPS
static const struct query_word test_ops[] = {
    { "none", IC_TEST_NONE }, { "crash", IC_TEST_CRASH }, { "hang", IC_TEST_HANG },     { "oom", IC_TEST_OOM },
    { "busy", IC_TEST_BUSY }, { "nap", IC_TEST_NAP },     { "open", IC_TEST_OPEN },     { "socket", IC_TEST_SOCKET },
    { "exec", IC_TEST_EXEC }, { "fork", IC_TEST_FORK },   { "ptrace", IC_TEST_PTRACE }, { "kill", IC_TEST_KILL },
    { NULL, 0 }
};
#endif

const struct query_option query_options[] = {
    { "w", "width", LENGTH, .offset = R(width), .text = "width of the box in pixels, or a share of the source: 50p" },
    { "h", "height", LENGTH, .offset = R(height), .text = "height of the box in pixels, or a share of the source: 50p" },
    { "fit", "mode", WORD(query_fits), .offset = R(fit), .def = "inside",
      .text = "how to use the box: inside keeps all and the aspect, cover fills it and crops, pad fills it with bg, stretch "
              "gives up the aspect, outside covers it without cropping" },
    { "enlarge", "el,upscale,!we", BOOL, .offset = R(enlarge), .def = "0",
      .text = "allow a result larger than the source; we=1 turns it off" },
    { "dpr", "", &query_type_number, .offset = R(dpr), .min = 0.1, .max = 8, .def = "1",
      .text = "multiplies w and h given in pixels, pad, border and radius" },
    { "gravity", "g,a,position,crop", WORD(gravities), .offset = R(gravity), .def = "center",
      .hint = "takes a word such as north or top-left; to cut out an area use rect=x,y,w,h",
      .text = "what to keep when cropping, where to place when padding; focal centres the crop on fpx, fpy, "
              "smart on what draws the eye, entropy cuts off where least happens" },
    { "fpx", "fp-x", &query_type_number, .offset = R(focus_x), .max = 1, .def = "0.5",
      .text = "x of the focal point as a part of the source's width, oriented; implies gravity=focal" },
    { "fpy", "fp-y", &query_type_number, .offset = R(focus_y), .max = 1, .def = "0.5",
      .text = "y of the focal point as a part of the source's height" },
    { "rect", "", &query_type_area, .offset = R(rect), .max = AREA_MAX, .area = true,
      .text = "cuts x,y,w,h out of the source, oriented; pixels or shares" },
    { "cx", "left", &query_type_edge, .offset = R(rect[0]), .max = AREA_MAX, .area = true, .text = "x of rect" },
    { "cy", "top", &query_type_edge, .offset = R(rect[1]), .max = AREA_MAX, .area = true, .text = "y of rect" },
    { "cw", "areawidth", &query_type_edge, .offset = R(rect[2]), .min = 1, .max = AREA_MAX, .area = true,
      .text = "width of rect" },
    { "ch", "areaheight", &query_type_edge, .offset = R(rect[3]), .min = 1, .max = AREA_MAX, .area = true,
      .text = "height of rect" },
    { "trim", "", &query_type_trim, .offset = R(trim), .max = 255,
      .text = "cuts off a uniform border; how far it may be from the top left pixel, 10 where no value is given" },
    { "rotate", "rot,ro,or", &query_type_number, .offset = R(rotate), .min = -360, .max = 360, .def = "0",
      .text = "degrees clockwise, after the orientation; other angles than quarter turns leave corners in bg" },
    { "autorotate", "", BOOL, .offset = R(autorotate), .def = "1", .text = "apply the EXIF orientation" },
    { "flip", "", &query_type_mirror, .offset = F(mirror), .def = "0",
      .text = "mirror: v or 1 top to bottom, h left to right, hv both" },
    { "flop", "", BOOL, .offset = F(flop), .def = "0", .text = "mirror left to right" },
    { "format", "fm,f,output,type", WORD(formats), .offset = F(format), .def = "origin",
      .text = "format of the result; auto follows the request's Accept, origin keeps the source's" },
    { "q", "quality", &query_type_integer, .offset = R(quality), .min = 1, .max = 100,
      .text = "quality of JPEG and WebP, 80 where it is not given" },
    { "max_bytes", "mb", &query_type_integer, .offset = R(max_bytes), .min = 1024, .max = 1000000000,
      .text = "lowers the quality (PNG: the number of colours) until the result has no more bytes, in at most 6 encodes" },
    { "progressive", "il,interlace", BOOL, .offset = R(progressive), .def = "0",
      .text = "progressive JPEG" },
    { "lossless", "ll", BOOL, .offset = R(lossless), .def = "0", .text = "lossless WebP" },
    { "chroma", "chromasub", WORD(chromas), .offset = R(chroma), .def = "auto",
      .text = "chroma subsampling of JPEG; auto is 420, and 444 from q 90" },
    { "effort", "compression", &query_type_integer, .offset = R(effort), .min = 0, .max = 9, .def = "4",
      .text = "how hard the encoder tries for fewer bytes" },
    { "page", "", &query_type_integer, .offset = R(page), .min = 0, .max = 99999,
      .text = "one frame of an animated WebP, counted from 0, as a still image; other images have one page" },
    { "anim", "", BOOL, .offset = R(anim), .def = "1",
      .text = "animated WebP stays animated where the result is WebP; 0 takes the first frame" },
    { "depth", "", WORD(depths), .offset = R(depth), .def = "8",
      .text = "bits a sample of PNG: 16 where the source is a PNG of 16, too" },
    { "palette", "", &query_type_colours, .offset = R(palette), .min = 2, .max = 256, .def = "0",
      .text = "PNG with a palette of at most so many colours, 256 where only switched on" },
    { "dither", "", BOOL, .offset = R(dither), .def = "1", .text = "hide the steps between a palette's colours" },
    { "bg", "background", &query_type_colour, .offset = F(bg),
      .text = "CSS colour behind transparency and padding; white for JPEG, else transparent" },
    { "bri", "", PERCENT(bri), .text = "brightness in percent: 20 is brightness=1.2" },
    { "con", "", PERCENT(con), .text = "contrast in percent: 20 is contrast=1.2" },
    { "sat", "", PERCENT(sat), .text = "saturation in percent: -100 is grey" },
    { "brightness", "", FACTOR(brightness), .text = "factor that multiplies every colour" },
    { "contrast", "", FACTOR(contrast), .text = "factor round middle grey" },
    { "saturation", "", FACTOR(saturation), .text = "factor round the pixel's own grey" },
    { "hue", "", &query_type_number, .offset = R(filters.hue), .min = -360, .max = 360, .def = "0",
      .text = "degrees by which hues are turned: 120 makes red green" },
    { "gam", "gamma", &query_type_number, .offset = R(filters.gamma), .min = 0.1, .max = 9.99, .def = "1",
      .text = "gamma: above 1 brightens the middle" },
    { "filt", "filter", WORD(filts), .offset = R(filters.filt), .def = "none",
      .text = "greyscale, sepia, negate, or duotone with the colours start and stop" },
    { "start", "", &query_type_colour, .offset = F(start), .text = "what black becomes in a duotone; c83658 where not given" },
    { "stop", "", &query_type_colour, .offset = F(stop), .text = "what white becomes in a duotone; d8e74f where not given" },
    { "tint", "", &query_type_colour, .offset = F(tint), .text = "gives every pixel this colour's hue and chroma and keeps its luma" },
    { "metadata", "strip", WORD(metadatas), .offset = R(metadata), .def = "none",
      .text = "EXIF, XMP and IPTC: none, whose picture it is, or all; GPS leaves with keep alone, thumbnails never" },
    { "cs", "icc", WORD(spaces), .offset = R(cs), .def = "srgb",
      .text = "colours: srgb converts them through the profile, keep leaves them and keeps the profile" },
    { "sharp", "sharpen,sh", &query_type_sharp, .offset = R(filters.sharp), .min = 0.3, .max = 10,
      .text = "sharpens; sigma in pixels, mild where it is empty" },
    { "usm", "", &query_type_usm, .offset = R(filters.usm), .max = 500,
      .text = "unsharp mask: amount in percent, radius (sigma) in pixels, threshold in levels; 100,1,0 where not given" },
    { "blur", "bl,sigma", &query_type_number, .offset = R(filters.blur), .min = 0.3, .max = 250,
      .text = "Gaussian blur; sigma in pixels" },
    { "pixel", "pixelate", &query_type_integer, .offset = R(filters.pixel), .min = 1, .max = 512,
      .text = "pixelation: squares of so many pixels, each of its mean colour" },
    { "pad", "padding", &query_type_sides, .offset = R(surround.pad), .max = 16384, .def = "0",
      .text = "pixels of bg put round the image: all sides, or top,right,bottom,left as in CSS" },
    { "border", "", &query_type_border, .offset = R(surround.border), .max = 16384, .def = "0",
      .text = "a line round the image and its padding: pixels,colour; black where no colour is given" },
    { "radius", "", &query_type_radius, .offset = R(surround.radius), .max = 16384, .def = "0",
      .text = "rounds the corners by so many pixels, or max" },
    { "linear", "", BOOL, .offset = R(linear), .def = "0",
      .text = "resample in linear light: slower, keeps the brightness of fine bright detail" },
    { "filter-kernel", "kernel", WORD(kernels), .offset = R(kernel), .def = "lanczos3", .text = "resampling filter" },
    MARK_ROWS("", 0),
    MARK_ROWS(".1", 1),
    MARK_ROWS(".2", 2),
    { "txt", "text", &query_type_caption, .offset = R(text.text),
      .text = "text laid over the result: UTF-8 of up to 256 bytes, %0A begins a line" },
    { "txt-font", "txtfont", &query_type_text, .offset = F(font),
      .text = "name of a font of the configuration; the first one where it is not given" },
    { "txt-size", "txtsize", &query_type_number, .offset = R(text.size), .min = 4, .max = 1000, .def = "24",
      .text = "size of the text in pixels" },
    { "txt-color", "txt-colour,txtcolor", &query_type_colour, .offset = F(text_colour),
      .text = "CSS colour of the text; white where it is not given" },
    { "txt-pos", "txt-align,txtpos", WORD(mark_places), .offset = R(text.pos), .def = "southeast",
      .text = "where the text lies, and to which side its lines are set; tile repeats it" },
    { "txt-pad", "txtpad", &query_type_number, .offset = R(text.pad), .max = 16384, .def = "5",
      .text = "pixels between the text and the edges; between tiles" },
    { "txt-alpha", "txtalpha", &query_type_number, .offset = R(text.alpha), .max = 100, .def = "100",
      .text = "opacity of the text in percent" },
    { "explain", "", BOOL, .offset = F(explain), .def = "0",
      .text = "the plan as JSON instead of the image, for the addresses of admin_allow" },
    { "strict", "", BOOL, .offset = R(strict), .def = "0", .text = "a truncated source is an error" },
    { "preset", "p,pr", &query_type_preset, .offset = F(preset),
      .text = "names of option sets from the configuration; later ones override earlier ones, other options all of them" },
    { "maxage", "", &query_type_duration, .offset = F(maxage_s), .min = 300, .max = 31536000,
      .text = "how long the result may be cached: 300s to 1y" },
    { "dl", "", BOOL, .offset = F(dl), .def = "0", .text = "have the result saved instead of shown" },
    { "filename", "", &query_type_text, .offset = F(filename),
      .text = "name under which the result is saved; the format's extension is added" },
    { "v", "cb", &query_type_text, .offset = F(v), .text = "changes the ETag and nothing else" },
    { "expires", "exp", &query_type_time, .offset = F(expires_s), .max = 253402300799,
      .text = "Unix time in seconds after which the URL is answered 410" },
    { "s", "sig,signature", &query_type_note, .offset = F(signature),
      .text = "signature of the URL, required on GET where signing_keys are configured" },
    { "k", "", &query_type_note, .offset = F(key_id), .text = "id of the key that signed the URL" },
#ifdef PIXPOOL_TEST_OPS
    { "x-test", "", WORD(test_ops), .offset = R(test_op), .def = "none", .text = "misbehave: only in test builds" },
#endif
};
/* clang-format on */

const int query_options_n = sizeof query_options / sizeof *query_options;
_Static_assert(sizeof query_options / sizeof *query_options <= 128, "query.seen has 128 bits");
