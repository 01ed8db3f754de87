/* An HTTP client that does not wait to be ready: requests leave at a fixed rate, whatever became of those before.
 *
 *     openloop --rate 400 --seconds 10 http://127.0.0.1:8080/img/a.jpg?w=800&v=%d
 *     openloop --closed 8 --seconds 10 ...     eight at a time instead, for the capacity
 *
 * A client that waits for answers before it asks again slows down with the server and measures its own patience. One
 * thread and epoll, a connection for each request; %d in the URL becomes the request's number. A request's time begins
 * when it is sent, not when it was due, and ends when the kernel received the last byte of the answer, not when this
 * process got a processor to read it: its own waiting, which on a busy machine may be longer than the server's, is in
 * neither. What it was late by is reported beside it. Prints one JSON object. */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_S 30 /* for answers after the last request */
#define EVENTS  256

struct sample {
    int status;   /* 0: none came */
    bool in_time; /* before the last request was due */
    float ms;
};

struct call {
    int fd, status;
    int64_t sent_us;
    int64_t heard_us; /* when the last of it came */
    size_t seen;      /* bytes of the answer */
    char head[16];
};

static struct {
    struct sockaddr_in to;
    char host[64], path[1024];
    double rate, seconds;
    int closed;
    int epoll, open, next;
    struct sample *samples;
    size_t n, room;
    double late_max_ms;
    int64_t end_us;
    long long bytes;
} bench;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* On the clock of the kernel's time stamps. */
static int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "openloop: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Samples. */

static void note(int status, int64_t us)
{
    if (bench.n == bench.room) {
        bench.room = bench.room ? 2 * bench.room : 4096;
        bench.samples = realloc(bench.samples, bench.room * sizeof *bench.samples);
        if (!bench.samples)
            die("samples");
    }
    bench.samples[bench.n++] = (struct sample){ status, now_us() < bench.end_us, (float)us / 1000 };
}

static int by_ms(const void *a, const void *b)
{
    float x = ((const struct sample *)a)->ms, y = ((const struct sample *)b)->ms;
    return (x > y) - (x < y);
}

/* Of those with this status; samples are sorted. */
static double quantile(int status, size_t count, double q)
{
    size_t rank = (size_t)(q * (double)(count - 1) + 0.5), seen = 0;
    for (size_t i = 0; i < bench.n; i++)
        if (bench.samples[i].status == status && seen++ == rank)
            return (double)bench.samples[i].ms;
    return 0;
}

/* Requests. */

static void finish(struct call *c)
{
    note(c->status, (c->heard_us ? c->heard_us : wall_us()) - c->sent_us);
    close(c->fd);
    free(c);
    bench.open--;
}

/* Connecting to loopback takes no time, and the request fits into the socket. */
static void begin(void)
{
    struct call *c = calloc(1, sizeof *c);
    char path[1100], request[1400];
    const char *number = strstr(bench.path, "%d");
    if (!c)
        die("memory");
    if (number)
        snprintf(path, sizeof path, "%.*s%d%s", (int)(number - bench.path), bench.path, bench.next, number + 2);
    else
        snprintf(path, sizeof path, "%s", bench.path);
    bench.next++;
    int n =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, bench.host);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench.open++;
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){ 1 }, sizeof(int));
    c->sent_us = wall_us();
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = c };
    if (connect(c->fd, (struct sockaddr *)&bench.to, sizeof bench.to) < 0 ||
        send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n || epoll_ctl(bench.epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
        finish(c);
}

/* recv, and when the kernel received the last of it; *us is kept where it does not say. */
static ssize_t recv_stamped(int fd, void *to, size_t size, int64_t *us)
{
    union {
        char space[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr align;
    } control;
    struct iovec part = { to, size };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space
    };
    ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
    for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; c; c = CMSG_NXTHDR(&m, c)) {
        struct timespec t;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        *us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    }
    return n;
}

