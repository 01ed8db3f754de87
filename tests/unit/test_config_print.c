/* What the configuration tells of itself, in the sample file and the help; presets; and what it hands on.
 *
 * Runs in the repository's root, whose conf/pixpool.conf it compares. */
#include "configs.h"
#include "suite.h"

static char *printed(const struct config *from)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    config_print(f, from);
    fclose(f);
    return text;
}

START_TEST(presets_built_in_and_replaced)
{
    ck_assert(config_load(&c, NULL, NULL, 0, err, sizeof err));
    ck_assert_str_eq(config_preset(&c, "sharp", 5), "fit=cover,enlarge=1,format=jpeg");
    ck_assert_str_eq(config_preset(&c, "sharp,x", 5), "fit=cover,enlarge=1,format=jpeg");
    ck_assert_ptr_null(config_preset(&c, "shar", 4));
    ck_assert_ptr_null(config_preset(&c, "sharpx", 6));
    ck_assert_ptr_null(config_preset(&c, "", 0));
    ck_assert(load_file_text("[preset]\nsharp = w=1\n"));
    ck_assert_str_eq(config_preset(&c, "sharp", 5), "w=1");
}
END_TEST

START_TEST(presets_as_keys)
{
    char *argv[] = { "--preset.thumb=w=7", "--preset.of-mine", "w=8" };
    ck_assert_msg(load_file_text("preset.thumb = w=5,h=6\nqueue = 3\n[preset]\nwide = w=9\n"), "%s", err);
    ck_assert_str_eq(config_preset(&c, "thumb", 5), "w=5,h=6");
    ck_assert_str_eq(config_preset(&c, "wide", 4), "w=9");
    config_free(&c);
    ck_assert_msg(config_load(&c, path, argv, 3, err, sizeof err), "%s", err);
    ck_assert_str_eq(config_preset(&c, "thumb", 5), "w=7");
    ck_assert_str_eq(config_preset(&c, "of-mine", 7), "w=8");
    ck_assert_str_eq(config_preset(&c, "wide", 4), "w=9");
}
END_TEST

START_TEST(limits_are_handed_on)
{
    char *argv[] = { "--max_pixels_in=5M", "--max_side_in=4000", "--max_side_out=300", "--worker_memory=99M",
                     "--max_result=7M" };
    ck_assert(config_load(&c, NULL, argv, 5, err, sizeof err));
    struct ic_limits l = config_limits(&c);
    ck_assert_uint_eq(l.max_pixels_in, 5000000);
    ck_assert_uint_eq(l.max_side_in, 4000);
    ck_assert_uint_eq(l.max_side_out, 300);
    ck_assert_uint_eq(l.max_memory, 99 << 20);
    ck_assert_uint_eq(l.max_result, 7 << 20);
}
END_TEST

START_TEST(sample_file_is_what_we_print)
{
    char *text = printed(NULL), *kept = NULL;
    size_t n = 0;
    FILE *f = fopen("conf/pixpool.conf", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_gt(getdelim(&kept, &n, '\0', f), 0);
    fclose(f);
    ck_assert_msg(strcmp(text, kept) == 0, "conf/pixpool.conf is old: pixpool --print-config >conf/pixpool.conf");
    free(text);
    free(kept);
}
END_TEST

START_TEST(sample_file_loads_to_the_defaults)
{
    struct config plain;
    ck_assert(config_load(&plain, NULL, NULL, 0, err, sizeof err));
    ck_assert_msg(config_load(&c, "conf/pixpool.conf", NULL, 0, err, sizeof err), "%s", err);
    char *a = printed(&plain), *b = printed(&c);
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    config_free(&plain);
}
END_TEST

START_TEST(what_is_printed_loads_back)
{
    char *argv[] = {
        "--workers=3",  "--threads=200", "--deadline=1500ms", "--max_body=3000",         "--max_pixels_in=12345678",
        "--maxage=90m", "--sandbox=off", "--ignore_options=", "--image_root=/a b/c=d:e", "--socket_mode=7"
    };
    ck_assert_msg(load_file_text("[preset]\nx = w=1,bg=#fff\nsharp = q=3\n"), "%s", err);
    config_free(&c);
    ck_assert_msg(config_load(&c, path, argv, 10, err, sizeof err), "%s", err);
    char *first = printed(&c);
    ck_assert_ptr_nonnull(strstr(first, "\ndeadline = 1500ms\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nmaxage = 90m\n"));
    ck_assert_ptr_nonnull(strstr(first, "\nx = w=1,bg=#fff\nsharp = q=3\n"));
    ck_assert_msg(load_file_text(first), "%s", err);
    ck_assert_int_eq(c.max_body, 3000);
    ck_assert_int_eq(c.max_pixels_in, 12345678);
    ck_assert_str_eq(c.image_root, "/a b/c=d:e");
    char *second = printed(&c);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

START_TEST(help_has_every_key)
{
    char *text = NULL, name[64];
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    config_help(f);
    fclose(f);
    for (size_t i = 0; i < config_keys_n; i++) {
        snprintf(name, sizeof name, "--%s=", config_keys[i].name);
        ck_assert_msg(strstr(text, name) != NULL, "%s", name);
    }
    free(text);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("config_print");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, presets_built_in_and_replaced);
    tcase_add_test(t, presets_as_keys);
    tcase_add_test(t, limits_are_handed_on);
    tcase_add_test(t, sample_file_is_what_we_print);
    tcase_add_test(t, sample_file_loads_to_the_defaults);
    tcase_add_test(t, what_is_printed_loads_back);
    tcase_add_test(t, help_has_every_key);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
