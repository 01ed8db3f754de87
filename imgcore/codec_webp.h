/* What the two halves of the WebP codec share. Only codec_webp*.c includes it. */
#ifndef IMGCORE_CODEC_WEBP_H
#define IMGCORE_CODEC_WEBP_H

#include "codec.h"

void webp_sink_shape(enum ic_layout layout, uint32_t width, uint32_t height, const struct ic_sink_opt *o,
                     struct ic_planes *out);
/* Gives a WebP of so many pixels the extended container that holds what is attached. */
enum ic_code webp_attach(struct ic_buffer *b, const struct ic_attached *a, uint32_t width, uint32_t height, bool alpha,
                         struct ic_error *e);

/* Where o wants frames: yields them one after another, as they are shown. */
enum ic_code webp_frames_open(struct ic_bytes in, const struct ic_source_opt *o, struct ic_source **out,
                              struct ic_error *e);

/* libwebp's settings for effort, quality and lossless of o. false: there are none. */
struct WebPConfig;
bool webp_configure(const struct ic_sink_opt *o, struct WebPConfig *c);

enum ic_code webp_sink_create(const struct ic_planes *shape, const struct ic_sink_opt *o, struct ic_buffer *out,
                              struct ic_sink **sink, struct ic_error *e);

#endif
