/* The mark in a cache whose images lie under names: that all of them are ours, and what they were made by.
 *
 * cache_dir must have been empty when this began: the sweep removes images below it, and must not be let loose on the
 * originals by a line in a configuration. The mark tells a hash of all in the configuration that decides about a
 * result, because a web server that answers by itself knows no ETag: where that has changed since, what was made before
 * has to go. Who still runs by older rules puts nothing there any more, so the mark is read before each image. Its time
 * is that of the last change; none yet is the beginning of time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"

#define MARK "named"

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

void cache_rules(const struct config *c, char out[CACHE_RULES])
{
    const int64_t numbers[] = { c->fit_dialect, c->only_presets, c->max_side_out };
    unsigned char hash[CACHE_RULES_BYTES];
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, sizeof hash);
    add(&h, ic_versions());
    add(&h, c->image_root);
    add(&h, c->mark_root);
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
    sodium_bin2hex(out, CACHE_RULES, hash, sizeof hash);
}

/* The mark. */

/* Nothing but hidden names, such as a .htaccess, and what a disk of its own comes with. */
static bool looks_empty(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    bool empty = d != NULL;
    while (d && empty && (e = readdir(d)))
        empty = e->d_name[0] == '.' || strcmp(e->d_name, CACHE_OF_DISK) == 0;
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

/* Whether the mark is that of our rules. 0, ECANCELED: it is not, or the errno of reading it. */
static int compare(const struct cache *k)
{
    char path[CACHE_PATH], is[CACHE_RULES] = "";
    cache_path(k->cfg, MARK, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t n = pread(fd, is, sizeof is, 0);
    int err = n < 0 ? errno : n == (ssize_t)sizeof is && !memcmp(is, k->rules, sizeof is) ? 0 : ECANCELED;
    close(fd);
    return err;
}

/* made: what its time is to be, or NULL: now, when everybody reads the new one. */
static int put_mark(const struct cache *k, const struct timespec made[2])
{
    char path[CACHE_PATH], tmp[CACHE_PATH];
    struct iovec rules = { (void *)k->rules, sizeof k->rules };
    int err = cache_write(k->cfg, rules, (struct iovec){ NULL, 0 }, tmp, NULL);
    if (err || (err = cache_publish(k->cfg, tmp, MARK)) != 0)
        return err;
    cache_path(k->cfg, MARK, path);
    return utimensat(AT_FDCWD, path, made, 0) == 0 ? 0 : errno;
}

int cache_mark_claim(const struct cache *k)
{
    static const struct timespec never[2];
    int err = compare(k);
    if (err != ENOENT)
        return err;
    if (looks_empty(k->cfg->cache_dir))
        return put_mark(k, never);
    err = compare(k); /* another process was faster */
    return err == ENOENT ? ENOTEMPTY : err;
}

bool cache_mark_renew(const struct cache *k)
{
    return compare(k) == ECANCELED && put_mark(k, NULL) == 0;
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
