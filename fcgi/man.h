/* Manual pages: the pages themselves, and what the tables need to write their entries (man(7) macros). */
#ifndef MAN_H
#define MAN_H

#include <stdio.h>

/* pixpool(1) and pixpool.conf(5). */
void man_page_command(FILE *to);
void man_page_config(FILE *to);

/* A paragraph of plain text, on a line of its own. */
void man_text(FILE *to, const char *text);
/* The same in two parts, the second in italics: "Takes: 1 to 100". */
void man_pair(FILE *to, const char *label, const char *text);
/* .SH or .SS with its text. */
void man_heading(FILE *to, const char *macro, const char *text);

#endif
