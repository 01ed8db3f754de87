/* Signatures: the vectors of tests/signing_vectors.json, which were made without pixpool's code, keys and refusals. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../fcgi/sign.h"
#include "suite.h"

static json_t *file;
static char keys[200];

static void setup(void)
{
    json_error_t e;
    file = json_load_file("tests/signing_vectors.json", 0, &e);
    ck_assert_msg(file != NULL, "%s", e.text);
    snprintf(keys, sizeof keys, "old:other-key,main:%s", json_string_value(json_object_get(file, "key")));
}

static void teardown(void)
{
    json_decref(file);
}

static char *canonical(const char *url, const char **why)
{
    const char *query = strchr(url, '?');
    char *path = strndup(url, strcspn(url, "?"));
    char *text = sign_canonical(path, query ? query + 1 : "", why);
    free(path);
    return text;
}

START_TEST(vectors)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(file, "vectors"), i, row)
    {
        const char *url = json_string_value(json_object_get(row, "url")), *why = "";
        const char *wanted = json_string_value(json_object_get(row, "s"));
        char *text = canonical(url, &why), signature[SIGN_SIZE];
        ck_assert_msg(text != NULL, "%s: %s", url, why);
        ck_assert_str_eq(text, json_string_value(json_object_get(row, "canonical")));
        ck_assert(sign_make(keys, "main", text, signature));
        ck_assert_str_eq(signature, wanted);
        ck_assert(sign_check(keys, "main", text, wanted));
        ck_assert(sign_check(keys, "", text, wanted));
        ck_assert(!sign_check(keys, "old", text, wanted));
        ck_assert(!sign_check(keys, "none", text, wanted));
        free(text);
    }
    ck_assert_uint_gt(i, 15);
}
END_TEST

START_TEST(malformed_urls_have_no_canonical_form)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(file, "malformed"), i, row)
    {
        const char *why = NULL;
        ck_assert_msg(!canonical(json_string_value(row), &why), "%s", json_string_value(row));
        ck_assert_ptr_nonnull(why);
    }
    ck_assert_uint_gt(i, 8);
}
END_TEST

/* As options tolerate it: w=50% is w=50%25. */
START_TEST(a_bare_percent_at_the_end_of_a_value)
{
    const char *why;
    char *bare = canonical("/img/a.jpg?w=50%&h=10%25", &why), *encoded = canonical("/img/a.jpg?w=50%25&h=10%25", &why);
    ck_assert_str_eq(bare, encoded);
    free(bare);
    free(encoded);
}
END_TEST

START_TEST(a_signature_is_right_as_a_whole)
{
    char s[SIGN_SIZE + 2];
    ck_assert(sign_make(keys, NULL, "/img/a.jpg", s));
    ck_assert(sign_check(keys, "old", "/img/a.jpg", s));
    ck_assert(!sign_check(keys, "old", "/img/b.jpg", s));
    ck_assert(!sign_check(keys, "old", "/img/a.jpg", ""));
    ck_assert(!sign_check("", "", "/img/a.jpg", s));
    for (size_t i = 0; i < strlen(s); i++) {
        s[i] ^= 1;
        ck_assert(!sign_check(keys, "old", "/img/a.jpg", s));
        s[i] ^= 1;
    }
    strcat(s, "A");
    ck_assert(!sign_check(keys, "old", "/img/a.jpg", s));
    s[SIGN_SIZE - 2] = '\0';
    ck_assert(!sign_check(keys, "old", "/img/a.jpg", s));
}
END_TEST

START_TEST(a_key_is_found_by_its_whole_id)
{
    char a[SIGN_SIZE], b[SIGN_SIZE];
    ck_assert(!sign_make("k1:x", "k", "t", a));
    ck_assert(!sign_make("k:x", "k1", "t", a));
    ck_assert(sign_make("k1:x, k:y:z", "k", "t", a));
    ck_assert(sign_make("q:y:z", NULL, "t", b)); /* a key may hold a colon */
    ck_assert_str_eq(a, b);
}
END_TEST

static const struct {
    const char *keys, *says; /* NULL: valid */
    int n;
} lists[] = {
    { "", NULL, 0 },
    { "a:secret", NULL, 1 },
    { "a:secret, b.2-x_~:s3:cr3t", NULL, 2 },
    { "secret", "expected id:key", 0 },
    { ":secret", "expected id:key", 0 },
    { "a:", "expected id:key", 0 },
    { "a/b:secret", "expected id:key", 0 },
    { "a:x,b:y,a:z", "the id a is given twice", 0 },
};

START_TEST(key_lists)
{
    char why[120] = "", first[80] = "";
    bool ok = sign_keys_valid(lists[_i].keys, why, sizeof why);
    ck_assert_msg(ok == !lists[_i].says, "%s: %s", lists[_i].keys, why);
    if (!ok)
        ck_assert_msg(strstr(why, lists[_i].says), "%s", why);
    else
        ck_assert_int_eq(sign_keys_count(lists[_i].keys, first, sizeof first), lists[_i].n);
    if (ok && lists[_i].n)
        ck_assert_str_eq(first, "a");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sign");
    TCase *t = tcase_create("sign");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, vectors);
    tcase_add_test(t, malformed_urls_have_no_canonical_form);
    tcase_add_test(t, a_bare_percent_at_the_end_of_a_value);
    tcase_add_test(t, a_signature_is_right_as_a_whole);
    tcase_add_test(t, a_key_is_found_by_its_whole_id);
    tcase_add_loop_test(t, key_lists, 0, (int)(sizeof lists / sizeof *lists));
    suite_add_tcase(s, t);
    return run_suite(s);
}
