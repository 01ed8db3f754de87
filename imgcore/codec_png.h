/* What the two halves of the PNG codec share: libpng's errors and its memory. Only codec_png*.c includes it. */
#ifndef IMGCORE_CODEC_PNG_H
#define IMGCORE_CODEC_PNG_H

#include <setjmp.h>

#include <png.h>

#include "codec.h"

/* Handed to libpng as its error and memory pointer. A libpng call runs inside png_guard, or it must not fail. */
struct png_trap {
    struct ic_mem *mem; /* borrowed */
    jmp_buf back;
    bool no_memory;      /* an allocation was refused */
    struct ic_error own; /* code set: a callback of ours failed, which says more than libpng's text */
    char text[160];
};

/* Runs step(arg); false where libpng gave up in it. */
bool png_guard(struct png_trap *t, void (*step)(void *arg), void *arg);

/* Fills e from what png_guard caught; otherwise is the code for what libpng itself finds wrong. */
enum ic_code png_trap_fail(const struct png_trap *t, enum ic_code otherwise, struct ic_error *e);

_Noreturn void png_trap_error(png_structp png, png_const_charp text);
void png_trap_warning(png_structp png, png_const_charp text);
png_voidp png_trap_malloc(png_structp png, png_alloc_size_t n);
void png_trap_free(png_structp png, png_voidp p);

/* Opens what needs no libpng; *out is NULL where the file does, which is no error. */
enum ic_code png_fast_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                           struct ic_error *e);

/* A chunk with its length and checksum. */
enum ic_code png_put_chunk(struct ic_buffer *b, const char *type, const uint8_t *p, size_t n, struct ic_error *e);
/* The chunks of what is attached; they stand before the pixels. */
enum ic_code png_put_attached(struct ic_buffer *b, const struct ic_attached *a, struct ic_mem *mem, struct ic_error *e);
/* The signature and IHDR. */
enum ic_code png_put_header(struct ic_buffer *b, uint32_t width, uint32_t height, uint8_t bits, uint8_t colour_type,
                            struct ic_error *e);

/* Where o has a palette. Takes the same shapes as the other one. */
enum ic_code png_palette_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                                struct ic_sink **sink, struct ic_error *e);

void png_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                    struct ic_planes *out);
enum ic_code png_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                             struct ic_sink **sink, struct ic_error *e);

#endif
