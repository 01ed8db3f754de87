/* Files of the store, written by api_store.c. Directories fan out over the id's first two characters, so that none
 * grows too large. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define HASH 16

static void make_id(struct store *s, const struct order *o, struct ic_bytes source)
{
    unsigned char hash[HASH];
    char options[QUERY_CANONICAL];
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, sizeof hash);
    crypto_generichash_update(&h, source.p, source.n);
    for (int i = 0; i < o->n; i++) {
        query_canonical(&o->outputs[i].query, options, sizeof options);
        crypto_generichash_update(&h, (const unsigned char *)o->outputs[i].name, strlen(o->outputs[i].name) + 1);
        crypto_generichash_update(&h, (const unsigned char *)options, strlen(options) + 1);
    }
    crypto_generichash_update(&h, (const unsigned char *)ic_versions(), strlen(ic_versions()));
    crypto_generichash_final(&h, hash, sizeof hash);
    sodium_bin2base64(s->id, sizeof s->id, hash, sizeof hash, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool make_directory(int at, const char *name)
{
    return mkdirat(at, name, 0755) == 0 || errno == EEXIST;
}

bool store_open(struct store *s, const struct config *c, const struct order *o, struct ic_bytes source)
{
    char fan[3], path[STORE_ID + 4];
    *s = (struct store){ .cfg = c, .dir = -1 };
    make_id(s, o, source);
    crypto_hash_sha256(s->sha256, source.p, source.n);
    snprintf(fan, sizeof fan, "%.2s", s->id);
    snprintf(path, sizeof path, "%s/%s", fan, s->id);
    int root = open(c->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return false;
    if (make_directory(root, fan) && make_directory(root, path))
        s->dir = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int saved = errno;
    close(root);
    errno = saved;
    return s->dir >= 0;
}

void store_close(struct store *s)
{
    if (s->dir >= 0)
        close(s->dir);
    s->dir = -1;
}

void store_file_name(const char *output, enum ic_format f, char *out, size_t n)
{
    snprintf(out, n, "%s.%s", output, f == IC_FORMAT_JPEG ? "jpg" : ic_format_name(f));
}

bool store_write(struct store *s, const char *name, const uint8_t *p, size_t n)
{
    char tmp[160];
    snprintf(tmp, sizeof tmp, ".%.100s.%08x", name, randombytes_random());
    int fd = openat(s->dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool ok = file_write_all(fd, p, n) && fchmod(fd, 0644) == 0; /* whatever the umask: a web server is to read it */
    ok = close(fd) == 0 && ok;
    ok = ok && renameat(s->dir, tmp, s->dir, name) == 0;
    int saved = errno;
    if (!ok)
        unlinkat(s->dir, tmp, 0);
    errno = saved;
    return ok;
}

const char *store_url(const struct store *s, const char *name, char *out, size_t n)
{
    const char *base = s->cfg->store_url;
    size_t k = strlen(base);
    while (k > 0 && base[k - 1] == '/')
        k--;
    snprintf(out, n, "%.*s/%.2s/%s/%s", (int)k, base, s->id, s->id, name);
    return out;
}
