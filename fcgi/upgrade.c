/* SIGUSR2: the spawner becomes the binary that now lies where it was started from, and keeps its pid, its children and
 * its listening socket.
 *
 *     trial: fork, exec BINARY --print-config WORDS   fails, or does not end: the old one goes on
 *     exec BINARY WORDS, PIXPOOL_ADOPT in the environment: the socket, living gateways and their workers
 *     the new one starts its own generation; once that serves, the adopted ones drain
 *
 * exec in place and not a second first process beside it: a service manager watches one pid, and children have one
 * parent that may reap them. The trial is there because after exec there is no way back. The ledger goes along, so that
 * one memory_limit holds for the old and the new; numbers of /metrics begin anew, since the new binary may count other
 * things. */
#include "spawner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define UPGRADE_ENV      "PIXPOOL_ADOPT"
#define UPGRADE_TRIAL_MS 10000
#define UPGRADE_WORDS    300

extern char **environ;

/* The trial. */

_Noreturn static void be_trial(const struct spawner_source *source)
{
    char *words[UPGRADE_WORDS] = { (char *)source->exe, "--print-config" };
    int n = 2, null = open("/dev/null", O_RDWR);
    for (int i = 2; source->argv[0] && source->argv[1] && source->argv[i] && n < UPGRADE_WORDS - 1; i++)
        words[n++] = source->argv[i]; /* what followed "serve" */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execv(source->exe, words);
    _exit(127);
}

void upgrade_begin(struct spawner *s)
{
    if (s->trial || s->stopping)
        return;
    fflush(NULL);
    s->trial = fork();
    if (s->trial == 0)
        be_trial(s->source);
    if (s->trial < 0) {
        log_line(LOG_LV_ERROR, "event=upgrade error=\"fork: %s\"", strerror(errno));
        s->trial = 0;
        return;
    }
    s->trial_ms = clock_ms() + UPGRADE_TRIAL_MS;
    log_line(LOG_LV_INFO, "event=upgrade binary=%s", s->source->exe);
}

void upgrade_expire(struct spawner *s)
{
    if (s->trial && clock_ms() >= s->trial_ms) {
        kill(s->trial, SIGKILL);
        s->trial_ms = clock_ms() + UPGRADE_TRIAL_MS;
    }
}

/* Handing over. */

static void describe_one(FILE *to, const struct generation *g)
{
    if (!g->gateway.pid)
        return;
    fprintf(to, " gateway=%d:%d:%d", (int)g->gateway.pid, g->to_gateway, g->place);
    for (int k = 0; k < g->n; k++)
        if (g->workers[k].pid)
            fprintf(to, " worker=%d", (int)g->workers[k].pid);
}

/* "listen=5 ledger=8 gateway=812:7:0 worker=813 worker=814 gateway=...", of which the last serves: places are used
 * again, so their order says nothing. */
static bool describe(const struct spawner *s, char *text, size_t n)
{
    FILE *to = fmemopen(text, n, "w");
    if (!to)
        return false;
    fprintf(to, "listen=%d ledger=%d", s->listen_fd, ledger_fd());
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && s->all[i] != s->serving)
            describe_one(to, s->all[i]);
    describe_one(to, s->serving);
    return fclose(to) == 0;
}

/* Descriptors that the next binary needs, or (keep false) that no other program is to see. */
static void keep_open(const struct spawner *s, bool keep)
{
    fcntl(s->listen_fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
    fcntl(ledger_fd(), F_SETFD, keep ? 0 : FD_CLOEXEC);
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && s->all[i]->to_gateway >= 0)
            fcntl(s->all[i]->to_gateway, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

static void upgrade_exec(const struct spawner *s)
{
    static char text[65536];
    if (!describe(s, text, sizeof text) || setenv(UPGRADE_ENV, text, 1) != 0) {
        log_line(LOG_LV_ERROR, "event=upgrade error=\"out of memory\"");
        return;
    }
    keep_open(s, true);
    execv(s->source->exe, s->source->argv);
    log_line(LOG_LV_ERROR, "event=upgrade error=\"%s: %s\"", s->source->exe, strerror(errno));
    keep_open(s, false);
    unsetenv(UPGRADE_ENV);
}

bool upgrade_bury(struct spawner *s, pid_t pid, int status)
{
    if (!s->trial || pid != s->trial)
        return false;
    s->trial = 0;
    if (status == 0 && !s->stopping)
        upgrade_exec(s);
    else
        log_line(LOG_LV_ERROR, "event=upgrade error=\"%s does not start: the old one goes on\"", s->source->exe);
    return true;
}

/* Taking over. */

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
        n++;
    return n;
}

/* The descriptor of that name; -1: there is none. text may be NULL. */
static int inherited(const char *text, const char *name)
{
    int fd;
    const char *at = text ? strstr(text, name) : NULL;
    return at && sscanf(at + strlen(name), "=%d", &fd) == 1 ? fd : -1;
}

/* A life that began before this program did. */
static struct life adopted_life(const char *who, pid_t pid)
{
    struct life l = { .pid = pid, .tally = -1, .autogroup = -1, .born_ms = clock_ms() - UPGRADE_TRIAL_MS };
    snprintf(l.who, sizeof l.who, "old %s", who);
    return l;
}

/* One word of the description. Workers follow their gateway. */
static struct generation *adopt_word(struct spawner *s, const struct config *c, struct generation *g, const char *word)
{
    int pid, fd, slot;
    if (sscanf(word, "gateway=%d:%d:%d", &pid, &fd, &slot) == 3) {
        g = generation_create_at(s, slot, c, NULL);
        if (!g)
            return NULL;
        g->n = 0;
        g->adopted = g->ready = true;
        g->to_gateway = fd;
        g->gateway = adopted_life("gateway", pid);
        if (fd >= 0)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        s->serving = g;
    } else if (g && sscanf(word, "worker=%d", &pid) == 1) {
        g->workers[g->n++] = adopted_life("worker", pid);
    }
    return g;
}

void upgrade_adopt(struct spawner *s, const struct config *c)
{
    struct generation *g = NULL;
    char *text = getenv(UPGRADE_ENV) ? strdup(getenv(UPGRADE_ENV)) : NULL, *rest = text;
    unsetenv(UPGRADE_ENV);
    ledger_share(inherited(text, "ledger"));
    if (!text)
        return;
    int workers = count(text, "worker="); /* there may be more than the new configuration has */
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        struct generation *next = adopt_word(s, c, g, word);
        if (next != g && next) {
            struct life *room = calloc((size_t)workers + 1, sizeof *room);
            if (!room)
                break;
            free(next->workers);
            next->workers = room;
        }
        g = next;
    }
    free(text);
    /* All but the last were draining before, or were about to take its place, which is over. */
    for (int i = 0; i < SPAWNER_GENERATIONS; i++)
        if (s->all[i] && s->all[i] != s->serving)
            spawner_retire(s->all[i]);
    log_line(LOG_LV_INFO, "event=upgraded workers=%d", workers);
}

int upgrade_listen_fd(void)
{
    return inherited(getenv(UPGRADE_ENV), "listen");
}
