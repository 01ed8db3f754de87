/* Files under names: mark.NAME and font.NAME, which no row of the table can stand for; and the contents of these and of
 * cmyk_profile. Called by config.c, and by those who need what is in the files.
 *
 * They are read once, by the process that starts all others, with its rights: the gateway has the bytes of marks, and
 * workers those of fonts and of the profile, before their sandbox closes. A worker that is born later works with the
 * contents that ETags tell of, whatever became of the file. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "config_key.h"
#include "file.h"
#include "name.h"

#define PROFILE_MAX ((size_t)4 << 20)

static const struct {
    const char *prefix, *noun;
    size_t offset;
} kinds[] = {
    { "mark.", "a watermark", offsetof(struct config, marks) },
    { "font.", "a font", offsetof(struct config, fonts) },
};

#define KINDS (sizeof kinds / sizeof *kinds)

static struct config_file **list_of(struct config *c, size_t kind)
{
    return (struct config_file **)((char *)c + kinds[kind].offset);
}

static size_t kind_of(const char *key)
{
    size_t k = 0;
    while (k < KINDS && strncmp(key, kinds[k].prefix, strlen(kinds[k].prefix)) != 0)
        k++;
    return k;
}

bool config_is_file(const char *key)
{
    return kind_of(key) < KINDS;
}

const struct config_file *config_file_find(const struct config_file *list, const char *name)
{
    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

/* At the end of the list: the first font is the default one. */
static bool file_add(struct config_file **list, const char *name, const char *path, int line)
{
    struct config_file *f = calloc(1, sizeof *f);

    if (!f || !(f->path = strdup(path))) {
        free(f);
        return false;
    }
    snprintf(f->name, sizeof f->name, "%s", name);
    f->line = line;
    while (*list)
        list = &(*list)->next;
    *list = f;
    return true;
}

/* From the command line one replaces the file's of the same name. */
static bool file_replace(struct config_file *f, const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        return false;
    free(f->path);
    f->path = copy;
    return true;
}

bool config_file_set(struct config *c, const char *key, const char *path, int line, char *why, size_t why_n)
{
    size_t kind = kind_of(key);
    const char *name = key + strlen(kinds[kind].prefix);
    struct config_file **list = list_of(c, kind), *old = (struct config_file *)config_file_find(*list, name);

    if (!name_valid(name, CONFIG_FILE_NAME - 1))
        snprintf(why, why_n, "the name of %s has 1 to %d letters, digits, _ or -", kinds[kind].noun,
                 CONFIG_FILE_NAME - 1);
    else if (old && line > 0)
        snprintf(why, why_n, "%s is given twice, first in line %d", key, old->line);
    else if (!*path)
        snprintf(why, why_n, "%s needs a file", key);
    else if (old ? !file_replace(old, path) : !file_add(list, name, path, line))
        snprintf(why, why_n, "out of memory");
    else
        return true;
    return false;
}

/* Whether text can be set in it. */
static bool font_valid(const struct config_file *f, struct ic_error *e)
{
    struct ic_limits none = { 0 };
    struct ic_engine *g = ic_engine_create(&none);
    enum ic_code rc =
        g ? ic_engine_add_font(g, (struct ic_bytes){ f->bytes, f->n }, e) : ic_fail(e, IC_E_MEMORY, "out of memory");

    ic_engine_free(g);
    return rc == IC_OK;
}

bool config_fonts_add(const struct config *c, struct ic_engine *g, struct ic_error *e)
{
    enum ic_code rc = IC_OK;

    for (const struct config_file *f = c->fonts; f && rc == IC_OK; f = f->next)
        if (f->bytes)
            rc = ic_engine_add_font(g, (struct ic_bytes){ f->bytes, f->n }, e);
    return rc == IC_OK;
}

static bool file_load(const struct config *c, size_t kind, struct config_file *f, char *why, size_t why_n)
{
    struct ic_info info;
    struct ic_error e;
    char reason[160];
    bool mark = kind == 0;
    size_t max = mark ? (size_t)c->max_mark : CONFIG_FONT_MAX;

    if (f->bytes)
        return true;
    if (!file_read(f->path, max, &f->bytes, &f->n, reason, sizeof reason)) {
        snprintf(why, why_n, "%s%s = %s: %s", kinds[kind].prefix, f->name, f->path, reason);
        return false;
    }
    crypto_generichash(f->hash, sizeof f->hash, f->bytes, f->n, NULL, 0);
    if (mark ? ic_probe((struct ic_bytes){ f->bytes, f->n }, &info, &e) == IC_OK : font_valid(f, &e))
        return true;
    snprintf(why, why_n, "%s%s = %s: %s", kinds[kind].prefix, f->name, f->path, e.text);
    return false;
}

/* Whether it is one of inks is the engine's to say. */
static bool cmyk_load(struct config *c, char *why, size_t why_n)
{
    struct config_file *f = &c->cmyk;
    char reason[160];

    if (!*c->cmyk_profile || f->bytes)
        return true;
    if (!file_read(c->cmyk_profile, PROFILE_MAX, &f->bytes, &f->n, reason, sizeof reason)) {
        snprintf(why, why_n, "cmyk_profile %s: %s", c->cmyk_profile, reason);
        return false;
    }
    crypto_generichash(f->hash, sizeof f->hash, f->bytes, f->n, NULL, 0);
    return true;
}

bool config_files_read(struct config *c, char *why, size_t why_n)
{
    for (size_t k = 0; k < KINDS; k++)
        for (struct config_file *f = *list_of(c, k); f; f = f->next)
            if (!file_load(c, k, f, why, why_n))
                return false;
    return cmyk_load(c, why, why_n);
}

const uint8_t *config_ink(const struct config *c)
{
    return c->cmyk.bytes ? c->cmyk.hash : NULL;
}

void config_files_print(FILE *to, const struct config *c)
{
    for (size_t k = 0; k < KINDS; k++)
        for (const struct config_file *f = *list_of((struct config *)c, k); f; f = f->next)
            fprintf(to, "%s%s = %s\n", kinds[k].prefix, f->name, f->path);
}

const char *config_file_names(const struct config_file *list, char *out, size_t n)
{
    size_t used = 0;

    snprintf(out, n, "none");
    for (; list && used + 1 < n; list = list->next)
        used += (size_t)snprintf(out + used, n - used, "%s%s", used ? ", " : "", list->name);
    return out;
}

void config_files_free(struct config *c)
{
    free(c->cmyk.bytes);
    for (size_t k = 0; k < KINDS; k++) {
        struct config_file **list = list_of(c, k);

        while (*list) {
            struct config_file *f = *list;
            *list = f->next;
            free(f->path);
            free(f->bytes);
            free(f);
        }
    }
}
