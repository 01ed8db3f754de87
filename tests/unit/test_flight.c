/* One works, the others get what it got: results, failures of the image, and another turn where the leader failed. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../fcgi/clock.h"
#include "../../fcgi/flight.h"
#include "suite.h"

#define SOON_MS 20000

struct guest {
    pthread_t thread;
    const char *key;
    int client;
    int64_t deadline_ms;
    enum flight_role role;
    struct flight *f;
    struct flight_result got;
};

static void *guest_thread(void *ctx)
{
    struct guest *g = ctx;
    g->role = flight_join(g->key, g->client, g->deadline_ms, &g->f, &g->got);
    return NULL;
}

static void guest_comes(struct guest *g, const char *key, int ms)
{
    *g = (struct guest){ .key = key, .client = g->client, .deadline_ms = clock_ms() + ms };
    ck_assert_int_eq(pthread_create(&g->thread, NULL, guest_thread, g), 0);
}

static struct flight *lead(const char *key)
{
    struct flight *f = NULL;
    struct flight_result none;
    ck_assert_int_eq(flight_join(key, -1, clock_ms() + SOON_MS, &f, &none), FLIGHT_LEADS);
    ck_assert_ptr_nonnull(f);
    return f;
}

static void wait_followed(struct flight *f)
{
    while (!flight_followed(f))
        usleep(200);
    usleep(20000); /* the others too, or they lead a flight of their own: the test says so */
}

START_TEST(followers_get_a_copy_each)
{
    struct guest g[5] = { { .client = -1 }, { .client = -1 }, { .client = -1 }, { .client = -1 }, { .client = -1 } };
    struct flight *f = lead("a");
    for (int i = 0; i < 5; i++)
        guest_comes(&g[i], "a", SOON_MS);
    wait_followed(f);
    uint8_t body[] = "picture";
    flight_land(f, &(struct flight_result){ .told = { .length = sizeof body, .width = 7 }, .body = body });
    for (int i = 0; i < 5; i++) {
        pthread_join(g[i].thread, NULL);
        ck_assert_int_eq(g[i].role, FLIGHT_FOLLOWED);
        ck_assert_uint_eq(g[i].got.told.width, 7);
        ck_assert_ptr_ne(g[i].got.body, body);
        ck_assert_mem_eq(g[i].got.body, body, sizeof body);
        free(g[i].got.body);
    }
    flight_land(lead("a"), NULL); /* the next one leads again */
}
END_TEST

START_TEST(other_keys_fly_alone)
{
    struct flight *a = lead("a"), *b = lead("b");
    ck_assert(!flight_followed(a));
    ck_assert(!flight_followed(NULL));
    flight_land(a, NULL);
    flight_land(b, NULL);
    flight_land(NULL, NULL);
    char key[400];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct flight *f;
    struct flight_result none;
    ck_assert_int_eq(flight_join(key, -1, clock_ms(), &f, &none), FLIGHT_LEADS); /* it would be cut */
    ck_assert_ptr_null(f);
}
END_TEST

static const struct {
    enum ic_code code;
    enum flight_role role;
} ends[] = {
    { IC_E_CORRUPT, FLIGHT_FOLLOWED }, { IC_E_LIMIT, FLIGHT_FOLLOWED }, { IC_E_BUSY, FLIGHT_AGAIN },
    { IC_E_DEADLINE, FLIGHT_AGAIN },   { IC_E_WORKER, FLIGHT_AGAIN },   { IC_E_GONE, FLIGHT_AGAIN },
};

START_TEST(what_was_not_the_images_fault_is_not_shared)
{
    struct guest g = { .client = -1 };
    struct flight *f = lead("a");
    guest_comes(&g, "a", SOON_MS);
    wait_followed(f);
    flight_land(f, &(struct flight_result){ .code = ends[_i].code });
    pthread_join(g.thread, NULL);
    ck_assert_int_eq(g.role, ends[_i].role);
    if (g.role == FLIGHT_FOLLOWED)
        ck_assert_int_eq(g.got.code, ends[_i].code);
}
END_TEST

START_TEST(followers_leave_in_their_own_time)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct guest late = { .client = -1 }, gone = { .client = pair[0] };
    struct flight *f = lead("a");
    guest_comes(&gone, "a", SOON_MS);
    guest_comes(&late, "a", 30);
    pthread_join(late.thread, NULL);
    ck_assert_int_eq(late.role, FLIGHT_LATE);
    close(pair[1]);
    pthread_join(gone.thread, NULL);
    ck_assert_int_eq(gone.role, FLIGHT_GONE);
    ck_assert(!flight_followed(f));
    flight_land(f, NULL);
    close(pair[0]);
}
END_TEST

static atomic_int leaders, at_once;

static void *storm_thread(void *ctx)
{
    unsigned seed = (unsigned)(size_t)ctx;
    for (int i = 0; i < 300; i++) {
        struct flight *f;
        struct flight_result r = { .body = NULL };
        enum flight_role role = flight_join("storm", -1, clock_ms() + rand_r(&seed) % 3, &f, &r);
        if (role == FLIGHT_LEADS) {
            ck_assert_int_eq(atomic_fetch_add(&at_once, 1), 0);
            atomic_fetch_add(&leaders, 1);
            usleep((useconds_t)(rand_r(&seed) % 500));
            atomic_fetch_sub(&at_once, 1);
            uint8_t byte = 42;
            flight_land(f,
                        rand_r(&seed) % 3 ? &(struct flight_result){ .told = { .length = 1 }, .body = &byte } : NULL);
        } else if (role == FLIGHT_FOLLOWED) {
            ck_assert_uint_eq(r.body[0], 42);
        }
        free(r.body);
    }
    return NULL;
}

START_TEST(never_two_at_once)
{
    pthread_t t[8];
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, storm_thread, (void *)(i + 1)), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    ck_assert_int_gt(atomic_load(&leaders), 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flight");
    TCase *t = tcase_create("flight");
    tcase_add_test(t, followers_get_a_copy_each);
    tcase_add_test(t, other_keys_fly_alone);
    tcase_add_loop_test(t, what_was_not_the_images_fault_is_not_shared, 0, sizeof ends / sizeof *ends);
    tcase_add_test(t, followers_leave_in_their_own_time);
    tcase_add_test(t, never_two_at_once);
    suite_add_tcase(s, t);
    return run_suite(s);
}
