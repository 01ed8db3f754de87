/* Who may do what: tokens, the operators' addresses, other origins. Handlers ask before they read a body or do work. */
#ifndef ACCESS_H
#define ACCESS_H

#include "query.h"
#include "request.h"

/* Whether the request comes from an address of admin_allow: guards /status, /metrics and explain=1. */
bool access_admin(const struct request *rq);
/* The same; false: a is the 403. */
bool access_admin_check(const struct request *rq, struct reply *a);

/* Guards POST and jobs where api_token is set: Authorization: Bearer TOKEN. false: a is the 401. */
bool access_token(const struct request *rq, struct reply *a);

/* Guards what keeps things on this machine (store_dir, spool_dir): the token where one is set, and without one only
 * this machine itself. false: a is the 401 or 403. */
bool access_store(const struct request *rq, struct reply *a);

/* Guards GET of images: the signature where signing_keys are set, and expires. false: a is the 400, 403 or 410. */
bool access_signed(const struct request *rq, const struct query *q, struct reply *a);

/* Seconds for which an answer may be cached: what the URL or the configuration says, never beyond expires. */
int64_t access_maxage(const struct query *q, const struct config *c);

/* cors_origins. Adds what the request's Origin is owed; after the handler, so that errors have it too. */
void access_cors(const struct request *rq, struct reply *a);
/* Whether this is a preflight that cors_origins answers: then a is the answer. */
bool access_preflight(const struct request *rq, struct reply *a);

#endif
