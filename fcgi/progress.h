/* How far the batch command is, for people: a bar on a terminal, a line for each file elsewhere. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool bar;
    int64_t start_ms, drawn_ms;
    size_t total, done, failed, skipped;
};

void progress_begin(struct progress *p, size_t total, bool quiet_lines);
/* One more file. why NULL: it is done, or with skipped up to date. Not from two threads at once. */
void progress_file(struct progress *p, const char *path, const char *why, bool skipped);
/* Draws the bar again where it is time. */
void progress_draw(struct progress *p, bool now);
/* The last words. */
void progress_end(struct progress *p, bool interrupted);

#endif
