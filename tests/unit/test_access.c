/* Who may do what: networks, tokens, origins; and the Vary line they share with negotiation. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/access.h"
#include "../../fcgi/cidr.h"
#include "suite.h"

static const struct {
    const char *list, *address;
    bool in;
} networks[] = {
    { "127.0.0.0/8, ::1", "127.0.0.1", true },
    { "127.0.0.0/8, ::1", "127.255.0.9", true },
    { "127.0.0.0/8, ::1", "::1", true },
    { "127.0.0.0/8, ::1", "::ffff:127.0.0.1", true },
    { "127.0.0.0/8, ::1", "128.0.0.1", false },
    { "127.0.0.0/8, ::1", "::2", false },
    { "127.0.0.0/8, ::1", "", false },
    { "127.0.0.0/8, ::1", "unix:", false },
    { "127.0.0.0/8, ::1", "127.0.0.1, 10.0.0.1", false },
    { "", "127.0.0.1", false },
    { "0.0.0.0/0", "203.0.113.9", true },
    { "0.0.0.0/0", "2001:db8::1", false },
    { "::/0", "2001:db8::1", true },
    { "192.0.2.128/25", "192.0.2.127", false },
    { "192.0.2.128/25", "192.0.2.128", true },
    { "192.0.2.7", "192.0.2.7", true },
    { "192.0.2.7", "192.0.2.8", false },
    { "192.0.2.7/31", "192.0.2.6", true },
    { "10.0.0.0/8 192.0.2.7", "192.0.2.7", true },
    { "2001:db8::/33", "2001:db8:7fff::1", true },
    { "2001:db8::/33", "2001:db8:8000::1", false },
    { "nonsense,10.0.0.0/99", "10.0.0.1", false },
};

START_TEST(addresses_in_networks)
{
    ck_assert_msg(cidr_contains(networks[_i].list, networks[_i].address) == networks[_i].in, "%s in %s",
                  networks[_i].address, networks[_i].list);
}
END_TEST

static const struct {
    const char *list, *bad; /* NULL: none */
} lists[] = {
    { "", NULL },
    { "127.0.0.0/8, ::1", NULL },
    { "10.0.0.0/8\t192.0.2.7,,", NULL },
    { "127.0.0.0/33", "127.0.0.0/33" },
    { "::1/129", "::1/129" },
    { "::1/", "::1/" },
    { "::1/-1", "::1/-1" },
    { "10.0.0.0/8,localhost", "localhost" },
    { "10.0.0/8", "10.0.0/8" },
    { "10.0.0.0/0008", "10.0.0.0/0008" },
};

START_TEST(lists_are_checked)
{
    char bad[64] = "";
    bool ok = cidr_valid(lists[_i].list, bad, sizeof bad);
    ck_assert_msg(ok == !lists[_i].bad, "%s", lists[_i].list);
    if (!ok)
        ck_assert_str_eq(bad, lists[_i].bad);
}
END_TEST

/* Requests. */

static struct config cfg;
static struct gateway gw = { .cfg = &cfg };
static char lines[4][200];
static char *envp[5];
static struct request rq;
static struct reply a;

static void setup(void)
{
    cfg = (struct config){ .api_token = (char *)"", .admin_allow = (char *)"10.0.0.0/8", .cors_origins = (char *)"" };
    memset(envp, 0, sizeof envp);
    memset(&rq, 0, sizeof rq);
    rq.gw = &gw;
    rq.method = "GET";
    rq.fx.envp = envp;
}

static void teardown(void)
{
    reply_free(&a);
}

static void param(const char *name, const char *value)
{
    int i = 0;
    while (envp[i])
        i++;
    snprintf(lines[i], sizeof lines[i], "%s=%s", name, value);
    envp[i] = lines[i];
}

static const char *head(void)
{
    static char text[REPLY_HEAD];
    reply_render(&a, "id", text);
    return text;
}

#define SAYS(what)  ck_assert_msg(strstr(head(), what), "%s is missing in %s", what, head())
#define LACKS(what) ck_assert_msg(!strstr(head(), what), "%s is in %s", what, head())

START_TEST(admins_are_known_by_address)
{
    ck_assert(!access_admin_check(&rq, &a));
    ck_assert_int_eq(a.status, 403);
    param("REMOTE_ADDR", "10.1.2.3");
    ck_assert(access_admin(&rq) && access_admin_check(&rq, &a));
}
END_TEST

START_TEST(forwarded_addresses_count_for_nothing)
{
    param("REMOTE_ADDR", "192.0.2.1");
    param("HTTP_X_FORWARDED_FOR", "10.1.2.3");
    ck_assert(!access_admin(&rq));
}
END_TEST

START_TEST(without_a_token_all_may)
{
    ck_assert(access_token(&rq, &a));
}
END_TEST

