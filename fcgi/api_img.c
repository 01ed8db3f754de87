/* GET and HEAD /img/{path}?{options} and /img/{options}/{path}: an image below image_root.
 *
 * What is cheap comes first, and each step may end the request: options, the file's name, its ETag, its header. Only
 * what is left waits for a worker, with a descriptor and not with bytes. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "access.h"
#include "etag.h"
#include "explain.h"
#include "image_reply.h"
#include "log.h"
#include "negotiate.h"
#include "route.h"
#include "source.h"
#include "uri.h"

struct img {
    char path[PATH_MAX]; /* decoded; without the second extension once that has become the format */
    struct query asked;  /* what the URL says */
    struct query query;  /* the same with presets, ready for use */
    bool path_form;
    struct source source;
    struct marks marks;
    char etag[ETAG_SIZE];
    const char *raw; /* what stands behind /img/, as it came */
    struct cache_key key;
    char name[CACHE_NAME];
};

/* The options segment, n bytes of text. */
static bool parse_segment(struct img *g, const struct config *c, const char *text, size_t n, struct reply *a)
{
    struct query_error e = { .option = "" };
    char segment[2048];
    if (n >= sizeof segment) {
        reply_problem(a, 400, "option_malformed", "the options are longer than %zu bytes", sizeof segment - 1);
        return false;
    }
    memcpy(segment, text, n);
    segment[n] = '\0';
    if (strcasestr(segment, "%2f")) {
        reply_problem(a, 400, "option_malformed", "the value of an option can't contain a slash here");
        return false;
    }
    if (!query_parse_list(&g->asked, c, segment, &e)) {
        image_reply_option(a, &e);
        return false;
    }
    if (query_given(&g->asked, "s")) {
        reply_problem_option(a, "s", "option_clash", "the signature stands in the query: /img/w=300/photo.jpg?s=...");
        return false;
    }
    if (query_given(&g->asked, "format")) {
        reply_problem_option(a, "format", "option_clash",
                             "in a path the format is a second extension: /img/w=300/photo.jpg.webp");
        return false;
    }
    return true;
}

/* Presets and checks. On a copy, because a second extension is one more option that is known only later. */
static bool finish(struct img *g, const struct config *c, struct reply *a)
{
    struct query_error e = { .option = "" };
    g->query = g->asked;
    if (query_finish(&g->query, c, &e))
        return true;
    image_reply_option(a, &e);
    return false;
}

static bool parse_url(struct img *g, const struct request *rq, const char *path, struct reply *a)
{
    const struct config *c = rq->gw->cfg;
    struct query_error e = { .option = "" };
    const char *slash = strchr(path, '/'), *why;
    query_init(&g->asked);
    g->raw = path;
    g->path_form = slash && query_is_options(path, (size_t)(slash - path));
    if (g->path_form && !parse_segment(g, c, path, (size_t)(slash - path), a))
        return false;
    if (!query_parse(&g->asked, c, rq->query, &e)) {
        image_reply_option(a, &e);
        return false;
    }
    if (!uri_decode_path(g->path_form ? slash + 1 : path, g->path, sizeof g->path, &why)) {
        reply_problem(a, 400, "path_malformed", "the path is not valid: %s", why);
        return false;
    }
    return access_signed(rq, &g->asked, a) && finish(g, c, a);
}

/* a.jpg.webp: the second extension where it names a format, "" otherwise. */
static char *second_extension(char *path)
{
    char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    char *last = strrchr(name, '.');
    if (!last || !memchr(name, '.', (size_t)(last - name)))
        return path + strlen(path);
    static const char *const formats[] = { ".jpg", ".jpeg", ".png", ".webp" };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcasecmp(last, formats[i]))
            return last;
    return path + strlen(path);
}

/* Makes the second extension the format. false: a holds the error. */
static bool take_extension(struct img *g, const struct config *c, const char *format, struct reply *a)
{
    struct query_error e = { .option = "" };
    if (query_set(&g->asked, c, "format", format, strlen(format), &e))
        return finish(g, c, a);
    image_reply_option(a, &e);
    return false;
}

static void reply_missing(int err, const char *path, struct reply *a)
{
    if (err == ENOENT) {
        reply_problem(a, 404, "no_such_image", "there is no image at %.200s", path);
        return;
    }
    log_line(LOG_LV_ERROR, "event=source_open error=\"%s\"", strerror(err));
    reply_busy(a, 1, "the source can't be opened at the moment");
}

static bool open_source(struct img *g, const struct config *c, struct reply *a)
{
    if (!*c->image_root) {
        reply_problem(a, 404, "no_image_root", "this instance serves no files: image_root is not configured");
        return false;
    }
    int err = source_open(c->image_root, g->path, &g->source);
    char *dot = second_extension(g->path);
    if (err == ENOENT && g->path_form && *dot) {
        *dot = '\0';
        err = source_open(c->image_root, g->path, &g->source);
        if (!err && !take_extension(g, c, dot + 1, a))
            return false;
        *dot = err ? '.' : '\0';
    }
    if (err) {
        reply_missing(err, g->path, a);
        return false;
    }
    if (g->source.size <= c->max_body)
        return true;
    struct ic_error e;
    ic_fail(&e, IC_E_LIMIT, "the source has %lld bytes, allowed are %lld", (long long)g->source.size,
            (long long)c->max_body);
    reply_error(a, &e, 0);
    return false;
}

