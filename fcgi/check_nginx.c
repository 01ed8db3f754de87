/* pixpool check --nginx FILE: whether an nginx in front reaches pixpool, and lets through what pixpool takes. Called by
 * cmd_check.c.
 *
 * A limit of the web server below pixpool's own shows itself late and as somebody else's error: a 413 or 504 that no
 * log of pixpool's knows. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "nginx_conf.h"

/* The address that a fastcgi_pass means: an upstream's first server, where it names one. */
static const char *address_of(const struct nginx_conf *n, const char *pass)
{
    for (int i = 0; i < n->n; i++)
        if (strcmp(n->block[i].kind, "upstream") == 0 && strcmp(n->block[i].name, pass) == 0)
            return n->block[i].pass;
    return pass;
}

/* Of TCP addresses only the port is compared: how the machine is called depends on where one stands. */
static bool is_listen(const char *listen, const char *address)
{
    const char *ours = strrchr(listen, ':'), *theirs = strrchr(address, ':');

    if (strncmp(listen, "unix:", 5) == 0 || strncmp(address, "unix:", 5) == 0)
        return strcmp(listen, address) == 0;
    return ours && theirs && strcmp(ours, theirs) == 0;
}

/* Only GET goes to /img/, and to the named locations that try_files falls back to. */
static bool takes_uploads(const struct nginx_block *b)
{
    return *b->name != '@' && !strstr(b->name, "/img");
}

/* Returns whether the limits of location i will do. */
static bool check_location(const struct config *c, const char *file, const struct nginx_conf *n, int i)
{
    const struct nginx_block *b = &n->block[i];
    int64_t body = nginx_conf_body(n, i), ms = nginx_conf_read_ms(n, i);
    bool small = takes_uploads(b) && body != 0 && body < c->max_body, hasty = ms < c->deadline_ms;

    if (small)
        check_tell("PROBLEM",
                   "%s: location %s: nginx answers 413 beyond client_max_body_size = %lldk, pixpool takes max_body = "
                   "%lldk: set client_max_body_size %lldk; there, or lower max_body",
                   file, b->name, (long long)body >> 10, (long long)c->max_body >> 10,
                   ((long long)c->max_body + 1023) >> 10);
    if (hasty)
        check_tell("PROBLEM",
                   "%s: location %s: nginx answers 504 after fastcgi_read_timeout = %lldms, pixpool works for deadline "
                   "= %lldms: set fastcgi_read_timeout %llds; there, or lower deadline",
                   file, b->name, (long long)ms, (long long)c->deadline_ms, (long long)c->deadline_ms / 1000 + 5);
    return !small && !hasty;
}

static void check_user(const struct config *c, const char *file, const struct nginx_conf *n)
{
    const char *name = n->block[0].user;
    const struct passwd *user = *name ? getpwnam(name) : NULL;

    if (*name && !user)
        check_tell("PROBLEM", "%s: there is no user %s", file, name);
    if (user && strncmp(c->listen, "unix:", 5) == 0)
        check_reach_as(c, c->listen + 5, user);
}

void check_nginx(const struct config *c, const char *file)
{
    struct nginx_conf n;
    char why[700];
    int passing = 0, good = 0;

    if (!nginx_conf_read(&n, file, why, sizeof why)) {
        check_tell("PROBLEM", "--nginx: %s", why);
        return;
    }
    for (int i = 0; i < n.n; i++) {
        const struct nginx_block *b = &n.block[i];
        if (strcmp(b->kind, "upstream") == 0 || !*b->pass || !is_listen(c->listen, address_of(&n, b->pass)))
            continue;
        passing++;
        good += check_location(c, file, &n, i);
    }
    if (passing == 0)
        check_tell("PROBLEM", "%s: nothing is passed to pixpool: fastcgi_pass %s; as in conf/nginx/pixpool.conf", file,
                   c->listen);
    else if (good == passing)
        check_tell("ok", "%s: %d locations pass to %s, with limits no lower than pixpool's", file, passing, c->listen);
    check_user(c, file, &n);
    nginx_conf_free(&n);
}
