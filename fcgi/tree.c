/* Walking directories, called by cmd_batch.c. Names are sorted, so that which of two files alike keeps the short name
 * is the same in every run: otherwise a second run would not find what the first one made. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool is_image(const char *name)
{
    static const char *const known[] = { ".jpg", ".jpeg", ".jpe", ".png", ".webp" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && dot != name && i < sizeof known / sizeof *known; i++)
        if (!strcasecmp(dot, known[i]))
            return true;
    return false;
}

static bool add_file(struct tree *t, const char *path, const char *name)
{
    struct tree_file *more = realloc(t->files, (t->n + 1) * sizeof *more);
    if (!more)
        return false;
    t->files = more;
    t->files[t->n] = (struct tree_file){ strdup(path), strdup(name) };
    return t->files[t->n].path && t->files[t->n++].name;
}

static char *join(const char *a, const char *slash, const char *b)
{
    char *s = NULL;
    return asprintf(&s, "%s%s%s", a, slash, b) < 0 ? NULL : s;
}

static bool same_directory(const struct stat *st, const char *out)
{
    struct stat o;
    return stat(out, &o) == 0 && o.st_dev == st->st_dev && o.st_ino == st->st_ino;
}

static bool add_directory(struct tree *t, const char *path, const char *prefix, const char *out);

/* One entry of a directory. */
static void add_entry(struct tree *t, const char *dir, const char *prefix, const char *entry, const char *out)
{
    struct stat link, st;
    size_t n = strlen(dir);
    char *path = join(dir, n > 0 && dir[n - 1] == '/' ? "" : "/", entry), *name = join(prefix, "", entry);
    bool there = path && name && lstat(path, &link) == 0 && stat(path, &st) == 0;
    if (there && S_ISREG(st.st_mode) && is_image(entry)) {
        add_file(t, path, name);
    } else if (there && S_ISDIR(link.st_mode) && !same_directory(&st, out)) {
        char *below = join(name, "/", "");
        if (below)
            add_directory(t, path, below, out);
        free(below);
    }
    free(path);
    free(name);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* alphasort follows the locale */
}

static bool add_directory(struct tree *t, const char *path, const char *prefix, const char *out)
{
    struct dirent **list;
    int n = scandir(path, &list, visible, by_bytes);
    for (int i = 0; i < n; i++) {
        add_entry(t, path, prefix, list[i]->d_name, out);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return n >= 0;
}

bool tree_add(struct tree *t, const char *path, const char *prefix, const char *out)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return add_directory(t, path, prefix, out);
    const char *base = strrchr(path, '/');
    if (S_ISREG(st.st_mode))
        return add_file(t, path, base ? base + 1 : path);
    errno = EINVAL;
    return false;
}

static size_t stem(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tree_file *)a)->name, ((const struct tree_file *)b)->name);
}

/* "a.jpg" and "a.png" lie side by side; the first keeps the short name. "a.jpg" twice, from two directories given,
 * can't be told apart, and the later one will replace the earlier. */
void tree_finish(struct tree *t)
{
    if (t->n > 0)
        qsort(t->files, t->n, sizeof *t->files, by_name);
    char *last = NULL;
    for (size_t i = 0; i < t->n; i++) {
        char *name = t->files[i].name;
        size_t n = stem(name);
        if (last && strlen(last) == n && !memcmp(last, name, n))
            continue;
        name[n] = '\0';
        last = name;
    }
}

void tree_free(struct tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->files[i].path);
        free(t->files[i].name);
    }
    free(t->files);
    *t = (struct tree){ 0 };
}
