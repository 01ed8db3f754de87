/* One job and everything that can become of it, with workers that do as they are told. */
#include "nursery.h"
#include "suite.h"

#include <fcntl.h>
#include <stdio.h>

static struct nursery n;

static void open_one(void)
{
    memset(&n, 0, sizeof n);
    nursery_open(&n, 1);
}

static void close_all(void)
{
    nursery_close(&n);
}

static bool dead(pid_t pid)
{
    int64_t limit = clock_ms() + 1000;
    while (kill(pid, 0) == 0 && clock_ms() < limit)
        usleep(500);
    return kill(pid, 0) < 0;
}

/* The state letter that /proc shows, R, S, T... */
static char state(pid_t pid)
{
    char name[40], text[200] = "";
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    int fd = open(name, O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        return '?';
    close(fd);
    char *end = strrchr(text, ')');
    return end ? end[2] : '?';
}

static void wait_waiting(int waiting)
{
    int64_t limit = clock_ms() + 2000;
    while (pool_state(n.pool).waiting != waiting && clock_ms() < limit)
        usleep(200);
    ck_assert_int_eq(pool_state(n.pool).waiting, waiting);
}

START_TEST(input_goes_in_and_output_comes_out)
{
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    ck_assert_int_eq(errand_run(&r), IC_OK);
    ck_assert_int_eq(r.emitted, 1);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_int_eq(r.job.worker, 0);
    ck_assert(r.job.queue_ms >= 0 && r.job.work_ms > 0);
    ck_assert_int_eq(errand_copy(&n), r.pid); /* the worker stays */
}
END_TEST

START_TEST(every_output_arrives_once)
{
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    r.job.job.outputs = JOB_OUTPUTS;
    ck_assert_int_eq(errand_run(&r), IC_OK);
    ck_assert_int_eq(r.emitted, JOB_OUTPUTS);
    ck_assert_int_eq(r.wrong, 0);
}
END_TEST

static int file_with(const uint8_t *p, size_t size)
{
    char name[] = "/tmp/test_pool.XXXXXX";
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    unlink(name);
    ck_assert_int_eq(write(fd, p, size), (ssize_t)size);
    return fd;
}

static size_t second_at;
static uint8_t second_byte;

static void keep_second(void *ctx, const struct job_output *o, const uint8_t *data)
{
    struct errand *r = ctx;
    second_at = o->length - r->job.in[1].n;
    second_byte = data[second_at];
    errand_emit(ctx, o, data);
}

START_TEST(inputs_are_aligned_and_may_come_from_files)
{
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    uint8_t mark = 99;
    r.job.job.inputs = 2;
    r.job.in[0] = (struct pool_input){ .fd = file_with(r.in, sizeof r.in), .n = sizeof r.in };
    r.job.in[1] = (struct pool_input){ .p = &mark, .n = 1 };
    r.job.emit = keep_second;
    ck_assert_msg(errand_run(&r) == IC_OK, "%s", r.e.text);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_uint_eq(second_at, 256); /* 200 bytes before it, then the next multiple of 64 */
    ck_assert_uint_eq(second_byte, 99);
    close(r.job.in[0].fd);
}
END_TEST

START_TEST(a_source_that_shrank_is_corrupt_and_costs_no_worker)
{
    pid_t before = errand_copy(&n);
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    r.job.in[0] = (struct pool_input){ .fd = file_with(r.in, 150), .n = 200 };
    ck_assert_int_eq(errand_run(&r), IC_E_CORRUPT);
    ck_assert_int_eq(r.e.code, IC_E_CORRUPT);
    ck_assert_int_eq(r.emitted, 0);
    close(r.job.in[0].fd);
    ck_assert_int_eq(errand_copy(&n), before);
}
END_TEST

START_TEST(a_source_beyond_the_mailbox_is_a_limit)
{
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 3000);
    r.job.in[0].n = config_input_size(&n.c) + 1;
    ck_assert_int_eq(errand_run(&r), IC_E_LIMIT);
    r.job.job.inputs = 2;
    r.job.in[0].n = config_input_size(&n.c);
    r.job.in[1] = (struct pool_input){ .p = r.in, .n = 1 };
    ck_assert_int_eq(errand_run(&r), IC_E_LIMIT);
    r.job.in[1].n = SIZE_MAX; /* a sum that wraps */
    ck_assert_int_eq(errand_run(&r), IC_E_LIMIT);
    ck_assert_int_eq(r.job.worker, -1);
}
END_TEST

