/* pixpool upgrade: tells the running service to become the binary that is installed now.
 *
 * Whom to tell is asked of the listening socket: the kernel knows who made it. That works for unix sockets of our own
 * making; for TCP, and for sockets that systemd made, the message says how to do it by hand. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"

/* The process that listens at path, or -1. */
static pid_t listener_of(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct ucred who = { .pid = -1 };
    socklen_t n = sizeof who;
    if (strlen(path) >= sizeof a.sun_path)
        return -1;
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        who.pid = -1;
    if (fd >= 0)
        close(fd);
    return who.pid;
}

/* Whether it is a spawner, and not for instance systemd, which would take the signal for something else. */
static bool is_spawner(pid_t pid)
{
    char name[40], text[32] = "";
    snprintf(name, sizeof name, "/proc/%d/comm", (int)pid);
    FILE *f = fopen(name, "re");
    bool read = f && fgets(text, sizeof text, f);
    if (f)
        fclose(f);
    return read && strncmp(text, "pixpool-spawner", 15) == 0;
}

int cmd_upgrade(int argc, char **argv)
{
    struct cmd_words words = { .keys = 0 };
    struct config c;
    enum cmd_status status;
    if ((status = cmd_words_only(&words, argc, argv)) != CMD_OK || (status = cmd_configure(&c, &words)) != CMD_OK)
        return status;
    bool local = strncmp(c.listen, "unix:", 5) == 0;
    pid_t pid = local ? listener_of(c.listen + 5) : -1;
    if (pid <= 0 || !is_spawner(pid)) {
        cmd_complain("no pixpool that could be asked listens at %s; kill -USR2 the process that ps calls "
                     "\"pixpool: spawner\"",
                     c.listen);
        status = CMD_FAILED;
    } else if (kill(pid, SIGUSR2) < 0) {
        cmd_complain("process %d: %s", (int)pid, strerror(errno));
        status = CMD_FAILED;
    } else {
        printf("asked process %d to upgrade; its log says what came of it\n", (int)pid);
    }
    config_free(&c);
    return status;
}
