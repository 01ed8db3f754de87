/* Finding watermarks: by name in the configuration, by path below mark_root, or in the form. Called by handlers and by
 * the command line.
 *
 * A name of the configuration goes before a path, so that nobody who may put files below mark_root can replace it. A
 * mark that two options or outputs name is one input. */
#include "marks.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "query_option.h"

#define UPLOAD "upload"
#define NONE   "none"

void marks_init(struct marks *m)
{
    memset(m, 0, sizeof *m);
    for (int i = 0; i < IC_MARKS; i++)
        m->in[i].file.fd = -1;
}

void marks_free(struct marks *m)
{
    for (int i = 0; i < IC_MARKS; i++) {
        source_close(&m->in[i].file);
        free(m->in[i].owned);
        m->in[i].owned = NULL;
    }
}

/* "watermark" is 0, "watermark.1" 1; -1: something else. */
static int upload_slot(const char *name)
{
    static const char *const names[] = { "watermark", "mark", "wm" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(name, names[i], n))
            continue;
        if (!name[n])
            return 0;
        if (name[n] == '.' && name[n + 1] >= '1' && name[n + 1] < '0' + IC_MARKS && !name[n + 2])
            return name[n + 1] - '0';
    }
    return -1;
}

bool marks_upload(struct marks *m, const char *name, bool file, struct ic_bytes data)
{
    int slot = file ? upload_slot(name) : -1;
    if (slot < 0 || data.n == 0)
        return false;
    m->upload[slot] = data;
    return true;
}

/* Finding. */

static bool unknown(const char *name, const struct config *c, struct query_error *e)
{
    char shown[48], names[120];
    return query_fail(e, "option_range", "there is no watermark \"%s\"; the names are: %s%s",
                      query_show(name, shown, 48), config_file_names(c->marks, names, sizeof names),
                      *c->mark_root ? ", or a file's path" : "");
}

static bool find_upload(const struct marks *m, int slot, struct mark_input *in, struct query_error *e)
{
    const struct ic_bytes *own = &m->upload[slot], *first = &m->upload[0];
    in->bytes = own->p ? *own : *first;
    return in->bytes.p || query_fail(e, "option_clash",
                                     "%s=upload needs the watermark in a part \"watermark\" of the form", e->option);
}

static bool find_file(const char *name, const struct config *c, struct mark_input *in, struct query_error *e)
{
    int err = *c->mark_root ? source_open(c->mark_root, name + (*name == '/'), &in->file) : ENOENT;
    if (err == ENOENT)
        return unknown(name, c, e);
    if (err)
        return query_fail(e, "busy", "the watermark can't be opened at the moment: %s", strerror(err));
    if (in->file.size <= c->max_mark)
        return true;
    return query_fail(e, "option_range", "the watermark has %lld bytes, allowed are %lld", (long long)in->file.size,
                      (long long)c->max_mark);
}

static bool find(const struct marks *m, const struct config *c, int slot, struct mark_input *in, struct query_error *e)
{
    const struct config_file *named = config_file_find(c->marks, in->name);
    if (!strcmp(in->name, UPLOAD))
        return find_upload(m, slot, in, e);
    if (!named)
        return find_file(in->name, c, in, e);
    in->named = true;
    in->bytes = (struct ic_bytes){ named->bytes, named->n };
    memcpy(in->hash, named->hash, sizeof in->hash);
    return true;
}

/* Whether an input that was found before is what the option in this slot means. Two slots' uploads are two files. */
static bool same(const struct marks *m, const struct mark_input *in, int slot, const char *name)
{
    const uint8_t *own = m->upload[slot].p ? m->upload[slot].p : m->upload[0].p;
    return !strcmp(in->name, name) && (strcmp(name, UPLOAD) || in->bytes.p == own);
}