static const struct {
    const char *header; /* NULL: none */
    bool ok;
} tokens[] = {
    { NULL, false },           { "", false },
    { "secret", false },       { "Bearer", false },
    { "Bearer ", false },      { "Bearer secre", false },
    { "Bearer secret", true }, { "bearer  secret", true },
    { "Basic secret", false }, { "Bearer secrets", false },
};

START_TEST(tokens_are_compared)
{
    cfg.api_token = (char *)"secret";
    if (tokens[_i].header)
        param("HTTP_AUTHORIZATION", tokens[_i].header);
    ck_assert_int_eq(access_token(&rq, &a), tokens[_i].ok);
    if (tokens[_i].ok)
        return;
    ck_assert_int_eq(a.status, 401);
    SAYS("WWW-Authenticate: Bearer realm=\"pixpool\"");
}
END_TEST

START_TEST(stores_need_a_token_or_this_machine)
{
    param("REMOTE_ADDR", "10.1.2.3");
    ck_assert(!access_store(&rq, &a));
    ck_assert_int_eq(a.status, 403);
    ck_assert_ptr_nonnull(strstr(a.detail, "api_token"));
    envp[0] = NULL;
    param("REMOTE_ADDR", "127.0.0.1");
    ck_assert(access_store(&rq, &a));
    cfg.api_token = (char *)"secret";
    ck_assert(!access_store(&rq, &a));
    ck_assert_int_eq(a.status, 401);
    param("HTTP_AUTHORIZATION", "Bearer secret");
    ck_assert(access_store(&rq, &a));
}
END_TEST

/* Origins. */

START_TEST(no_origins_no_headers)
{
    param("HTTP_ORIGIN", "https://a.example");
    rq.method = "OPTIONS";
    ck_assert(!access_preflight(&rq, &a));
    reply_text(&a, 200, "text/plain", "x");
    access_cors(&rq, &a);
    LACKS("Access-Control");
    LACKS("Vary");
}
END_TEST

START_TEST(a_listed_origin_is_named)
{
    cfg.cors_origins = (char *)"https://b.example, https://a.example";
    param("HTTP_ORIGIN", "https://a.example");
    reply_text(&a, 200, "text/plain", "x");
    reply_vary(&a, "Accept");
    access_cors(&rq, &a);
    SAYS("Access-Control-Allow-Origin: https://a.example\r\n");
    SAYS("Access-Control-Expose-Headers: Content-Disposition, ETag");
    SAYS("Vary: Accept, Origin\r\n");
}
END_TEST

START_TEST(others_get_vary_only)
{
    cfg.cors_origins = (char *)"https://a.example";
    reply_text(&a, 200, "text/plain", "x");
    param("HTTP_ORIGIN", "https://a.example.evil");
    access_cors(&rq, &a);
    LACKS("Access-Control");
    SAYS("Vary: Origin\r\n");
}
END_TEST

START_TEST(preflights_are_answered)
{
    cfg.cors_origins = (char *)"*";
    rq.method = "OPTIONS";
    param("HTTP_ORIGIN", "https://a.example");
    ck_assert(access_preflight(&rq, &a));
    ck_assert_int_eq(a.status, 204);
    SAYS("Access-Control-Allow-Origin: https://a.example\r\n");
    SAYS("Access-Control-Allow-Methods: GET, HEAD, POST, DELETE\r\n");
    SAYS("Authorization");
    rq.method = "GET";
    ck_assert(!access_preflight(&rq, &a));
}
END_TEST

START_TEST(an_origin_is_no_way_to_write_headers)
{
    cfg.cors_origins = (char *)"*";
    param("HTTP_ORIGIN", "https://a\r\nX-Evil: 1");
    reply_text(&a, 200, "text/plain", "x");
    access_cors(&rq, &a);
    LACKS("\nX-Evil");
}
END_TEST

#define COUNT(x) ((int)(sizeof(x) / sizeof *(x)))

int main(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, addresses_in_networks, 0, COUNT(networks));
    tcase_add_loop_test(t, lists_are_checked, 0, COUNT(lists));
    tcase_add_test(t, admins_are_known_by_address);
    tcase_add_test(t, forwarded_addresses_count_for_nothing);
    tcase_add_test(t, without_a_token_all_may);
    tcase_add_loop_test(t, tokens_are_compared, 0, COUNT(tokens));
    tcase_add_test(t, stores_need_a_token_or_this_machine);
    tcase_add_test(t, no_origins_no_headers);
    tcase_add_test(t, a_listed_origin_is_named);
    tcase_add_test(t, others_get_vary_only);
    tcase_add_test(t, preflights_are_answered);
    tcase_add_test(t, an_origin_is_no_way_to_write_headers);
    suite_add_tcase(s, t);
    return run_suite(s);
}
