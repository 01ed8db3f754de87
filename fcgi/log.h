/* Log lines: key=value, one write each, safe from any thread and process. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_LV_INFO, LOG_LV_WARN, LOG_LV_ERROR };

/* "-" is stderr; a file is opened for appending. false: errno. Before it, lines go to stderr. Once per process. */
bool log_open(const char *path);

/* One line: time, level, process role, then the text, which should be key=value pairs. A newline is added. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the role that lines of this process carry ("gateway", "worker 1"), and the title that ps shows
 * ("pixpool: worker 1"). log_title_init must have been given main's argv before the first call. */
void log_title_init(int argc, char **argv);
void log_role(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* value as a log value: as it is where it is plain, else in double quotes with \xNN escapes. Returns out. */
const char *log_quote(const char *value, char *out, size_t n);

#endif
