/* The order of service: guests in turn, whatever they have, and no item after a removal. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../fcgi/runners.h"
#include "suite.h"

#define STACK 262144

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    char served[64]; /* names of guests, in the order of service */
    int n, at_work, most;
    int gate; /* items that may pass; -1: all */
} log_ = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

struct party {
    struct guest guest;
    char name;
    atomic_int items; /* tests give more, without the runners' lock, under which they are taken */
    atomic_int asked;
};

static void *take(struct guest *g)
{
    struct party *p = (struct party *)g;
    p->asked++;
    return p->items > 0 && p->items-- > 0 ? p : NULL; /* one taker at a time */
}

static void run(struct guest *g, void *item)
{
    struct party *p = (struct party *)g;
    ck_assert_ptr_eq(item, p);
    pthread_mutex_lock(&log_.lock);
    log_.served[log_.n++] = p->name;
    log_.most = ++log_.at_work > log_.most ? log_.at_work : log_.most;
    pthread_cond_broadcast(&log_.moved);
    while (log_.gate == 0)
        pthread_cond_wait(&log_.moved, &log_.lock);
    log_.gate -= log_.gate > 0;
    log_.at_work--;
    pthread_cond_broadcast(&log_.moved);
    pthread_mutex_unlock(&log_.lock);
}

static const struct guest_ops ops = { take, run };

static void open_gate(int n)
{
    pthread_mutex_lock(&log_.lock);
    log_.gate = n;
    pthread_cond_broadcast(&log_.moved);
    pthread_mutex_unlock(&log_.lock);
}

static void wait_served(int n)
{
    pthread_mutex_lock(&log_.lock);
    while (log_.n < n)
        pthread_cond_wait(&log_.moved, &log_.lock);
    pthread_mutex_unlock(&log_.lock);
}

START_TEST(guests_are_served_in_turn)
{
    struct runners *r = runners_create(1, STACK);
    struct party a = { .name = 'a', .items = 9 }, b = { .name = 'b', .items = 3 }, c = { .name = 'c', .items = 4 };
    open_gate(0);
    runners_add(r, &a.guest, &ops);
    wait_served(1); /* held by the gate while the others come */
    runners_add(r, &b.guest, &ops);
    runners_add(r, &c.guest, &ops);
    open_gate(-1);
    wait_served(16);
    ck_assert_str_eq(log_.served, "aabcabcabcacaaaa");
    runners_remove(r, &a.guest);
    runners_remove(r, &b.guest);
    runners_remove(r, &c.guest);
    runners_free(r);
}
END_TEST

START_TEST(one_guest_may_use_every_thread)
{
    struct runners *r = runners_create(3, STACK);
    struct party a = { .name = 'a', .items = 9 };
    open_gate(0);
    runners_add(r, &a.guest, &ops);
    wait_served(3);
    ck_assert_int_eq(log_.most, 3);
    open_gate(-1);
    wait_served(9);
    runners_remove(r, &a.guest);
    runners_free(r);
    ck_assert_int_eq(log_.most, 3);
}
END_TEST

START_TEST(work_that_comes_later_is_found)
{
    struct runners *r = runners_create(2, STACK);
    struct party a = { .name = 'a', .items = 1 };
    open_gate(-1);
    runners_add(r, &a.guest, &ops);
    wait_served(1);
    a.items = 1;
    runners_wake(r);
    wait_served(2);
    runners_remove(r, &a.guest);
    runners_free(r);
}
END_TEST

struct removal {
    struct runners *runners;
    struct guest *guest;
    atomic_bool done;
};

static void *remove_guest(void *arg)
{
    struct removal *m = arg;
    runners_remove(m->runners, m->guest);
    m->done = true;
    return NULL;
}

/* Until rounds pass in which only the other is asked. The first of two may have asked gone before this looked. */
static void wait_off_the_list(struct runners *r, struct party *gone, struct party *other)
{
    int of_gone;
    do {
        int of_other = other->asked;
        of_gone = gone->asked;
        while (other->asked < of_other + 2) {
            runners_wake(r);
            usleep(100);
        }
    } while (gone->asked != of_gone);
}

START_TEST(a_removed_guest_is_left_alone)
{
    struct runners *r = runners_create(2, STACK); /* one is held by the gate, the other asks */
    struct party a = { .name = 'a', .items = 1 }, b = { .name = 'b' };
    struct removal m = { r, &a.guest, false };
    pthread_t t;
    open_gate(0);
    runners_add(r, &a.guest, &ops);
    wait_served(1);
    runners_add(r, &b.guest, &ops);
    ck_assert_int_eq(pthread_create(&t, NULL, remove_guest, &m), 0);
    wait_off_the_list(r, &a, &b);
    ck_assert_msg(!m.done, "the removal does not wait for the item at work");
    a.items = 5;
    b.items = 1;
    open_gate(-1);
    runners_wake(r);
    pthread_join(t, NULL);
    wait_served(2);
    runners_remove(r, &b.guest);
    runners_free(r);
    ck_assert_str_eq(log_.served, "ab");
}
END_TEST

START_TEST(stopping_lets_work_end_and_takes_no_more)
{
    struct runners *r = runners_create(1, STACK);
    struct party a = { .name = 'a', .items = 5 };
    open_gate(0);
    runners_add(r, &a.guest, &ops);
    wait_served(1);
    runners_stop(r);
    open_gate(-1);
    runners_remove(r, &a.guest);
    runners_free(r);
    ck_assert_str_eq(log_.served, "a");
    ck_assert_int_eq(a.items, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runners");
    TCase *t = tcase_create("runners");
    tcase_add_test(t, guests_are_served_in_turn);
    tcase_add_test(t, one_guest_may_use_every_thread);
    tcase_add_test(t, work_that_comes_later_is_found);
    tcase_add_test(t, a_removed_guest_is_left_alone);
    tcase_add_test(t, stopping_lets_work_end_and_takes_no_more);
    suite_add_tcase(s, t);
    return run_suite(s);
}
