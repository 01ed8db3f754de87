/* Signatures of URLs: HMAC-SHA256 over a canonical form, so that whoever changes a size or a path is noticed. The form
 * and examples in other languages are in docs/signing.md. */
#ifndef SIGN_H
#define SIGN_H

#include <stdbool.h>
#include <stddef.h>

#define SIGN_SIZE 44 /* base64url of 32 bytes without padding, and the NUL */

/* The canonical form of a URL: the path, then ? and the sorted pairs where there are any, without the signature.
 *
 * path   as in REQUEST_URI, encoded, without the query
 * query  encoded, "" where there is none
 *
 * malloc'd. NULL: *why (static) says what is malformed, or that memory is short (*why is NULL then). */
char *sign_canonical(const char *path, const char *query, const char **why);

/* The signature of text by the key of this id among keys ("id:key, id2:key2"); id NULL or "": the first one.
 * false: there is no such key. */
bool sign_make(const char *keys, const char *id, const char *text, char out[SIGN_SIZE]);

/* Whether one of the keys (id "": any) gives this signature. In a time that does not depend on how much is right. */
bool sign_check(const char *keys, const char *id, const char *text, const char *signature);

/* Whether keys can be read: ids of letters, digits, _ - and ., each once; keys not empty. false: why says what. */
bool sign_keys_valid(const char *keys, char *why, size_t n);
/* How many keys there are, and the id of the first in out. */
int sign_keys_count(const char *keys, char *out, size_t n);

#endif
