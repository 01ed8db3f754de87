/* Loading a configuration in tests, from files, the environment and the command line. */
#ifndef TESTS_CONFIGS_H
#define TESTS_CONFIGS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../fcgi/config.h"
#include "../../fcgi/config_key.h"

static struct config c;
static char err[512];
static char path[64]; /* of the file a test wrote */

static inline void setup(void)
{
    static const char *const used[] = { "PIXPOOL_DEADLINE", "PIXPOOL_QUEUE", "PIXPOOL_DEADLNE", "PIXPOOL_PORT",
                                        "PIXPOOL_CONFIG" };
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        unsetenv(used[i]);
    memset(&c, 0, sizeof c);
    err[0] = '\0';
    path[0] = '\0';
}

static inline void teardown(void)
{
    config_free(&c);
    if (path[0])
        unlink(path);
}

static inline const char *file_with(const char *text)
{
    strcpy(path, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static inline bool load_file_text(const char *text)
{
    config_free(&c);
    if (path[0])
        unlink(path);
    return config_load(&c, file_with(text), NULL, 0, err, sizeof err);
}

#endif
