/* Opening sources: every way out of the root, for openat2 and for the walk alike. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../fcgi/source.h"
#include "descriptors.h"
#include "suite.h"

static char top[64]; /* a temporary directory: holds root and what lies outside of it */
static char root[80];

static const char *in_top(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(in_top(name), "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static void put_link(const char *name, const char *target)
{
    ck_assert_int_eq(symlink(target, in_top(name)), 0);
}

static void put_socket(const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", in_top(name));
    ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    close(s);
}

static void set_up(void)
{
    snprintf(top, sizeof top, "/tmp/pixpool-source-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(root, sizeof root, "%s/root", top);
    static const char *const dirs[] = { "root", "root/a", "root/a/b", "root/.git", "rootless" };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        ck_assert_int_eq(mkdir(in_top(dirs[i]), 0755), 0);
    put_file("secret", "secret");
    put_file("rootless/secret", "secret");
    put_file("root/one.jpg", "one");
    put_file("root/a/b/two.jpg", "two");
    put_file("root/100%.jpg", "odd");
    put_file("root/.hidden", "hidden");
    put_file("root/.git/config", "hidden");
    put_file("root/empty", "");
    put_file("root/secret", "not the one outside"); /* what "out" would find if .. stopped at the root */
    ck_assert_int_eq(mkfifo(in_top("root/fifo"), 0644), 0);
    put_socket("root/socket");
    put_link("root/inside", "a/b/two.jpg");
    put_link("root/a/b/up", "../../one.jpg");
    put_link("root/dir", "a/b");
    put_link("root/chain", "inside");
    put_link("root/out", "../secret");
    put_link("root/a/out", "../../secret");
    put_link("root/out-and-in", "../root/one.jpg");
    put_link("root/sibling", "../rootless");
    put_link("root/absolute", in_top("secret"));
    put_link("root/absolute-inside", in_top("root/one.jpg"));
    put_link("root/rooted", "/one.jpg");
    put_link("root/loop", "loop");
    put_link("root/loop1", "loop2");
    put_link("root/loop2", "loop1");
    put_link("root/dangling", "nothing");
    put_link("root/etc", "/etc");
    put_link("root/proc", "/proc/self/root/etc/passwd");
    put_link("root/device", "/dev/zero");
    put_link("root/to-fifo", "fifo");
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", top);
    ck_assert_int_eq(system(command), 0);
}

static const struct {
    const char *path, *content; /* NULL: ENOENT */
} cases[] = {
    { "one.jpg", "one" },
    { "a/b/two.jpg", "two" },
    { "100%.jpg", "odd" },
    { "empty", "" },
    { "inside", "two" },
    { "a/b/up", "one" },
    { "dir/two.jpg", "two" },
    { "dir/up", "one" },
    { "chain", "two" },
    { "nothing", NULL },
    { "a/nothing", NULL },
    { "a", NULL },
    { "a/", NULL },
    { "dir", NULL },
    { "", NULL },
    { "/", NULL },
    { "/one.jpg", NULL },
    { "a//b/two.jpg", NULL },
    { "one.jpg/", NULL },
    { "one.jpg/x", NULL },
    { ".", NULL },
    { "..", NULL },
    { "../secret", NULL },
    { "a/../one.jpg", NULL },
    { "a/../../secret", NULL },
    { "./one.jpg", NULL },
    { ".hidden", NULL },
    { ".git/config", NULL },
    { "fifo", NULL },
    { "to-fifo", NULL },
    { "socket", NULL },
    { "device", NULL },
    { "out", NULL },
    { "a/out", NULL },
    { "out-and-in", NULL },
    { "sibling/secret", NULL },
    { "absolute", NULL },
    { "absolute-inside", NULL },
    { "rooted", NULL },
    { "loop", NULL },
    { "loop1", NULL },
    { "dangling", NULL },
    { "etc/passwd", NULL },
    { "proc", NULL },
};

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))

static void check_case(int (*open_it)(const char *, const char *, struct source *), int i)
{
    struct source s = { .fd = -1 };
    char data[16] = "";
    int before = open_descriptors();
    int err = open_it(root, cases[i].path, &s);
    if (!cases[i].content) {
        ck_assert_msg(err == ENOENT && s.fd == -1, "\"%s\": %s", cases[i].path, strerror(err));
    } else {
        ck_assert_msg(err == 0, "\"%s\": %s", cases[i].path, strerror(err));
        ck_assert_int_eq(s.size, (int64_t)strlen(cases[i].content));
        ck_assert_int_eq(read(s.fd, data, sizeof data), (ssize_t)s.size);
        ck_assert_str_eq(data, cases[i].content);
        ck_assert(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_gt(s.mtime.tv_sec, 1600000000);
    }
    source_close(&s);
    source_close(&s);
    ck_assert_msg(open_descriptors() == before, "\"%s\" leaks a descriptor", cases[i].path);
}

START_TEST(with_openat2)
{
    check_case(source_open, _i);
}
END_TEST

START_TEST(with_the_walk)
{
    check_case(source_walk, _i);
}
END_TEST

START_TEST(long_and_deep_paths)
{
    static char path[PATH_MAX + 100];
    struct source s = { .fd = -1 };
    memset(path, 'a', PATH_MAX + 50);
    ck_assert_int_eq(source_open(root, path, &s), ENOENT);
    ck_assert_int_eq(source_walk(root, path, &s), ENOENT);
    char longest[sizeof root + 1 + NAME_MAX + 1];
    snprintf(longest, sizeof longest, "%s/%.*s", root, NAME_MAX, path);
    ck_assert_int_eq(close(open(longest, O_WRONLY | O_CREAT, 0644)), 0);
    path[NAME_MAX + 1] = '\0'; /* one byte more than the file's name */
    ck_assert_int_eq(source_open(root, path, &s), ENOENT);
    ck_assert_int_eq(source_walk(root, path, &s), ENOENT);
    path[NAME_MAX + 1] = 'a';
    for (size_t i = 1; i < PATH_MAX; i += 2)
        path[i] = '/';
    path[4001] = '\0';
    ck_assert_int_eq(source_open(root, path, &s), ENOENT);
    ck_assert_int_eq(source_walk(root, path, &s), ENOENT);
}
END_TEST

START_TEST(a_link_bomb_ends)
{
    struct source s;
    /* each link goes through the one before twice: 2^30 steps for who follows them all */
    put_link("root/bomb0", "a/..");
    for (int i = 1; i <= 30; i++) {
        char name[32], target[64];
        snprintf(name, sizeof name, "root/bomb%d", i);
        snprintf(target, sizeof target, "bomb%d/bomb%d", i - 1, i - 1);
        put_link(name, target);
    }
    ck_assert_int_eq(source_open(root, "bomb30/one.jpg", &s), ENOENT);
    ck_assert_int_eq(source_walk(root, "bomb30/one.jpg", &s), ENOENT);
}
END_TEST

START_TEST(a_missing_root_has_no_files)
{
    struct source s;
    ck_assert_int_eq(source_open(in_top("gone"), "one.jpg", &s), ENOENT);
    ck_assert_int_eq(source_walk(in_top("gone"), "one.jpg", &s), ENOENT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("source");
    TCase *t = tcase_create("source");
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, with_openat2, 0, COUNT(cases));
    tcase_add_loop_test(t, with_the_walk, 0, COUNT(cases));
    tcase_add_test(t, long_and_deep_paths);
    tcase_add_test(t, a_link_bomb_ends);
    tcase_add_test(t, a_missing_root_has_no_files);
    suite_add_tcase(s, t);
    return run_suite(s);
}