static bool find_slot(struct marks *m, const struct config *c, struct query *q, int slot, struct query_error *e)
{
    const char *name = q->mark[slot];
    bool given = query_given(q, slot == 0 ? "mark" : slot == 1 ? "mark.1" : "mark.2");
    if (!*name && (given || m->upload[slot].p))
        name = UPLOAD;
    if (!*name || !strcmp(name, NONE))
        return true;
    snprintf(e->option, sizeof e->option, slot ? "mark.%d" : "mark", slot);
    int i = 0;
    while (i < m->n && !same(m, &m->in[i], slot, name))
        i++;
    q->recipe.mark[slot].input = i + 1;
    if (i < m->n)
        return true;
    if (i == IC_MARKS)
        return query_fail(e, "option_range", "more than %d different watermarks in one request", IC_MARKS);
    snprintf(m->in[i].name, sizeof m->in[i].name, "%s", name);
    if (!find(m, c, slot, &m->in[i], e))
        return false;
    m->n++;
    return true;
}

bool marks_find(struct marks *m, const struct config *c, struct query *q, struct query_error *e)
{
    for (int slot = 0; slot < IC_MARKS; slot++)
        if (!find_slot(m, c, q, slot, e))
            return false;
    return true;
}

bool marks_find_all(struct marks *m, const struct config *c, struct order *o, struct query_error *e)
{
    for (int i = 0; i < o->n; i++)
        if (!marks_find(m, c, &o->outputs[i].query, e))
            return false;
    return true;
}

/* Reading. */

static enum ic_code read_file(struct mark_input *in, struct ic_error *e)
{
    size_t want = (size_t)in->file.size, have = 0;
    in->owned = malloc(want + 1);
    if (!in->owned)
        return ic_fail(e, IC_E_BUSY, "no memory for a watermark at the moment");
    while (have < want) {
        ssize_t got = pread(in->file.fd, in->owned + have, want - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ic_fail(e, IC_E_CORRUPT, "the watermark changed while it was read");
        have += (size_t)got;
    }
    in->bytes = (struct ic_bytes){ in->owned, want };
    return IC_OK;
}

enum ic_code marks_load(struct marks *m, struct pool_ticket *t, struct ic_error *e)
{
    for (int i = 0; i < m->n; i++) {
        struct mark_input *in = &m->in[i];
        enum ic_code rc = IC_OK;
        if (!in->bytes.p && t && !pool_grow(t, (size_t)in->file.size))
            return ic_fail(e, IC_E_BUSY, "no memory for a watermark at the moment");
        if (!in->bytes.p)
            rc = read_file(in, e);
        if (rc != IC_OK)
            return rc;
        if (!in->named)
            crypto_generichash(in->hash, sizeof in->hash, in->bytes.p, in->bytes.n, NULL, 0);
    }
    return IC_OK;
}

void marks_hand(const struct marks *m, struct job *j, struct pool_input *in)
{
    for (int i = 0; i < m->n; i++) {
        in[1 + i] = (struct pool_input){ .p = m->in[i].bytes.p, .fd = -1, .n = m->in[i].bytes.n };
        memcpy(j->in[1 + i].hash, m->in[i].hash, sizeof j->in[1 + i].hash);
    }
    j->inputs = 1 + (uint32_t)m->n;
}

/* Any font may lend a character. */
static size_t fonts_etag(const struct config *c, char *out, size_t n)
{
    crypto_generichash_state h;
    unsigned char hash[IC_MARK_HASH];
    char text[2 * IC_MARK_HASH + 1];
    crypto_generichash_init(&h, NULL, 0, sizeof hash);
    for (const struct config_file *f = c->fonts; f; f = f->next)
        crypto_generichash_update(&h, f->hash, sizeof f->hash);
    crypto_generichash_final(&h, hash, sizeof hash);
    return (size_t)snprintf(out, n, "fonts:%s/", sodium_bin2hex(text, sizeof text, hash, sizeof hash));
}

const char *marks_etag(const struct marks *m, const struct query *q, const struct config *c, char *out, size_t n)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < m->n && used < n; i++) {
        const struct mark_input *in = &m->in[i];
        char hash[2 * IC_MARK_HASH + 1];
        sodium_bin2hex(hash, sizeof hash, in->hash, sizeof in->hash);
        used += (size_t)snprintf(out + used, n - used, "%s:%s:%lld:%lld.%09ld/", in->name, hash,
                                 (long long)in->file.size, (long long)in->file.mtime.tv_sec, in->file.mtime.tv_nsec);
    }
    if (q->recipe.text.text[0] && used < n)
        fonts_etag(c, out + used, n - used);
    return out;
}