/* Before any look into the file: format=auto counts as what Accept says, the rest follows from the bytes. */
static void make_etag(struct img *g, const struct request *rq)
{
    char options[QUERY_CANONICAL], marks[MARKS_ETAG];
    bool webp =
        g->query.format_auto && negotiate_accepts(request_param(rq, "HTTP_ACCEPT"), ic_format_mime(IC_FORMAT_WEBP));
    query_canonical(&g->query, options, sizeof options);
    struct etag_parts parts = { .path = g->path,
                                .options = options,
                                .format = webp ? "webp" : "",
                                .marks = marks_etag(&g->marks, &g->query, rq->gw->cfg, marks, sizeof marks),
                                .versions = ic_versions(),
                                .size = g->source.size,
                                .mtime = g->source.mtime,
                                .ink = config_ink(rq->gw->cfg) };
    etag_make(&parts, g->etag);
}

static void cache_headers(const struct img *g, const struct config *c, struct reply *a)
{
    char date[48];
    struct tm tm;
    reply_header(a, "ETag", "%s", g->etag);
    reply_header(a, "Cache-Control", "public, max-age=%lld", (long long)access_maxage(&g->query, c));
    if (gmtime_r(&g->source.mtime.tv_sec, &tm) && strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        reply_header(a, "Last-Modified", "%s", date);
    if (g->query.format_auto)
        reply_vary(a, "Accept");
}

/* Whether the source has just been written, so that a change in the same tick of the file system's clock would leave
 * its time, and with it the ETag, as they are. Where that clock counts seconds, so does this. */
static bool just_written(const struct source *s)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double age_s = (double)(now.tv_sec - s->mtime.tv_sec) + (double)(now.tv_nsec - s->mtime.tv_nsec) / 1e9;
    return age_s > -0.1 && age_s < (s->mtime.tv_nsec ? 0.1 : 2.1);
}

/* Whether a web server may answer this URL the next time, from its name alone. */
static bool may_have_name(const struct img *g, const struct config *c)
{
    const struct query *q = &g->query;
    if (c->cache_layout != LAYOUT_PATH || q->format_auto || q->explain || q->dl || *q->filename)
        return false;
    if (q->expires_s >= 0 || q->maxage_s >= 0 || query_given(&g->asked, "s"))
        return false;
    return g->path_form || !query_given(&g->asked, "format"); /* in the path form it is an extension */
}

static void make_key(struct img *g, const struct request *rq)
{
    const struct config *c = rq->gw->cfg;
    g->key = (struct cache_key){ .etag = g->etag, .path = g->path, .size = g->source.size, .mtime = g->source.mtime };
    if (!rq->gw->cache)
        return;
    g->key.keep = !just_written(&g->source);
    if (may_have_name(g, c) && cache_name(g->raw, rq->query, g->name))
        g->key.name = g->name;
}

/* From the cache, without a worker. false: it is not there. */
static bool answer_hit(struct img *g, struct request *rq, struct image_reply *im, struct reply *a)
{
    struct cache_hit hit;
    if (g->query.explain || !cache_find(rq->gw->cache, &g->key, &hit))
        return false;
    if (!request_hold(rq, hit.told.length, a)) {
        close(hit.fd);
        return true;
    }
    im->plan.format = (enum ic_format)hit.told.format;
    cache_headers(g, rq->gw->cfg, a);
    image_reply_name(&g->query, im, g->path, a);
    image_reply_hit(rq, &hit, IMAGE_CACHE_HIT, a);
    return true;
}

static void answer(struct img *g, struct request *rq, struct reply *a)
{
    const struct config *c = rq->gw->cfg;
    struct image_reply im = { .marks = &g->marks };
    struct ic_error e = { 0 };
    if (!image_reply_find_marks(&im, rq, &g->query, a))
        return;
    make_etag(g, rq);
    if (etag_matches(request_param(rq, "HTTP_IF_NONE_MATCH"), g->etag)) {
        cache_headers(g, c, a);
        reply_body(a, 304, NULL, NULL, 0);
        return;
    }
    make_key(g, rq);
    if (answer_hit(g, rq, &im, a))
        return;
    if (!image_reply_probe(g->source.fd, g->source.size, &im.info, &e)) {
        reply_error(a, &e, 1);
        return;
    }
    if (!image_reply_plan(rq, &g->query, &im, a))
        return;
    if (g->query.explain) {
        explain_reply(rq, &g->query, &im, a);
        return;
    }
    if (!rq->head && (!request_admit(rq, LANE_INTERACTIVE, im.reserve, a) || !image_reply_load_marks(&im, rq, a)))
        return;
    cache_headers(g, c, a);
    if (rq->gw->cache && rq->head)
        reply_header(a, "X-Cache", "miss");
    image_reply_name(&g->query, &im, g->path, a);
    struct pool_input in = { .p = NULL, .fd = g->source.fd, .n = (size_t)g->source.size };
    if (rq->head)
        image_reply_head(&im, a);
    else
        image_reply_run(rq, &im, &g->key, in, a);
}

void api_img(struct request *rq, const char *path, struct reply *a)
{
    struct img *g = calloc(1, sizeof *g); /* not on the stack: two paths and two queries, and threads have small ones */
    rq->log.route = "img";
    if (!g) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    g->source.fd = -1;
    marks_init(&g->marks);
    if (route_method(rq, "GET, HEAD", a) && parse_url(g, rq, path, a) && open_source(g, rq->gw->cfg, a))
        answer(g, rq, a);
    if (!g->query.explain) /* refused to some addresses only */
        reply_displaces(a);
    source_close(&g->source);
    marks_free(&g->marks);
    free(g);
}
