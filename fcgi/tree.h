/* The images of directories, for the batch command: found once, in an order that does not change. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>

/* One source. */
struct tree_file {
    char *path; /* owned; to open it */
    char *name; /* owned; relative, without the extension where that is not needed to tell it from others */
};

struct tree {
    struct tree_file *files; /* owned */
    size_t n;
};

/* Adds a directory with all below it, or one file. Hidden names and what has another extension than .jpg .jpeg .jpe
 * .png .webp is left out, and so is the directory `out`; links to directories are not followed.
 * prefix  goes before the names of a directory's files, "" or "name/"
 * false: errno is about path itself; what can't be read below it is skipped. */
bool tree_add(struct tree *t, const char *path, const char *prefix, const char *out);
/* After the last one: takes extensions off where two names do not become one by it. */
void tree_finish(struct tree *t);
void tree_free(struct tree *t);

#endif
