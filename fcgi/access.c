/* Tokens, addresses and origins: the checks of access.h.
 *
 * REMOTE_ADDR alone tells who asks. X-Forwarded-For was rejected: anybody can write it, and a web server that trusts a
 * proxy in front has means of its own (nginx: real_ip) to set REMOTE_ADDR right. */
#include "access.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cidr.h"
#include "sign.h"

#define LOOPBACK "127.0.0.0/8, ::1"

bool access_admin(const struct request *rq)
{
    return cidr_contains(rq->gw->cfg->admin_allow, request_param(rq, "REMOTE_ADDR"));
}

bool access_admin_check(const struct request *rq, struct reply *a)
{
    if (access_admin(rq))
        return true;
    reply_problem(a, 403, "not_allowed", "this is for the addresses that admin_allow lists");
    return false;
}

/* In a time that depends on neither text: hashes have one length. */
static bool same_secret(const char *given, const char *wanted)
{
    unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
    crypto_generichash(a, sizeof a, (const unsigned char *)given, strlen(given), NULL, 0);
    crypto_generichash(b, sizeof b, (const unsigned char *)wanted, strlen(wanted), NULL, 0);
    return sodium_memcmp(a, b, sizeof a) == 0;
}

static bool refuse_token(struct reply *a, const char *error, const char *why)
{
    reply_problem(a, 401, "token", "%s", why);
    reply_header(a, "WWW-Authenticate", "Bearer realm=\"pixpool\"%s", error);
    return false;
}

bool access_token(const struct request *rq, struct reply *a)
{
    const char *wanted = rq->gw->cfg->api_token, *given = request_param(rq, "HTTP_AUTHORIZATION");
    if (!*wanted)
        return true;
    if (strncasecmp(given, "Bearer ", 7))
        return refuse_token(a, "", "this needs the token: Authorization: Bearer TOKEN");
    given += 7 + strspn(given + 7, " ");
    return same_secret(given, wanted) || refuse_token(a, ", error=\"invalid_token\"", "the token is not the right one");
}

bool access_store(const struct request *rq, struct reply *a)
{
    if (*rq->gw->cfg->api_token)
        return access_token(rq, a);
    if (cidr_contains(LOOPBACK, request_param(rq, "REMOTE_ADDR")))
        return true;
    reply_problem(a, 403, "not_allowed", "without api_token in the configuration this is for the machine itself only");
    return false;
}

/* Signed URLs. */

static bool refuse_signature(struct reply *a, const char *code, const char *why, const char *canonical)
{
    reply_problem(a, 403, code, "%s; what is signed here is %.160s", why, canonical);
    return false;
}

static bool check_signature(const struct request *rq, const struct query *q, struct reply *a)
{
    const char *keys = rq->gw->cfg->signing_keys, *why;
    char *canonical = sign_canonical(rq->uri, rq->query, &why);
    bool ok = false;
    if (!canonical && why)
        reply_problem(a, 400, "path_malformed", "the URL is not valid: %s", why);
    else if (!canonical)
        reply_problem(a, 500, "memory", "out of memory");
    else if (!*q->signature)
        ok = refuse_signature(a, "signature_missing", "this URL needs a signature: s=", canonical);
    else if (!sign_check(keys, q->key_id, canonical, q->signature))
        ok = refuse_signature(a, "signature_wrong", "the signature is not the right one", canonical);
    else
        ok = true;
    free(canonical);
    return ok;
}

bool access_signed(const struct request *rq, const struct query *q, struct reply *a)
{
    if (*rq->gw->cfg->signing_keys && !check_signature(rq, q, a))
        return false;
    if (q->expires_s < 0 || time(NULL) <= q->expires_s)
        return true;
    reply_problem(a, 410, "expired", "this URL was good until %lld", (long long)q->expires_s);
    return false;
}

int64_t access_maxage(const struct query *q, const struct config *c)
{
    int64_t maxage = q->maxage_s >= 0 ? q->maxage_s : c->maxage_s, left = q->expires_s - time(NULL);
    if (q->expires_s < 0 || maxage <= left)
        return maxage;
    return left > 0 ? left : 0;
}

/* Other origins. */

/* Whether the origin is listed, or * is. */
static bool origin_allowed(const char *list, const char *origin)
{
    size_t n = strlen(origin);
    for (const char *p = list + strspn(list, ", "); *p; p += strspn(p, ", ")) {
        size_t word = strcspn(p, ", ");
        if ((word == 1 && *p == '*') || (word == n && !strncasecmp(p, origin, n)))
            return true;
        p += word;
    }
    return false;
}

static bool origin_known(const struct request *rq, struct reply *a)
{
    const char *origin = request_param(rq, "HTTP_ORIGIN");
    reply_vary(a, "Origin"); /* for all: a cache must not give the answer for one origin to another */
    if (!*origin || !origin_allowed(rq->gw->cfg->cors_origins, origin))
        return false;
    reply_header(a, "Access-Control-Allow-Origin", "%s", origin);
    return true;
}

void access_cors(const struct request *rq, struct reply *a)
{
    if (*rq->gw->cfg->cors_origins && origin_known(rq, a))
        reply_header(a, "Access-Control-Expose-Headers",
                     "Content-Disposition, ETag, Location, Retry-After, Server-Timing, X-Image-Height, "
                     "X-Image-Warning, X-Image-Width, X-Max-Bytes, X-Request-Id, X-Source-Height, X-Source-Width");
}

bool access_preflight(const struct request *rq, struct reply *a)
{
    if (!*rq->gw->cfg->cors_origins || strcmp(rq->method, "OPTIONS"))
        return false;
    reply_body(a, 204, NULL, NULL, 0);
    if (!origin_known(rq, a))
        return true;
    reply_header(a, "Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE");
    reply_header(a, "Access-Control-Allow-Headers",
                 "Accept, Authorization, Content-Type, If-None-Match, Prefer, X-Request-Id");
    reply_header(a, "Access-Control-Max-Age", "600");
    return true;
}
