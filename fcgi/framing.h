/* Several results in one answer: multipart/mixed, multipart/form-data, application/zip or application/x-ndjson.
 *
 *     framing_init, framing_type -> header of the answer;  framing_begin, framing_item ..., framing_end -> its body
 *
 * Items are written as they come, none is kept; the end is a manifest that sums up. framing.c holds what the four
 * share, one file each says how an item looks. */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <sys/types.h>

#include "../imgcore/imgcore.h"

#define FRAMING_SHA256 32
#define FRAMING_FILE   320 /* bytes of a file's name */
#define FRAMING_TYPE   128

/* One result, or why there is none. All is borrowed. */
struct framing_item {
    int index;          /* of the source */
    const char *name;   /* of the source, as sent; "" where it has none */
    const char *output; /* the output's name */
    int status;         /* 200, or what a request for this alone would have got */
    const char *code;   /* of a failure: a stable word */
    const char *detail; /* and a sentence */
    uint32_t width, height, source_width, source_height;
    enum ic_format format;
    uint32_t warnings; /* bits of enum ic_warning */
    size_t n;
    const uint8_t *p; /* the image; NULL: n bytes of fd from at on */
    int fd;
    off_t at;
    const uint8_t *sha256; /* FRAMING_SHA256 bytes */
};

/* Takes n bytes of the answer. false: the client is gone. */
typedef bool framing_write(void *ctx, const void *p, size_t n);

struct framing {
    const struct framing_kind *kind;
    bool named; /* outputs have names of their own */
    bool many;  /* there may be several sources */
    framing_write *write;
    void *ctx;
    int done, failed;
    char boundary[40];
    char file[FRAMING_FILE]; /* name for the item in hand: unique, without a path */
    struct json_t *items;    /* owned: the manifest's */
    void *files;             /* owned: names in use, by tsearch */
    uint8_t *chunk;          /* owned */
    void *own;               /* the kind's */
};

struct framing_kind {
    const char *mime;
    bool manifest_items; /* the manifest repeats what was said of each item */
    bool (*begin)(struct framing *f);
    bool (*item)(struct framing *f, const struct framing_item *i);
    bool (*end)(struct framing *f, const char *manifest); /* JSON */
    void (*free)(struct framing *f);
};

/* The kind that Accept names; multipart/mixed where it names none. */
const struct framing_kind *framing_choose(const char *accept);

/* false: out of memory. Followed by framing_free in any case. */
bool framing_init(struct framing *f, const struct framing_kind *kind, framing_write *write, void *ctx);
void framing_free(struct framing *f); /* accepts a zeroed one */

/* Content-Type of the answer. Returns out. */
const char *framing_type(const struct framing *f, char out[FRAMING_TYPE]);

/* All return false once write did, or memory ran out. */
bool framing_begin(struct framing *f);
bool framing_item(struct framing *f, const struct framing_item *i);
bool framing_end(struct framing *f);

/* For the kinds. */

extern const struct framing_kind framing_mixed, framing_form, framing_zip, framing_ndjson;

bool framing_text(struct framing *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Hands the image to put in pieces of FRAMING_CHUNK bytes, the last one shorter. */
#define FRAMING_CHUNK (48u << 10) /* a multiple of 3, for base64 */
bool framing_data(struct framing *f, const struct framing_item *i,
                  bool (*put)(struct framing *f, const uint8_t *p, size_t n));

/* What is to be said of an item in JSON: a new object, NULL: out of memory. */
struct json_t *framing_json(const struct framing *f, const struct framing_item *i);

#endif
