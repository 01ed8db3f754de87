/* Renditions that stay: files below store_dir, for the web server to serve.
 *
 * Their directory is named after what they are, a hash of the source and of all that was asked: the same upload with
 * the same options gives the same URLs, which may be cached for ever. */
#ifndef STORE_H
#define STORE_H

#include "framing.h"
#include "order.h"

#define STORE_ID 32

/* A place for the renditions of one source. */
struct store {
    const struct config *cfg; /* borrowed */
    int dir;                  /* owned; of this source */
    char id[STORE_ID];
    unsigned char sha256[FRAMING_SHA256]; /* of the source */
};

/* Makes the directory. false: errno. */
bool store_open(struct store *s, const struct config *c, const struct order *o, struct ic_bytes source);
void store_close(struct store *s);

/* Writes a file, whole or not at all; name as store_file_name gives it. false: errno. */
bool store_write(struct store *s, const char *name, const uint8_t *p, size_t n);
void store_file_name(const char *output, enum ic_format f, char *out, size_t n);
/* Where it can be had. Returns out. */
const char *store_url(const struct store *s, const char *name, char *out, size_t n);

#endif
