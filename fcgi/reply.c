/* Answers: status, headers, body. Handlers fill a reply and never write to a socket themselves, so that nothing is sent
 * before the request's body was read, and every header passes one place that no line break survives. */
#include "reply.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only place where an image error becomes HTTP. */
static const struct {
    enum ic_code code;
    int status;
    const char *title;
} replies[] = {
    { IC_E_PARAM, 400, "bad parameter" },      { IC_E_FORMAT, 415, "not a supported image" },
    { IC_E_CORRUPT, 422, "corrupt image" },    { IC_E_MORE, 422, "corrupt image" },
    { IC_E_LIMIT, 422, "image over a limit" }, { IC_E_MEMORY, 422, "image needs too much memory" },
    { IC_E_RESULT, 422, "result too large" },  { IC_E_BUSY, 503, "busy, retry" },
    { IC_E_DEADLINE, 504, "deadline passed" }, { IC_E_WORKER, 500, "worker died" },
    { IC_E_GONE, 499, "client left" },
};

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 207, "Multi-Status" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 411, "Length Required" },
    { 412, "Precondition Failed" },
    { 413, "Content Too Large" },
    { 414, "URI Too Long" },
    { 415, "Unsupported Media Type" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 499, "Client Closed Request" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 507, "Insufficient Storage" },
};

int reply_status(enum ic_code code)
{
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        if (replies[i].code == code)
            return replies[i].status;
    return 500;
}

static const char *reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

static void defuse(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
    }
}

void reply_header(struct reply *a, const char *name, const char *fmt, ...)
{
    char value[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof value)
        return;
    defuse(value);
    size_t left = sizeof a->headers - a->headers_n;
    n = snprintf(a->headers + a->headers_n, left, "%s: %s\r\n", name, value);
    if (n > 0 && (size_t)n < left)
        a->headers_n += (size_t)n;
    a->headers[a->headers_n] = '\0';
}

void reply_vary(struct reply *a, const char *name)
{
    size_t n = strlen(a->vary);
    snprintf(a->vary + n, sizeof a->vary - n, "%s%s", n > 0 ? ", " : "", name);
}

static void set_body(struct reply *a, uint8_t *body, size_t n)
{
    if (a->body != body)
        free(a->body);
    a->body = body;
    a->body_n = body != NULL ? n : 0;
}

void reply_body(struct reply *a, int status, const char *type, uint8_t *body, size_t n)
{
    a->status = status;
    a->type = type;
    a->code = NULL;
    set_body(a, body, n);
}

void reply_file(struct reply *a, int status, const char *type, int fd, int64_t at, size_t n)
{
    reply_body(a, status, type, NULL, 0);
    a->from_file = true;
    a->file = fd;
    a->file_at = at;
    a->body_n = n;
}

void reply_text(struct reply *a, int status, const char *type, const char *text)
{
    uint8_t *copy = (uint8_t *)strdup(text);
    if (copy == NULL) {
        reply_problem(a, 500, "memory", "out of memory");
        return;
    }
    reply_body(a, status, type, copy, strlen(text));
}

static void problem(struct reply *a, int status, const char *title, const char *code)
{
    reply_free(a);
    a->status = status;
    a->type = "application/problem+json";
    a->title = title;
    a->code = code;
    reply_header(a, "Cache-Control", "%s", status == 404 ? "max-age=10" : "no-store");
}

/* In front of Cache-Control: of the two, nginx before 1.23 heeds the first. It keeps this header to itself. */
void reply_displaces(struct reply *a)
{
    static const char line[] = "X-Accel-Expires: 1\r\n";
    const size_t n = sizeof line - 1;
    bool refuses = a->status == 400 || a->status == 403 || a->status == 410 || a->status == 415 || a->status == 422;
    if (!refuses || a->headers_n + n >= sizeof a->headers)
        return;
    memmove(a->headers + n, a->headers, a->headers_n + 1);
    memcpy(a->headers, line, n);
    a->headers_n += n;
}

