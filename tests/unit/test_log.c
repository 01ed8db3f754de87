/* Log lines as they reach descriptor 2, quoting, and the title of a process. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../fcgi/log.h"
#include "suite.h"

static char path[64];
static char text[1 << 20]; /* the log file, after slurp */
static int kept_stderr;

static void setup(void)
{
    strcpy(path, "/tmp/test_log.XXXXXX");
    close(mkstemp(path));
    kept_stderr = dup(STDERR_FILENO);
}

static void teardown(void)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    unlink(path);
}

static size_t slurp(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

START_TEST(a_line_has_time_level_role_and_text)
{
    struct tm tm = { 0 };
    int ms;
    char rest[100];
    time_t before = time(NULL);
    ck_assert(log_open(path));
    log_line(LOG_LV_WARN, "event=%s n=%d", "x", 7);
    slurp();
    const char *after = strptime(text, "time=%Y-%m-%dT%H:%M:%S", &tm);
    ck_assert_msg(after != NULL, "%s", text);
    ck_assert_int_eq(sscanf(after, ".%3dZ %99[^\n]", &ms, rest), 2);
    ck_assert_str_eq(rest, "level=warn role=main event=x n=7");
    time_t logged = timegm(&tm);
    ck_assert_int_ge(logged, before);
    ck_assert_int_le(logged, time(NULL));
    ck_assert_uint_eq(strcspn(text, "\n") + 1, strlen(text));
}
END_TEST

START_TEST(lines_are_appended_to_what_was_there)
{
    FILE *f = fopen(path, "w");
    fputs("old\n", f);
    fclose(f);
    ck_assert(log_open(path));
    log_line(LOG_LV_INFO, "new");
    log_line(LOG_LV_ERROR, "newer");
    slurp();
    ck_assert_int_eq(strncmp(text, "old\ntime=", 9), 0);
    ck_assert_ptr_nonnull(strstr(text, "level=info role=main new\n"));
    ck_assert_ptr_nonnull(strstr(text, "level=error role=main newer\n"));
}
END_TEST

START_TEST(open_fails_with_errno_and_changes_nothing)
{
    ck_assert(log_open(path));
    errno = 0;
    ck_assert(!log_open("/nonexistent/log"));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert(log_open("-"));
    log_line(LOG_LV_INFO, "still here");
    slurp();
    ck_assert_ptr_nonnull(strstr(text, "still here"));
}
END_TEST

START_TEST(a_new_file_is_not_for_everybody)
{
    struct stat st;
    unlink(path);
    ck_assert(log_open(path));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07, 0);
}
END_TEST

START_TEST(long_lines_are_cut_with_dots)
{
    static char big[10000];
    memset(big, 'x', sizeof big - 1);
    ck_assert(log_open(path));
    log_line(LOG_LV_INFO, "%s", big);
    ck_assert_uint_eq(slurp(), 4096);
    ck_assert_str_eq(text + 4096 - 5, "x...\n");
}
END_TEST

/* The longest text that fits is not cut, one byte more is. */
START_TEST(the_cut_is_exact)
{
    static char big[5000];
    ck_assert(log_open(path));
    log_line(LOG_LV_INFO, "%s", "");
    size_t head = slurp() - 1;
    ck_assert_int_eq(truncate(path, 0), 0);
    memset(big, 'x', 4095 - head);
    log_line(LOG_LV_INFO, "%s", big);
    ck_assert_uint_eq(slurp(), 4096);
    ck_assert_str_eq(text + 4096 - 3, "xx\n");
    ck_assert_int_eq(truncate(path, 0), 0);
    big[4095 - head] = 'x';
    log_line(LOG_LV_INFO, "%s", big);
    ck_assert_uint_eq(slurp(), 4096);
    ck_assert_str_eq(text + 4096 - 5, "x...\n");
}
END_TEST

START_TEST(a_text_cannot_forge_a_second_line)
{
    ck_assert(log_open(path));
    log_line(LOG_LV_INFO, "a\nb\r\nc");
    slurp();
    ck_assert_ptr_nonnull(strstr(text, "role=main a b  c\n"));
}
END_TEST

