/* The sweep by itself: what it tells and what it leaves as it was. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../fcgi/cache_private.h"
#include "suite.h"

static char dir[64];
static struct config c;

static void set_up(void)
{
    char path[CACHE_PATH];
    strcpy(dir, "/tmp/pixpool-sweep-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    c = (struct config){ .cache_dir = dir, .cache_size = 1 << 30, .cache_ttl_s = 3600, .image_root = "" };
    ck_assert_int_eq(cache_make_home(&c), 0);
    cache_path(&c, "ab", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void tear_down(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* A file below .pixpool, of n bytes. */
static void put(const char *name, off_t n)
{
    char path[CACHE_PATH];
    cache_path(&c, name, path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, n), 0);
    close(fd);
}

static time_t last_sweep(const struct timespec set[2])
{
    char path[CACHE_PATH];
    struct stat st;
    cache_path(&c, "sweep", path);
    if (set)
        ck_assert_int_eq(utimensat(AT_FDCWD, path, set, 0), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mtime;
}

START_TEST(one_that_was_ended_counts_for_none)
{
    static const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    const atomic_bool stop = true;
    struct cache k = { .cfg = &c };
    struct cache_swept s;
    int64_t entries, bytes;
    put("ab/one", 5000);
    ck_assert_int_eq(cache_sweep(&c, NULL, &s), 0);
    ck_assert_int_eq(s.entries, 1);
    cache_grow(&c, 1 << 20);
    last_sweep(old);
    ck_assert_int_eq(cache_sweep(&c, &stop, &s), 0);
    ck_assert_int_eq(last_sweep(NULL), 1000);
    ck_assert_int_eq(cache_grown(&c), 1 << 20);
    cache_content(&k, &entries, &bytes);
    ck_assert_int_eq(entries, 1);
    ck_assert_int_eq(bytes, 8192 + (1 << 20));
    ck_assert_int_eq(cache_sweep(&c, NULL, &s), 0);
    ck_assert_int_gt(last_sweep(NULL), 1000);
    ck_assert_int_eq(cache_grown(&c), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache_sweep");
    TCase *t = tcase_create("sweep");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, one_that_was_ended_counts_for_none);
    suite_add_tcase(s, t);
    return run_suite(s);
}