void reply_problem(struct reply *a, int status, const char *code, const char *fmt, ...)
{
    char detail[sizeof a->detail]; /* the arguments may lie in the reply that is replaced */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    problem(a, status, reason(status), code);
    memcpy(a->detail, detail, sizeof detail);
}

void reply_problem_option(struct reply *a, const char *option, const char *code, const char *fmt, ...)
{
    char detail[sizeof a->detail];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    problem(a, 400, "bad parameter", code);
    memcpy(a->detail, detail, sizeof detail);
    snprintf(a->option, sizeof a->option, "%s", option);
}

static void retry_after(struct reply *a, int seconds)
{
    a->retry_after_s = seconds > 0 ? seconds : 1;
    reply_header(a, "Retry-After", "%d", a->retry_after_s);
}

void reply_busy(struct reply *a, int retry_after_s, const char *detail)
{
    struct ic_error e = { .code = IC_E_BUSY };
    snprintf(e.text, sizeof e.text, "%s", detail);
    reply_error(a, &e, retry_after_s);
}

void reply_error(struct reply *a, const struct ic_error *e, int retry_after_s)
{
    struct ic_error copy = *e;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        if (replies[i].code != copy.code)
            continue;
        problem(a, replies[i].status, replies[i].title, ic_code_name(copy.code));
        snprintf(a->detail, sizeof a->detail, "%s", copy.text);
        if (a->status == 503)
            retry_after(a, retry_after_s);
        return;
    }
    reply_problem(a, 500, "internal", "%s", copy.text);
}

/* Details quote what clients send, which need not be UTF-8, and may be cut inside a character. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    if (j != NULL)
        return j;
    char plain[sizeof((struct reply *)0)->detail];
    snprintf(plain, sizeof plain, "%s", s);
    for (char *p = plain; *p != '\0'; p++) {
        if (*p & 0x80)
            *p = '?';
    }
    return json_string(plain);
}

static char *problem_json(const struct reply *a, const char *id)
{
    char type[96];
    snprintf(type, sizeof type, "urn:pixpool:problem:%s", a->code);
    json_t *j = json_pack("{s:s, s:s, s:i, s:o, s:s}", "type", type, "title", a->title, "status", a->status, "detail",
                          text(a->detail), "code", a->code);
    if (j == NULL)
        return NULL;
    if (a->option[0] != '\0')
        json_object_set_new(j, "option", text(a->option));
    if (id[0] != '\0')
        json_object_set_new(j, "request_id", text(id));
    if (a->retry_after_s > 0)
        json_object_set_new(j, "retry_after", json_integer(a->retry_after_s));
    json_object_set_new(j, "error", text(a->detail));
    char *out = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return out;
}

static bool has_length(const struct reply *a)
{
    return !a->no_length && a->status != 204 && a->status != 304;
}

size_t reply_render(struct reply *a, const char *id, char out[REPLY_HEAD])
{
    if (a->code != NULL) {
        char *json = problem_json(a, id);
        set_body(a, (uint8_t *)json, json != NULL ? strlen(json) : 0);
    }
    char type[128] = "", length[48] = "", vary[64] = "";
    if (a->vary[0] != '\0')
        snprintf(vary, sizeof vary, "Vary: %s\r\n", a->vary);
    if (a->type != NULL)
        snprintf(type, sizeof type, "Content-Type: %s\r\n", a->type);
    if (has_length(a))
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", a->body_n);
    int n = snprintf(out, REPLY_HEAD,
                     "Status: %d %s\r\n%s%s%sX-Request-Id: %s\r\nX-Content-Type-Options: nosniff\r\n%s\r\n", a->status,
                     reason(a->status), type, length, vary, id, a->headers);
    return n > 0 && n < REPLY_HEAD ? (size_t)n : 0;
}

void reply_free(struct reply *a)
{
    free(a->body);
    if (a->from_file)
        close(a->file);
    *a = (struct reply){ 0 };
}