START_TEST(errno_survives)
{
    ck_assert(log_open(path));
    close(STDERR_FILENO); /* the write fails */
    errno = EXDEV;
    log_line(LOG_LV_INFO, "x");
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static void *hundred_lines(void *letter)
{
    char body[200];
    memset(body, *(char *)letter, sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < 100; i++)
        log_line(LOG_LV_INFO, "%s", body);
    return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
    pthread_t t[4];
    int lines = 0;
    ck_assert(log_open(path));
    for (size_t i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, hundred_lines, &"abcd"[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    slurp();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        const char *body = strstr(line, "role=main ");
        ck_assert_ptr_nonnull(body);
        body += 10;
        ck_assert_uint_eq(strlen(body), 199);
        ck_assert_uint_eq(strspn(body, (char[]){ body[0], '\0' }), 199);
    }
    ck_assert_int_eq(lines, 400);
}
END_TEST

static const struct {
    const char *in, *out;
} quotes[] = {
    { "plain-1.jpg", "plain-1.jpg" },
    { "/img/a,b?c", "/img/a,b?c" },
    { "", "\"\"" },
    { "two words", "\"two words\"" },
    { "a=b", "\"a=b\"" },
    { "say \"x\"", "\"say \\x22x\\x22\"" },
    { "back\\slash", "\"back\\x5cslash\"" },
    { "a\nlevel=error", "\"a\\x0alevel=error\"" },
    { "B\xc3\xa4r", "\"B\\xc3\\xa4r\"" },
    { "\x7f\x01", "\"\\x7f\\x01\"" },
};

START_TEST(values_are_quoted_where_they_must_be)
{
    char out[100];
    ck_assert_str_eq(log_quote(quotes[_i].in, out, sizeof out), quotes[_i].out);
}
END_TEST

START_TEST(quoting_stays_inside_the_buffer)
{
    char out[64];
    for (size_t n = 0; n < 40; n++) {
        memset(out, '#', sizeof out);
        ck_assert_ptr_eq(log_quote("a b\n\n\n\n\n\n\n\n\n\n", out, n), out);
        for (size_t i = n; i < sizeof out; i++)
            ck_assert_int_eq(out[i], '#');
        if (n > 0)
            ck_assert_uint_lt(strnlen(out, n), n);
        if (n >= 3)
            ck_assert_int_eq(out[strlen(out) - 1], '"');
    }
}
END_TEST

START_TEST(roles_show_in_lines_and_in_the_thread_name)
{
    char name[17] = "";
    ck_assert(log_open(path));
    log_role("worker %d", 12);
    log_line(LOG_LV_INFO, "x");
    slurp();
    ck_assert_ptr_nonnull(strstr(text, " role=\"worker 12\" x\n"));
    ck_assert_int_eq(prctl(PR_GET_NAME, name), 0);
    ck_assert_str_eq(name, "pixpool-worker");
    log_role("%s", "gateway");
    ck_assert_int_eq(prctl(PR_GET_NAME, name), 0);
    ck_assert_str_eq(name, "pixpool-gateway");
}
END_TEST

/* A child that is this program again: the title is written over main's own argv. */
START_TEST(the_title_is_what_ps_shows)
{
    char out[200] = "";
    int fd[2], status;
    ck_assert_int_eq(pipe(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], STDOUT_FILENO);
        execle("/proc/self/exe", "t", "--title", "a", (char *)NULL, (char *[]){ "KEEP=1", "FILL=xxxxxxxxxxxx", NULL });
        _exit(9);
    }
    close(fd[1]);
    ssize_t n = 0, got;
    while ((got = read(fd[0], out + n, sizeof out - 1 - (size_t)n)) > 0)
        n += got;
    close(fd[0]);
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(out, "pixpool: worker 3|KEEP=1"); /* longer than the arguments were; the environment lives on */
}
END_TEST

static int show_title(int argc, char **argv)
{
    char line[200];
    log_title_init(argc, argv);
    log_role("worker %d", 3);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t n = read(fd, line, sizeof line - 1);
    line[n > 0 ? n : 0] = '\0';
    printf("%s|KEEP=%s", line, getenv("KEEP"));
    return 0;
}

static Suite *suite(void)
{
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_line_has_time_level_role_and_text);
    tcase_add_test(t, lines_are_appended_to_what_was_there);
    tcase_add_test(t, open_fails_with_errno_and_changes_nothing);
    tcase_add_test(t, a_new_file_is_not_for_everybody);
    tcase_add_test(t, long_lines_are_cut_with_dots);
    tcase_add_test(t, the_cut_is_exact);
    tcase_add_test(t, a_text_cannot_forge_a_second_line);
    tcase_add_test(t, errno_survives);
    tcase_add_test(t, threads_do_not_mix_their_lines);
    tcase_add_loop_test(t, values_are_quoted_where_they_must_be, 0, sizeof quotes / sizeof *quotes);
    tcase_add_test(t, quoting_stays_inside_the_buffer);
    tcase_add_test(t, roles_show_in_lines_and_in_the_thread_name);
    tcase_add_test(t, the_title_is_what_ps_shows);
    suite_add_tcase(s, t);
    return s;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--title") == 0)
        return show_title(argc, argv);
    return run_suite(suite());
}
