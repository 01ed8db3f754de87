/* Percent-encoding (RFC 3986 section 2.1): what arrives is decoded here, exactly once, and then validated. */
#ifndef URI_H
#define URI_H

#include <stdbool.h>
#include <stddef.h>

/* Value of a hexadecimal digit, or -1. */
int uri_hex(char c);

/* A name or a value of a query string or of the path form.
 *
 * in, n  still encoded
 * plus   + is a space (query strings)
 * out    always terminated on success
 *
 * A bare % at the end or before a comma stands for itself, so that w=50% works. false: another malformed escape, a NUL,
 * or no room; *why (static) says which. */
bool uri_decode_value(const char *in, size_t n, bool plus, char *out, size_t size, const char **why);

/* A path below a route, "a/b%20c.jpg", without its leading slash. false: a malformed escape, a NUL, an empty or dot
 * segment, an encoded slash, or no room; *why (static) says which. A slash at the very end stays. */
bool uri_decode_path(const char *in, char *out, size_t size, const char **why);

#endif
