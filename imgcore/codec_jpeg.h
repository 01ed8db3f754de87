/* What the two halves of the JPEG codec share: libjpeg's errors without its exit(). Only codec_jpeg*.c includes it. */
#ifndef IMGCORE_CODEC_JPEG_H
#define IMGCORE_CODEC_JPEG_H

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "codec.h"

/* Installed as cinfo.err by jpeg_trap_init. A libjpeg call runs inside jpeg_guard, or it must not fail. */
struct jpeg_trap {
    struct jpeg_error_mgr mgr; /* first: libjpeg hands it back */
    jmp_buf back;
    enum ic_code code; /* of the failure caught */
    char text[JMSG_LENGTH_MAX];
    bool starved; /* entropy-coded data ended before its segment should have */
};

struct jpeg_error_mgr *jpeg_trap_init(struct jpeg_trap *t);

/* Runs step(arg); false where libjpeg, or jpeg_trap_raise, gave up in it, with t->code and t->text set. */
bool jpeg_guard(struct jpeg_trap *t, void (*step)(void *arg), void *arg);

/* Gives up with an error of our own. Only below jpeg_guard. */
_Noreturn void jpeg_trap_raise(struct jpeg_trap *t, const struct ic_error *e);

/* Reads scans of a progressive file (started with buffered_image) until they suffice for the scale chosen, and starts
 * the output of what is known then. Only below jpeg_guard. */
void jpeg_scans_read(struct jpeg_decompress_struct *d);

/* Opens a source of a file's DC coefficients, an eighth of each plane; NULL where that is for libjpeg to do. */
struct ic_source *jpeg_dc_open(struct ic_bytes in, const struct ic_source_opt *o);

/* Whether EOI is among what comes from p, the entropy-coded data of a scan, to end. */
bool jpeg_end_follows(const uint8_t *p, const uint8_t *end);

/* The file's end follows the scan read last. */
bool jpeg_scans_end(struct jpeg_decompress_struct *d);

/* Writes the segments of what is attached; after jpeg_start_compress. Only below jpeg_guard. */
void jpeg_write_attached(struct jpeg_compress_struct *c, const struct ic_attached *a);

void jpeg_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                     struct ic_planes *out);
enum ic_code jpeg_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                              struct ic_sink **sink, struct ic_error *e);

#endif
