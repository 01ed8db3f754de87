/* nginx's configuration, as far as `pixpool check --nginx` needs it: blocks with the directives that bear on pixpool,
 * where they set them. Variables and conditions are not understood. */
#ifndef NGINX_CONF_H
#define NGINX_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nginx_block {
    int around;      /* index of the block around it; -1: none */
    char kind[16];   /* "", "http", "server", "location", "upstream" */
    char name[128];  /* the last word before its { */
    char pass[128];  /* fastcgi_pass, or an upstream's server; "" */
    int64_t body;    /* client_max_body_size in bytes, 0 is no limit; -1: not set here */
    int64_t read_ms; /* fastcgi_read_timeout; -1: not set here */
    char user[64];   /* user */
};

struct nginx_conf {
    struct nginx_block *block; /* owned */
    int n;
    char directory[256]; /* includes are relative to that of the first file */
};

/* Reads path and what it includes. out needs nginx_conf_free, on success only. false: why says what is wrong. */
bool nginx_conf_read(struct nginx_conf *out, const char *path, char *why, size_t n);
void nginx_conf_free(struct nginx_conf *c);

/* What holds in block i, inherited from those around it; nginx's default where none sets it. */
int64_t nginx_conf_body(const struct nginx_conf *c, int i);
int64_t nginx_conf_read_ms(const struct nginx_conf *c, int i);

#endif