static void hear(struct call *c)
{
    static char sink[1 << 18];
    ssize_t n = recv_stamped(c->fd, sink, sizeof sink, &c->heard_us);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        finish(c);
        return;
    }
    for (ssize_t i = 0; i < n && c->seen + (size_t)i < sizeof c->head - 1; i++)
        c->head[c->seen + (size_t)i] = sink[i];
    c->seen += (size_t)n;
    bench.bytes += n;
    if (c->seen >= 12)
        c->status = atoi(c->head + 9);
}

/* The loop. SIGTERM ends it early: no further requests, and the answers to those that are out. */

static volatile sig_atomic_t enough;

static void on_term(int n)
{
    (void)n;
    enough = 1;
}

static void begin_due(int64_t start_us, int64_t now)
{
    if (bench.closed) {
        while (bench.open < bench.closed)
            begin();
        return;
    }
    for (;;) {
        double due = (double)start_us + 1e6 * bench.next / bench.rate;
        if (due > (double)now)
            return;
        bench.late_max_ms = fmax(bench.late_max_ms, ((double)now - due) / 1000);
        begin();
    }
}

static void run(void)
{
    struct epoll_event ev[EVENTS];
    int64_t start = now_us(), end = start + (int64_t)(bench.seconds * 1e6);
    bench.end_us = end;
    for (int64_t now = start; now < end || (bench.open > 0 && now < end + DRAIN_S * 1000000LL); now = now_us()) {
        if (enough && now < end)
            bench.end_us = end = now;
        if (now < end)
            begin_due(start, now);
        int n = epoll_wait(bench.epoll, ev, EVENTS, 1);
        for (int i = 0; i < n; i++)
            hear(ev[i].data.ptr);
    }
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void print_status(int status, const char *before)
{
    size_t count = 0, in_time = 0;
    for (size_t i = 0; i < bench.n; i++) {
        count += bench.samples[i].status == status;
        in_time += bench.samples[i].status == status && bench.samples[i].in_time;
    }
    printf("%s\"%d\": {\"n\": %zu, \"in_time\": %zu, \"p50_ms\": %.2f, \"p90_ms\": %.2f, \"p99_ms\": %.2f, "
           "\"max_ms\": %.2f}",
           before, status, count, in_time, quantile(status, count, 0.5), quantile(status, count, 0.9),
           quantile(status, count, 0.99), quantile(status, count, 1));
}

static void print(void)
{
    bool done[1000] = { false };
    const char *before = "";
    qsort(bench.samples, bench.n, sizeof *bench.samples, by_ms);
    printf("{\"sent\": %d, \"unanswered\": %d, \"seconds\": %.1f, \"bytes\": %lld, \"client_cpu_s\": %.2f, "
           "\"late_max_ms\": %.1f, \"status\": {",
           bench.next, bench.open, bench.seconds, bench.bytes, cpu_s(), bench.late_max_ms);
    for (size_t i = 0; i < bench.n; i++) {
        int status = bench.samples[i].status < 1000 ? bench.samples[i].status : 0;
        if (done[status])
            continue;
        done[status] = true;
        print_status(status, before);
        before = ", ";
    }
    puts("}}");
}

static bool parse_url(const char *url)
{
    int port = 80;
    char host[64];
    if (sscanf(url, "http://%63[0-9.]:%d%1023s", host, &port, bench.path) != 3)
        return false;
    bench.to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    bench.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* 127.0.0.1: nobody else is to be loaded */
    snprintf(bench.host, sizeof bench.host, "%s", host);
    return true;
}

int main(int argc, char **argv)
{
    const char *url = NULL;
    bench.rate = 100;
    bench.seconds = 5;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rate") == 0 && i + 1 < argc)
            bench.rate = atof(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            bench.seconds = atof(argv[++i]);
        else if (strcmp(argv[i], "--closed") == 0 && i + 1 < argc)
            bench.closed = atoi(argv[++i]);
        else
            url = argv[i];
    }
    if (!url || !parse_url(url) || bench.rate <= 0) {
        fputs("usage: openloop [--rate N | --closed N] [--seconds S] http://127.0.0.1:PORT/PATH\n", stderr);
        return 2;
    }
    struct rlimit files = { 60000, 60000 };
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        getrlimit(RLIMIT_NOFILE, &files); /* as many as there are */
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGTERM, on_term);
    run();
    print();
    return 0;
}
