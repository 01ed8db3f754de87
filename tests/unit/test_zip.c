/* ZIP files, read by Python's reader: small, with more entries than 16 bits count, and beyond four gigabytes. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/zip.h"
#include "suite.h"

static char path[32];
static FILE *file;
static struct zip z;
static int refuse_after = -1; /* calls of write; -1: none is refused */

static bool to_file(void *ctx, const void *p, size_t n)
{
    (void)ctx;
    if (refuse_after == 0)
        return false;
    refuse_after -= refuse_after > 0;
    return fwrite(p, 1, n, file) == n;
}

static void setup(void)
{
    strcpy(path, "/tmp/test_zip.XXXXXX");
    file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    zip_begin(&z, to_file, NULL);
}

static void teardown(void)
{
    zip_free(&z);
    unlink(path);
}

/* Whether this is true of it, where z is a zipfile.ZipFile and names its names. */
static void python(const char *text)
{
    char code[600];
    fclose(file);
    snprintf(code, sizeof code, "import zipfile, time; z = zipfile.ZipFile('%s'); names = z.namelist(); assert %s",
             path, text);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/usr/bin/python3", "python3", "-c", code, (char *)NULL);
        _exit(127);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s", text);
}

/* The CRC-32 of "abc" and of nothing. */
#define ABC     0x352441c2u
#define NOTHING 0u

START_TEST(small_files)
{
    ck_assert(zip_entry(&z, "a/b\xc3\xa4r.txt", 3, ABC) && zip_data(&z, "abc", 3));
    ck_assert(zip_entry(&z, "empty", 0, NOTHING));
    ck_assert(zip_end(&z));
    python("z.testzip() is None and names == ['a/b\xc3\xa4r.txt', 'empty'] and z.read(names[0]) == b'abc' and "
           "z.read('empty') == b'' and "
           "z.infolist()[0].external_attr >> 16 == 0o100644 and not z.comment and "
           "abs(time.mktime(z.infolist()[0].date_time + (0, 0, -1)) - time.time()) < 60");
}
END_TEST

START_TEST(none_at_all)
{
    ck_assert(zip_end(&z));
    python("names == []");
}
END_TEST

START_TEST(more_entries_than_16_bits_count)
{
    char name[16];
    for (int i = 0; i < 66000; i++) {
        snprintf(name, sizeof name, "%d", i);
        ck_assert(zip_entry(&z, name, 0, NOTHING));
    }
    ck_assert(zip_end(&z));
    python("len(names) == 66000 and names[-1] == '65999'");
}
END_TEST

/* A hole in the file stands for what was written before. */
START_TEST(beyond_four_gigabytes)
{
    ck_assert(zip_entry(&z, "first", 3, ABC) && zip_data(&z, "abc", 3));
    z.at += UINT64_C(5) << 30;
    ck_assert_int_eq(fseeko(file, (off_t)(UINT64_C(5) << 30), SEEK_CUR), 0);
    ck_assert(zip_entry(&z, "far", 3, ABC) && zip_data(&z, "abc", 3));
    ck_assert(zip_end(&z));
    python("names == ['first', 'far'] and z.read('far') == b'abc' and z.infolist()[1].header_offset > 5 << 30");
}
END_TEST

/* Its bytes are not looked at, as they are not there. */
START_TEST(an_entry_of_more_than_four_gigabytes)
{
    uint64_t n = UINT64_C(0xffffffff);
    ck_assert(zip_entry(&z, "large", n, 1));
    z.at += n;
    ck_assert_int_eq(fseeko(file, (off_t)n, SEEK_CUR), 0);
    ck_assert(zip_entry(&z, "next", 3, ABC) && zip_data(&z, "abc", 3));
    ck_assert(zip_end(&z));
    fclose(file);
    file = fopen(path, "a"); /* for python() to close */
    char code[500];
    snprintf(code, sizeof code,
             "/usr/bin/python3 -c \"import zipfile; z = zipfile.ZipFile('%s'); i = z.infolist(); "
             "assert i[0].file_size == 0xffffffff and z.read('next') == b'abc'; z.open('large').read(10)\"",
             path);
    ck_assert_int_eq(system(code), 0);
    fclose(file);
}
END_TEST

START_TEST(a_reader_who_left_is_told_at_once)
{
    for (int calls = 0; calls < 7; calls++) {
        refuse_after = calls;
        bool all = zip_entry(&z, "a", 3, ABC) && zip_data(&z, "abc", 3) && zip_end(&z);
        ck_assert_int_eq(all, calls >= 5); /* header, name, data, directory, end */
    }
    refuse_after = -1;
    fclose(file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zip");
    TCase *t = tcase_create("zip");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, small_files);
    tcase_add_test(t, none_at_all);
    tcase_add_test(t, more_entries_than_16_bits_count);
    tcase_add_test(t, beyond_four_gigabytes);
    tcase_add_test(t, an_entry_of_more_than_four_gigabytes);
    tcase_add_test(t, a_reader_who_left_is_told_at_once);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
