/* POST /api/images/renditions?store=1: the results become files, and the answer is what a page needs to know of them.
 *
 * The results go from the worker's mailbox into their files, so they take no memory here. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "api_store.h"
#include "image_reply.h"
#include "info_json.h"
#include "renditions.h"
#include "store.h"

struct storing {
    struct upload *u;
    struct renditions *s;
    struct store store;
    unsigned char sha256[JOB_OUTPUTS][FRAMING_SHA256];
    struct ic_facts facts;
    bool inspected;
};

static bool keep(void *ctx, int output, const uint8_t *data)
{
    struct storing *t = ctx;
    struct rendition *r = &t->s->out[output];
    char name[ORDER_NAME + 8], text[120];
    store_file_name(t->u->order.outputs[output].name, r->format, name, sizeof name);
    crypto_hash_sha256(t->sha256[output], data, r->n);
    if (store_write(&t->store, name, data, r->n))
        return true;
    snprintf(text, sizeof text, "the store can't be written: %s", strerror(errno));
    rendition_fail(r, IC_E_BUSY, text);
    return false;
}

static json_t *rendition(const struct storing *t, int i)
{
    const struct rendition *r = &t->s->out[i];
    struct framing_item item = { .name = t->u->name, .output = t->u->order.outputs[i].name, .sha256 = t->sha256[i] };
    char name[ORDER_NAME + 8], url[512];
    rendition_item(r, &item);
    json_t *j = framing_json(NULL, &item);
    json_object_del(j, "index");
    json_object_set_new(j, "name", json_string(item.output));
    json_object_del(j, "output");
    if (r->code == IC_OK) {
        store_file_name(item.output, r->format, name, sizeof name);
        json_object_set_new(j, "url", json_string(store_url(&t->store, name, url, sizeof url)));
    }
    return j;
}

/* What /api/images/info would say, which needs a small decode of its own. Where that fails, the results are no less
 * good: what the header tells has to do. */
static void on_facts(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct storing *t = ctx;
    t->inspected = o->code == IC_OK && data && o->length == sizeof t->facts;
    if (t->inspected)
        memcpy(&t->facts, data, sizeof t->facts);
}

static void inspect(struct storing *t, struct request *rq)
{
    struct pool_job *j = &t->s->job;
    struct ic_error e = { 0 };
    j->job.kind = JOB_INSPECT;
    j->job.inputs = j->job.outputs = 1;
    ic_recipe_init(&j->job.recipe[0]);
    j->emit = on_facts;
    j->ctx = t;
    pool_run(&rq->ticket, j, &e);
}

static json_t *source(const struct storing *t)
{
    uint32_t w, h;
    char hex[2 * FRAMING_SHA256 + 1];
    char *facts = t->inspected ? info_json(&t->facts, t->u->file.n, false) : NULL;
    json_t *j = facts ? json_loads(facts, 0, NULL) : NULL, *name = json_string(t->u->name);
    free(facts);
    ic_oriented_size(&t->s->info, true, &w, &h);
    if (!j)
        j = json_pack("{s:i, s:i, s:s, s:I, s:b}", "width", (int)w, "height", (int)h, "format",
                      ic_format_name(t->s->info.format), "bytes", (json_int_t)t->u->file.n, "alpha",
                      (int)t->s->info.alpha);
    json_object_set_new(j, "name", name ? name : json_string(""));
    sodium_bin2hex(hex, sizeof hex, t->store.sha256, FRAMING_SHA256);
    json_object_set_new(j, "sha256", json_string(hex));
    return j;
}

static void tell(const struct storing *t, struct reply *a)
{
    json_t *list = json_array();
    for (int i = 0; i < t->s->n; i++)
        json_array_append_new(list, rendition(t, i));
    json_t *j = json_pack("{s:s, s:o, s:o}", "id", t->store.id, "source", source(t), "renditions", list);
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(j);
    if (!text) {
        reply_busy(a, 1, "out of memory");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_body(a, 201, "application/json", (uint8_t *)text, strlen(text));
}

static bool make(struct storing *t, struct request *rq, struct reply *a)
{
    if (!store_open(&t->store, rq->gw->cfg, &t->u->order, t->u->file)) {
        reply_problem(a, 507, "store", "the store can't be written: %s", strerror(errno));
        return false;
    }
    t->s->keep = keep;
    t->s->ctx = t;
    if (!api_renditions_run(t->u, t->s, rq, false, a))
        return false;
    inspect(t, rq);
    return true;
}

void api_store(struct upload *u, struct request *rq, struct reply *a)
{
    struct storing *t = calloc(1, sizeof *t);
    if (t)
        *t = (struct storing){ .u = u, .s = renditions_create(), .store = { .dir = -1 } };
    if (!t || !t->s)
        reply_busy(a, 1, "out of memory");
    else if (make(t, rq, a))
        tell(t, a);
    if (t) {
        store_close(&t->store);
        renditions_free(t->s);
    }
    free(t);
}

bool api_store_wanted(struct request *rq, char *rest, size_t size, bool *store, struct reply *a)
{
    size_t n = 0;
    *store = false;
    if (strlen(rq->query) >= size) {
        reply_problem(a, 414, "query_long", "the query is too long");
        return false;
    }
    for (const char *p = rq->query; *p;) {
        size_t k = strcspn(p, "&");
        bool ours = !strncmp(p, "store", 5) && (k == 5 || p[5] == '=');
        *store |= ours && (k == 5 || (k == 7 && p[6] == '1'));
        if (!ours) {
            memcpy(rest + n, p, k + (p[k] == '&'));
            n += k + (p[k] == '&');
        }
        p += k + (p[k] == '&');
    }
    rest[n] = '\0';
    if (*store && !*rq->gw->cfg->store_dir)
        reply_problem(a, 400, "store_off", "store=1 needs store_dir in the configuration");
    return !*store || (*rq->gw->cfg->store_dir && access_store(rq, a));
}
