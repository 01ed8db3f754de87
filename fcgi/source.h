/* Where GET finds images: regular files below one directory, and nothing else. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdint.h>
#include <time.h>

struct source {
    int fd;       /* owned; -1: none */
    int64_t size; /* bytes, as they were at the time of opening */
    struct timespec mtime;
};

/* Opens the file at path (decoded, relative, no leading slash) below root.
 *
 * 0, or an errno: ENOENT where there is no such file, where it is not a regular file, where a component is empty or
 * begins with a dot, where a symbolic link leads out of root (absolute ones always do), and where it may not be read;
 * others (EMFILE, ENOMEM, EIO) are our own trouble. s is set on success only. Any thread. */
int source_open(const char *root, const char *path, struct source *s);

/* The same for kernels without openat2 (before 5.6, or hidden by a seccomp filter): source_open calls it there. */
int source_walk(const char *root, const char *path, struct source *s);

void source_close(struct source *s); /* accepts a closed one */

#endif
