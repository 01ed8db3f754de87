/* pixpool cache sweep: what a running pixpool does with its cache by itself, for cron: where a web server serves
 * results without pixpool, it may not run for days. Called by main.c; as the user that pixpool runs as. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "cmd.h"

static enum cmd_status sweep(const struct config *c)
{
    struct cache_swept s;
    int err = *c->cache_dir ? cache_sweep(c, NULL, &s) : 0;
    if (!*c->cache_dir)
        cmd_complain("cache_dir is not set: there is nothing to sweep");
    else if (err == EAGAIN)
        printf("another process is sweeping %s\n", c->cache_dir);
    else if (err)
        cmd_complain("cache_dir %s: %s", c->cache_dir, strerror(err));
    else
        printf("removed %lld old, %lld stale, %lld beyond cache_size, %lld torn; left %lld of %lld bytes\n",
               (long long)s.gone[CACHE_OLD], (long long)s.gone[CACHE_STALE], (long long)s.gone[CACHE_LARGE],
               (long long)s.gone[CACHE_TORN], (long long)s.entries, (long long)s.bytes);
    return *c->cache_dir && (!err || err == EAGAIN) ? CMD_OK : CMD_FAILED;
}

int cmd_cache(int argc, char **argv)
{
    struct cmd_words words = { .keys = 0 };
    struct config c;
    enum cmd_status status;
    if (argc < 1 || strcmp(argv[0], "sweep") != 0) {
        cmd_complain("cache takes the word sweep: pixpool cache sweep [--config FILE] [--key=value ...]");
        return CMD_USAGE;
    }
    if ((status = cmd_words_only(&words, argc - 1, argv + 1)) != CMD_OK ||
        (status = cmd_configure(&c, &words)) != CMD_OK)
        return status;
    status = sweep(&c);
    config_free(&c);
    return status;
}
