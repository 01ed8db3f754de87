/* Content negotiation and the media types of requests (RFC 9110 sections 8.3 and 12.5.1). */
#ifndef NEGOTIATE_H
#define NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>

#include "../imgcore/imgcore.h"

/* Whether an Accept header names this very type with a weight above 0. Wildcards do not count: browsers send them
 * whatever they can show. */
bool negotiate_accepts(const char *accept, const char *mime);

/* format=auto: WebP where it is accepted, else PNG for images with alpha and JPEG for others. */
enum ic_format negotiate_format(const char *accept, bool alpha);

/* The type of a Content-Type header, lower case, without parameters: "" where it is absent or malformed. */
void negotiate_type(const char *content_type, char *out, size_t n);

/* The value of a parameter of a header such as Content-Type or Content-Disposition, unquoted, into out.
 *
 * header  NUL-terminated, with what stands before the first semicolon
 * 1: found, 0: absent, -1: malformed, given twice, or larger than out. Quoted strings end at an unescaped quote; only
 * \" and \\ are escapes, because old browsers send bare backslashes in file names. */
int negotiate_parameter(const char *header, const char *name, char *out, size_t n);

#endif
