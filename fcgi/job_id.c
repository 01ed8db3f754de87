/* Ids of background jobs. An id is the only thing that a client needs to read results, so nobody may guess one; and it
 * names its node, so that a web server in front of several can route by it. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "job_dir.h"
#include "name.h"

#define RANDOM 16

bool job_id_valid(const char *id)
{
    return name_valid(id, JOB_ID - 1);
}

/* Made once, by whoever comes first; a link is there whole or not at all. */
static bool read_secret(int spool, unsigned char secret[crypto_generichash_KEYBYTES])
{
    const size_t n = crypto_generichash_KEYBYTES;
    for (int tries = 0; tries < 3; tries++) {
        int fd = openat(spool, "secret", O_RDONLY | O_CLOEXEC);
        bool read_it = fd >= 0 && pread(fd, secret, n, 0) == (ssize_t)n;
        if (fd >= 0)
            close(fd);
        if (read_it)
            return true;
        char tmp[40];
        snprintf(tmp, sizeof tmp, "new/secret.%08x", randombytes_random());
        fd = openat(spool, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return false;
        randombytes_buf(secret, n);
        bool wrote = write(fd, secret, n) == (ssize_t)n;
        close(fd);
        if (wrote && linkat(spool, tmp, spool, "secret", 0) < 0 && errno != EEXIST)
            wrote = false;
        unlinkat(spool, tmp, 0);
        if (!wrote)
            return false;
    }
    return false;
}

static bool fill(int spool, const char *key, unsigned char random[RANDOM])
{
    unsigned char secret[crypto_generichash_KEYBYTES];
    if (!*key) {
        randombytes_buf(random, RANDOM);
        return true;
    }
    if (!read_secret(spool, secret))
        return false;
    crypto_generichash(random, RANDOM, (const unsigned char *)key, strlen(key), secret, sizeof secret);
    return true;
}

/* node_name, or the host's, with what an id can't hold replaced. */
static void node(const struct config *c, char *out, size_t n)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    snprintf(out, n, "%.64s", *c->node_name ? c->node_name : host);
    for (char *p = out; *p; p++)
        if (!strchr(NAME_CHARACTERS, *p))
            *p = '_';
}

bool job_id_make(int spool, const struct config *c, const char *key, char out[JOB_ID])
{
    unsigned char random[RANDOM];
    char text[sodium_base64_ENCODED_LEN(RANDOM, sodium_base64_VARIANT_URLSAFE_NO_PADDING)], name[66];
    if (!fill(spool, key, random))
        return false;
    node(c, name, sizeof name);
    sodium_bin2base64(text, sizeof text, random, RANDOM, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(out, JOB_ID, "%s-%s", *name ? name : "node", text);
    return true;
}
