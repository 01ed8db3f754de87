/* UTF-8, looked at where it comes in: names of files, texts. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* Bytes of the character at p, which need not lie beyond a NUL; 0: there is none (RFC 3629: no surrogates, no overlong
 * spelling, by which a '/' could pass). */
size_t utf8_length(const unsigned char *p);

#endif
