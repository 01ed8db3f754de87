/* Failing: one struct, one way to fill it, one word per code. */
#include "imgcore.h"

#include <stdarg.h>
#include <stdio.h>

enum ic_code ic_fail(struct ic_error *e, enum ic_code code, const char *fmt, ...)
{
    if (!e)
        return code;
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return code;
}

static const char *const names[IC_CODES] = {
    [IC_OK] = "ok",       [IC_E_PARAM] = "param",       [IC_E_FORMAT] = "format", [IC_E_CORRUPT] = "corrupt",
    [IC_E_MORE] = "more", [IC_E_LIMIT] = "limit",       [IC_E_MEMORY] = "memory", [IC_E_RESULT] = "result",
    [IC_E_BUSY] = "busy", [IC_E_DEADLINE] = "deadline", [IC_E_WORKER] = "worker", [IC_E_GONE] = "gone",
};

const char *ic_code_name(enum ic_code code)
{
    return (unsigned)code < IC_CODES ? names[code] : "unknown";
}

const char *ic_warnings_text(unsigned warnings, char *buf, size_t n)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = { { IC_WARN_TRUNCATED, "truncated" },
                  { IC_WARN_PROFILE, "broken-profile" },
                  { IC_WARN_CMYK, "cmyk-without-profile" },
                  { IC_WARN_DEPTH, "8-bits" } };
    size_t used = 0;

    if (n)
        buf[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words && used < n; i++)
        if (warnings & words[i].bit)
            used += (size_t)snprintf(buf + used, n - used, "%s%s", used ? ", " : "", words[i].word);
    return used ? buf : NULL;
}
