/*
 * sim/plugin/quiet.c: see record_plugin_quiet.h. The program writes to the file descriptor by system calls;
 * QEMU writes to the C library's stream, in the same process, which is another one from then on.
 */
#define _GNU_SOURCE
#include "record_plugin_quiet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t write_others(void *cookie, const char *text, size_t n)
{
    static const char ended[] = "qemu: uncaught target signal ";
    size_t length = sizeof ended - 1, done = 0;
    (void)cookie;
    if (n > length && !memcmp(text, ended, length))
        return (ssize_t)n;
    while (done < n) {
        ssize_t now = write(STDERR_FILENO, text + done, n - done);
        if (now < 0 && errno != EINTR)
            break;
        done += now > 0 ? (size_t)now : 0;
    }
    return (ssize_t)done;
}

void quiet_begin(void)
{
    FILE *file = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_others});
    if (!file)
        return;
    setvbuf(file, NULL, _IONBF, 0); /* a message is one write, also where no newline ends it */
    stderr = file;
}
