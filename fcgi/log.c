/* Log lines and the name by which a process is known.
 *
 * Called from every thread of every process. A line is formatted on the stack and leaves by one write(2) to descriptor
 * 2, which log_open points at the log file: no lock that a dead process could keep, no buffer that a crash could lose,
 * and children that close every other descriptor still log. Lines stay within 4 KB, what a pipe takes in one piece.
 *
 *     time=2026-01-31T12:00:00.123Z level=info role="worker 1" text... */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF on Linux, newline included */

extern char **environ;

/* Set while a process has one thread, then only read. */
static char role[64] = "main";
static char role_quoted[sizeof role + 2] = "main";
static char *title_area; /* what the kernel shows as the command line; NULL: unknown */
static size_t title_size;
/* What environ points to, for ever: libc forgets it at exit, and leak checkers with it. */
__attribute__((used)) static char **title_environ;

bool log_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return true;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    bool ok = dup2(fd, STDERR_FILENO) >= 0;
    int saved = errno;
    if (fd != STDERR_FILENO)
        close(fd);
    errno = saved;
    return ok;
}

/* Year, month and day of a day counted from 1970-01-01. Not gmtime_r: that takes a lock and reads the time zone file on
 * its first call, which workers may no longer do. Hinnant, "chrono-compatible low-level date algorithms". */
static void civil_date(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468; /* from 0000-03-01, so that leap days come last */
    int64_t era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static size_t line_head(char *line, size_t n, enum log_level level)
{
    static const char *const names[] = { "info", "warn", "error" };
    struct timespec t;
    int year, month, day;

    clock_gettime(CLOCK_REALTIME, &t);
    int64_t s = t.tv_sec;
    civil_date(s / 86400, &year, &month, &day);
    return (size_t)snprintf(line, n, "time=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ level=%s role=%s ", year, month, day,
                            (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60), (int)(t.tv_nsec / 1000000),
                            names[level], role_quoted);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES + 1];
    int saved = errno;
    size_t at = line_head(line, sizeof line, level);
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line + at, LINE_MAX_BYTES - at, fmt, ap);
    va_end(ap);
    at += n < 0 ? 0 : (size_t)n;
    if (at > LINE_MAX_BYTES - 1) {
        at = LINE_MAX_BYTES - 1;
        memcpy(line + at - 3, "...", 3);
    }
    for (char *p = line; p < line + at; p++)
        if (*p == '\n' || *p == '\r') /* one call, one line: nobody forges the next */
            *p = ' ';
    line[at++] = '\n';
    while (write(STDERR_FILENO, line, at) < 0 && errno == EINTR)
        ;
    errno = saved;
}

static bool plain(unsigned char ch)
{
    return ch > 0x20 && ch < 0x7f && ch != '"' && ch != '=' && ch != '\\';
}

const char *log_quote(const char *value, char *out, size_t n)
{
    const char *p = value;
    size_t at = 0;

    while (plain((unsigned char)*p))
        p++;
    if (*p == '\0' && p > value) {
        snprintf(out, n, "%s", value);
        return out;
    }
    if (n < 3)
        return n > 0 ? (out[0] = '\0', out) : out;
    out[at++] = '"';
    for (p = value; *p && at + 6 <= n; p++) { /* an escape, the quote and the end fit */
        unsigned char ch = (unsigned char)*p;
        if (plain(ch) || ch == ' ' || ch == '=')
            out[at++] = *p;
        else
            at += (size_t)snprintf(out + at, n - at, "\\x%02x", ch);
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

/* Linux lays the strings of argv and environ out in one piece, and shows that piece as the command line. The
 * environment moves to the heap, so that a title may be longer than the arguments were. */
void log_title_init(int argc, char **argv)
{
    char *start = argc > 0 ? argv[0] : NULL, *end = start;
    size_t n = 0, bytes = 0;

    for (int i = 0; i < argc; i++)
        if (argv[i] == end)
            end += strlen(end) + 1;
    for (; environ[n]; n++) {
        bytes += strlen(environ[n]) + 1;
        if (environ[n] == end)
            end += strlen(end) + 1;
    }
    /* One piece: of what unsetenv takes out of the list nothing is lost. */
    char **copy = start ? malloc((n + 1) * sizeof *copy + bytes) : NULL;
    if (!copy)
        return; /* out of memory: the old environment stays, and no title is written over it */
    char *text = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        copy[i] = text;
        text = stpcpy(text, environ[i]) + 1;
    }
    copy[n] = NULL;
    environ = title_environ = copy;
    title_area = start;
    title_size = (size_t)(end - start);
}

void log_role(const char *fmt, ...)
{
    char name[16]; /* the kernel's limit for a thread's name */
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(role, sizeof role, fmt, ap);
    va_end(ap);
    log_quote(role, role_quoted, sizeof role_quoted);
    /* First word only: "pixpool-worker 12" cut to 15 bytes would lie about the number. */
    snprintf(name, sizeof name, "pixpool-%.*s", (int)strcspn(role, " "), role);
    prctl(PR_SET_NAME, name);
    if (title_area && title_size > 1) {
        memset(title_area, 0, title_size);
        snprintf(title_area, title_size, "pixpool: %s", role);
    }
}
