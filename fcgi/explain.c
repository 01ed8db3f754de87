/* Plans for people: api_img, api_process and cmd_process call it where explain is asked for.
 *
 * It tells what the plan says and nothing of its own, so that it can't differ from what is done. Where pixels decide
 * (trim, smart, entropy), it tells what will be looked at and the bounds that hold until then. */
#include "explain.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"

static void put_integer(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

static json_t *size_json(uint32_t width, uint32_t height)
{
    json_t *o = json_object();
    put_integer(o, "width", width);
    put_integer(o, "height", height);
    return o;
}

static json_t *source_json(const struct ic_plan *p, bool autorotate)
{
    uint32_t w, h;
    ic_oriented_size(&p->source, autorotate, &w, &h);
    json_t *o = size_json(w, h);
    json_object_set_new(o, "format", json_string(ic_format_name(p->source.format)));
    put_integer(o, "stored_width", p->source.width);
    put_integer(o, "stored_height", p->source.height);
    put_integer(o, "orientation", p->source.orientation);
    put_integer(o, "components", p->source.components);
    json_object_set_new(o, "progressive", json_boolean(p->source.progressive));
    return o;
}

static json_t *analyse_json(const struct ic_plan *p)
{
    json_t *list = json_array();
    if (p->analyse & IC_ANALYSE_TRIM)
        json_array_append_new(list, json_string("border at full resolution"));
    if (p->analyse & IC_ANALYSE_LOOK)
        json_array_append_new(list, json_string("small picture"));
    return list;
}

static json_t *crop_json(const struct ic_plan *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "x", json_real(p->crop.x0));
    json_object_set_new(o, "y", json_real(p->crop.y0));
    json_object_set_new(o, "width", json_real(p->crop.x1 - p->crop.x0));
    json_object_set_new(o, "height", json_real(p->crop.y1 - p->crop.y0));
    return o;
}

static json_t *turn_json(const struct ic_plan *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "transpose", json_boolean(p->turn & IC_TURN_TRANSPOSE));
    json_object_set_new(o, "flip", json_boolean(p->turn & IC_TURN_FLIP));
    json_object_set_new(o, "flop", json_boolean(p->turn & IC_TURN_FLOP));
    json_object_set_new(o, "then_degrees", json_real(p->angle));
    return o;
}

static json_t *result_json(const struct ic_plan *p)
{
    json_t *o = size_json(p->width, p->height);
    json_object_set_new(o, "size_is_known", json_boolean(p->sized));
    json_object_set_new(o, "format", json_string(ic_format_name(p->format)));
    if (p->quality)
        put_integer(o, "quality", (uint64_t)p->quality);
    json_object_set_new(o, "alpha", json_boolean(p->alpha));
    if (p->format == IC_FORMAT_PNG)
        put_integer(o, "depth", p->deep ? 16 : 8);
    return o;
}

/* Which way pixels go, in the words of the documentation. */
static const char *path_of(const struct ic_plan *p)
{
    bool lossy = p->source.format == IC_FORMAT_JPEG || (p->source.format == IC_FORMAT_WEBP && !p->source.lossless);
    bool takes = p->format == IC_FORMAT_JPEG || (p->format == IC_FORMAT_WEBP && !p->lossless);
    if (p->deep)
        return "16 bits";
    if (p->linear)
        return "linear light";
    if (p->source.components <= 2)
        return "grey";
    return lossy && takes && !p->source.alpha && !p->source.cmyk && !p->pad && !p->rgb ? "planes" : "rgb";
}

char *explain_json(const struct query *q, const struct ic_plan *p)
{
    char options[QUERY_CANONICAL];
    json_t *o = json_object();
    query_canonical(q, options, sizeof options);
    json_object_set_new(o, "options", json_string(options));
    json_object_set_new(o, "source", source_json(p, q->recipe.autorotate));
    json_object_set_new(o, "looks_at", analyse_json(p));
    json_object_set_new(o, "decode_scale", json_sprintf("%d/8", p->scale));
    json_object_set_new(o, "crop_stored", crop_json(p));
    json_object_set_new(o, "resampled", size_json(p->scaled_w, p->scaled_h));
    json_object_set_new(o, "turn", turn_json(p));
    json_object_set_new(o, "path", json_string(path_of(p)));
    json_object_set_new(o, "collected_whole", json_boolean(p->framed));
    json_object_set_new(o, "result", result_json(p));
    json_object_set_new(o, "cost_ms", json_real(p->cost_ms));
    put_integer(o, "memory_bytes", p->memory);
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(o);
    char *line = text ? realloc(text, strlen(text) + 2) : NULL;
    if (line)
        strcat(line, "\n");
    else
        free(text);
    return line;
}

void explain_reply(const struct request *rq, const struct query *q, const struct image_reply *im, struct reply *a)
{
    if (!access_admin_check(rq, a))
        return;
    char *json = explain_json(q, &im->plan);
    if (!json) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    reply_header(a, "Cache-Control", "no-store");
    reply_body(a, 200, "application/json", (uint8_t *)json, strlen(json));
}
