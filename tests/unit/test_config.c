/* The configuration: every type of value, the four sources and their order, complaints, and what has to fit together.
 */
#include "configs.h"
#include "suite.h"

static bool load_arg(const char *arg)
{
    char *argv[] = { (char *)arg };
    config_free(&c);
    return config_load(&c, NULL, argv, 1, err, sizeof err);
}

START_TEST(defaults_are_those_of_the_table)
{
    ck_assert_msg(config_load(&c, NULL, NULL, 0, err, sizeof err), "%s", err);
    ck_assert_str_eq(c.listen, "unix:/run/pixpool/pixpool.sock");
    ck_assert_str_eq(c.socket_mode, "0660");
    ck_assert_str_eq(c.socket_group, "");
    ck_assert_str_eq(c.image_root, "");
    ck_assert_int_eq(c.backlog, 4096);
    ck_assert_int_eq(c.workers, sysconf(_SC_NPROCESSORS_ONLN));
    ck_assert_int_eq(c.queue, 64);
    ck_assert_int_eq(c.worker_jobs, 10000);
    ck_assert_int_eq(c.worker_nice, 10);
    ck_assert_int_eq(c.sandbox, SANDBOX_STRICT);
    ck_assert_int_eq(c.worker_memory, 256 << 20);
    ck_assert_int_eq(c.max_body, 32 << 20);
    ck_assert_int_eq(c.max_result, 32 << 20);
    ck_assert_int_eq(c.memory_limit, c.workers * c.worker_memory + (512 << 20));
    ck_assert_int_eq(c.max_pixels_in, 100000000);
    ck_assert_int_eq(c.max_side_in, 65535);
    ck_assert_int_eq(c.max_side_out, 16384);
    ck_assert_int_eq(c.deadline_ms, 10000);
    ck_assert_int_eq(c.header_timeout_ms, 5000);
    ck_assert_int_eq(c.body_timeout_ms, 30000);
    ck_assert_int_eq(c.write_timeout_ms, 30000);
    ck_assert_int_eq(c.idle_timeout_ms, 90000);
    ck_assert_int_eq(c.grace_ms, 30000);
    ck_assert_int_eq(c.maxage_s, 3600);
    ck_assert_str_eq(c.ignore_options, "utm_*,fbclid,gclid");
    ck_assert_str_eq(c.log, "-");
    ck_assert_int_eq(c.slow_ms, 100);
}
END_TEST

/* Accepted texts with the number they mean; the field is named by its offset. */
static const struct {
    const char *arg;
    size_t offset;
    int64_t value;
} good[] = {
    { "--queue=0", offsetof(struct config, queue), 0 },
    { "--queue=8192", offsetof(struct config, queue), 8192 },
    { "--worker_nice=19", offsetof(struct config, worker_nice), 19 },
    { "--max_body=1024", offsetof(struct config, max_body), 1024 },
    { "--max_body=1K", offsetof(struct config, max_body), 1024 },
    { "--max_body=3m", offsetof(struct config, max_body), 3 << 20 },
    { "--max_body=2G", offsetof(struct config, max_body), INT64_C(2) << 30 },
    { "--max_body=4G", offsetof(struct config, max_body), INT64_C(4) << 30 },
    { "--max-body=1M", offsetof(struct config, max_body), 1 << 20 },
    { "--max_pixels_in=1", offsetof(struct config, max_pixels_in), 1 },
    { "--max_pixels_in=20M", offsetof(struct config, max_pixels_in), 20000000 },
    { "--max_pixels_in=100G", offsetof(struct config, max_pixels_in), INT64_C(100000000000) },
    { "--worker_jobs=0", offsetof(struct config, worker_jobs), 0 },
    { "--deadline=50ms", offsetof(struct config, deadline_ms), 50 },
    { "--deadline=2s", offsetof(struct config, deadline_ms), 2000 },
    { "--deadline=10m", offsetof(struct config, deadline_ms), 600000 },
    { "--idle_timeout=1d", offsetof(struct config, idle_timeout_ms), 86400000 },
    { "--grace=0", offsetof(struct config, grace_ms), 0 },
    { "--grace=1h", offsetof(struct config, grace_ms), 3600000 },
    { "--maxage=0", offsetof(struct config, maxage_s), 0 },
    { "--maxage=365d", offsetof(struct config, maxage_s), 31536000 },
    { "--maxage=90s", offsetof(struct config, maxage_s), 90 },
    { "--threads=auto", offsetof(struct config, threads), 0 },
    { "--threads=500", offsetof(struct config, threads), 500 },
    { "--workers=0", offsetof(struct config, workers), 0 },
    { "--workers=1024", offsetof(struct config, workers), 1024 },
};

