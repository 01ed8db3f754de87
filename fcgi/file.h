/* Whole files: for the command line, and the loop that writes them for whoever has a descriptor. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads all of path ("-": standard input), at most max bytes.
 * data  malloc'd, set on success only
 * false: why is a clause without the path ("No such file or directory"). */
bool file_read(const char *path, size_t max, uint8_t **data, size_t *n, char *why, size_t why_n);

/* Writes path ("-": standard output): into a temporary file beside it, renamed when whole, so that nobody ever sees
 * half an image. What exists and is not a regular file (/dev/null, a pipe) is written directly. false: as above. */
bool file_write(const char *path, const uint8_t *data, size_t n, char *why, size_t why_n);

/* All n bytes to a descriptor, however many writes it takes. false: errno says why. */
bool file_write_all(int fd, const void *data, size_t n);

#endif