START_TEST(the_workers_own_failure_is_passed_on)
{
    struct errand r;
    pid_t before = errand_copy(&n);
    errand_init(&r, &n, ACT_FAIL, 3000);
    ck_assert_int_eq(errand_run(&r), IC_E_CORRUPT);
    ck_assert_str_eq(r.e.text, "broken");
    ck_assert_int_eq(r.emitted, 0);
    ck_assert_int_eq(errand_copy(&n), before);
}
END_TEST

START_TEST(a_death_costs_one_request)
{
    struct errand r;
    for (int i = 0; i < 20; i++) {
        errand_init(&r, &n, ACT_DIE, 3000);
        ck_assert_int_eq(errand_run(&r), IC_E_WORKER);
        ck_assert_int_eq(r.emitted, 0);
        errand_copy(&n); /* waits for the next birth */
    }
    errand_init(&r, &n, ACT_DIE_HALFWAY, 3000);
    r.job.job.outputs = 2;
    ck_assert_int_eq(errand_run(&r), IC_E_WORKER);
    ck_assert_int_eq(r.emitted, 1); /* what came before stays valid */
    ck_assert_int_eq(r.wrong, 0);
}
END_TEST

START_TEST(a_job_past_its_deadline_is_killed)
{
    pid_t before = errand_copy(&n);
    struct errand r;
    errand_init(&r, &n, ACT_HANG, 100);
    int64_t start = clock_ms();
    ck_assert_int_eq(errand_run(&r), IC_E_DEADLINE);
    ck_assert_int_ge(clock_ms() - start, 99);
    ck_assert_int_lt(clock_ms() - start, 1000);
    ck_assert(dead(before));
    ck_assert_int_ne(errand_copy(&n), before);
}
END_TEST

START_TEST(nonsense_is_not_believed)
{
    for (int lie = 0; lie < NURSERY_LIES; lie++) {
        pid_t before = errand_copy(&n);
        struct errand r;
        errand_init(&r, &n, ACT_LIE, 2000);
        r.job.job.recipe[0].effort = lie;
        ck_assert_msg(errand_run(&r) == IC_E_WORKER, "lie %d: %s", lie, ic_code_name(r.code));
        ck_assert_msg(r.emitted == 0, "lie %d", lie);
        ck_assert_msg(dead(before), "lie %d", lie);
    }
}
END_TEST

START_TEST(a_leaving_client_frees_a_worker_and_a_place)
{
    int worked[2], waited[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, worked), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, waited), 0);
    pid_t before = errand_copy(&n);
    struct errand a, b;
    errand_init(&a, &n, ACT_HANG, 5000);
    a.job.client = worked[0];
    errand_start(&a);
    nursery_wait_idle(&n, 0);
    errand_init(&b, &n, ACT_COPY, 5000);
    b.job.client = waited[0];
    errand_start(&b);
    wait_waiting(1);
    close(waited[1]);
    ck_assert_int_eq(errand_join(&b), IC_E_GONE);
    wait_waiting(0);
    ck_assert_int_eq(b.job.worker, -1);
    close(worked[1]);
    ck_assert_int_eq(errand_join(&a), IC_E_GONE);
    ck_assert(dead(before));
    errand_copy(&n);
    close(waited[0]);
    close(worked[0]);
}
END_TEST

/* What a worker is left to finish, and what it is killed for, by what is left of the prediction. */
static const struct {
    double cost_ms;
    bool lives;
} left_behind[] = { { 45, true }, { 5000, false } };

START_TEST(a_worker_that_is_nearly_done_is_left_to_it)
{
    int client[2];
    struct errand r;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    pid_t before = errand_copy(&n);
    errand_init(&r, &n, ACT_NAP, 5000);
    r.job.job.recipe[0].effort = 20;
    r.job.forecast = (struct pool_forecast){ left_behind[_i].cost_ms, IC_FORMAT_JPEG, IC_FORMAT_JPEG };
    r.job.client = client[0];
    close(client[1]);
    ck_assert_int_eq(errand_run(&r), IC_E_GONE);
    ck_assert_int_eq(r.emitted, 0); /* nobody is there to take it */
    ck_assert_int_eq(errand_copy(&n) == before, left_behind[_i].lives);
    close(client[0]);
}
END_TEST