START_TEST(good_values)
{
    ck_assert_msg(load_arg(good[_i].arg), "%s: %s", good[_i].arg, err);
    ck_assert_int_eq(*(int64_t *)((char *)&c + good[_i].offset), good[_i].value);
}
END_TEST

/* Refused texts, with what the complaint must hold. */
static const struct {
    const char *arg, *says;
} bad[] = {
    { "--queue=8193", "out of range: 0 to 8192" },
    { "--queue=-1", "not a whole number" },
    { "--queue=", "not a whole number" },
    { "--queue=4x", "not a whole number" },
    { "--queue= 4", "not a whole number" },
    { "--queue=4K", "not a whole number" },
    { "--queue=99999999999999999999999", "out of range" },
    { "--worker_nice=20", "0 to 19" },
    { "--max_body=1023", "1K to 4G" },
    { "--max_body=4097M", "1K to 4G" },
    { "--max_body=9223372036854775807T", "out of range" },
    { "--max_body=0", "out of range" },
    { "--max_body=1KB", "not a number of bytes" },
    { "--max_body=1.5M", "not a number of bytes" },
    { "--max_pixels_in=0", "1 to 100G" },
    { "--max_pixels_in=101G", "1 to 100G" },
    { "--deadline=10", "with its unit" },
    { "--deadline=49ms", "50ms to 10m" },
    { "--deadline=601s", "50ms to 10m" },
    { "--deadline=10M", "with its unit" },
    { "--deadline=soon", "with its unit" },
    { "--deadline=auto", "with its unit" },
    { "--maxage=100ms", "with its unit" },
    { "--maxage=366d", "0 to 365d" },
    { "--sandbox=on", "off or limits or strict" },
    { "--sandbox=", "off or limits or strict" },
    { "--sandbox=limit", "off or limits or strict" },
    { "--socket_mode=0888", "octal" },
    { "--socket_mode=rw", "octal" },
    { "--socket_mode=1777", "0000 to 0777" },
    { "--workers=1025", "auto, or 0 to 1024" },
    { "--workers=Auto", "auto, or 0 to 1024" },
    { "--listen=", "unix:/path" },
    { "--log=", "log must have" },
    { "--log=a\nb", "control characters" },
    { "--log=a ;b", "control characters" },
    { "--log= a", "control characters" },
    { "--image_root=/a ", "control characters" },
    { "--queue", "needs a value" },
    { "queue=3", "expected --key=value" },
    { "--", "expected --key=value" },
};

START_TEST(bad_values)
{
    ck_assert_msg(!load_arg(bad[_i].arg), "%s is accepted", bad[_i].arg);
    ck_assert_msg(strstr(err, bad[_i].says) != NULL, "%s: \"%s\" does not say \"%s\"", bad[_i].arg, err, bad[_i].says);
    ck_assert_ptr_null(strchr(err, '\n'));
    ck_assert_msg(strncmp(err, bad[_i].arg, strcspn(bad[_i].arg, "=")) == 0, "%s names no option", err);
}
END_TEST

START_TEST(words_and_strings)
{
    char *argv[] = { "--sandbox", "off", "--socket-mode=777", "--log", "/var/log/a b.log", "--listen=[::1]:9000" };
    ck_assert_msg(config_load(&c, NULL, argv, 6, err, sizeof err), "%s", err);
    ck_assert_int_eq(c.sandbox, SANDBOX_OFF);
    ck_assert_str_eq(c.socket_mode, "777");
    ck_assert_str_eq(c.log, "/var/log/a b.log");
    ck_assert_str_eq(c.listen, "[::1]:9000");
}
END_TEST

START_TEST(every_row_accepts_its_limits_and_no_more)
{
    char text[64], why[400];
    size_t checked = 0;
    ck_assert(config_load(&c, NULL, NULL, 0, err, sizeof err));
    for (size_t i = 0; i < config_keys_n; i++) {
        const struct config_key *k = &config_keys[i];
        int64_t *field = (int64_t *)((char *)&c + k->offset);
        if (k->type > CONFIG_SEC)
            continue;
        const char *unit = k->type == CONFIG_MSEC ? "ms" : k->type == CONFIG_SEC ? "s" : "";
        for (int high = 0; high <= 1; high++) {
            int64_t edge = high ? k->max : k->min;
            snprintf(text, sizeof text, "%lld%s", (long long)edge, unit);
            ck_assert_msg(config_value_set(&c, k, text, why, sizeof why), "%s: %s", k->name, why);
            ck_assert_int_eq(*field, edge);
            snprintf(text, sizeof text, "%lld%s", (long long)(high ? edge + 1 : edge - 1), unit);
            ck_assert_msg(!config_value_set(&c, k, text, why, sizeof why), "%s = %s is accepted", k->name, text);
            ck_assert_int_eq(*field, edge); /* unchanged by what was refused */
        }
        checked++;
    }
    ck_assert_uint_gt(checked, 15);
}
END_TEST

