/* Limits across processes: real ones, and their deaths. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/slots.h"
#include "suite.h"

static char dir[] = "/tmp/pixpool-slots-XXXXXX", file[sizeof dir + 16];
static struct config c;
static struct slots s;

static void open_slots(int workers, int queue)
{
    char why[400];
    c = (struct config){ .workers = workers, .queue = queue, .slot_file = file };
    ck_assert_msg(slots_init(&s, &c, why, sizeof why), "%s", why);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/slots", dir);
}

static void teardown(void)
{
    slots_free(&s);
    unlink(file);
    rmdir(dir);
    memset(strrchr(dir, '-') + 1, 'X', 6);
}

/* A process that takes what it gets, says so, and holds it until it is killed. */
struct holder {
    pid_t pid;
    char got; /* w, q, or - */
};

static struct holder hold(void)
{
    int said[2];
    struct holder h = { 0 };
    ck_assert_int_eq(pipe(said), 0);
    h.pid = fork();
    if (h.pid == 0) {
        struct slot mine;
        char got = slots_take(&s, &mine) != SLOTS_HELD ? '-' : slots_promote(&s, &mine) ? 'w' : 'q';
        if (write(said[1], &got, 1) != 1)
            _exit(1);
        for (;;) { /* who waits asks again and again */
            usleep(1000);
            if (got == 'q' && slots_promote(&s, &mine) && write(said[1], "w", 1) == 1)
                got = 'w';
        }
    }
    close(said[1]);
    ck_assert_int_eq(read(said[0], &h.got, 1), 1);
    close(said[0]);
    return h;
}

static void end(struct holder *h)
{
    if (h->pid > 0) {
        kill(h->pid, SIGKILL);
        waitpid(h->pid, NULL, 0);
    }
    h->pid = 0;
}

START_TEST(twenty_processes_share_two_workers_and_a_queue_of_three)
{
    struct holder h[20];
    int got[128] = { 0 };
    open_slots(2, 3);
    for (int i = 0; i < 20; i++) {
        h[i] = hold();
        got[(int)h[i].got]++;
    }
    ck_assert_int_eq(got['w'], 2);
    ck_assert_int_eq(got['q'], 3);
    ck_assert_int_eq(got['-'], 15);
    for (int i = 0; i < 20; i++)
        end(&h[i]);
    struct slot mine; /* whatever they died of, all is free again */
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_HELD);
    ck_assert(slots_promote(&s, &mine));
    slots_leave(&mine);
}
END_TEST

START_TEST(a_death_lets_the_next_one_in)
{
    struct slot mine;
    open_slots(1, 2);
    struct holder at_work = hold();
    ck_assert_int_eq(at_work.got, 'w');
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_HELD);
    ck_assert(!slots_promote(&s, &mine));
    end(&at_work);
    ck_assert(slots_promote(&s, &mine));
    struct holder next = hold();
    ck_assert_int_eq(next.got, 'q');
    struct slots_load others = slots_load(&s, &mine), all = slots_load(&s, &(struct slot){ .fd = -1 });
    ck_assert(others.places == 1 && others.workers == 0);
    ck_assert(all.places == 2 && all.workers == 1);
    slots_leave(&mine);
    end(&next);
}
END_TEST

START_TEST(who_waits_goes_first)
{
    struct slot first, late;
    open_slots(1, 2);
    struct holder at_work = hold();
    ck_assert_int_eq(slots_take(&s, &first), SLOTS_HELD);
    ck_assert(!slots_promote(&s, &first));
    end(&at_work);
    ck_assert_int_eq(slots_take(&s, &late), SLOTS_HELD);
    ck_assert(!slots_promote(&s, &late)); /* though it is free at this moment */
    ck_assert(slots_promote(&s, &first));
    ck_assert(!slots_promote(&s, &late));
    slots_leave(&first);
    ck_assert(slots_promote(&s, &late));
    slots_leave(&late);
}
END_TEST

/* The worker has a duplicate: the byte is its as long as it lives. */
START_TEST(a_slot_is_held_by_all_who_share_it)
{
    struct slot mine, other;
    open_slots(1, 0);
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_HELD);
    ck_assert(slots_promote(&s, &mine));
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    slots_leave(&mine);
    ck_assert_int_eq(mine.fd, -1);
    ck_assert_int_eq(slots_take(&s, &other), SLOTS_HELD); /* the request is over, */
    ck_assert(!slots_promote(&s, &other));                /* its worker not yet */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert(slots_promote(&s, &other));
    slots_leave(&other);
    slots_leave(&other); /* of nothing */
}
END_TEST

START_TEST(a_file_that_was_cleaned_away_comes_back)
{
    struct slot mine;
    open_slots(1, 0);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_HELD);
    struct holder h = hold();
    ck_assert_int_eq(h.got, '-');
    slots_leave(&mine);
    end(&h);
}
END_TEST

START_TEST(nobody_can_put_another_file_there)
{
    char why[400];
    struct slot mine;
    ck_assert_int_eq(symlink("/etc/passwd", file), 0);
    c = (struct config){ .workers = 1, .slot_file = file };
    ck_assert(!slots_init(&s, &c, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "slot_file"));
    unlink(file);
    ck_assert_int_eq(mkdir(file, 0700), 0);
    ck_assert(!slots_init(&s, &c, why, sizeof why));
    rmdir(file);
    open_slots(1, 0);
    s.private = true; /* as in a place of ours in /tmp, which another user made before */
    ck_assert_int_eq(chmod(dir, 0770), 0);
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_BROKEN);
    ck_assert_int_eq(chmod(dir, 0700), 0);
    ck_assert_int_eq(slots_take(&s, &mine), SLOTS_HELD);
    slots_leave(&mine);
}
END_TEST

START_TEST(the_book_is_sane_whatever_the_file_holds)
{
    open_slots(1, 0);
    ck_assert(slots_book_read(&s).job_ms == 0);
    struct slots_book b = { .job_ms = 120, .booked_ms = (double)clock_ms() + 500 };
    slots_book_write(&s, &b);
    ck_assert(slots_book_read(&s).job_ms == 120 && slots_book_read(&s).booked_ms == b.booked_ms);
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 16; i++)
        fputc(0xff, f); /* not a number, twice */
    fclose(f);
    ck_assert(slots_book_read(&s).job_ms == 0 && slots_book_read(&s).booked_ms == 0);
    b.booked_ms = 1e15; /* from before a restart of the machine */
    slots_book_write(&s, &b);
    ck_assert(slots_book_read(&s).booked_ms == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slots");
    TCase *t = tcase_create("slots");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, twenty_processes_share_two_workers_and_a_queue_of_three);
    tcase_add_test(t, a_death_lets_the_next_one_in);
    tcase_add_test(t, who_waits_goes_first);
    tcase_add_test(t, a_slot_is_held_by_all_who_share_it);
    tcase_add_test(t, a_file_that_was_cleaned_away_comes_back);
    tcase_add_test(t, nobody_can_put_another_file_there);
    tcase_add_test(t, the_book_is_sane_whatever_the_file_holds);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