/* As jobs are cancelled: a pipe hangs up when its other end is closed. */
START_TEST(a_pipe_cancels_as_well)
{
    int ends[2];
    struct errand r;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t before = errand_copy(&n);
    errand_init(&r, &n, ACT_HANG, 20000);
    r.job.client = ends[0];
    errand_start(&r);
    nursery_wait_idle(&n, 0);
    close(ends[1]);
    ck_assert_int_eq(errand_join(&r), IC_E_GONE);
    ck_assert(dead(before));
    close(ends[0]);
}
END_TEST

static bool wanted(void *ctx)
{
    (void)ctx;
    return true;
}

START_TEST(what_others_want_goes_on_without_its_client)
{
    int client[2];
    struct errand r;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    errand_init(&r, &n, ACT_NAP, 5000);
    r.job.job.recipe[0].effort = 20;
    r.job.client = client[0];
    r.job.wanted = wanted;
    close(client[1]);
    ck_assert_int_eq(errand_run(&r), IC_OK);
    ck_assert_int_eq(r.emitted, 1);
    close(client[0]);
}
END_TEST

START_TEST(waiting_past_the_deadline_is_busy)
{
    struct errand a, b;
    errand_init(&a, &n, ACT_NAP, 5000);
    a.job.job.recipe[0].effort = 300;
    errand_start(&a);
    nursery_wait_idle(&n, 0);
    errand_init(&b, &n, ACT_COPY, 50);
    ck_assert_int_eq(errand_run(&b), IC_E_BUSY);
    ck_assert_int_ge(b.job.retry_after_s, 1);
    ck_assert(b.job.queue_ms >= 45);
    ck_assert_int_eq(pool_state(n.pool).waiting, 0);
    ck_assert_int_eq(errand_join(&a), IC_OK);
    errand_init(&b, &n, ACT_COPY, -1); /* there is a worker, but no time */
    ck_assert_int_eq(errand_run(&b), IC_E_BUSY);
    errand_copy(&n);
}
END_TEST

/* A worker is free in time, but not for all of it. */
START_TEST(waited_too_long_to_be_done_in_time_is_busy)
{
    int client[2];
    struct errand a, b;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
    errand_init(&a, &n, ACT_HANG, 20000);
    a.job.client = client[0];
    errand_start(&a);
    nursery_wait_idle(&n, 0);
    errand_init(&b, &n, ACT_HANG, 20000);
    b.job.forecast = (struct pool_forecast){ 60000, IC_FORMAT_WEBP, IC_FORMAT_WEBP };
    errand_start(&b);
    wait_waiting(1);
    usleep(120000); /* who has hardly waited is given the chance */
    close(client[1]);
    ck_assert_int_eq(errand_join(&a), IC_E_GONE);
    ck_assert_int_eq(errand_join(&b), IC_E_BUSY);
    ck_assert_int_ge(b.job.retry_after_s, 1);
    ck_assert_int_eq(b.job.worker, -1);
    errand_copy(&n);
    errand_init(&b, &n, ACT_COPY, 20000);
    b.job.forecast = (struct pool_forecast){ 60000, IC_FORMAT_WEBP, IC_FORMAT_WEBP };
    ck_assert_int_eq(errand_run(&b), IC_OK);
    close(client[0]);
}
END_TEST

START_TEST(death_in_idleness_is_nobodys_loss)
{
    struct errand r;
    for (int i = 0; i < 60; i++) {
        errand_init(&r, &n, i % 2 ? ACT_RUN_AWAY : ACT_COPY, 3000);
        ck_assert_msg(errand_run(&r) == IC_OK, "%s", r.e.text);
        if (i % 2) /* the next errand may find it alive, dying, dead, or replaced */
            usleep(i % 3 ? 0 : 2000);
        else if (kill(r.pid, SIGKILL) == 0) /* dying is not enough: on its way to its end it may still read a job */
            ck_assert(dead(r.pid));
    }
}
END_TEST

START_TEST(a_worker_that_speaks_unasked_is_killed)
{
    struct errand r;
    errand_init(&r, &n, ACT_CHATTER, 3000);
    ck_assert_int_eq(errand_run(&r), IC_OK);
    usleep(20000); /* the second answer lies there */
    ck_assert_int_ne(errand_copy(&n), r.pid);
    ck_assert(dead(r.pid));
}
END_TEST