START_TEST(file_with_sections_comments_and_blanks)
{
    ck_assert_msg(load_file_text("# comment\n; another\nqueue = 3\n\n[pixpool]\n  max_body=1M   ; inline\r\n"
                                 "\tdeadline :  3s\n[preset]\nthumb = w=100,h=100,fit=cover\nempty =\n"),
                  "%s", err);
    ck_assert_int_eq(c.queue, 3);
    ck_assert_int_eq(c.max_body, 1 << 20);
    ck_assert_int_eq(c.deadline_ms, 3000);
    ck_assert_str_eq(config_preset(&c, "thumb", 5), "w=100,h=100,fit=cover");
    ck_assert_str_eq(config_preset(&c, "empty", 5), "");
}
END_TEST

/* A file, the line that is wrong in it, and what is said. */
static const struct {
    const char *text;
    int line;
    const char *says;
} bad_files[] = {
    { "queue = 3\ndeadlin = 3s\n", 2, "unknown key \"deadlin\", did you mean deadline?" },
    { "\n\nmax_boby = 3s", 3, "did you mean max_body?" },
    { "xxqueue = 1\n", 1, "did you mean queue?" },
    { "ueue = 1\n", 1, "did you mean queue?" },
    { "queuexx = 1\n", 1, "did you mean queue?" },
    { "zzzzzzzz = 1\n", 1, "unknown key \"zzzzzzzz\"; pixpool --help" },
    { "# \n[pixpool]\nqueue = 9999\n", 3, "queue = 9999 is out of range: 0 to 8192" },
    { "queue = 1\nlog = -\n queue = 2\n", 3, "queue is given twice, first in line 1" },
    { "queue\n", 1, "neither key = value nor [section]" },
    { "queue = 1\n  4\n", 2, "neither key = value nor [section]" },
    { "[pixpool\nqueue = 1\n", 1, "neither key = value nor [section]" },
    { "[presets]\na = w=1\n", 2, "unknown section [presets]" },
    { "[preset]\na b = w=1\n", 2, "a preset's name" },
    { "[preset]\n = w=1\n", 2, "a preset's name" },
    { "[preset]\na = w=1\na = w=2\n", 3, "a preset of this name" },
    { "preset.a = w=1\n[preset]\na = w=2\n", 3, "a preset of this name" },
    { "preset.a = w=1\npreset.a = w=2\n", 2, "preset.a is given twice, first in line 1" },
    { "preset.a b = w=1\n", 1, "preset.a b: a name has" },
    { "preset. = w=1\n", 1, "preset.: a name has" },
    { "queue = 1\nbad\nnonsense = 2\n", 2, "neither key" },
    { "nonsense = 2\nbad\n", 1, "unknown key" },
};

START_TEST(complaints_name_file_and_line)
{
    char start[100];
    ck_assert_msg(!load_file_text(bad_files[_i].text), "accepted: %s", bad_files[_i].text);
    snprintf(start, sizeof start, "%s:%d: ", path, bad_files[_i].line);
    ck_assert_msg(strncmp(err, start, strlen(start)) == 0, "\"%s\" does not begin with %s", err, start);
    ck_assert_msg(strstr(err, bad_files[_i].says) != NULL, "\"%s\" does not say \"%s\"", err, bad_files[_i].says);
}
END_TEST

START_TEST(a_line_too_long_is_refused_not_cut)
{
    char text[600] = "queue = 1\nimage_root = /";
    memset(text + strlen(text), 'x', 400);
    ck_assert(!load_file_text(text));
    ck_assert_ptr_nonnull(strstr(err, ":2: the line is longer than"));
    text[strlen("queue = 1\n")] = '#'; /* a comment may be */
    ck_assert_msg(load_file_text(text), "%s", err);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    ck_assert(!config_load(&c, "/nonexistent/pixpool.conf", NULL, 0, err, sizeof err));
    ck_assert_str_eq(err, "/nonexistent/pixpool.conf: No such file or directory");
    ck_assert(!config_load(&c, "/tmp", NULL, 0, err, sizeof err));
    ck_assert_str_eq(err, "/tmp: can't be read");
}
END_TEST

