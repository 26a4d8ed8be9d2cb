/* sim/record_child.c: runs a process, waits for it, and takes signals meanwhile (see record.h). */
#define _GNU_SOURCE
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The signals that the waiter takes. */
static void fill(sigset_t *set)
{
    static const int taken[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(set, taken[i]);
}

static void ring(struct record_child *child)
{
    __atomic_store_n(&child->ended, 1, __ATOMIC_RELEASE);
    if (!child->bell)
        return;
    __atomic_fetch_add(child->bell, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, child->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void *wait_for(void *ctx)
{
    struct record_child *child = ctx;
    sigset_t set;
    double last = 0;
    fill(&set);
    for (;;) {
        siginfo_t info;
        int signal = sigwaitinfo(&set, &info);
        if (signal == SIGCHLD && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
            ring(child);
            return NULL;
        }
        if (signal < 0 || signal == SIGCHLD)
            continue;
        double now = progress_seconds();
        bool again = last > 0 && now - last < 1.0;
        last = now;
        if (again)
            kill(child->pid, SIGKILL);
        else if (info.si_code != SI_KERNEL) /* the terminal tells the program itself */
            kill(child->pid, signal);
    }
}

/* In the new process. Tells the parent why it could not. */
static _Noreturn void become(const struct record_child *child, const char *path, char *const *argv, int keep,
                             int tell)
{
    if (keep >= 0)
        fcntl(keep, F_SETFD, 0);
    pthread_sigmask(SIG_SETMASK, &child->old, NULL);
    signal(SIGXFSZ, SIG_DFL); /* see trace_record() */
    execv(path, argv);
    int why = errno;
    if (write(tell, &why, sizeof why) < 0)
        _exit(127);
    _exit(127);
}

int record_child_start(struct record_child *child, const char *path, char *const *argv, int keep,
                       uint32_t *bell)
{
    sigset_t set;
    int told[2], why = 0;
    *child = (struct record_child){.bell = bell};
    if (pipe2(told, O_CLOEXEC))
        return cli_error("cannot make a pipe: %s", strerror(errno));
    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, &child->old);
    child->pid = fork();
    if (!child->pid)
        become(child, path, argv, keep, told[1]);
    if (child->pid < 0)
        why = errno;
    close(told[1]);
    if (child->pid > 0 && read(told[0], &why, sizeof why) == sizeof why)
        waitpid(child->pid, NULL, 0);
    close(told[0]);
    if (!why && !(why = pthread_create(&child->waiter, NULL, wait_for, child)))
        return CLI_GO;
    pthread_sigmask(SIG_SETMASK, &child->old, NULL);
    return cli_error("%s: cannot run: %s", path, strerror(why));
}

bool record_child_ended(struct record_child *child)
{
    return __atomic_load_n(&child->ended, __ATOMIC_ACQUIRE);
}

int record_child_finish(struct record_child *child)
{
    pthread_join(child->waiter, NULL);
    /* The signals stay blocked: what comes now must not cost the file that is nearly done. */
    return WIFSIGNALED(child->status) ? 128 + WTERMSIG(child->status) : WEXITSTATUS(child->status);
}