START_TEST(a_job_that_was_never_read_goes_to_another)
{
    pid_t before = errand_copy(&n);
    kill(before, SIGSTOP);
    while (state(before) != 'T') /* until then it may still read */
        usleep(100);
    struct errand r;
    errand_init(&r, &n, ACT_COPY, 5000);
    errand_start(&r);
    nursery_wait_idle(&n, 0);
    usleep(20000); /* the job lies in its socket */
    kill(before, SIGKILL);
    ck_assert_msg(errand_join(&r) == IC_OK, "%s", r.e.text);
    ck_assert_int_ne(r.pid, before);
    ck_assert_int_eq(r.wrong, 0);
}
END_TEST

START_TEST(nothing_of_the_dead_stays_open)
{
    errand_copy(&n);
    nursery_wait_idle(&n, 1);
    int before = open_descriptors();
    for (int i = 0; i < 30; i++) {
        struct errand r;
        errand_init(&r, &n, i % 3 == 0 ? ACT_DIE : i % 3 == 1 ? ACT_HANG : ACT_LIE, 20);
        errand_run(&r);
        nursery_wait_idle(&n, 1);
    }
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

START_TEST(inline_jobs_run_behind_the_same_door)
{
    struct config c = { .workers = 0,
                        .cmyk_profile = "",
                        .queue = 2,
                        .max_body = 1 << 20,
                        .max_result = 1 << 20,
                        .worker_memory = 64 << 20,
                        .memory_limit = 256 << 20,
                        .deadline_ms = 10000,
                        .max_pixels_in = 1000000,
                        .max_side_in = 1000,
                        .max_side_out = 1000,
                        .worker_jobs = 1 };
    struct nursery here = { .c = c };
    ic_init();
    here.pool = pool_create(&c);
    ck_assert_ptr_nonnull(here.pool);
    for (int i = 0; i < 3; i++) { /* it is not replaced */
        struct errand r;
        errand_init(&r, &here, ACT_COPY, 3000);
        ic_recipe_init(&r.job.job.recipe[0]);
        memcpy(r.in, "not an image", 12);
        ck_assert_int_eq(errand_run(&r), IC_E_FORMAT);
        ck_assert_int_gt((int)strlen(r.e.text), 0);
        ck_assert_int_eq(r.job.worker, 0);
    }
    ck_assert_int_eq(pool_state(here.pool).idle, 1);
    pool_free(here.pool);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pool_run");
    TCase *t = tcase_create("one worker");
    tcase_add_checked_fixture(t, open_one, close_all);
    tcase_add_test(t, input_goes_in_and_output_comes_out);
    tcase_add_test(t, every_output_arrives_once);
    tcase_add_test(t, inputs_are_aligned_and_may_come_from_files);
    tcase_add_test(t, a_source_that_shrank_is_corrupt_and_costs_no_worker);
    tcase_add_test(t, a_source_beyond_the_mailbox_is_a_limit);
    tcase_add_test(t, the_workers_own_failure_is_passed_on);
    tcase_add_test(t, a_death_costs_one_request);
    tcase_add_test(t, a_job_past_its_deadline_is_killed);
    tcase_add_test(t, nonsense_is_not_believed);
    tcase_add_test(t, a_leaving_client_frees_a_worker_and_a_place);
    tcase_add_loop_test(t, a_worker_that_is_nearly_done_is_left_to_it, 0, 2);
    tcase_add_test(t, a_pipe_cancels_as_well);
    tcase_add_test(t, what_others_want_goes_on_without_its_client);
    tcase_add_test(t, waiting_past_the_deadline_is_busy);
    tcase_add_test(t, waited_too_long_to_be_done_in_time_is_busy);
    tcase_add_test(t, death_in_idleness_is_nobodys_loss);
    tcase_add_test(t, a_worker_that_speaks_unasked_is_killed);
    tcase_add_test(t, a_job_that_was_never_read_goes_to_another);
    tcase_add_test(t, nothing_of_the_dead_stays_open);
    suite_add_tcase(s, t);
    t = tcase_create("no worker");
    tcase_add_test(t, inline_jobs_run_behind_the_same_door);
    suite_add_tcase(s, t);
    return run_suite(s);
}
