/* The mark in a cache whose images lie under names: that all of them are ours, and what they were made by.
 *
 * cache_dir must have been empty when this began: the sweep removes images below it, and must not be let loose on the
 * originals by a line in a configuration. The mark tells a hash of all in the configuration that decides about a
 * result, because a web server that answers by itself knows no ETag: where that has changed since, what was made before
 * has to go. The time of the mark is that of the last change; none yet is the beginning of time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"
#include "file.h"

#define MARK       "named"
#define HASH_BYTES 16
#define HASH_TEXT  (2 * HASH_BYTES + 1)

/* The hash. */

static void add(crypto_generichash_state *h, const char *text)
{
    crypto_generichash_update(h, (const unsigned char *)text, strlen(text) + 1);
}

static void add_files(crypto_generichash_state *h, const struct config_file *f)
{
    for (; f; f = f->next) {
        add(h, f->name);
        crypto_generichash_update(h, f->hash, sizeof f->hash);
    }
    add(h, "");
}

static void rules_hash(const struct config *c, char out[HASH_TEXT])
{
    const int64_t numbers[] = { c->fit_dialect, c->only_presets, c->max_side_out };
    unsigned char hash[HASH_BYTES];
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, sizeof hash);
    add(&h, ic_versions());
    add(&h, c->image_root);
    for (const struct config_preset *p = c->presets; p; p = p->next) {
        add(&h, p->name);
        add(&h, p->options);
    }
    add(&h, "");
    add_files(&h, c->marks);
    add_files(&h, c->fonts);
    crypto_generichash_update(&h, c->cmyk.hash, sizeof c->cmyk.hash);
    add(&h, c->allowed_options);
    add(&h, c->allowed_sizes);
    add(&h, c->ignore_options);
    crypto_generichash_update(&h, (const unsigned char *)numbers, sizeof numbers);
    crypto_generichash_final(&h, hash, sizeof hash);
    sodium_bin2hex(out, HASH_TEXT, hash, sizeof hash);
}

/* The mark. */

/* Nothing but hidden names, such as a .htaccess. */
static bool looks_empty(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool empty = d != NULL;
    while (d && empty && (e = readdir(d)))
        empty = e->d_name[0] == '.';
    if (d)
        closedir(d);
    return empty;
}

bool cache_named_ours(const struct config *c)
{
    char path[CACHE_PATH];
    cache_path(c, MARK, path);
    return access(path, F_OK) == 0;
}

bool cache_named_may(const struct config *c)
{
    return cache_named_ours(c) || looks_empty(c->cache_dir);
}

/* made: what its time is to be, or NULL: now. */
static int put_mark(const struct config *c, const struct timespec made[2])
{
    char path[CACHE_PATH], hash[HASH_TEXT];
    rules_hash(c, hash);
    cache_path(c, MARK, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    bool ok = file_write_all(fd, hash, sizeof hash) && futimens(fd, made) == 0;
    int err = ok ? 0 : errno;
    close(fd);
    return err;
}

int cache_mark_claim(const struct config *c)
{
    static const struct timespec never[2];
    if (cache_named_ours(c))
        return 0;
    if (!looks_empty(c->cache_dir))
        return cache_named_ours(c) ? 0 : ENOTEMPTY; /* another process was faster */
    return put_mark(c, never);
}

bool cache_mark_renew(const struct config *c)
{
    char path[CACHE_PATH], hash[HASH_TEXT], was[HASH_TEXT] = "";
    cache_path(c, MARK, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    rules_hash(c, hash);
    bool same = pread(fd, was, sizeof was, 0) == (ssize_t)sizeof was && memcmp(was, hash, sizeof was) == 0;
    close(fd);
    return !same && put_mark(c, NULL) == 0;
}

int64_t cache_mark_since_s(const struct config *c)
{
    char path[CACHE_PATH];
    struct stat st;
    cache_path(c, MARK, path);
    if (stat(path, &st) != 0 || st.st_mtim.tv_sec == 0)
        return 0;
    return st.st_mtim.tv_sec + c->grace_ms / 1000 + 1;
}