START_TEST(command_line_beats_environment_beats_file)
{
    char *argv[] = { "--queue=3", "--queue=4" };
    const char *file = file_with("queue = 1\ndeadline = 1s\nslow_ms = 7\n");
    setenv("PIXPOOL_QUEUE", "2", 1);
    setenv("PIXPOOL_DEADLINE", "2s", 1);
    ck_assert_msg(config_load(&c, file, argv, 2, err, sizeof err), "%s", err);
    ck_assert_int_eq(c.queue, 4); /* the last word */
    ck_assert_int_eq(c.deadline_ms, 2000);
    ck_assert_int_eq(c.slow_ms, 7);
}
END_TEST

START_TEST(environment_is_checked_and_named)
{
    setenv("PIXPOOL_DEADLINE", "never", 1);
    ck_assert(!config_load(&c, NULL, NULL, 0, err, sizeof err));
    ck_assert_int_eq(strncmp(err, "PIXPOOL_DEADLINE: deadline = \"never\"", 36), 0);
}
END_TEST

START_TEST(environment_typos_are_told_strangers_are_not)
{
    char text[200];
    setenv("PIXPOOL_PORT", "tcp://10.0.0.1:80", 1);
    setenv("PIXPOOL_CONFIG", "/etc/x", 1);
    setenv("PIXPOOL_QUEUE", "1", 1);
    ck_assert(!config_env_unknown(text, sizeof text));
    setenv("PIXPOOL_DEADLNE", "1s", 1);
    ck_assert(config_env_unknown(text, sizeof text));
    ck_assert_str_eq(text, "PIXPOOL_DEADLNE is ignored, did you mean PIXPOOL_DEADLINE?");
}
END_TEST

START_TEST(image_url_begins_and_ends_with_a_slash)
{
    static const char *const fine[] = { "/", "/photos/", "/~me/a/b/" }, *const wrong[] = { "photos/", "/photos",
                                                                                           "/a//b/", "/a?b/" };
    char arg[64];
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        snprintf(arg, sizeof arg, "--image_url=%s", fine[i]);
        ck_assert_msg(load_arg(arg), "%s", err);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(arg, sizeof arg, "--image_url=%s", wrong[i]);
        ck_assert_msg(!load_arg(arg) && strstr(err, "image_url"), "%s", arg);
    }
}
END_TEST

START_TEST(threads_must_leave_some_to_refuse)
{
    char *enough[] = { "--workers=2", "--queue=10", "--threads=20" },
         *few[] = { "--workers=2", "--queue=10", "--threads=19" };
    ck_assert_msg(config_load(&c, NULL, enough, 3, err, sizeof err), "%s", err);
    ck_assert_int_eq(config_threads(&c), 20);
    config_free(&c);
    ck_assert(!config_load(&c, NULL, few, 3, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "threads = 19 is less than workers + queue + 8 = 20"));
    c = (struct config){ .workers = 3, .queue = 5 };
    ck_assert_int_ge(config_threads(&c), 3 + 5 + 8);
}
END_TEST

START_TEST(memory_must_hold_the_workers_and_a_request)
{
    char *argv[] = { "--workers=2", "--worker_memory=64M", "--max_body=10M", "--memory_limit=170M" };
    ck_assert_msg(config_load(&c, NULL, argv, 4, err, sizeof err), "%s", err);
    config_free(&c);
    argv[3] = "--memory_limit=169M";
    ck_assert(!config_load(&c, NULL, argv, 4, err, sizeof err));
    ck_assert_ptr_nonnull(strstr(err, "raise memory_limit to 170M"));
    argv[3] = "--memory_limit=auto";
    argv[2] = "--max_body=1G"; /* auto grows with what a request may hold */
    ck_assert_msg(config_load(&c, NULL, argv, 4, err, sizeof err), "%s", err);
    ck_assert_int_eq(c.memory_limit, (2 * 64 + 2 * (1024 + 32)) * INT64_C(1048576));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, defaults_are_those_of_the_table);
    tcase_add_loop_test(t, good_values, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(t, bad_values, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, words_and_strings);
    tcase_add_test(t, every_row_accepts_its_limits_and_no_more);
    tcase_add_test(t, file_with_sections_comments_and_blanks);
    tcase_add_loop_test(t, complaints_name_file_and_line, 0, sizeof bad_files / sizeof *bad_files);
    tcase_add_test(t, a_line_too_long_is_refused_not_cut);
    tcase_add_test(t, files_that_cannot_be_read);
    tcase_add_test(t, command_line_beats_environment_beats_file);
    tcase_add_test(t, environment_is_checked_and_named);
    tcase_add_test(t, environment_typos_are_told_strangers_are_not);
    tcase_add_test(t, image_url_begins_and_ends_with_a_slash);
    tcase_add_test(t, threads_must_leave_some_to_refuse);
    tcase_add_test(t, memory_must_hold_the_workers_and_a_request);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
