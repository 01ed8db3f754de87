/* Between the files of `pixpool check`. */
#ifndef CHECK_H
#define CHECK_H

#include "config.h"

/* One line: kind is "ok", "note" or "PROBLEM"; what is wrong, and what to do about it. */
void check_tell(const char *kind, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* check_system.c: what the machine and the process limits allow. */
void check_limits(const struct config *c);
void check_directories(const struct config *c);
/* Who can reach the unix socket at path (which need not be there now). */
void check_reach(const struct config *c, const char *path);
/* The same for a web server that is known to run as user. */
struct passwd;
void check_reach_as(const struct config *c, const char *path, const struct passwd *user);

/* check_nginx.c: the file of an nginx in front, and what it includes. */
void check_nginx(const struct config *c, const char *file);

#endif
