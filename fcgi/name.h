/* Names that people give to presets, outputs, marks, fonts and nodes: of characters that mean nothing in a URL, a file
 * name, a header or a line of the log, so that they stand there as they are. */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* 1 to `most` of these, and nothing else. */
static inline bool name_valid(const char *name, size_t most)
{
    size_t n = strspn(name, NAME_CHARACTERS);
    return n >= 1 && n <= most && name[n] == '\0';
}

#endif
